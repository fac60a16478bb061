"""What can be made side by side is, and what has work in common is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.pipeline.plugins import Lengthens, Meets, Total, Totals
from tests.pipeline.small import small_recipe, units_done

from vernier.core.errors import StageError
from vernier.core.run import Run
from vernier.corpus.read_jsonl import ReadJsonl
from vernier.exec.base import WorkerTraceback

Go = Callable[..., Run]
TWO = {"workers": 2}


def test_builds_that_do_not_need_each_other_are_at_work_together(here: Path, go: Go) -> None:
    recipe = small_recipe()
    for name, other in (("one", "two"), ("two", "one")):
        recipe.add(name, Meets(at=str(here), name=name, other=other), corpus="clean", on=TWO)
    assert go(recipe).nodes.keys() == {"clean", "pool", "keep", "one", "two"}


def test_a_worker_of_its_own_waits_for_nobody(here: Path, go: Go) -> None:
    """With one worker the same recipe can not go on: the test above shows something."""
    recipe = small_recipe()
    for name, other in (("one", "two"), ("two", "one")):
        recipe.add(name, Meets(at=str(here), name=name, other=other), corpus="clean", on={"workers": 1})
    with pytest.raises((AssertionError, StageError)) as caught:
        go(recipe)
    assert isinstance(caught.value.__cause__, WorkerTraceback)
    assert "clean" in Run.open("runs/small").nodes  # what was finished stays


def test_trainings_that_share_their_states_come_one_after_another(here: Path, go: Go) -> None:
    recipe = small_recipe()
    for tokens in (1, 2, 3):
        recipe.add(f"after{tokens}", Lengthens(at=str(here), tokens=tokens), corpus="clean", on=TWO)
    done = go(recipe)
    assert [done.nodes[f"after{tokens}"]["facts"]["alone"] for tokens in (1, 2, 3)] == [True, True, True]


def test_equal_work_of_two_nodes_is_done_once(here: Path, go: Go) -> None:
    recipe = small_recipe()
    for name in ("one", "two"):
        recipe.add(name, Lengthens(at=str(here), tokens=1), corpus="clean", on=TWO)
    done = go(recipe)
    assert done.nodes["one"]["key"] == done.nodes["two"]["key"]
    assert [node for node, _ in units_done(done) if node in ("one", "two")] == ["one"]


def test_the_record_is_in_the_order_of_the_recipe(here: Path, go: Go) -> None:
    recipe = small_recipe()
    recipe.add("first", Meets(at=str(here), name="first", other="second"), corpus="clean", on=TWO)
    recipe.add("second", Meets(at=str(here), name="second", other="first"), corpus="clean", on=TWO)
    done = go(recipe)
    assert list(done.nodes) == [node.id for node in recipe.nodes()]
    assert list(Run.open(done.folder).nodes) == list(done.nodes)


def test_the_state_of_a_fold_goes_to_a_worker_once(here: Path, go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the second round, and for the map; not with every shard. A state may hold a number for every row."""
    monkeypatch.setattr(Total, "packed", 0)
    recipe = small_recipe()
    recipe.add("other", ReadJsonl(paths=["data/part-0.jsonl"]), on={"workers": 1})
    for name, corpus in (("one", "clean"), ("two", "other")):
        recipe.add(name, Totals(), corpus=corpus, on={"workers": 1})
    done = go(recipe)
    rows = {name: done.artifact(name).counts["rows"] for name in ("one", "two")}
    assert len(done.artifact("one").shards) > 1
    assert {name: done.nodes[name]["facts"]["rows"] for name in rows} == rows and rows["one"] > rows["two"]
    for name, number in rows.items():
        for shard in done.artifact(name).shards:
            assert {*pq.read_table(done.store.open(shard.data)).column("total").to_pylist()} == {number}
    assert Total.packed == 4
