"""Votes in two orders as one probability."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vernier.core.preference import preference


def p(ab: int, ab_of: int, ba: int, ba_of: int, generations: int = 20) -> float:
    return float(preference(*(np.array([n]) for n in (ab, ab_of, ba, ba_of)), generations)[0])


def test_known_answers() -> None:
    assert p(20, 20, 0, 20) == 1.0
    assert p(0, 20, 20, 20) == 0.0
    assert p(15, 20, 5, 20) == 0.75
    assert p(6, 12, 3, 12) == (0.5 + 1 - 0.25) / 2


def test_a_judge_that_always_takes_the_last_has_no_preference() -> None:
    assert p(20, 20, 20, 20) == 0.5
    assert p(0, 20, 0, 20) == 0.5


def test_half_of_the_answers_is_too_few() -> None:
    """Trap of the published code: a pair with few readable answers is missing, not a tie."""
    assert np.isnan(p(10, 10, 0, 20)) and np.isnan(p(0, 20, 10, 10)) and np.isnan(p(0, 0, 0, 0))
    assert p(11, 11, 0, 11) == 1.0


@given(st.integers(0, 20), st.integers(0, 20))
def test_exchanged_documents_have_the_opposite_preference(ab: int, ba: int) -> None:
    assert abs(p(ab, 20, ba, 20) + p(ba, 20, ab, 20) - 1) < 1e-12
