"""The first true comparison: do two models choose better training text than chance, on real labelled text?

    python bench/labelled.py                          both steps in runs/labelled; writes the result
    python bench/labelled.py prepare --to DIR         the corpus in three parts (`labelled_split.py`)
    python bench/labelled.py run --work DIR           prepare, run `recipes/labelled_first.yaml`, write the result

What is measured, on what, with which seeds and thresholds stands in the recipe, written before the first run. A run
that was stopped goes on when it is started again; its time is then that of the last part.
"""

from __future__ import annotations

import argparse
import math
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import labelled_scores
import labelled_split
from corpora import data_folder
from measure import Usage, must, result, run, save
from vernier.core.run import Run

ROOT = Path(__file__).resolve().parent.parent
RECIPE = ROOT / "recipes" / "labelled_first.yaml"
WORK = ROOT / "runs" / "labelled"
VERNIER = str(Path(sys.executable).with_name("vernier"))
COMPARISON = "comparison"  # the node that holds arms beside the control
TEST = "test"  # the evaluation that is compared
SAME = "random2"  # the arm that differs from the control by chance alone
LIMIT_S = 3600.0
MULTIPLIERS = ("training_multiplier", "net_multiplier", "break_even")


def prepare(to: Path) -> dict[str, Any]:
    """The corpus, its counts printed."""
    data = data_folder()
    if data is None:
        raise SystemExit("this bench needs the development data: set VERNIER_DATA to its folder")
    found = labelled_split.prepare(data, to)
    print(labelled_split.table(found), file=sys.stderr)
    return found


def compare(work: Path) -> tuple[Usage, Run]:
    """Run the recipe beside the corpus."""
    shutil.copy(RECIPE, work)
    usage = run([VERNIER, "run", RECIPE.name, "--out", "run", "--quiet"], cwd=work)
    return usage, Run.open(work / "run")


def arms(told: Mapping[str, Any], table: pa.Table) -> list[dict[str, Any]]:
    """A row for each arm and rung of the ladder: the loss of each seed on the target, and what was concluded."""
    losses: dict[str, dict[int, list[float]]] = {}
    for row in table.to_pylist():
        if row["evaluation"] == TEST and row["metric"] == "bits_per_byte" and row["domain"] in told["on"]:
            losses.setdefault(row["arm"], {}).setdefault(row["seed"], []).append(row["value"])
    rungs = {rung["arm"]: rung for rung in told["ladder"]}
    rows: list[dict[str, Any]] = []
    for arm, by_seed in losses.items():
        one = told["arms"].get(arm, {})
        row: dict[str, Any] = {"arm": arm}
        row |= {f"seed_{seed}": math.fsum(values) / len(values) for seed, values in sorted(by_seed.items())}
        if "difference" in one:
            row |= {"difference": one["difference"], "alone": one["alone"], "together": one["together"]}
            row["df"] = told["df"]
        row["training_flops"] = one["training"]["actual"] if one else rungs.get(arm, {}).get("flops")
        if one:
            row["overhead_flops"] = one["overhead"]["actual"]
        row |= {name: bounded(one[name]) for name in MULTIPLIERS if name in one}
        rows.append(row)
    return rows


def bounded(number: Mapping[str, Any]) -> str:
    """A multiplier in words: it may be only a bound, or never be reached."""
    return "never" if number["value"] is None else f"{number['bound']} {number['value']:.3g}".strip()


def verdict(told: Mapping[str, Any], wall_s: float) -> list[dict[str, Any]]:
    """What was demanded before the first run."""
    same = told["arms"][SAME]
    low, high = same["alone"]
    return [
        must(
            f"{SAME} draws as the control does: zero lies in its 95 % interval (distance from its middle)",
            abs(same["difference"]),
            (high - low) / 2,
            "bit/byte",
        ),
        must("the whole recipe on two cores: wall", wall_s, LIMIT_S, "s"),
    ]


def report(work: Path, counts: Mapping[str, Any]) -> None:
    usage, done = compare(work)
    comparison = done.artifact(COMPARISON).facts
    told = comparison["evaluations"][TEST]
    table = pq.read_table(work / "run" / COMPARISON / f"{COMPARISON}.parquet")
    labels = {row["id"]: row for row in labelled_split.records(work / labelled_split.LABELS)}
    quality = labelled_scores.table(done, labels)
    print("\n".join(labelled_scores.summary(quality)), file=sys.stderr)
    question = "Does text chosen by two models train a better small model than text chosen by chance, on real text?"
    found = result(
        "labelled_first",
        question,
        [*arms(told, table), *quality],
        verdict(told, usage.wall_s),
        seeds=done.recipe["seeds"]["values"],
        target=comparison["target"],
        noise=told["noise"],
        notes=told["notes"],
        wall_s=round(usage.wall_s),
        peak_bytes=usage.peak_bytes,
        corpus={side: numbers["documents"] for side, numbers in counts["total"].items()},
    )
    save(found, small=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    steps = parser.add_subparsers(dest="step")
    steps.add_parser("prepare").add_argument("--to", type=Path, required=True, help="the folder to write")
    steps.add_parser("run").add_argument("--work", type=Path, default=WORK, help="where to work")
    given = parser.parse_args()
    if given.step == "prepare":
        prepare(given.to)
        return
    work: Path = given.work if given.step == "run" else WORK
    report(work.resolve(), prepare(work))


if __name__ == "__main__":
    main()
