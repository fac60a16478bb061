"""Exact sums of floating-point numbers: the same whatever their order, and however a corpus is cut into shards.

A float64 is a whole number of units of 2^-1126 (its 53 bits at the smallest exponent that `frexp` returns), and
Python's integers hold any sum of those. Shards hand over such integers; what is rounded is the result, once.
`math.fsum` does the same for one list of numbers, which can not lie in several processes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

UNIT = 1126
BITS = 53  # of a float64's integer
HALF = 27  # of them are added up at a time: sums of BLOCK halves stay below 2^53, where float64 is exact
BLOCK = 1 << 20


def total(values: NDArray[np.float64]) -> int:
    """The sum in units of 2^-1126. values: float64 [n], all finite. Totals of several lists may be added."""
    whole = 0
    for start in range(0, len(values), BLOCK):
        fraction, exponent = np.frexp(values[start : start + BLOCK])
        integer = np.ldexp(fraction, BITS).astype(np.int64)
        low = int(exponent.min())
        for half, shift in ((integer >> HALF, HALF), (integer & ((1 << HALF) - 1), 0)):
            sums = np.bincount(exponent - low, weights=half.astype(np.float64))
            for place in np.flatnonzero(sums).tolist():
                whole += int(sums[place]) << (place + low - BITS + UNIT + shift)
    return whole


def mean(total: int, count: int = 1) -> float:
    """total / count, rounded once to float64. count: above 0. Raises OverflowError beyond the largest float64."""
    return total / (count << UNIT)
