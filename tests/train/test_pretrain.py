"""Training: exact, seeded, counted; what is trained on and what comes out."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from vernier.core.artifact import Artifact
from vernier.core.errors import DataError, RecipeError, StageError
from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.core.tables import SELECTION
from vernier.models.build import Shape
from vernier.models.load import load_pair
from vernier.models.nll import measure
from vernier.models.tokenizer import Tokenizer
from vernier.testing.make import build, corpus_table, make_artifact, make_folder
from vernier.testing.toy import SEPARATOR, byte_tokenizer
from vernier.train.pretrain import Pretrain, schedule
from vernier.train.windows import batches, read_documents

TEXTS = [f"{i} cats sat on {i * 7} mats; " * (1 + i % 3) for i in range(20)] + ["", "end"]
DOMAINS = ["prose" if i % 3 else None for i in range(22)]
TINY = Pretrain(model=Shape(hidden=16, layers=1), tokens=640, context=32, batch=4)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


@pytest.fixture
def tokenizer(store: Store, tmp_path: Path) -> Artifact:
    (tmp_path / "bytes").mkdir()
    byte_tokenizer(tmp_path / "bytes")
    return make_folder(store, "model", tmp_path / "bytes")


def corpus(store: Store, cuts: tuple[int, ...] = (22,), texts: list[str] = TEXTS) -> Artifact:
    table, at, shards = corpus_table(texts, domains=DOMAINS[: len(texts)]), 0, list[pa.Table]()
    for length in cuts:
        shards.append(table.slice(at, length))
        at += length
    return make_artifact(store, "corpus", shards)


def test_the_seed_decides_bit_for_bit_whatever_the_shards(store: Store, tokenizer: Artifact, tmp_path: Path) -> None:
    def files(name: str, cuts: tuple[int, ...], seed: int) -> tuple[dict[str, str], dict[str, Any]]:
        inputs = Inputs(store.url, {"corpus": corpus(store, cuts), "tokenizer": tokenizer}, seed)
        return build(TINY, inputs, tmp_path / name)

    first = files("a", (22,), 0)
    assert files("b", (22,), 0) == first
    assert files("c", (0, 5, 17), 0) == first
    assert files("d", (22,), 1)[0]["model.safetensors"] != first[0]["model.safetensors"]


def test_it_learns_and_plain_transformers_agrees(store: Store, tokenizer: Artifact, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    inputs = Inputs(store.url, {"corpus": corpus(store), "tokenizer": tokenizer})
    plugin = Pretrain(model=Shape(hidden=32, layers=1), tokens=16_000, context=32, batch=4, lr=1e-2)
    _, facts = build(plugin, inputs, tmp_path / "model")
    assert facts["tokens"] == 16_000
    assert facts["steps"] == 125
    assert facts["final_loss"] < 2.0 < np.log(257)
    model, ours = load_pair(tmp_path / "model")
    text = TEXTS[7][:30]
    measured = measure(model, ours, [text])
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    ids = AutoTokenizer.from_pretrained(tmp_path / "model")("<|endoftext|>" + text, return_tensors="pt")
    with torch.no_grad():
        loss = float(theirs(input_ids=ids["input_ids"], labels=ids["input_ids"]).loss)
    assert measured.nll[0] / measured.num_tokens[0] == pytest.approx(loss, rel=1e-5)


def test_tokens_by_domain_are_counted_from_the_windows(store: Store, tokenizer: Artifact, tmp_path: Path) -> None:
    inputs = Inputs(store.url, {"corpus": corpus(store), "tokenizer": tokenizer})
    one_epoch = Pretrain(model=Shape(hidden=16, layers=1), context=1, batch=64, max_tokens=11)
    _, facts = build(one_epoch, inputs, tmp_path / "model")
    trained = [(min(11, len(t)) + 1, d or "(none)") for t, d in zip(TEXTS, DOMAINS, strict=True) if t]
    assert facts["tokens_by_domain"] == {name: sum(n for n, d in trained if d == name) for name in ("(none)", "prose")}
    assert facts["epochs"] == 1.0


def test_each_epoch_is_the_selected_documents_as_often_as_wanted(store: Store, tokenizer: Artifact) -> None:
    counts = [i % 3 for i in range(22)]
    reasons = [None if count else "below_cut" for count in counts]
    selection = make_artifact(store, "selection", [pa.table({"count": counts, "reason": reasons}, schema=SELECTION)])
    inputs = Inputs(store.url, {"corpus": corpus(store), "selection": selection, "tokenizer": tokenizer})
    documents = read_documents(inputs, Tokenizer(inputs.folder("tokenizer")), None)
    wanted = sorted(t for t, n in zip(TEXTS, counts, strict=True) if t for _ in range(n))
    sizes, length = [documents.epoch_tokens] * 2, documents.epoch_tokens
    stream = list(batches(documents, sizes, context=1, separator=SEPARATOR, seed=3))
    orders: list[list[str]] = []
    for epoch in stream:
        assert len(epoch.targets) == length
        text = "".join("\0" if t == SEPARATOR else chr(t) for t in epoch.targets.ravel())
        assert text.endswith("\0")
        orders.append(text.split("\0")[:-1])
        assert sorted(orders[-1]) == wanted
    assert orders[0] != orders[1]
    flat_in = np.concatenate([w.inputs.ravel() for w in stream])
    flat_out = np.concatenate([w.targets.ravel() for w in stream])
    assert flat_in[0] == SEPARATOR
    np.testing.assert_array_equal(flat_in[1:], flat_out[:-1])


def test_going_on_from_a_model(store: Store, tokenizer: Artifact, tmp_path: Path) -> None:
    base = {"corpus": corpus(store), "tokenizer": tokenizer}
    start = Pretrain(model=Shape(hidden=32, layers=1), tokens=6400, context=32, batch=4, lr=1e-2)
    _, first = build(start, Inputs(store.url, base), tmp_path / "first")
    init = make_folder(store, "model", tmp_path / "first")
    more = Pretrain(tokens=640, context=32, batch=4, lr=1e-4)
    _, then = build(more, Inputs(store.url, {**base, "init": init}), tmp_path / "then")
    assert then["parameters"] == first["parameters"]
    assert then["final_loss"] < first["final_loss"] + 0.2 < 4.0
    with pytest.raises(RecipeError, match="size already"):
        build(TINY, Inputs(store.url, {**base, "init": init}), tmp_path / "both")
    with pytest.raises(RecipeError, match="longer than the model"):
        build(Pretrain(context=64), Inputs(store.url, {**base, "init": init}), tmp_path / "long")


def test_divergence_stops_and_keeps_the_batch(store: Store, tokenizer: Artifact, tmp_path: Path) -> None:
    inputs = Inputs(store.url, {"corpus": corpus(store), "tokenizer": tokenizer})
    wild = Pretrain(model=Shape(hidden=16, layers=1), tokens=6400, context=32, batch=4, lr=1e30)
    with pytest.raises(StageError, match="diverged") as told:
        build(wild, inputs, tmp_path / "model")
    kept = re.search(r"kept in (\S+)", str(told.value))
    assert kept is not None
    with np.load(kept.group(1)) as batch:
        assert batch["inputs"].shape == batch["targets"].shape == (4, 32)


def test_nothing_to_train_on(store: Store, tokenizer: Artifact, tmp_path: Path) -> None:
    inputs = Inputs(store.url, {"corpus": corpus(store, (2,), ["", ""]), "tokenizer": tokenizer})
    with pytest.raises(DataError, match="nothing to train on"):
        build(TINY, inputs, tmp_path / "model")


@pytest.mark.parametrize("wrong", [{"tokens": 100}, {"lr": 0.0}, {"warmup": 1.0}, {"batch": 0}])
def test_wrong_settings(wrong: dict[str, Any]) -> None:
    with pytest.raises(RecipeError):
        Pretrain(**wrong)


def test_the_schedule_rises_then_falls_to_a_tenth() -> None:
    rates = [schedule(step, 100, 0.1) for step in range(100)]
    assert rates[:10] == pytest.approx([0.1 * (i + 1) for i in range(10)])
    assert rates[10] == 1.0
    assert all(a > b for a, b in itertools.pairwise(rates[10:]))
    assert rates[-1] == pytest.approx(0.1)
    assert schedule(0, 1, 0.0) == 1.0
