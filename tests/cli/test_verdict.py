"""What `run` and `show` print of a comparison, from arms with known losses and costs."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.pipeline.small import write_jsonl
from tests.pipeline.trials import HALF, SECOND, recipe, trained

from vernier.cli.verdict import verdict
from vernier.core.errors import DataError
from vernier.core.run import Run
from vernier.pipeline.run import run

Make = Callable[..., str]
BETTER = trained(losses=[3.5, 3.7, 3.65])
WORSE = trained(losses=[4.5, 4.7, 4.65])
LADDER = {"half_as_long": trained(tokens=500), "twice": trained(tokens=2000)}


def concluded(said: str, arm: str) -> str:
    """What the column `so` says of an arm; the last column is what it was told."""
    so, told = re.split(" {2,}", line(said, arm))[-2:]
    assert told == "nothing"
    return so


def line(said: str, start: str, nth: int = 0) -> str:
    """The nth line that begins with a word."""
    return [one for one in said.split("\n") if re.match(rf"{start}\b", one)][nth]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Run a recipe of arms in one folder, so that they share what they can, and print the comparison."""
    folder = tmp_path_factory.mktemp("verdict")
    write_jsonl(folder / "data" / "a.jsonl", range(40))

    def made(arms: dict[str, Any], *, arm: str | None = None, **more: Any) -> str:
        before = Path.cwd()
        os.chdir(folder)
        try:
            with contextlib.suppress(DataError):
                run(recipe(arms, **more), arm=arm, quiet=True)
            return verdict(Run("runs/trials"))
        finally:
            os.chdir(before)

    return made


def test_arms_on_the_target_with_what_they_cost(make: Make) -> None:
    scored = {"train": {"in": {"scores": "scores"}, "with": BETTER["train"]["with"]}}
    half, random2 = {"keep": HALF, **WORSE}, {"keep": SECOND}
    said = make({"random": {}, "scored": scored, "half": half, "random2": random2, **LADDER})
    assert said.split("\n")[0] == "test: bits per byte on the target 'odd', arm minus random (below zero is better)"
    assert concluded(said, "scored") == "better than random" and "-0.4833" in line(said, "scored")
    assert concluded(said, "half") == "worse than random"
    assert concluded(said, "random2") == "A/A check holds"
    assert "6 degrees of freedom" in said and "seed of keep and all after" in said
    cost = line(said, "scored", 1).split("  ")
    words = [word.strip() for word in cost if word.strip()]
    assert words[1:3] == ["1.00e+04", "1.00e+03"] and words[5] == "1.95x" and words[7] == "1.78x"
    assert "< 0.5x" in line(said, "half", 1)
    assert [line(said, name).split() for name in ("half_as_long", "twice")] == [
        ["half_as_long", "500", "5.00e+03", "4.6000"],
        ["twice", "2,000", "2.00e+04", "3.6000"],
    ]
    assert line(said, "random", 2).split() == ["random", "25.0", "%", "75.0", "%"]
    assert "WARNING" not in said and "DEFECT" not in said


def test_an_a_a_check_that_fails_is_a_warning(make: Make) -> None:
    said = make({"random": {}, "random2": {"keep": SECOND}, "better": BETTER}, unlucky=0.5)
    assert concluded(said, "random2") == "A/A check FAILS"
    assert "WARNING: random2 is random by another lot, and its interval does not hold zero" in said


def test_a_cost_that_was_not_planned_is_a_defect(make: Make) -> None:
    said = make({"random": {}, "better": trained(losses=[3.5, 3.7, 3.65], off=4.0)})
    assert "DEFECT: train@better@0 was planned at 1.00e+04 FLOPs and took 4.00e+04: 4 times as many" in said


def test_more_compute_is_no_better_arm(make: Make) -> None:
    """Better or worse: only at equal compute is that a verdict."""
    said = make({"random": {}, "longer": {"keep": HALF, **trained(tokens=8000)}, "better": BETTER})
    assert concluded(said, "longer") == "not at equal compute" and "-1.5000" in line(said, "longer")
    assert concluded(said, "better") == "better than random"
    assert "longer trained with 8 times the compute of random: no verdict on it" in said


def test_without_a_target_there_is_no_verdict(make: Make) -> None:
    said = make({"random": {}, "better": BETTER}, target=None)
    assert "-0.9667" in said and "mean over domains" in said  # of macro, which is twice the loss
    assert "no verdict: no target named" in said and "better than random" not in said
    assert "random has no ladder" in said and "break-even  " not in said  # nor the other columns with nothing in them


def test_a_target_that_was_not_measured(make: Make) -> None:
    said = make({"random": {}, "better": BETTER}, target="poems")
    assert "ERROR: the target 'poems' was not measured; domains that were: even, odd" in said
    assert "better than random" not in said


def test_one_seed_shows_nothing(make: Make) -> None:
    said = make({"random": {}, "better": BETTER}, seeds=1)
    assert concluded(said, "better") == "one seed shows nothing" and "the spread between runs" in said


def test_a_comparison_of_an_earlier_run_says_so(make: Make) -> None:
    """Random's models are of another recipe now, so the one arm that was run again has nothing beside it."""
    make({"random": {}, "better": BETTER})
    said = make({"random": {}, "better": BETTER}, arm="better", schedule="cosine")
    assert "this comparison is of an earlier run" in said


def test_a_run_without_a_comparison_says_nothing(make: Make) -> None:
    assert make({"random": {}}) == ""
