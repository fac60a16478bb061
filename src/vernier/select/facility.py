"""Facility location: how well some documents stand for all of a part, and in which order greedy takes them.

INGENIOUS (arXiv 2305.06677). For the cosines s_ij of m documents, clipped at 0, and a set A of them:

    f(A) = sum_i max_{j in A} s_ij                                    of none: 0
    gain of j = f(A + j) - f(A) = sum_i max(0, s_ij - max_{a in A} s_ia)

f is monotone and submodular, so greedy reaches (1 - 1/e) of the best set of its size (Nemhauser, Wolsey, Fisher 1978,
Math. Programming 14, 265). The gains of a whole order sum up to f of all, which is m: their mean is 1 whatever m is.

Memory: the cosines, 4 m^2 bytes (64 MB for 4,096 documents, 3.1 GB for the 27,700 of the paper), and 16 m d bytes for
embeddings of d numbers.
"""

from __future__ import annotations

import heapq
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vernier.core.vectors import WHOLE, whole

Order = tuple[NDArray[np.int64], NDArray[np.float64]]  # places of the m documents as they are taken, the gain of each
EPSILON = 0.01  # stochastic greedy is within it of greedy's share, on average; the released code's is not known to us
BLOCK = 512  # rows of cosines that are float64 at once


def cosines(embeddings: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Cosines of embeddings [m, d], no row of length 0, those below 0 as 0: float32 [m, m], symmetric.

    The number of threads moves no bit (`vernier.core.vectors`), and copies have the cosines of their originals.
    """
    rows = whole(embeddings)
    similarity = np.empty((len(rows), len(rows)), dtype=np.float32)
    for at in range(0, len(rows), BLOCK):
        similarity[at : at + BLOCK] = rows[at : at + BLOCK] @ rows.T / WHOLE**2
    return np.clip(similarity, 0, 1, out=similarity)


def value(similarity: NDArray[np.floating[Any]], chosen: NDArray[np.int64]) -> float:
    """f of some documents, by their places."""
    reached = np.zeros(len(similarity), dtype=similarity.dtype)
    for place in chosen:
        np.maximum(reached, similarity[place], out=reached)
    return float(reached.sum(dtype=np.float64))


def gain(row: NDArray[np.floating[Any]], reached: NDArray[np.floating[Any]]) -> float:
    """What a document adds. row: its cosines [m]; reached: the largest so far [m].

    Rounding keeps order, so a gain never grows as `reached` does: what `lazy` relies on holds to the last bit.
    """
    return float(np.maximum(row - reached, 0).sum(dtype=np.float64))


def lazy(similarity: NDArray[np.floating[Any]]) -> Order:
    """All m documents as exact greedy takes them, the first of equal ones first.

    A gain only ever falls, so one that was counted earlier bounds it from above: the largest is counted again, and
    taken if it stays the largest (Minoux 1978, "accelerated greedy").
    """
    size = len(similarity)
    reached = np.zeros(size, dtype=similarity.dtype)
    heap = [(-gain(row, reached), place) for place, row in enumerate(similarity)]
    heapq.heapify(heap)
    counted = np.zeros(size, dtype=np.int64)  # how many were taken when its gain was counted
    order, gains = np.empty(size, dtype=np.int64), np.empty(size)
    for taken in range(size):
        while counted[heap[0][1]] < taken:
            place = heap[0][1]
            counted[place] = taken
            heapq.heapreplace(heap, (-gain(similarity[place], reached), place))
        negative, place = heapq.heappop(heap)
        order[taken], gains[taken] = place, -negative
        np.maximum(reached, similarity[place], out=reached)
    return order, gains


def sample_size(size: int, wanted: int) -> int:
    """How many documents stochastic greedy looks at before it takes one of `wanted` of `size`."""
    return math.ceil(size / wanted * math.log(1 / EPSILON))


def stochastic(similarity: NDArray[np.floating[Any]], lots: NDArray[np.uint64]) -> Order:
    """All m documents as stochastic greedy takes them: each time the best of a few (Mirzasoleiman et al. 2015,
    arXiv 1409.7938). Gains may rise from one to the next.

    lots   uint64 [m, s], random: which of those left are looked at, s each time; one may come twice
    """
    size = len(similarity)
    reached = np.zeros(size, dtype=similarity.dtype)
    left = np.arange(size)
    order, gains = np.empty(size, dtype=np.int64), np.empty(size)
    for taken in range(size):
        spots = np.unique(lots[taken] % np.uint64(size - taken)).astype(np.int64)
        negative, place, spot = min((-gain(similarity[left[s]], reached), int(left[s]), int(s)) for s in spots)
        order[taken], gains[taken] = place, -negative
        np.maximum(reached, similarity[place], out=reached)
        left[spot] = left[size - taken - 1]
    return order, gains


def taylor_softmax(gains: NDArray[np.float64], temperature: float = 1.0) -> NDArray[np.float64]:
    """q = (1 + g/T + (g/T)^2 / 2) / sum: the exponential's first terms. Above 0 for every gain, so all can be drawn."""
    scaled = gains / temperature
    weights = 1 + scaled + scaled**2 / 2
    return weights / weights.sum()


def drawn(q: NDArray[np.float64], noise: NDArray[np.float64]) -> NDArray[np.int64]:
    """All m documents as they are drawn one by one without replacement, each with a probability in proportion to `q`
    among those left: the order of ln q + Gumbel noise (arXiv 1903.06059)."""
    return np.argsort(-(np.log(q) + noise), kind="stable")
