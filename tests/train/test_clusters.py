"""Which documents clusters are fitted on: a keyed draw that no cut and no order moves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.select.world import World, doc_id

from vernier.core import rng
from vernier.core.errors import DataError, RecipeError
from vernier.core.shard import Inputs
from vernier.models.clusters import FILE, load
from vernier.testing.make import build
from vernier.train import clusters
from vernier.train.clusters import Clusters

SHAPE = (40, 5)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(str(tmp_path_factory.mktemp("world")))


def inputs(
    world: World,
    vectors: Sequence[Sequence[float] | None],
    sizes: Sequence[int] = (),
    kept: Sequence[int] | None = None,
    order: Sequence[int] | None = None,
    seed: int = 0,
) -> Inputs:
    """Documents in an order, of which some are selected."""
    rows = list(range(len(vectors))) if order is None else list(order)
    given: dict[str, Any] = {
        "corpus": world.corpus(len(rows), sizes, doc_id=[doc_id(row) for row in rows]),
        "embeddings": world.table("scores", {"embedding": [vectors[row] for row in rows]}, sizes),
    }
    if kept is not None:
        count = [int(row in kept) for row in rows]
        reason = [None if one else "outside" for one in count]
        given["selection"] = world.table("selection", {"count": count, "reason": reason}, sizes)
    return Inputs(world.store.url, given, seed)


def some(seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=SHAPE).astype(np.float32)


@settings(max_examples=40)
@given(
    size=st.integers(1, SHAPE[0]),
    sizes=st.lists(st.integers(0, 20), max_size=4),
    order=st.permutations(range(SHAPE[0])),
    seed=st.integers(0, 3),
)
def test_the_first_by_lot(world: World, size: int, sizes: list[int], order: list[int], seed: int) -> None:
    """In any order and cut: those of the lowest lots, in the order of these."""
    vectors = some()
    ids = np.frombuffer(b"".join(doc_id(row) for row in range(SHAPE[0])), np.uint64).reshape(-1, 2)
    wanted = vectors[np.argsort(rng.bits(ids, seed, "train.clusters"))[:size]]
    got = clusters._drawn(inputs(world, vectors.tolist(), sizes, order=order, seed=seed), size)
    assert np.array_equal(got, wanted)


def test_the_square_root_of_the_documents_and_64_for_each(world: World, tmp_path: Path) -> None:
    """Of those that are selected and have a direction."""
    vectors = [list(map(float, row)) for row in np.random.default_rng(0).normal(size=(5100, 2))]
    vectors[0], vectors[1] = None, [0.0, 0.0]  # type: ignore[call-overload]
    facts = build(Clusters(), inputs(world, vectors, [700], kept=range(4900)), tmp_path / "out")[1]
    assert facts["documents"] == 4898 and facts["clusters"] == 70 and facts["sample"] == 64 * 70
    assert facts["dimensions"] == 2 and 1 <= facts["iterations"] <= 25
    assert load(tmp_path / "out").num == 70


def test_what_is_not_selected_moves_nothing(world: World, tmp_path: Path) -> None:
    vectors, others = some(), some(1)
    kept = range(0, SHAPE[0], 2)
    mixed = [(vectors if row in kept else others)[row].tolist() for row in range(SHAPE[0])]
    made = [
        build(Clusters(clusters=5), inputs(world, one, kept=kept), tmp_path / str(place))[0][FILE]
        for place, one in enumerate([vectors.tolist(), mixed])
    ]
    assert made[0] == made[1]


def test_too_few(world: World, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="too few documents"):
        build(Clusters(), inputs(world, [None, [0.0, 0.0]]), tmp_path / "none")
    with pytest.raises(DataError, match="5 of 40"):
        build(Clusters(sample=5), inputs(world, some().tolist()), tmp_path / "few")
    facts = build(Clusters(clusters=99), inputs(world, [[1.0, 0.0], [0.0, 1.0]]), tmp_path / "two")[1]
    assert facts["clusters"] == 2
    with pytest.raises(RecipeError, match="a cluster needs a document"):
        Clusters(clusters=10, sample=9)
    with pytest.raises(RecipeError, match="iterations"):
        Clusters(iterations=0)
    uneven = inputs(world, [[1.0, 0.0], [1.0]], [1])
    with pytest.raises(DataError, match="differ in their length"):
        build(Clusters(), uneven, tmp_path / "uneven")


def test_operations_are_those_of_the_iterations_that_it_took(world: World) -> None:
    given = inputs(world, some().tolist())
    facts = {"iterations": 3, "sample": 40, "clusters": 7, "dimensions": 5}
    out = world.table("model", {"nll": [0.0]}, [], **facts)
    assert Clusters().flops(given, None) is None and Clusters().flops(given, out) == 2 * 3 * 40 * 7 * 5
