"""What an arm was told, and the arm that was told the same and spent nothing on it."""

from __future__ import annotations

import pytest
from tests.pipeline.small import write_jsonl
from tests.pipeline.test_compare import BETTER, SCORED, arms, in_folder, rows
from tests.pipeline.trials import Known, recipe, stage, trained

from vernier.core.run import Run
from vernier.pipeline.run import run

CORPUS = {"corpus": "clean"}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("told")
    blind = {"keep": stage(Known, in_=CORPUS, with_={"eighth": 1}), **trained(losses=[3.8, 4.0, 3.9])}
    seeing = {"keep": stage(Known, in_=CORPUS, with_={"eighth": 2}), **SCORED}
    with in_folder(folder):
        write_jsonl(folder / "data" / "a.jsonl", range(60))
        every = {"random": {}, "scored": SCORED, "seeing": seeing, "blind": blind}
        return run(recipe(every), out=folder / "run", quiet=True)


def test_an_arm_was_told_what_anything_behind_its_model_was(done: Run) -> None:
    found = {arm: one["told"] for arm, one in arms(done).items()}
    assert found == {"random": [], "scored": [], "seeing": ["label: good"], "blind": ["label: good"]}


def test_an_arm_with_models_stands_beside_the_same_knowledge_without(done: Run) -> None:
    (beside,) = arms(done)["seeing"]["same_knowledge"]
    assert beside["arm"] == "blind"
    assert beside["difference"] == pytest.approx(sum(BETTER) / 3 - 3.9)
    low, high = arms(done)["seeing"]["alone"]
    assert beside["alone"][1] - beside["alone"][0] == pytest.approx(high - low)
    assert sum(beside["alone"]) / 2 == pytest.approx(beside["difference"])
    (row,) = rows(done, arm="seeing", metric="difference", beside="blind")
    assert [row["low"], row["high"]] == beside["alone"]


def test_nothing_stands_beside_arms_that_were_told_nothing_or_used_nothing(done: Run) -> None:
    assert all(arms(done)[arm]["same_knowledge"] == [] for arm in ("scored", "blind"))
