"""The compiled part: how alike two documents are, and the pass over them in order of preference.

What a document is compared by lies in flat arrays: `values` (hashes, rising, each once) and `weights` (of the values,
or the numbers of a vector), from `offsets[f]` to `offsets[f + 1]` for features number f.

numba keeps compiled code beside this file and makes it anew when this file changes, and only then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

JACCARD, CONTAINMENT, COSINE, EQUAL = range(4)
UNDECIDED, KEPT, DROPPED, KNOWN = range(4)  # KNOWN: kept before, and not judged again
NOT_ALIKE = -2.0  # less than any likeness
SLACK = 1e-9  # a bound is rounded; what lies on the threshold must not be given up

Numbers = NDArray[np.int64]


def compiled(function: Callable[..., Any], **how: Any) -> Any:
    try:
        return numba.njit(cache=True, nogil=True, **how)(function)
    except RuntimeError:  # numba finds no folder that it may write to
        return numba.njit(nogil=True, **how)(function)


def summing(function: Callable[..., Any]) -> Any:
    """As `compiled`, but sums of floats are added up in the order that the processor is fastest in: the last bits may
    be others on another kind of processor."""
    return compiled(function, fastmath={"reassoc", "contract"})


@compiled
def jaccard(values: Any, a: int, a_end: int, b: int, b_end: int, least: float) -> float:
    """|A and B| / |A or B| of two sets; NOT_ALIKE as soon as it must be below `least`."""
    size_a, size_b = a_end - a, b_end - b
    needed = least * (size_a + size_b) / (1.0 + least) - SLACK * (size_a + size_b)
    common = 0
    while a < a_end and b < b_end:
        if common + min(a_end - a, b_end - b) < needed:
            return NOT_ALIKE
        x, y = values[a], values[b]
        if x == y:
            common += 1
        a += x <= y
        b += y <= x
    return common / (size_a + size_b - common)


@compiled
def containment(values: Any, weights: Any, a: int, a_end: int, b: int, b_end: int) -> float:
    """The share of A's weight that lies in values which B has too."""
    common, whole = 0.0, 0.0
    while a < a_end:
        while b < b_end and values[b] < values[a]:
            b += 1
        whole += weights[a]
        if b < b_end and values[b] == values[a]:
            common += weights[a]
        a += 1
    return common / whole if whole > 0 else NOT_ALIKE


@summing
def cosine(weights: Any, a: int, a_end: int, b: int, b_end: int) -> float:
    """The cosine of two vectors; NOT_ALIKE where one has no direction, or they differ in length."""
    if a_end - a != b_end - b:
        return NOT_ALIKE
    first, second = weights[a:a_end], weights[b:b_end]  # places in these are never below 0: without a test it is fast
    dot, aa, bb = 0.0, 0.0, 0.0
    for i in range(len(first)):
        x, y = np.float64(first[i]), np.float64(second[i])
        dot += x * y
        aa += x * x
        bb += y * y
    return dot / np.sqrt(aa * bb) if aa > 0 and bb > 0 else NOT_ALIKE


@compiled
def equal(values: Any, a: int, a_end: int, b: int, b_end: int) -> float:
    if a_end - a != b_end - b:
        return NOT_ALIKE
    for i in range(a_end - a):
        if values[a + i] != values[b + i]:
            return NOT_ALIKE
    return 1.0


@compiled
def likeness(kind: int, least: float, values: Any, weights: Any, offsets: Any, a: int, b: int) -> float:
    """How alike features `a` are to features `b`; NOT_ALIKE where that is below `least`."""
    start, end, other, other_end = offsets[a], offsets[a + 1], offsets[b], offsets[b + 1]
    if kind == JACCARD:
        found = jaccard(values, start, end, other, other_end, least)
    elif kind == CONTAINMENT:
        found = containment(values, weights, start, end, other, other_end)
    elif kind == COSINE:
        found = cosine(weights, start, end, other, other_end)
    else:
        found = equal(values, start, end, other, other_end)
    return found if found >= least else NOT_ALIKE


@compiled
def pairs(kind: int, least: float, values: Any, weights: Any, offsets: Any, a: Any, b: Any) -> Any:
    """The likeness of each a[i] to b[i], float64 [n]."""
    found = np.empty(len(a), np.float64)
    for i in range(len(a)):
        found[i] = likeness(kind, least, values, weights, offsets, a[i], b[i])
    return found


@compiled
def settle(
    kind: int,
    least: float,
    values: Any,
    weights: Any,
    offsets: Any,
    feature: Any,
    position: Any,
    first: int,
    last: int,
    starts: Any,
    buckets: Any,
    places: Any,
    filled: Any,
    closed: Any,
    members: Any,
    looked: Any,
    status: Any,
    of: Any,
    alike: Any,
) -> tuple[int, int]:
    """Documents `first` to `last`, of all in order of preference: keep each that is like none that is kept before it.

    feature, position  int64 [n]: number of its features, and its place in the order of preference of all that there are
    starts, buckets  document d lies in buckets[starts[d] : starts[d + 1]]
    places           int64 [b + 1]: where in `members` (int32) those of a bucket stand
    filled           int64 [b]: kept documents that a bucket holds; at closed[b] it takes no more
    looked           int32 [n], -1: the last document that each was compared with
    status           int8 [n]: what becomes of each
    of, alike        int64, float64 [n]: of a DROPPED one the position of the kept document that it is most like (the
                     most preferred of several), and how alike they are
    Returns how many pairs were compared, and how often a bucket had no room for one that was kept.
    """
    compared, left_out = 0, 0
    for d in range(first, last):
        if status[d] != KNOWN:
            for at in range(starts[d], starts[d + 1]):
                bucket = buckets[at]
                for place in range(places[bucket], places[bucket] + filled[bucket]):
                    other = members[place]
                    if looked[other] == d:
                        continue
                    looked[other] = d
                    compared += 1
                    found = likeness(kind, max(least, alike[d]), values, weights, offsets, feature[d], feature[other])
                    tied = found == alike[d] and found != NOT_ALIKE
                    if found > alike[d] or (tied and position[other] < of[d]):
                        alike[d], of[d] = found, position[other]
            if alike[d] != NOT_ALIKE:
                status[d] = DROPPED
        if status[d] == DROPPED:
            continue
        if status[d] == UNDECIDED:
            status[d] = KEPT
        for at in range(starts[d], starts[d + 1]):
            bucket = buckets[at]
            if filled[bucket] < closed[bucket]:
                members[places[bucket] + filled[bucket]] = d
                filled[bucket] += 1
            else:
                left_out += 1
    return compared, left_out
