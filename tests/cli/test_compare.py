"""`vernier compare`: several runs on one leaderboard."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Verb
from tests.pipeline.trials import HALF, recipe, trained
from tests.report.small import folder

from vernier.cli.verdict import few, left_out
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


def test_a_terminal_gets_the_target_and_the_means_of_many_domains(tmp_path: Path) -> None:
    """Twenty columns are no table; where there are few domains all of them are shown."""
    many = [f"d{number}" for number in range(20)]
    run = folder(tmp_path / "run", {})
    (run.folder / "recipe.json").write_text(json.dumps({"target": {"domain": ["d3", "d7"]}}))
    assert few(["macro", "all", *many], run) == ["macro", "all", "d3", "d7"]
    assert left_out(["macro", "all", *many], ["macro", "all", "d3", "d7"]) == "; 18 more domains are in the report"
    assert few(many[:8], run) == many[:8] and left_out(many[:8], many[:8]) == ""


def test_an_unfinished_run_says_so_and_a_finished_one_ends_with_its_verdict(here: Path, verb: Verb) -> None:
    run(recipe({"random": {}, "half": HALVED}), to="pool", quiet=True)
    assert "not finished: 2 of " in verb("show", "runs/trials")[1]
    run(recipe({"random": {}, "half": HALVED}), quiet=True)
    shown = verb("show", "runs/trials")[1]
    assert "not finished" not in shown
    assert "verdict: half trains a better model than random on the target odd" in shown
