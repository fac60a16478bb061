"""How the passes are compiled, and the arithmetic on hashes that they share.

Compiled code is kept beside the sources (numba's cache); where nothing can be written each process compiles anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

SEED = np.uint64(0x243F6A8885A308D3)  # the first 64 bits of pi behind the point
FACTOR = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio, odd
HALF = np.uint64(32)


def compiled(function: Callable[..., Any]) -> Any:
    try:
        return numba.njit(cache=True)(function)
    except RuntimeError:  # numba finds no folder that it may write to
        return numba.njit(function)


@compiled
def mixed(state: np.uint64, value: np.uint64) -> np.uint64:
    """The hash of a sequence, one value longer."""
    state = (state ^ value) * FACTOR
    return state ^ (state >> HALF)
