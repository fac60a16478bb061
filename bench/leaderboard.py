"""The selection systems on one leaderboard: the same pool, budget and seeds, what each was told, and all that it cost.

    python bench/leaderboard.py --installed         on the text of this Python installation, 20 minutes
    python bench/leaderboard.py                     on the development data, 60 minutes; both write a result
    python bench/leaderboard.py --work DIR          there

What is measured, which arms there are and when one counts as better stands in the recipes, written before the first
run. A run that was stopped goes on when it is started again; its time counts all parts.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

import labelled
import labelled_full as full
from measure import must, result, save
from vernier.core.run import Run
from vernier.core.stats import loss_at

INSTALLED = labelled.ROOT / "recipes" / "leaderboard_small.yaml"
LABELLED = labelled.ROOT / "recipes" / "leaderboard.yaml"
LIMITS_S = {INSTALLED: 1200.0, LABELLED: 3600.0}
QUESTION = "Which way of choosing training text trains a better model, at equal tokens and at equal compute in all?"


def in_all(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each arm beside what random reaches with all the compute that the arm took, choosing and training.

    What an arm chose is paid for by one training of this size here: a choice that many trainings share costs each less.
    """
    ladder = [rung["flops"] for rung in told["ladder"]], [rung["loss"] for rung in told["ladder"]]
    rows: list[dict[str, Any]] = []
    for arm in told["order"]:
        one = told["arms"][arm]
        parts = one["training"]["actual"], one["overhead"]["actual"]
        row: dict[str, Any] = {"arm": arm, "told": "; ".join(one["told"]) or "nothing", "bits_per_byte": one["loss"]}
        if None not in parts and ladder[0]:
            row["flops_in_all"] = sum(parts)
            instead = loss_at(*ladder, sum(parts))
            row["random_for_as_much"] = f"{instead.bound} {instead.value:.4f}".strip()
            row["minus_it"] = f"{'> ' if instead.bound == '<' else ''}{one['loss'] - instead.value:+.4f}"
        rows.append(row)
    return rows


def report(recipe: Path, work: Path, counts: Mapping[str, Any]) -> None:
    done, wall, peak = full.work_through(work, recipe, ())
    comparison = done.artifact(labelled.COMPARISON).facts
    told = comparison["evaluations"][labelled.TEST]
    table = pq.read_table(work / "run" / labelled.COMPARISON / f"{labelled.COMPARISON}.parquet")
    found = result(
        recipe.stem,
        QUESTION,
        [],
        [
            *labelled.verdict(told, wall)[:1],
            must("the whole recipe on two cores: wall", wall, LIMITS_S[recipe], "s"),
        ],
        seeds=done.recipe["seeds"]["values"],
        target=comparison["target"],
        noise=told["noise"],
        df=told["df"],
        notes=told["notes"],
        wall_s=round(wall),
        peak_bytes=peak,
        documents=dict(counts) or documents(done),
        tables={
            "At equal tokens": full.arms(done, comparison, labelled.arms(told, table)),
            "At equal compute in all": in_all(told),
            "Do models add to what an arm was told?": full.same_knowledge(comparison),
        },
    )
    save(found, small=False)


def documents(done: Run) -> dict[str, int]:
    """How many documents each side has."""
    return {name: done.nodes[name]["counts"]["kept"] for name in ("meta", "pool", "held")}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--work", type=Path, help="where to work")
    parser.add_argument("--installed", action="store_true", help="on the text of this Python installation")
    given = parser.parse_args()
    recipe = INSTALLED if given.installed else LABELLED
    work: Path = (given.work or labelled.ROOT / "runs" / recipe.stem).resolve()
    work.mkdir(parents=True, exist_ok=True)
    if given.installed:
        shutil.copy(recipe, work)
        report(recipe, work, {})
    else:
        report(recipe, work, full.prepare(work, False, recipe))


if __name__ == "__main__":
    main()
