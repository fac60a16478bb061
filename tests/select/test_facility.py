"""Facility location: known answers, the bound of greedy, and the fast order against the plain one."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from vernier.core import rng
from vernier.select.facility import cosines, drawn, lazy, sample_size, stochastic, taylor_softmax, value

KNOWN = np.array([[1, 0.9, 0.1], [0.9, 1, 0.2], [0.1, 0.2, 1]])


def plain(similarity: NDArray[np.float32]) -> tuple[list[int], list[float]]:
    """Greedy as it is told: count every gain each time, take the largest, the first of equal ones."""
    order: list[int] = []
    gains: list[float] = []
    reached = np.zeros(len(similarity), similarity.dtype)
    while len(order) < len(similarity):
        left = [j for j in range(len(similarity)) if j not in order]
        found = [float(np.maximum(similarity[j] - reached, 0).sum(dtype=np.float64)) for j in left]
        best = int(np.argmax(found))
        order.append(left[best])
        gains.append(found[best])
        reached = np.maximum(reached, similarity[left[best]])
    return order, gains


@st.composite
def similarities(draw: st.DrawFn, max_size: int = 10) -> NDArray[np.float32]:
    """Cosines of a few vectors, copies and opposite ones among them."""
    numbers = st.sampled_from([-2.0, -1.0, 0.0, 0.5, 1.0, 3.0])
    vector = st.lists(numbers, min_size=3, max_size=3).filter(any)
    return cosines(np.array(draw(st.lists(vector, min_size=1, max_size=max_size))))


def lots(size: int, seed: int = 0) -> NDArray[np.uint64]:
    return np.random.default_rng(seed).integers(0, 1 << 64, (size, sample_size(size, size)), np.uint64)


def test_known_order_and_gains() -> None:
    order, gains = lazy(KNOWN)
    assert order.tolist() == [1, 2, 0]
    assert_allclose(gains, [2.1, 0.8, 0.1], atol=1e-12)
    assert value(KNOWN, np.arange(3)) == pytest.approx(gains.sum()) == 3
    assert value(KNOWN, np.array([], np.int64)) == 0


def test_known_taylor_softmax() -> None:
    assert_allclose(taylor_softmax(np.array([2.2, 0.8, 0.1])), [0.635387, 0.239683, 0.124929], atol=5e-7)
    assert_allclose(taylor_softmax(np.full(7, 1.3)), np.full(7, 1 / 7))
    assert_allclose(taylor_softmax(np.array([2.2, 0.8, 0.1]) * 5, 5.0), taylor_softmax(np.array([2.2, 0.8, 0.1])))


def test_a_gain_of_nothing_can_still_be_drawn() -> None:
    """Trap: a draw without replacement fails where fewer have a probability than are wanted."""
    q = taylor_softmax(np.array([5.0, 0.0, 0.0]))
    assert (q > 0).all() and sorted(drawn(q, np.zeros(3)).tolist()) == [0, 1, 2]


@settings(max_examples=40)
@given(similarity=similarities(), number=st.integers(1, 10))
def test_greedy_reaches_its_share_of_the_best(similarity: NDArray[np.float32], number: int) -> None:
    number = min(number, len(similarity))
    best = max(value(similarity, np.array(some)) for some in itertools.combinations(range(len(similarity)), number))
    order, gains = lazy(similarity)
    reached = value(similarity, order[:number])
    assert reached >= (1 - 1 / math.e) * best - 1e-5
    assert reached == pytest.approx(gains[:number].sum(), abs=1e-5)


@settings(max_examples=30)
@given(similarity=similarities(max_size=14))
def test_lazy_is_plain_greedy(similarity: NDArray[np.float32]) -> None:
    order, gains = lazy(similarity)
    assert (order.tolist(), gains.tolist()) == plain(similarity)
    assert (np.diff(gains) <= 0).all()


def test_lazy_is_plain_greedy_for_many() -> None:
    similarity = cosines(np.random.default_rng(0).normal(size=(150, 6)) + 0.5)
    order, gains = lazy(similarity)
    assert (order.tolist(), gains.tolist()) == plain(similarity)


@settings(max_examples=30)
@given(similarity=similarities(max_size=14))
def test_gains_are_one_on_average(similarity: NDArray[np.float32]) -> None:
    """So temperatures mean the same in parts of any size."""
    for _, gains in (lazy(similarity), stochastic(similarity, lots(len(similarity)))):
        assert gains.mean() == pytest.approx(1, abs=1e-5)


def test_a_copy_adds_nothing() -> None:
    similarity = np.ones((2, 2))
    assert lazy(similarity)[1].tolist() == [2, 0]
    copies = KNOWN[np.ix_([0, 1, 2, 1], [0, 1, 2, 1])]
    order, gains = lazy(copies)
    assert order.tolist()[0] == 1 and gains[order.tolist().index(3)] == 0


@given(seed=st.integers(0, 99), which=st.lists(st.integers(0, 3), min_size=1, max_size=9))
def test_a_copied_embedding_adds_nothing(seed: int, which: list[int]) -> None:
    vectors = np.random.default_rng(seed).normal(size=(4, 9)).astype(np.float32)
    gains = lazy(cosines(vectors[which]))[1]
    assert np.count_nonzero(gains) <= len(set(which))


def test_cosines() -> None:
    vectors = np.random.default_rng(0).normal(size=(700, 5)).astype(np.float32)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    made = cosines(vectors)
    assert_allclose(made, np.clip(unit @ unit.T, 0, 1), atol=3e-7)
    assert (made == made.T).all()


def test_opposite_documents_do_not_push_each_other_away() -> None:
    """Trap: with cosines below 0, f of one document can be less than f of none, and is not monotone."""
    similarity = cosines(np.array([[1.0, 0], [-1, 0], [-1, 0.1]]))
    assert similarity.min() == 0 and (lazy(similarity)[1] >= 0).all()


def test_stochastic_gains_may_rise() -> None:
    """Trap: they are not the falling sequence that exact greedy gives."""
    similarity = cosines(np.random.default_rng(1).normal(size=(60, 4)))
    order, gains = stochastic(similarity, lots(60))
    assert sorted(order.tolist()) == list(range(60)) and gains.sum() == pytest.approx(60, rel=1e-5)
    assert (np.diff(gains) > 0).any()
    assert (stochastic(similarity, lots(60, seed=1))[0] != order).any()


@settings(max_examples=30)
@given(similarity=similarities(max_size=8))
def test_stochastic_that_looks_at_all_is_greedy(similarity: NDArray[np.float32]) -> None:
    every = np.tile(np.arange(len(similarity), dtype=np.uint64), (len(similarity), 1))
    order, gains = stochastic(similarity, every)
    assert (order.tolist(), gains.tolist()) == plain(similarity)


def test_draws_follow_the_probabilities() -> None:
    """The first two of three, over many keyed lots, against the probabilities of drawing without replacement."""
    q = np.array([0.6, 0.3, 0.1])
    seen = dict.fromkeys(itertools.permutations(range(3), 2), 0)
    ids = np.random.default_rng(0).integers(0, 1 << 63, (30_000, 2)).astype(np.uint64)
    noise = rng.gumbel(ids, 0, "test").reshape(-1, 3)
    for one in noise:
        seen[tuple(drawn(q, one)[:2].tolist())] += 1
    for (first, second), number in seen.items():
        p = q[first] * q[second] / (1 - q[first])
        assert number / len(noise) == pytest.approx(p, abs=5 * math.sqrt(p / len(noise)))


@settings(max_examples=20)
@given(st.integers(1, 3000), st.integers(1, 3000))
def test_sample_size(size: int, wanted: int) -> None:
    assert sample_size(size, wanted) == math.ceil(size * math.log(100) / wanted - 1e-9)
