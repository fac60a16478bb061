"""Joined runs: the arms of several on one leaderboard, as if one run had made them, and nothing made again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.pipeline.small import units_done
from tests.pipeline.trials import HALF, SECOND, recipe, trained

from vernier.core.errors import RecipeError
from vernier.core.run import Run
from vernier.pipeline.join import join
from vernier.pipeline.run import run

BETTER = [3.5, 3.7, 3.65]
LADDER = {"half_as_long": trained(tokens=500), "twice": trained(tokens=2000)}
FIRST: dict[str, Any] = {"random": {}, "random2": {"keep": SECOND}}
HALVED = {"keep": HALF, **trained(losses=BETTER)}
SCORED = {"train": {"in": {"scores": "scores"}, "with": {"losses": [3.9, 4.0, 4.05]}}}


def evaluation(done: Run) -> dict[str, Any]:
    return done.artifact("comparison").facts["evaluations"]["test"]


def go(name: str, arms: dict[str, Any], **more: Any) -> Run:
    return run(recipe(arms, **more), out=name, quiet=True)


def test_joined_runs_are_compared_as_one_run_would_have_been(here: Path) -> None:
    one = go("one", {**FIRST, "half": HALVED})
    two = go("two", {"random": {}, "scored": SCORED, **LADDER})
    both = join([one, two], here / "both")
    whole = go("whole", {**FIRST, "half": HALVED, "scored": SCORED, **LADDER})
    assert evaluation(both) == evaluation(whole)
    assert both.artifact("comparison").facts == whole.artifact("comparison").facts
    assert {name: r["key"] for name, r in both.nodes.items() if name != "comparison"} == {
        name: r["key"] for name, r in whole.nodes.items() if name != "comparison"
    }
    assert both.recipe["arms"].keys() == whole.recipe["arms"].keys()


def test_nothing_is_made_again_and_times_are_known(here: Path) -> None:
    one, two = go("one", {**FIRST, "half": HALVED}), go("two", {"random": {}, "scored": SCORED})
    both = join([one, two], here / "both")
    again = run(recipe({**FIRST, "half": HALVED, "scored": SCORED}), out="again", quiet=True)
    assert units_done(again) == []
    assert both.seconds()["train@half@1"] == one.seconds()["train@half@1"]
    assert both.seconds()["train@scored@1"] == two.seconds()["train@scored@1"]


def test_an_arm_of_both_runs_stands_once_and_two_arms_of_one_name_twice(here: Path) -> None:
    one = go("one", {**FIRST, "better": HALVED})
    two = go("two", {**FIRST, "better": SCORED})
    both = join([one, two], here / "both")
    assert evaluation(both)["order"] == ["random", "random2", "better", "better-two"]
    assert join([both, one], here / "three").recipe["arms"].keys() == both.recipe["arms"].keys()


def test_a_seed_that_only_one_run_has_is_left_out(here: Path) -> None:
    one = go("one", {"random": {}, "half": HALVED}, seeds=2)
    two = go("two", {"random": {}, "scored": SCORED}, seeds=3)
    told = evaluation(join([one, two], here / "both"))
    assert told["seeds"] == [0, 1] or "half" not in told["order"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": "even"}, "another target"),
        ({"losses": [5.0, 5.2, 5.1]}, "different controls"),
    ],
)
def test_runs_of_two_experiments_are_refused(here: Path, change: dict[str, Any], message: str) -> None:
    one, two = go("one", {"random": {}, "half": HALVED}), go("two", {"random": {}, "scored": SCORED}, **change)
    with pytest.raises(RecipeError, match=message):
        join([one, two], here / "both")
    assert not (here / "both").exists()


def test_runs_of_two_stores_and_a_run_with_itself_are_refused(here: Path) -> None:
    one = go("one", {"random": {}, "half": HALVED})
    other = recipe({"random": {}, "scored": SCORED})
    other.store = "elsewhere"
    with pytest.raises(RecipeError, match="another store"):
        join([one, run(other, out="two", quiet=True)], here / "both")
    with pytest.raises(RecipeError, match="nothing to be joined with"):
        join([one, one], here / "both")


def test_runs_with_nothing_to_compare_leave_nothing_behind(here: Path) -> None:
    one, two = (run(recipe(FIRST), out=name, to="pool", quiet=True) for name in ("one", "two"))
    with pytest.raises(RecipeError, match="nothing to compare"):
        join([one, two], here / "both")
    assert not (here / "both").exists()
