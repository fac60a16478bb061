"""Keyed randomness: uniform, independent of order, different for every key."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from vernier.core import rng


def ids(size: int, seed: int = 0) -> NDArray[np.uint64]:
    return np.random.default_rng(seed).integers(0, 1 << 63, (size, 2), dtype=np.uint64)


def reference(one: int, two: int, seed: int, purpose: str) -> int:
    """SplitMix64's finaliser over both halves of the id and of a keyed hash, in plain integers."""

    def mix(x: int) -> int:
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) % 2**64
        return x ^ (x >> 31)

    key = hashlib.blake2b(purpose.encode(), digest_size=16, key=seed.to_bytes(8, "little", signed=True)).digest()
    first, second = (int.from_bytes(key[i : i + 8], "little") for i in (0, 8))
    return mix(mix(mix(one ^ first) ^ two) ^ second)


@given(
    pairs=st.lists(st.tuples(*[st.integers(0, 2**64 - 1)] * 2), max_size=8),
    seed=st.integers(-(2**63), 2**63 - 1),
    purpose=st.text(max_size=8),
)
def test_bits_are_those_of_plain_integers(pairs: list[tuple[int, int]], seed: int, purpose: str) -> None:
    given_ids = np.array(pairs, np.uint64).reshape(-1, 2)
    assert rng.bits(given_ids, seed, purpose).tolist() == [reference(*pair, seed, purpose) for pair in pairs]


def test_a_known_draw_never_changes() -> None:
    """A change here changes every slice and every random arm: it needs new versions of the plugins that draw."""
    one = np.frombuffer(rng.id_of("a document"), np.uint64).reshape(1, 2)
    assert rng.bits(one, 0, "select.slice:").tolist() == [0x53E705DF3E665795]


@given(st.lists(st.integers(0, 99), min_size=1, max_size=50), st.integers(0, 9))
def test_a_draw_depends_on_its_document_alone(rows: list[int], seed: int) -> None:
    every = ids(100)
    assert (rng.uniform(every[rows], seed, "x") == rng.uniform(every, seed, "x")[rows]).all()


def test_draws_are_uniform_and_gumbel() -> None:
    draws = rng.uniform(ids(100_000), 1, "x")
    assert draws.min() > 0 and draws.max() < 1
    counts = np.bincount((draws * 100).astype(int), minlength=100)
    assert 60 < ((counts - 1000) ** 2 / 1000).sum() < 150  # chi-squared, 99 degrees of freedom
    noise = rng.gumbel(ids(100_000), 1, "x")
    assert abs(noise.mean() - np.euler_gamma) < 0.02 and abs(noise.var() - np.pi**2 / 6) < 0.05


def test_the_extreme_bits_draw_finite_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trap: a uniform draw of exactly 0 or 1 makes Gumbel noise infinite, and a document be kept for ever or never."""
    extremes = np.array([0, 2**64 - 1], np.uint64)
    monkeypatch.setattr(rng, "bits", lambda *_: extremes)
    assert (np.array([0.0, 1.0]) != rng.uniform(ids(2), 0, "x")).all()
    assert np.isfinite(rng.gumbel(ids(2), 0, "x")).all() and np.abs(rng.gumbel(ids(2), 0, "x")).max() < 40


def test_neighbouring_ids_seeds_and_purposes_share_nothing() -> None:
    counting = np.zeros((50_000, 2), np.uint64)
    counting[:, 1] = np.arange(50_000)
    base = rng.uniform(counting, 0, "x")
    others = (
        rng.uniform(counting, 1, "x"),
        rng.uniform(counting, 0, "y"),
        rng.uniform(counting[:, ::-1].copy(), 0, "x"),
    )
    for other in (*others, np.roll(base, 1)):
        assert abs(np.corrcoef(base, other)[0, 1]) < 0.02  # 4.5 standard errors


def test_a_lone_surrogate_has_an_id() -> None:
    assert len({rng.id_of(text) for text in ("", "a", "\ud800", "ab")}) == 4
