"""The first true comparison: do two models choose better training text than chance, on real labelled text?

    python bench/labelled.py                          both steps in runs/labelled; writes the result
    python bench/labelled.py prepare --to DIR         the corpus in three parts (`labelled_split.py`)
    python bench/labelled.py run --work DIR           prepare, run `recipes/labelled_first.yaml`, write the result

What is measured, on what, with which seeds and thresholds stands in the recipe, written before the first run. A run
that was stopped goes on when it is started again; its time is then that of the last part.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
SAME = "random2"  # the arm that differs from the control by chance alone
LIMIT_S = 3600.0


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


def arms(comparison: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row for each arm, as the comparison has it."""
    return [{"arm": name, **values} for name, values in comparison["arms"].items()]


def verdict(comparison: Mapping[str, Any], usage: Usage) -> list[dict[str, Any]]:
    """What was demanded before the first run."""
    same = comparison["arms"][SAME]
    low, high = same["alone"]
    return [
        must(
            f"{SAME} draws as the control does: zero lies in its 95 % interval (distance from its middle)",
            abs(same["difference"]),
            (high - low) / 2,
            "bit/byte",
        ),
        must("the whole recipe on two cores: wall", usage.wall_s, LIMIT_S, "s"),
    ]


def report(work: Path, counts: Mapping[str, Any]) -> None:
    usage, done = compare(work)
    comparison = done.artifact(COMPARISON).facts
    labels = {row["id"]: row for row in labelled_split.records(work / labelled_split.LABELS)}
    quality = labelled_scores.table(done, labels)
    print("\n".join(labelled_scores.summary(quality)), file=sys.stderr)
    question = "Does text chosen by two models train a better small model than text chosen by chance, on real text?"
    found = result(
        "labelled_first",
        question,
        [*arms(comparison), *quality],
        verdict(comparison, usage),
        seeds=done.recipe["seeds"]["values"],
        target=done.recipe["target"]["domain"],
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
