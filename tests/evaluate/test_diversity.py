"""Semantic diversity: known answers, the short form beside the direct one, and what a user may do wrong."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vernier.core.errors import DataError, RecipeError
from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.core.tables import SELECTION
from vernier.evaluate.diversity import Diversity, semantic_diversity
from vernier.models.embed import fit
from vernier.testing.make import build, corpus_table, make_artifact, make_folder
from vernier.testing.toy import toy_model
from vernier.train.embedder import Embedder

ANIMALS = [f"the {a} and the {b} ate" for a in ("cat", "dog", "cow") for b in ("hen", "pig", "owl", "bat")]
CODE = [f"def {a}(x): return {b}" for a in ("f", "g", "h") for b in ("one", "two", "six", "ten")]


def direct(embeddings: np.ndarray, shift: bool) -> float:
    """The definition, by the n x n matrix."""
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    similar = unit @ unit.T
    values = np.linalg.eigvalsh((similar + 1) / 2 / len(unit) if shift else similar / len(unit))
    values = values[values > 1e-15]
    return math.exp(-float(np.sum(values * np.log(values))))


def test_known_answers() -> None:
    assert semantic_diversity(np.eye(8)) == pytest.approx(8, abs=1e-9)
    assert semantic_diversity(np.eye(8), shift=True) == pytest.approx(4.648990, abs=1e-6)
    same = np.tile([3.0, 4.0], (5, 1))
    assert semantic_diversity(same) == pytest.approx(1)
    assert semantic_diversity(same, shift=True) == pytest.approx(1)
    right = np.repeat(np.eye(2), 3, axis=0)
    assert semantic_diversity(right) == pytest.approx(2)
    assert semantic_diversity(right, shift=True) == pytest.approx(1.754765, abs=1e-6)
    opposite = np.repeat([[1.0, 0.0], [-1.0, 0.0]], 3, axis=0)
    assert semantic_diversity(opposite) == pytest.approx(1)
    assert semantic_diversity(opposite, shift=True) == pytest.approx(2)


def test_a_document_without_direction_is_unlike_every_other() -> None:
    known = semantic_diversity(np.array([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 0], [0, 0, 0]]))
    assert known == pytest.approx(4)
    assert semantic_diversity(np.zeros((8, 3)), shift=True) == pytest.approx(4.648990, abs=1e-6)


@given(st.integers(0, 1000), st.integers(2, 40), st.integers(1, 12), st.booleans())
def test_the_short_form_is_the_direct_one(seed: int, n: int, d: int, shift: bool) -> None:
    rng = np.random.default_rng(seed)
    embeddings = rng.normal(size=(n, d)) + rng.normal(size=d)
    found = semantic_diversity(embeddings, shift=shift)
    assert found == pytest.approx(direct(embeddings, shift), abs=1e-6)
    assert found == pytest.approx(semantic_diversity(rng.permutation(embeddings), shift=shift), abs=1e-9)
    if shift:
        assert found <= max(1.0, 2 * math.sqrt(min(d, n - 1))) + 1e-9


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def inputs(store: Store, tmp_path: Path, texts: list[str], kept: list[int], cut: int = 5) -> Inputs:
    table = corpus_table(texts)
    some = pa.table({"count": kept, "reason": [None if c else "x" for c in kept]}, schema=SELECTION)
    folder = tmp_path / "embedder"
    if not folder.exists():
        folder.mkdir()
        fit([text for text in texts if text], 6).save(folder)
    made = {
        "corpus": make_artifact(store, "corpus", [table.slice(0, cut), table.slice(cut)]),
        "selection": make_artifact(store, "selection", [some.slice(0, cut), some.slice(cut)]),
        "embedder": make_folder(store, "model", folder),
    }
    return Inputs(store.url, made)


def test_a_mixed_selection_is_worth_more_than_one_of_a_kind(store: Store, tmp_path: Path) -> None:
    texts, plugin = [*ANIMALS, *CODE], Diversity(group=5, groups=2)
    found = {}
    for name, kept in {"mixed": [1, 0] * 12, "animals": [1] * 12 + [0] * 12}.items():
        _, facts = build(plugin, inputs(store, tmp_path, texts, kept), tmp_path / name)
        values = pq.read_table(tmp_path / name / "results.parquet").column("value").to_pylist()
        found[name] = facts["semantic_diversity"]
        assert len(values) == 2
        assert found[name]["mean"] == pytest.approx(sum(values) / 2)
        half = 12.706205 * abs(values[0] - values[1]) / 2  # Student's t with one degree of freedom
        assert found[name]["high"] - found[name]["mean"] == pytest.approx(half, rel=1e-6)
    assert found["mixed"]["mean"] > found["animals"]["mean"] > 1
    assert found["mixed"]["shift"] is False
    _, facts = build(replace(plugin, shift=True), inputs(store, tmp_path, texts, [1, 0] * 12), tmp_path / "shifted")
    assert facts["semantic_diversity"]["shift"] is True  # what a number means is said beside it
    assert 1 < facts["semantic_diversity"]["mean"] < found["mixed"]["mean"]


def test_too_small_a_selection_and_empty_texts(store: Store, tmp_path: Path) -> None:
    texts = [*ANIMALS, "", ""]
    with pytest.raises(DataError, match="too small") as caught:
        build(Diversity(group=7, groups=2), inputs(store, tmp_path, texts, [1] * 14), tmp_path / "out")
    assert "12 documents with text" in str(caught.value)
    with pytest.raises(RecipeError, match="2 or more"):
        Diversity(group=1)


def test_a_model_that_is_no_embedder(store: Store, tmp_path: Path) -> None:
    given_ = inputs(store, tmp_path, ANIMALS, [1] * 12)
    wrong = {**given_.artifacts, "embedder": make_folder(store, "model", toy_model(tmp_path / "toy"))}
    with pytest.raises(DataError, match="no embedder"):
        build(Diversity(group=5, groups=2), Inputs(store.url, wrong), tmp_path / "out")


def test_an_embedder_needs_documents(store: Store, tmp_path: Path) -> None:
    given_ = inputs(store, tmp_path, ANIMALS, [1] * 12)
    corpus = {name: given_.artifacts[name] for name in ("corpus", "selection")}
    with pytest.raises(DataError, match="too few"):
        build(Embedder(dimensions=13), Inputs(store.url, corpus), tmp_path / "out")
    with pytest.raises(RecipeError, match="dimension"):
        Embedder(dimensions=10, documents=9)


@settings(deadline=None)
@given(st.integers(0, 12), st.integers(0, 5), st.integers(1, 11))
def test_a_draw_is_the_head_of_one_order(tmp_path_factory: pytest.TempPathFactory, n: int, seed: int, cut: int) -> None:
    folder = tmp_path_factory.mktemp("draw")
    given_ = inputs(Store(str(folder / "store")), folder, ANIMALS, [1, 1, 0] * 4, cut)
    whole = given_.draw(100, seed, "test")
    assert sorted(whole) == sorted(text for i, text in enumerate(ANIMALS) if i % 3 != 2)
    assert given_.draw(n, seed, "test") == whole[:n]
