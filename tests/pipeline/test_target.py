"""A target that no held-out document has is found before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.pipeline.small import units_done
from tests.pipeline.trials import HALF, Measure, recipe, stage, trained

from vernier.core.errors import DataError
from vernier.core.recipe import Recipe
from vernier.core.run import Run
from vernier.pipeline.run import run

ARMS: dict[str, Any] = {"random": {}, "half": {"keep": HALF, **trained(losses=[3.5, 3.7, 3.65])}}


def held_out(target: Any, arms: dict[str, Any] = ARMS, share: float = 1.0) -> Recipe:
    """The trials' recipe, with an evaluation that says on which documents."""
    data = recipe(arms, target=target).to_data()
    data["stages"]["held"] = stage("select.slice", in_={"corpus": "clean"}, with_={"range": [1 - share, 1]})
    given = {"model": "train", "corpus": "clean", "selection": "held"}
    data["stages"]["test"] = stage(Measure, on=False, in_=given)
    return Recipe.from_data(data)


def trainings(folder: str) -> list[str]:
    return [node for node, _ in units_done(Run(folder)) if node.startswith("train")]


def test_nothing_is_trained_for_a_target_that_is_not_held_out(here: Path) -> None:
    with pytest.raises(DataError, match="no held-out document is of the target domain 'od'") as caught:
        run(held_out(["even", "od"]), quiet=True)
    assert caught.value.found == "120 held-out documents: even 60, odd 60"
    assert "did you mean 'odd'?" in (caught.value.do or "")
    assert trainings("runs/trials") == []


def test_a_selection_says_what_is_held_out(here: Path) -> None:
    """One of 120 documents is held out: it can not be of both domains."""
    with pytest.raises(DataError, match="no held-out document"):
        run(held_out(["even", "odd"], share=0.005), quiet=True)


def test_a_target_that_is_there_is_trained_for(here: Path) -> None:
    done = run(held_out(["even", "odd"]), quiet=True)
    assert len(trainings("runs/trials")) == 6
    assert done.artifact("comparison").facts["missing"] == []


def test_a_recipe_that_compares_nothing_is_not_asked(here: Path) -> None:
    run(held_out("poems", {"half": ARMS["half"], "other": {}}), quiet=True)
    assert len(trainings("runs/trials")) == 6
