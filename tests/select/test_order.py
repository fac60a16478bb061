"""Ranks, beside sorting whole keys in Python."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vernier.select.order import Order, packed

WORD = st.one_of(st.integers(0, 3), st.sampled_from([2**63, 2**64 - 1, 2**32, 256]))  # few, so that many tie
KEYS = st.lists(st.tuples(WORD, WORD, WORD), max_size=40)


@given(keys=KEYS)
def test_a_rank_is_the_number_of_keys_before(keys: list[tuple[int, int, int]]) -> None:
    """Also where first words tie, or whole keys; and whatever order they come in."""
    words = np.array(keys, np.uint64).reshape(-1, 3)
    order = Order.of(packed(words))
    assert order.rank(words).tolist() == [sum(other < key for other in keys) for key in keys]


def test_without_ties_only_first_words_are_held() -> None:
    words = np.arange(300, dtype=np.uint64).reshape(-1, 3)
    order = Order.of(packed(words[::-1]))
    assert len(order.tied) == 0 and order.rank(words[7:9]).tolist() == [7, 8]
    words[5, 0] = words[6, 0]
    assert len(Order.of(packed(words)).tied) == 2
