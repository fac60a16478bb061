"""Duplicates against a slow reference that goes through all pairs: any memory, cut and order of preference."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.select.world import World, doc_id

from vernier.core.shard import Inputs
from vernier.select.dedup.alike import Likeness
from vernier.select.dedup.documents import Documents
from vernier.select.dedup.order import Order
from vernier.select.dedup.search import Search

COSINE = {"likeness": {"by": "cosine"}}


def reference(
    order: Sequence[int],
    keys: Sequence[Sequence[int]],
    alike: Callable[[int, int], float],
    least: float,
    bucket: int = 10**9,
    known: int = 0,
) -> dict[int, tuple[int, float]]:
    """For each document that is dropped the kept one that it names, and how alike they are. The first `known` of
    `order` are kept before."""
    kept: dict[int, list[int]] = {}
    dropped: dict[int, tuple[int, float]] = {}
    for place, doc in enumerate(order):
        if place >= known:
            before = {other: None for key in keys[doc] for other in kept.get(key, [])[:bucket]}
            found = [(-alike(doc, other), order.index(other), other) for other in before]
            found = [one for one in found if -one[0] >= least]
            if found:
                likeness, _, other = min(found)
                dropped[doc] = other, -likeness
                continue
        for key in set(keys[doc]):
            kept.setdefault(key, []).append(doc)
    return dropped


@dataclass(frozen=True)
class Case:
    """Some documents with keys and vectors, how many of them are old, and the lengths of the shards of the others."""

    keys: list[list[int]]
    vectors: list[list[float]]
    known: int
    sizes: list[int]

    def cosine(self, a: int, b: int) -> float:
        x, y = (np.array(self.vectors[i], np.float32).astype(np.float64) for i in (a, b))
        norm = math.sqrt(sum(x * x) * sum(y * y))
        return float(sum(x * y) / norm) if norm else -2.0


@st.composite
def cases(draw: st.DrawFn) -> Case:
    number = draw(st.integers(1, 24))
    keys = draw(st.lists(st.lists(st.integers(0, 6), max_size=4, unique=True), min_size=number, max_size=number))
    vector = st.lists(st.sampled_from([-1.0, 0.0, 0.5, 1.0]), min_size=3, max_size=3)
    vectors = draw(st.lists(vector, min_size=number, max_size=number))
    known = draw(st.integers(0, number - 1))
    return Case(keys, vectors, known, draw(st.lists(st.integers(0, 9), max_size=3)))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(str(tmp_path_factory.mktemp("world")))


def tables(world: World, case: Case) -> dict[str, Any]:
    """The inputs of a case: old documents as an earlier corpus, all of which was kept."""

    def some(prefix: str, low: int, high: int, sizes: Sequence[int]) -> dict[str, Any]:
        ids = [doc_id(i) for i in range(low, high)]
        corpus = world.corpus(high - low, sizes, doc_id=ids, text_hash=ids)
        keys = world.table("scores", {"keys": case.keys[low:high]}, sizes, **COSINE)
        vectors = world.table("scores", {"embedding": case.vectors[low:high]}, sizes)
        return {f"{prefix}corpus": corpus, f"{prefix}keys": keys, f"{prefix}vectors": vectors}

    made = some("", case.known, len(case.keys), case.sizes)
    if case.known:
        old = some("old_", 0, case.known, [1])
        old["old"] = world.table("selection", {"count": [1] * case.known, "reason": [None] * case.known}, [1])
        made |= {f"{name}[0]": artifact for name, artifact in old.items()}
    return made


def searched(
    world: World, case: Case, folder: Path, least: float, bucket: int, at_once: int
) -> tuple[Search, Any, dict[int, tuple[int, float]]]:
    inputs = Inputs(world.store.url, tables(world, case))
    order = Order("first", None, ())
    search = Search(Documents.of(inputs), Likeness.of(inputs), order, least, bucket, 1 << 29, at_once, 1, folder)
    found = search.run()
    rows = search.db.execute("SELECT doc, of_, likeness FROM duplicates ORDER BY doc").fetchall()
    return search, found, {doc: (of, likeness) for doc, of, likeness in rows}


@settings(max_examples=60)
@given(case=cases(), least=st.sampled_from([0.5, 0.8, 1.0]), bucket=st.sampled_from([1, 2, 1000]))
def test_as_the_reference_at_once_and_in_rounds(
    tmp_path_factory: pytest.TempPathFactory, world: World, case: Case, least: float, bucket: int
) -> None:
    wanted = reference(range(len(case.keys)), case.keys, case.cosine, least, bucket, case.known)
    told = []
    for at_once in (10**6, 7, 0):
        folder = tmp_path_factory.mktemp("scratch")
        search, found, got = searched(world, case, folder, least, bucket, at_once)
        search.close()
        told.append((found.candidates, found.compared, found.left_out))
        assert {doc: of for doc, (of, _) in got.items()} == {doc: of for doc, (of, _) in wanted.items()}
        for doc, (_, likeness) in got.items():
            assert likeness == pytest.approx(wanted[doc][1], abs=1e-12)
    assert told[0] == told[1] == told[2]
