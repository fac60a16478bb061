"""The peers of the refine bench count what `score.surface` counts."""

from __future__ import annotations

import pyarrow as pa
from bench.refine_peers import COUNTS, STOP_WORDS, counts
from hypothesis import given
from hypothesis import strategies as st

from vernier.score import surface

KELVIN = "\u212a"  # its small letter is an ASCII k


@given(st.lists(st.text().filter(lambda text: KELVIN not in text), min_size=1, max_size=5))
def test_the_ordinary_way_counts_the_same(texts: list[str]) -> None:
    array = pa.array(texts, pa.large_string())
    ours = {**surface.count(array), "zlib_bytes": surface.compressed(array)}
    for row, text in enumerate(texts):
        assert {name: int(ours[name][row]) for name in COUNTS} == counts(text)


def test_the_same_stop_words() -> None:
    assert frozenset(surface.STOP_WORDS) == STOP_WORDS
    assert counts("The cat & the HAT!")["num_stop_words"] == 2
