"""The compiled pass of `score.minhash`: from sets of 64-bit hashes to one key for each band of a MinHash signature.

numba keeps compiled code beside this file and makes it anew when this file changes, and only then: so everything that
is compiled is here, and what other files decide comes as an argument.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

SEED = np.uint64(0x13198A2E03707344)  # the second 64 bits of pi behind the point
FACTOR = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio, odd
SPREAD = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)  # the last step of MurmurHash3, 64 bits
HALF, THIRD = np.uint64(32), np.uint64(33)
LARGEST = np.uint32(0xFFFFFFFF)


def compiled(function: Callable[..., Any]) -> Any:
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # numba finds no folder that it may write to
        return numba.njit(nogil=True)(function)


@compiled
def minima(hashes: Any, factors: Any, terms: Any, high: Any, out: Any) -> None:
    """The least of factor * x + term modulo 2^32 over the upper halves x of some hashes, for each factor.

    high: room for as many. A factor at a time, so that the loop over hashes has nothing to write and runs in vectors.
    """
    number = len(hashes)
    for i in range(number):
        high[i] = np.uint32(hashes[i] >> HALF)
    for j in range(len(factors)):
        factor, term, least = factors[j], terms[j], LARGEST
        for i in range(number):
            least = min(least, np.uint32(factor * high[i] + term))
        out[j] = least


@compiled
def keys(values: Any, offsets: Any, factors: Any, terms: Any, bands: int, rows: int) -> tuple[Any, Any]:
    """The keys of each set, uint64, a key for each band, and where each set's begin, int32; an empty set has none.

    The lowest bits of a key are the number of its band, the others a hash of the `rows` minima of the band.
    """
    bits = 0
    while (1 << bits) < bands:
        bits += 1
    most = 0
    for row in range(len(offsets) - 1):
        most = max(most, offsets[row + 1] - offsets[row])
    high, least = np.empty(most, np.uint32), np.empty(bands * rows, np.uint32)
    out, bounds = np.empty((len(offsets) - 1) * bands, np.uint64), np.zeros(len(offsets), np.int32)
    put = 0
    for row in range(len(offsets) - 1):
        if offsets[row + 1] > offsets[row]:
            minima(values[offsets[row] : offsets[row + 1]], factors, terms, high, least)
            for band in range(bands):
                state = SEED
                for i in range(band * rows, (band + 1) * rows):
                    state = (state ^ np.uint64(least[i])) * FACTOR
                    state ^= state >> HALF
                state = (state ^ (state >> THIRD)) * SPREAD[0]
                state = (state ^ (state >> THIRD)) * SPREAD[1]
                state ^= state >> THIRD
                out[put] = state << np.uint64(bits) | np.uint64(band)
                put += 1
        bounds[row + 1] = put
    return out[:put].copy(), bounds
