"""`vernier compare`: several runs on one leaderboard."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Verb
from tests.pipeline.trials import HALF, recipe, trained

from vernier.pipeline.run import run

HALVED = {"keep": HALF, **trained(losses=[3.5, 3.7, 3.65])}
SCORED = {"train": {"in": {"scores": "scores"}, "with": {"losses": [3.9, 4.0, 4.05]}}}


def test_two_runs_become_one_leaderboard_and_a_report(here: Path, verb: Verb) -> None:
    run(recipe({"random": {}, "half": HALVED}), out="runs/one", quiet=True)
    run(recipe({"random": {}, "scored": SCORED}), out="runs/two", quiet=True)
    code, out, err = verb("compare", "runs/one", "runs/two")
    assert (code, err) == (0, "")
    assert "half" in out and "scored" in out and "run folder: runs/one-and-two" in out
    assert (here / "runs" / "one-and-two" / "report.html").exists()
    assert verb("show", "runs/one-and-two")[1] in out


def test_a_run_that_is_not_there_is_named(here: Path, verb: Verb) -> None:
    code, _, err = verb("compare", "runs/none", "runs/two")
    assert code == 5 and "no run at runs/none" in err
