"""Keyed random weights: a weight depends on its number, the seed and the name that it belongs to, not on the order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vernier.core import rng


def draw(names: Sequence[str], number: int, seed: int, purpose: str) -> NDArray[np.float64]:
    """Weight vectors drawn evenly from the simplex, float64 [number, names]: each sums to 1, none is below 0.

    Dirichlet(1, ..., 1): exponential draws over their sum. The same names in another order get the same weights.
    """
    order = sorted(range(len(names)), key=names.__getitem__)
    ids = np.empty((number, 2), np.uint64)
    ids[:, 0] = np.arange(number)
    drawn = np.empty((number, len(names)))
    for place in order:
        ids[:, 1] = int.from_bytes(rng.id_of(names[place])[:8], "little")
        drawn[:, place] = -np.log(rng.uniform(ids, seed, purpose))
    return drawn / drawn[:, order].sum(axis=1, keepdims=True)
