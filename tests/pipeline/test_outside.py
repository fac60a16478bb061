"""A stage that takes a model from outside: what a run makes again when it changes, and what a bad one leaves behind."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.torch import load_file, save_file
from tests.pipeline.small import ONE, document, small_recipe, units_done

from vernier.core.errors import DataError
from vernier.core.plugin import Unit
from vernier.core.recipe import Recipe
from vernier.core.run import Run
from vernier.core.shard import Inputs, Shard
from vernier.core.store import Store
from vernier.corpus.read_jsonl import ReadJsonl
from vernier.pipeline.keys import map_key, stage_key
from vernier.pipeline.plan import foreign_versions, plan
from vernier.score.nll import NLL
from vernier.testing.make import corpus_table, make_artifact
from vernier.testing.toy import toy_bits, toy_model
from vernier.train.read_hf import ReadHf

Go = Callable[..., Run]


def scored(**settings: Any) -> Recipe:
    """read -> the loss of each document under a model from outside."""
    recipe = Recipe("scored")
    clean = recipe.add("clean", ReadJsonl(paths=["data/part-0.jsonl"]), on=ONE)
    small = recipe.add("small", ReadHf(path="models/my-small", **settings), on=ONE)
    recipe.add("losses", NLL(), corpus=clean, model=small, on=ONE)
    return recipe


@pytest.fixture
def model(here: Path) -> Path:
    return toy_model(here / "models" / "my-small")


def edit(model: Path, value: float) -> None:
    weights = load_file(model / "model.safetensors")
    weights["lm_head.weight"][:] = value
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})


def losses(done: Run) -> list[float]:
    (shard,) = done.artifact("losses").shards
    return pq.read_table(done.store.path(shard.data)).column("nll").to_pylist()


def test_a_changed_model_is_taken_in_again_and_nothing_else(here: Path, model: Path, go: Go) -> None:
    done = go(scored())
    texts = [document(n)["text"] for n in range(40)]
    assert losses(done) == pytest.approx([toy_bits(text) * math.log(2) for text in texts], rel=1e-6)
    assert units_done(go(scored())) == []
    model.rename(here / "moved")
    (here / "moved").rename(model)
    (model / "README.md").write_text("new words, the same model")
    assert units_done(go(scored())) == []
    edit(model, 0.0)
    steps = {step.node.id: step for step in plan(scored(), Run(done.folder), scored().nodes())}
    assert steps["small"].why == "changed: model.safetensors"
    assert (steps["clean"].action, steps["small"].action, steps["losses"].action) == ("reuse", "run", "later")
    again = go(scored())
    assert units_done(again) == [("small", "0"), ("losses", "0")]
    assert losses(again) == pytest.approx([len(text.encode()) * math.log(257) for text in texts], rel=1e-6)
    steps = plan(scored(dtype="bfloat16"), again, scored(dtype="bfloat16").nodes())
    assert [(step.node.id, step.why) for step in steps[1:2]] == [("small", 'dtype: default -> "bfloat16"')]


def test_a_model_with_nan_stops_the_run_and_nothing_is_lost(here: Path, model: Path, go: Go) -> None:
    good = (model / "model.safetensors").read_bytes()
    edit(model, math.nan)
    with pytest.raises(DataError, match=r"(?s)loss that is not a number.*weights may hold NaN"):
        go(scored())
    store = Store(".vernier")
    assert list(Path(store.root, "tmp").iterdir()) == []
    clean = Run("runs/scored").artifact("clean")
    assert clean.rows == 40
    (model / "model.safetensors").write_bytes(good)
    done = go(scored())
    assert {node for node, _ in units_done(done)} == {"small", "losses"}
    assert all(math.isfinite(value) for value in losses(done))


def test_a_model_without_weights_stops_the_run_before_any_work(here: Path, model: Path, go: Go) -> None:
    raw = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").unlink()
    with pytest.raises(DataError, match="has no weights"):
        go(scored())
    assert not Run("runs/scored").nodes
    (model / "model.safetensors").write_bytes(raw)
    assert {node for node, _ in units_done(go(scored()))} == {"clean", "small", "losses"}


def test_the_device_is_on_record_and_in_no_key(here: Path, go: Go) -> None:
    """A selection computes nothing there, so that any machine can make one `on` a GPU."""
    data = small_recipe().to_data()
    data["stages"]["keep"]["on"] = {**ONE, "device": "cuda"}
    there = Recipe.from_data(data)
    done = go(small_recipe())
    key = done.nodes["keep"]["key"]
    assert "device" not in done.store.made_with(key)
    steps = plan(there, done, there.nodes())
    assert [step.action for step in steps] == ["reuse"] * 3
    assert foreign_versions(done.store, steps) == {"device": {"cpu"}}
    done.store.forget_artifact(key)
    assert go(there).nodes["keep"]["key"] == key
    assert done.store.made_with(key)["device"] == "cuda"
    assert foreign_versions(done.store, plan(there, done, there.nodes())) == {}
    assert foreign_versions(done.store, plan(small_recipe(), done, small_recipe().nodes())) == {"device": {"cuda"}}


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A map that looks something up in files from outside: `names` and what is in them."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus"}

    names: dict[str, str] = field(metadata={"key": False})

    def units(self) -> list[Unit]:
        return [Unit(name, content, {}) for name, content in self.names.items()]

    def map(self, shard: Shard) -> Any:
        yield pa.table({"n": [len(shard.inputs.units)] * shard.rows})


def test_what_a_map_takes_from_outside_is_in_its_keys(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    corpus = make_artifact(store, "corpus", [corpus_table(["a", "b"])])
    keys: set[str] = set()
    for names in ({}, {"x": "1"}, {"x": "2"}, {"y": "1"}, {"x": "1", "y": "1"}):
        plugin = Listed(names=names)
        inputs = Inputs(store.url, {"corpus": corpus}, 0, tuple(plugin.units()))
        keys |= {map_key(plugin, 0, inputs.only(0), 0), stage_key(plugin, 0, inputs)}
    assert len(keys) == 10
