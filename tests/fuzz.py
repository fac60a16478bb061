"""What the tests of `make fuzz` share: cases by hypothesis until the time is up, and bytes with mistakes in them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import given, seed, settings
from hypothesis import strategies as st

BATCH = 100  # cases of one run of hypothesis, which begins each with small ones
Edit = tuple[str, float, bytes]


def for_seconds(seconds: float, check: Callable[..., None], **cases: st.SearchStrategy[Any]) -> None:
    """Give `check` one case after the other; a case that fails is made small, however long that takes.

    The time is the wall's, so that the campaign takes as long on any machine; how much was tried is printed.
    """
    began = time.monotonic()
    tried, failed = 0, False

    @settings(max_examples=BATCH, deadline=None, database=None)
    @given(st.fixed_dictionaries(cases))
    def batch(case: dict[str, Any]) -> None:
        nonlocal tried, failed
        if time.monotonic() - began > seconds and not failed:
            return  # what is left of the batch
        tried += 1
        try:
            check(**case)
        except BaseException:
            failed = True
            raise

    first = random.SystemRandom().getrandbits(64)  # a seed given to pytest, or CI's, would make all batches the same
    number = 0
    while time.monotonic() - began < seconds:
        seed(first + number)(batch)()
        number += 1
    assert tried > 0, "nothing was tried"
    print(f"{check.__name__}: {tried} cases in {time.monotonic() - began:.0f} s, seeds from {first}")


def edits(tokens: Sequence[bytes]) -> st.SearchStrategy[list[Edit]]:
    """Up to five places of some bytes, and what happens there: see `edited`. `tokens`: what the format is made of."""
    values = st.one_of(st.binary(min_size=1, max_size=20), st.sampled_from(tokens))
    kinds = st.sampled_from(["set", "cut", "double", "put"])
    return st.lists(st.tuples(kinds, st.floats(0, 1, exclude_max=True), values), max_size=5)


def edited(data: bytes, changes: Sequence[Edit]) -> bytes:
    for kind, share, value in changes:
        at = int(share * (len(data) + 1))
        behind = at + len(value)
        data = {
            "set": data[:at] + value + data[behind:],
            "cut": data[:at] + data[behind:],
            "double": data[:behind] + data[at:],
            "put": data[:at] + value + data[at:],
        }[kind]
    return data
