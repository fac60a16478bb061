"""Exact sums: those of math.fsum, whatever the order and the cut."""

from __future__ import annotations

import math
from fractions import Fraction
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vernier.core import exact

FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@given(values=st.lists(FLOATS, max_size=40), cut=st.integers(0, 40), order=st.randoms(use_true_random=False))
def test_a_sum_is_exact_whatever_the_order_and_the_cut(values: list[float], cut: int, order: Random) -> None:
    whole = exact.total(np.array(values))
    assert Fraction(whole, 2**exact.UNIT) == sum(map(Fraction, values))
    assert exact.total(np.array(values[:cut])) + exact.total(np.array(values[cut:])) == whole
    order.shuffle(values)
    assert exact.total(np.array(values)) == whole


def test_many_numbers_of_all_sizes_sum_up_as_fsum_has_it() -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=exact.BLOCK + 1000) * 10.0 ** random.integers(-8, 8, exact.BLOCK + 1000)
    assert exact.mean(exact.total(values)) == math.fsum(values)
    assert np.sum(values) != math.fsum(values)  # or this test shows nothing


def test_the_mean_is_rounded_once() -> None:
    tenths = np.full(10, 0.1)
    assert exact.mean(exact.total(tenths), 10) == 0.1 != sum(tenths) / 10
    assert exact.mean(exact.total(np.array([5e-324, 5e-324])), 2) == 5e-324
    assert exact.mean(exact.total(np.full(4, 1.7e308)), 4) == 1.7e308
    with pytest.raises(OverflowError):
        exact.mean(exact.total(np.full(4, 1.7e308)))
