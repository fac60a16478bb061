"""Does ScalingFilter's factor come to work as models and tokens grow, where the larger model does predict better?

    python bench/labelled_growth.py                 in runs/labelled_growth; writes the result
    python bench/labelled_growth.py --work DIR      there
    python bench/labelled_growth.py --small         a quick look with few documents and tokens, which writes no result

Beside `labelled_full.py`, in which every larger model lost more than the smaller ones: its factor measured nothing that
the method is about. What is measured here, and why the settings are these, stands in `recipes/labelled_growth.yaml`,
written before the first run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import labelled
import labelled_full as full
import labelled_scores as judge
import labelled_split
from measure import at_least, must, result, save
from vernier.core.run import Run

RECIPE = labelled.ROOT / "recipes" / "labelled_growth.yaml"
WORK = labelled.ROOT / "runs" / "labelled_growth"


def losses(done: Run) -> list[dict[str, Any]]:
    """Of each length of training the mean loss of each size on the sample, nat per token."""
    rows: list[dict[str, Any]] = []
    for length in full.LENGTHS:
        row: dict[str, Any] = {"tokens": done.artifact(f"small_{length}").facts["tokens"]}
        for size in full.SIZES:
            found = judge.score(done, "sample", "low_loss", (f"sample_{size}_{length}",))
            known = [-value for value in found.values() if math.isfinite(value)]
            row[size] = math.fsum(known) / len(known)
        rows.append(row)
    return rows


def order(rows: Sequence[Mapping[str, float]]) -> float:
    """The smallest gain of a larger model over a smaller one, over all lengths, nat per token."""
    return min(row[a] - row[b] for row in rows for a, b in combinations(full.SIZES, 2))


def against_chance(rows: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """At how many of the lengths each pair tells high from low, and whether the longest training does it better."""
    for what in judge.DOCUMENTS:
        for pair in dict.fromkeys(row["pair"] for row in rows):
            mine = [row["auc"] for row in rows if (row["documents"], row["pair"]) == (what, pair)]
            yield {
                "documents": what,
                "pair": pair,
                "above_chance": f"{sum(auc['low'] > 0.5 for auc in mine)} of {len(mine)}",
                "below_chance": f"{sum(auc['high'] < 0.5 for auc in mine)} of {len(mine)}",
                "grows": "yes" if mine[-1]["low"] > mine[0]["high"] else "not shown",
            }


def report(work: Path, counts: Mapping[str, int], small: bool) -> None:
    done, wall, peak = full.work_through(work, RECIPE, ())
    labels = {row["id"]: row for row in labelled_split.records(work / labelled_split.LABELS)}
    grown, by_size = list(full.growth(done, labels)), losses(done)
    plain = {name: (name, ("surface_sample",)) for name in full.TRIVIAL}
    trivial = [
        {"documents": row["documents"], "score": row["score"], "auc": full.span(row, "auc")}
        for row in judge.rows(judge.scores(done, "sample", plain), labels)
    ]
    tables = {
        "Does the larger model lose less?": by_size,
        "Does the factor tell high quality from low?": grown,
        "Above chance, and growing?": list(against_chance(grown)),
        "The trivial scores": trivial,
    }
    found = result(
        "labelled_growth",
        "Does ScalingFilter's factor come to work as models and tokens grow?",
        [],
        [
            at_least("whatever the length, a larger model loses less: smallest gain", order(by_size), 0.0, "nat/token"),
            must("the whole recipe on two cores: wall", wall, labelled.LIMIT_S, "s"),
        ],
        seeds=[0],
        wall_s=round(wall),
        peak_bytes=peak,
        documents=dict(counts),
        tables=tables,
        charts=full.charts(grown, trivial, "labelled_sizes"),
    )
    save(found, small=small)


def main() -> None:
    work, small = full.asked(__doc__ or "", WORK)
    report(work, full.prepare(work, small, RECIPE), small)


if __name__ == "__main__":
    main()
