"""Clusters of embeddings: known directions, the plainest search beside the fast one, company that does not count."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from vernier.core.errors import DataError
from vernier.models import clusters
from vernier.models.clusters import Clusters, fit, load

NUMBERS = st.sampled_from([-2.0, -1.0, 0.0, 0.25, 1.0, 3.0])


def test_directions_that_were_planted() -> None:
    """Vectors of any length around four axes: the centroids are the axes, each vector's nearest is its own."""
    random = np.random.default_rng(0)
    axis = np.arange(400) % 4
    vectors = np.eye(4, 8)[axis] + random.normal(0, 0.02, (400, 8))
    vectors *= random.uniform(0.1, 50, (400, 1))
    found = max((fit(vectors.astype(np.float32), 4, 25, seed)[0] for seed in range(8)), key=lambda one: one.num)
    near, distance = found.nearest(vectors, 1)
    assert len({(a, b) for a, b in zip(axis, near[:, 0], strict=True)}) == 4
    assert distance.max() < 0.02
    assert np.allclose(np.linalg.norm(found.centroids, axis=1), 1, atol=1e-6)


def test_known_distances() -> None:
    """1 - cosine to the nearest; the nearest first, and of equally near ones the first."""
    found = Clusters(np.array([[0, 2], [3, 0], [-1, 0]], np.float32))
    near, distance = found.nearest(np.array([[4.0, 0.0], [1.0, 1.0], [0.0, -7.0], [-3.0, 4.0]]), 2)
    assert near.tolist() == [[1, 0], [0, 1], [1, 2], [0, 2]]
    np.testing.assert_allclose(distance, [0, 1 - np.sqrt(0.5), 1, 0.2], atol=1e-7)


@settings(max_examples=40)
@given(st.data())
def test_as_the_plainest_search_whatever_the_company(data: st.DataObject) -> None:
    """One vector alone gets what it gets among others, to the bit."""

    def some(most: int) -> NDArray[np.float32]:
        return data.draw(
            arrays(np.float32, (data.draw(st.integers(1, most)), 3), elements=NUMBERS).filter(_all_directed)
        )

    found, vectors, number = Clusters(some(6)), some(9), data.draw(st.integers(1, 7))
    near, distance = found.nearest(vectors, number)
    assert near.shape == (len(vectors), min(number, found.num))
    for row, vector in enumerate(vectors.astype(np.float64)):
        lengths = np.linalg.norm(found.centroids.astype(np.float64), axis=1) * np.linalg.norm(vector)
        cosines = found.centroids @ vector / lengths
        np.testing.assert_allclose(cosines[near[row]], np.sort(cosines)[::-1][: near.shape[1]], atol=1e-6)
        assert distance[row] == pytest.approx(1 - cosines.max(), abs=1e-6)
        alone, its = found.nearest(vectors[row : row + 1], number)
        assert alone.tolist() == [near[row].tolist()] and its[0] == distance[row]


def _all_directed(vectors: NDArray[np.float32]) -> bool:
    return bool(vectors.any(axis=1).all())


def test_the_size_of_a_block_moves_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    vectors = random.normal(size=(500, 33)).astype(np.float32)
    found = fit(vectors, 20, 5, 0)[0]
    near, distance = found.nearest(vectors, 3)
    for size in (1, 8 * 20 * 7):
        monkeypatch.setattr(clusters, "BLOCK", size)
        again, its = found.nearest(vectors, 3)
        assert np.array_equal(again, near) and np.array_equal(its, distance)


def test_fewer_different_vectors_than_clusters_and_opposite_ones() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    assert fit(vectors, 4, 25, 0)[0].num == 2
    opposite = fit(np.array([[1, 0], [-1, 0]], np.float32), 1, 25, 0)[0]
    assert np.linalg.norm(opposite.centroids[0]) == pytest.approx(1)


def test_the_same_bits_for_a_seed() -> None:
    vectors = np.random.default_rng(2).normal(size=(300, 16)).astype(np.float32)
    kept = vectors.copy()
    one, other, third = (fit(vectors, 12, 25, seed)[0].centroids for seed in (5, 5, 6))
    assert np.array_equal(one, other) and not np.array_equal(one, third)
    assert np.array_equal(vectors, kept)


def test_saved_and_loaded(tmp_path: Path) -> None:
    found = Clusters(np.array([[0, 1], [1, 0.5]], np.float32))
    found.save(tmp_path)
    assert np.array_equal(load(tmp_path).centroids, found.centroids)
    assert [path.name for path in tmp_path.iterdir()] == [clusters.FILE]
    with pytest.raises(DataError, match="no clusters"):
        load(tmp_path / "elsewhere")
