"""Embeddings with known answers: the toy model's state at a byte is 4 in one of two places, by a bit of the byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from vernier.core.artifact import Artifact
from vernier.core.errors import RecipeError
from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.core.tables import SELECTION
from vernier.models.build import Shape
from vernier.models.embed import fit
from vernier.models.flops import of_folder, of_shape
from vernier.score.embedding import Embedding
from vernier.testing.make import build, corpus_table, make_artifact, make_folder, run
from vernier.testing.toy import toy_model
from vernier.train.pretrain import Pretrain
from vernier.train.tokenizer import Tokenizer

TEXTS = ["@@@A", "", "cats sat on mats", "ü🙂", "A" * 100, "cats sat on mats"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(str(tmp_path_factory.mktemp("embeddings")))


def given(store: Store, folder: Path, **more: Artifact) -> Inputs:
    table = corpus_table(TEXTS)
    corpus = make_artifact(store, "corpus", [table.slice(0, 2), table.slice(2)])
    return Inputs(store.url, {"corpus": corpus, "model": make_folder(store, "model", folder), **more})


def columns(plugin: Embedding, inputs: Inputs) -> tuple[NDArray[np.float32], list[int]]:
    made = pa.concat_tables(run(plugin, inputs))
    return np.array(made.column("embedding").to_pylist(), np.float32), made.column("num_tokens").to_pylist()


@pytest.mark.parametrize("layer", [None, 0, 1])
def test_the_mean_over_the_tokens_of_a_document(store: Store, tmp_path: Path, layer: int | None) -> None:
    """Not the separator's state, and none of what would be padding."""
    inputs = given(store, toy_model(tmp_path / "toy"))
    plugin = Embedding(layer=layer)
    vectors, counts = columns(plugin, inputs)
    read = [text.encode()[:63] for text in TEXTS]  # of 64 positions one is the separator's
    assert counts == [len(data) for data in read]
    odd = [sum(byte & 1 for byte in data) / len(data) if data else 0 for data in read]
    even = [1 - share if data else 0 for share, data in zip(odd, read, strict=True)]
    assert_allclose(vectors[:, :2], 4 * np.array([even, odd]).T, rtol=1e-6)
    assert not vectors[:, 2:].any() and not vectors[1].any()
    assert plugin.facts(inputs)["layer"] == (1 if layer is None else layer)


@pytest.fixture(scope="module")
def trained(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    corpus = make_artifact(store, "corpus", [corpus_table(["cats sat on mats, and on hats " * 4] * 9)])
    build(Tokenizer(vocab=290), Inputs(store.url, {"corpus": corpus}), folder / "bpe")
    inputs = Inputs(store.url, {"corpus": corpus, "tokenizer": make_folder(store, "model", folder / "bpe")})
    build(Pretrain(model=Shape(hidden=32, layers=4), tokens=640, context=32, batch=4), inputs, folder / "model")
    return folder / "model"


def test_the_layer_that_is_asked_for(store: Store, trained: Path) -> None:
    """Against the library's own hidden states; without a word the third of four, as the ninth of twelve."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(trained), AutoTokenizer.from_pretrained(trained)
    ids = tokenizer(TEXTS[2], add_special_tokens=False)["input_ids"]
    start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    with torch.no_grad():
        states = model(torch.tensor([[start, *ids]]), output_hidden_states=True).hidden_states
    inputs = given(store, trained)
    for layer in (0, 1, 2, 3, 4):
        vectors, counts = columns(Embedding(layer=layer), inputs)
        assert_allclose(vectors[2], states[layer][0, 1:].mean(dim=0).numpy(), rtol=1e-4, atol=1e-6)
        assert counts[2] == len(ids) and (vectors[2] == vectors[5]).all()
    assert (columns(Embedding(), inputs)[0] == columns(Embedding(layer=3), inputs)[0]).all()


def test_what_it_costs(store: Store, trained: Path) -> None:
    """All layers over each document and its separator, no output layer; planned from bytes, real from tokens."""
    inputs, plugin = given(store, trained), Embedding(max_tokens=8)
    out = make_artifact(store, "scores", run(plugin, inputs))
    lengths = [min(8, n) for n in columns(plugin, inputs)[1] if n]
    cost = of_shape(Shape(hidden=32, layers=4), 0)
    assert of_folder(trained, head=False) == cost
    wanted = cost.forward(sum(n + 1 for n in lengths), sum((n + 1) * (n + 2) / 2 for n in lengths))
    assert plugin.flops(inputs, out) == wanted
    planned = plugin.flops(inputs, None)
    assert planned is not None and 0.5 < planned / wanted < 2


def test_an_embedder_of_our_own(store: Store, tmp_path: Path) -> None:
    embedder = fit([*TEXTS[2:], "hats on cats", "a b c"], 3)
    (tmp_path / "lsa").mkdir()
    embedder.save(tmp_path / "lsa")
    counts = [1, 1, 0, 1, 1, 1]
    chosen = pa.table({"count": counts, "reason": [None if n else "outside" for n in counts]}, schema=SELECTION)
    selection = make_artifact(store, "selection", [chosen.slice(0, 2), chosen.slice(2)])
    inputs = given(store, tmp_path / "lsa", selection=selection)
    made = pa.concat_tables(run(Embedding(), inputs))
    assert made.column_names == ["embedding"]
    rows = made.column("embedding").to_pylist()
    assert rows[2] is None
    wanted = embedder.embed([text for text, n in zip(TEXTS, counts, strict=True) if n])
    assert_allclose(np.array([row for row in rows if row is not None]), wanted, rtol=1e-6)
    assert Embedding().facts(inputs) == {} and Embedding().flops(inputs, None) == 0
    for wrong in (Embedding(layer=1), Embedding(max_tokens=9)):
        with pytest.raises(RecipeError, match="an embedder has no"):
            wrong.facts(inputs)


@pytest.mark.parametrize("wrong", [{"layer": 2}, {"max_tokens": 64}])
def test_more_than_the_model_has(store: Store, tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(RecipeError):
        Embedding(**wrong).facts(given(store, toy_model(tmp_path / "toy")))


@pytest.mark.parametrize("wrong", [{"layer": -1}, {"max_tokens": 0}, {"threads": 0}])
def test_settings_out_of_range(wrong: dict[str, int]) -> None:
    with pytest.raises(RecipeError):
        Embedding(**wrong)
