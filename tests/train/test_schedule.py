"""The learning rate: known values, and the part that does not know where the training ends."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vernier.train.schedule import Schedule


def test_a_cosine_rises_then_falls_to_a_tenth() -> None:
    rates = [Schedule("cosine", 100, 10, 0).rate(step) for step in range(100)]
    assert rates[:10] == pytest.approx([0.1 * (i + 1) for i in range(10)])
    assert rates[10] == 1.0
    assert all(a > b for a, b in itertools.pairwise(rates[10:]))
    assert rates[-1] == pytest.approx(0.1)
    assert Schedule("cosine", 1, 0, 0).rate(0) == 1.0


def test_a_constant_rate_rises_stays_and_falls_by_the_square_root() -> None:
    rates = [Schedule("constant", 20, 4, 3).rate(step) for step in range(20)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    assert rates[4:17] == [1.0] * 13
    assert rates[17:] == pytest.approx([1 - math.sqrt(1 / 4), 1 - math.sqrt(2 / 4), 1 - math.sqrt(3 / 4)])


@given(st.integers(1, 50), st.integers(30, 200), st.integers(30, 200), st.integers(0, 30))
def test_trainings_of_two_lengths_share_the_open_part(decay: int, one: int, other: int, warmup: int) -> None:
    short, long = (Schedule("constant", decay + n, warmup, decay) for n in sorted((one, other)))
    assert [short.rate(s) for s in range(short.open_until)] == [long.rate(s) for s in range(short.open_until)]
    assert Schedule("cosine", 10, 1, 0).open_until == 0
