"""Two models and the quality of real text: what they tell apart, how that grows, and what training gains by it.

    python bench/labelled_full.py                   in runs/labelled_full; writes the result
    python bench/labelled_full.py --work DIR        there
    python bench/labelled_full.py --small           a quick look with few documents and tokens, which writes no result

What is measured, on what, with which seeds and thresholds stands in `recipes/labelled.yaml`, written before the first
run. A run that was stopped goes on when it is started again; its time counts all parts.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import pyarrow.parquet as pq

import labelled
import labelled_judged
import labelled_scores as judge
import labelled_split
from corpora import data_folder
from measure import result, run, save
from vernier.core.run import Run

RECIPE = labelled.ROOT / "recipes" / "labelled.yaml"
WORK = labelled.ROOT / "runs" / "labelled_full"
# Selections that need no model come first, so that their trainings fill the cores beside the long ones.
FIRST = [("--arm", arm, "--to", "keep") for arm in ("random", "random2", "reference_random")]
SIZES = ("small", "medium", "large")
LENGTHS = (1, 2, 3, 4)  # the trainings of a size, shortest first
TRIVIAL = tuple(judge.TRIVIAL)
SCORES = {  # name: the measure, and the models of tables a and b
    "scalingfilter": ("quality_factor", ("small_3", "large_3")),
    "low_perplexity": ("low_loss", ("large_3",)),
    "contrast": ("excess_loss", ("small_3", "informed")),
}
TOLD = {"contrast": "domains"}
SMALL = 64  # a quick look has so much less, but no less than
LEAST = {"tokens": 2048, "warmup": 512, "documents": 100, "group": 8}
PER_QUALITY_SMALL = 100


def prepare(work: Path, small: bool, recipe: Path = RECIPE) -> dict[str, Any]:
    """The corpora and a recipe in one folder; how many documents each has."""
    data = data_folder()
    if data is None:
        raise SystemExit("this bench needs the development data: set VERNIER_DATA to its folder")
    counts = labelled_split.prepare(data, work)["total"]
    if small:
        labelled_judged.few(work)
    number = PER_QUALITY_SMALL if small else labelled_judged.PER_QUALITY
    judged = labelled_judged.judge(data, work, number)
    text = recipe.read_text(encoding="utf-8")
    (work / recipe.name).write_text(shortened(text) if small else text, encoding="utf-8")
    return {side: numbers["documents"] for side, numbers in counts.items()} | judged


def shortened(recipe: str) -> str:
    """The recipe for a quick look."""

    def less(found: re.Match[str]) -> str:
        floor = LEAST[found[1]]
        return f"{found[1]}: {max(floor, int(found[2]) // SMALL)}"

    return re.sub(r"\b(tokens|warmup|documents|group): (\d+)", less, recipe)


def work_through(work: Path, recipe: Path = RECIPE, first: Sequence[tuple[str, ...]] = FIRST) -> tuple[Run, float, int]:
    """Run the recipe, some of it first; the run, its wall time of all parts in seconds, its peak memory in bytes."""
    peak = 0
    for part in [*first, ()]:
        usage = run([labelled.VERNIER, "run", recipe.name, "--out", "run", "--quiet", *part], cwd=work)
        peak = max(peak, usage.peak_bytes)
    return Run.open(work / "run"), wall_s(work / "run" / "log" / "events.jsonl"), peak


def wall_s(log: Path) -> float:
    """From the first to the last event of each process that worked on the run, added up."""
    spans: dict[tuple[int, int], list[float]] = {}
    part = 0
    for line in log.read_text(encoding="utf-8").split("\n"):
        event = json.loads(line) if line.endswith("}") else {}
        part += event.get("event") == "run"
        if event:
            spans.setdefault((part, event["pid"]), []).append(event["time"])
    return sum(max(times) - min(times) for times in spans.values())


def on(corpus: str, of: Mapping[str, tuple[str, tuple[str, ...]]]) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Scores by the tables that models gave of a corpus, the trivial ones beside them."""
    learned = {name: (by, tuple(f"{corpus}_{model}" for model in models)) for name, (by, models) in of.items()}
    return learned | {name: (name, (f"surface_{corpus}",)) for name in TRIVIAL}


def tells_apart(done: Run, labels: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """AUC of each score, and by how much it is above the best trivial one."""
    found = judge.rows(judge.scores(done, "sample", on("sample", SCORES)), labels)
    rows: list[dict[str, Any]] = []
    for row in found:
        told = TOLD.get(row["score"], "nothing")
        shown = {"documents": row["documents"], "score": row["score"], "told": told, "auc": span(row, "auc")}
        if "above_by" in row:
            best = row["above_best_trivial"].partition("(")[2].rstrip(")")
            shown |= {"best_trivial": best, "minus_best_trivial": row["above_by"]}
            shown["above_it"] = above(row["above_by"])
        rows.append(shown | {"num_high": row["num_high"], "num_low": row["num_low"]})
    return rows


def above(more: Mapping[str, float]) -> str:
    """What the interval of a difference says."""
    if more["value"] <= 0:
        return "no"
    return "yes" if more["low"] > 0 else "not shown"


def corrupted(done: Run, twins: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """The share of pairs in which the clean document scores higher, by kind of corruption."""
    scores = judge.scores(done, "pairs", on("pairs", SCORES))
    rows: list[dict[str, Any]] = []
    for kind in [*sorted({twin["corruption"] for twin in twins}), "all"]:
        of_kind = [twin for twin in twins if kind in ("all", twin["corruption"])]
        row: dict[str, Any] = {"corruption": kind, "pairs": len(of_kind)}
        for name, values in scores.items():
            resampled = judge.in_order(values, of_kind)
            low, high = judge.ends(resampled)
            row[name] = {"value": float(resampled[0]), "low": low, "high": high}
        rows.append(row)
    return rows


def growth(done: Run, labels: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """AUC of ScalingFilter's factor by pair of sizes and training tokens."""
    for a, b in (("small", "medium"), ("small", "large"), ("medium", "large")):
        for length in LENGTHS:
            models = (f"{a}_{length}", f"{b}_{length}")
            facts = [done.artifact(model).facts for model in models]
            scores = judge.scores(done, "sample", on("sample", {"scalingfilter": ("quality_factor", models)}))
            for row in judge.rows(scores, labels):
                if row["score"] == "scalingfilter":
                    yield {
                        "documents": row["documents"],
                        "pair": " / ".join(f"{one['parameters'] / 1e6:.1f}M" for one in facts),
                        "tokens": facts[0]["tokens"],
                        "auc": span(row, "auc"),
                        "training_losses": [one["final_loss"] for one in facts],
                    }


def charts(
    rows: Sequence[Mapping[str, Any]], apart: Sequence[Mapping[str, Any]], name: str = "labelled"
) -> list[dict[str, Any]]:
    """What `make_results.py` draws of the growth: a chart for each set of documents."""
    found: list[dict[str, Any]] = []
    for what, end in zip(judge.DOCUMENTS, ("", "_people"), strict=True):
        file = f"{name}_growth{end}.svg"
        lines: dict[str, list[list[float]]] = {}
        for row in rows:
            if row["documents"] == what:
                lines.setdefault(row["pair"], []).append([row["tokens"], *row["auc"].values()])
        best = max(
            (row for row in apart if row["documents"] == what and row["score"] in TRIVIAL),
            key=lambda row: row["auc"]["value"],
        )
        levels = {"chance": 0.5, best["score"]: best["auc"]["value"]}
        title = f"ScalingFilter's factor: {what}"
        found.append(
            {"file": file, "title": title, "x": "training tokens", "y": "AUC", "lines": lines, "levels": levels}
        )
    return found


def arms(done: Run, comparison: Mapping[str, Any], losses: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each arm and rung: what it was told, its losses, its difference from random, what it is worth, its diversity."""
    told = comparison["evaluations"][labelled.TEST]
    seeds = done.recipe["seeds"]["values"]
    rows: list[dict[str, Any]] = []
    for row in losses:
        arm = row["arm"]
        one = told["arms"].get(arm)
        shown: dict[str, Any] = {"arm": arm, "told": "; ".join(one["told"]) or "nothing" if one else "nothing"}
        shown["bits_per_byte"] = [row[f"seed_{seed}"] for seed in seeds if f"seed_{seed}" in row]
        if "difference" in row:
            shown["minus_random"] = edges(row["difference"], row["alone"])
            shown["for_all_arms_at_once"] = edges(row["difference"], row["together"])
            shown["better"] = row["together"][1] < 0
        shown |= {name: row.get(name) for name in ("training_flops", "overhead_flops", *labelled.MULTIPLIERS)}
        if one:
            facts = [node_of(done, "variety", arm, seed)["facts"] for seed in seeds]
            shown["diversity"] = fmean(fact["semantic_diversity"]["mean"] for fact in facts)
        rows.append(shown)
    return rows


def node_of(done: Run, stage: str, arm: str, seed: int) -> Mapping[str, Any]:
    """The record of a stage of an arm: arms that share it have it under one name."""
    return next(
        node for node in done.nodes.values() if node["of"] == stage and arm in node["arms"] and node["seed"] == seed
    )


def same_knowledge(comparison: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What models add to what an arm was told."""
    found = comparison["evaluations"][labelled.TEST]["arms"]
    return [
        {"arm": arm, "minus": other["arm"], "bits_per_byte": edges(other["difference"], other["alone"])}
        for arm, one in found.items()
        for other in one.get("same_knowledge", ())
    ]


def span(row: Mapping[str, Any], name: str) -> dict[str, float]:
    return {"value": row[name], "low": row["low"], "high": row["high"]}


def edges(value: float, both: Sequence[float]) -> dict[str, float]:
    return {"value": value, "low": both[0], "high": both[1]}


def report(work: Path, counts: Mapping[str, int], small: bool) -> None:
    done, wall, peak = work_through(work)
    comparison = done.artifact(labelled.COMPARISON).facts
    told = comparison["evaluations"][labelled.TEST]
    table = pq.read_table(work / "run" / labelled.COMPARISON / f"{labelled.COMPARISON}.parquet")
    labels = {row["id"]: row for row in labelled_split.records(work / labelled_split.LABELS)}
    apart, grown = tells_apart(done, labels), list(growth(done, labels))
    tables = {
        "Does a score tell high quality from low?": apart,
        "Does it score a clean document above its corrupted copy?": corrupted(
            done, labelled_split.records(work / labelled_judged.TWINS)
        ),
        "Does ScalingFilter's factor grow with models and tokens?": grown,
        "Does what it selects train a better model?": arms(done, comparison, labelled.arms(told, table)),
        "Do models add to what an arm was told?": same_knowledge(comparison),
    }
    question = "What do two models know of the quality of real text, does it grow, and does training gain by it?"
    found = result(
        "labelled",
        question,
        [],
        labelled.verdict(told, wall),
        seeds=done.recipe["seeds"]["values"],
        target=comparison["target"],
        noise=told["noise"],
        df=told["df"],
        notes=told["notes"],
        wall_s=round(wall),
        peak_bytes=peak,
        documents=dict(counts),
        tables={title: rows for title, rows in tables.items() if rows},
        charts=charts(grown, apart),
    )
    save(found, small=small)


def asked(what: str, work: Path) -> tuple[Path, bool]:
    """Where to work, and whether only for a quick look: the command line of a labelled bench."""
    parser = argparse.ArgumentParser(description=what.split("\n")[0])
    parser.add_argument("--work", type=Path, help="where to work")
    parser.add_argument("--small", action="store_true", help="a quick look, which writes no result")
    given = parser.parse_args()
    return (given.work or (work.with_name(f"{work.name}_small") if given.small else work)).resolve(), given.small


def main() -> None:
    work, small = asked(__doc__ or "", WORK)
    report(work, prepare(work, small), small)


if __name__ == "__main__":
    main()
