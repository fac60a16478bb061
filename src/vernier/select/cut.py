"""Find the cut: the first row, in order of preference, that no longer fits into a budget.

Rows are ordered by three 64-bit words: the score's key, then the document id's two halves; so ties fall the
same way however the corpus is cut into shards. Round 1: every shard sums up its rows by the leading bits of
the first word (at most POINTS buckets); the merged sums say in which bucket the cut lies and what all
better rows hold. Every later round divides that bucket again; as soon as few enough rows are left in it
(CANDIDATES in all), the next round collects and sorts just them. Two rounds are usual. This is a radix
selection with weights: nothing is estimated.

Memory: the driver holds POINTS buckets of 40 bytes for each shard, then at most CANDIDATES rows of 48 bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vernier.core.shard import Shard
from vernier.select.budget import Group
from vernier.select.pool import Pool

POINTS = 1 << 13
CANDIDATES = 1 << 20
BITS = 20  # of a word that one round looks at
BLOCK = 1 << 17  # rows looked at together: a shard of a million must not need ten times its size for a moment
LAST = (1 << 64) - 1  # the largest value of a word
NUM_WORDS = 3
Places = NDArray[np.int64]  # of rows in a pool


class Words:
    """The words by which the rows of a pool are ordered; document ids are read when a tie asks for them."""

    def __init__(self, shard: Shard, pool: Pool) -> None:
        self._shard, self._pool = shard, pool
        self._ids: NDArray[np.uint64] | None = None

    def word(self, number: int, places: Places) -> NDArray[np.uint64]:
        """Word 0, 1 or 2 of some rows, uint64 [n]."""
        if number == 0:
            return self._pool.key[places]
        if self._ids is None:
            self._ids = self._shard.doc_ids()
        return self._ids[self._pool.rows[places], number - 1].byteswap()

    def all(self, places: Places) -> NDArray[np.uint64]:
        """Every word of some rows, uint64 [n, 3]."""
        return np.stack([self.word(number, places) for number in range(NUM_WORDS)], axis=1)

    def before(self, cut: tuple[int, ...], places: Places) -> NDArray[np.bool_]:
        """Which rows come before a cut, bool [n]. cut: three words, or () for all rows."""
        out = np.full(len(places), not cut)
        tied = np.arange(len(places))
        for number, value in enumerate(cut):
            word = self.word(number, places[tied])
            out[tied[word < np.uint64(value)]] = True
            tied = tied[word == np.uint64(value)]
            if len(tied) == 0:
                break
        return out


@dataclass(frozen=True)
class Goal:
    """A cut that is looked for, and how far it is known.

    group    whose rows are meant
    unit     in which the budget is counted: place in the amounts (documents, bytes, tokens)
    budget   in that unit
    fixed    the cut's leading words that are known already
    low, high  between them lies its next word (both may be it)
    reached  what the rows surely before the cut hold, in every unit
    left     rows between low and high
    collect  few enough rows are left: the next round brings them
    settled  `fixed` is the whole cut; () if every row fits
    """

    group: Group
    unit: int
    budget: int
    fixed: tuple[int, ...] = ()
    low: int = 0
    high: int = LAST
    reached: tuple[int, ...] = (0, 0, 0)
    left: int = 0
    collect: bool = False
    settled: bool = False


@dataclass(frozen=True)
class Buckets:
    """Rows of one shard summed up by their next word: bucket = (word - goal.low) >> shift.

    index    of the buckets that hold rows, rising, int64 [m]
    rows     in each, int64 [m]
    amounts  in each, int64 [k, m]
    low, high  the smallest and the largest word
    """

    shift: int
    index: NDArray[np.int64]
    rows: NDArray[np.int64]
    amounts: NDArray[np.int64]
    low: int
    high: int


@dataclass(frozen=True)
class Candidates:
    """The rows themselves: words uint64 [n, 3], amounts int64 [k, n]."""

    words: NDArray[np.uint64]
    amounts: NDArray[np.int64]


Part = Buckets | Candidates | None
EVERYTHING = Goal(None, 0, 0)  # the bracket before anything is known


def look(goal: Goal, words: Words, amounts: NDArray[np.int64], places: Places, points: int) -> Part:
    """What a shard has to say about a goal. places: the rows of its group; None if none is in its bracket."""
    for number, value in enumerate(goal.fixed):
        places = places[words.word(number, places) == np.uint64(value)]
    number = len(goal.fixed)
    if (goal.low, goal.high) != (0, LAST):
        low, high = np.uint64(goal.low), np.uint64(goal.high)
        found = ((block, words.word(number, block)) for block in blocks(places))
        places = np.concatenate([block[(word >= low) & (word <= high)] for block, word in found])
    if len(places) == 0:
        return None
    if goal.collect:
        return Candidates(words.all(places), amounts[:, places])
    return _buckets(words, number, amounts, places, goal, max(points, 2))


def blocks(places: Places) -> list[Places]:
    """Places in parts of at most BLOCK, one at least."""
    return [places[start : start + BLOCK] for start in range(0, max(1, len(places)), BLOCK)]


def narrow(goals: Sequence[Goal], parts: Sequence[Sequence[Part]]) -> tuple[Goal, ...]:
    """The goals after a round. parts: for each goal what the shards said."""
    found = [_narrow(goal, [p for p in said if p is not None]) for goal, said in zip(goals, parts, strict=True)]
    allowed = CANDIDATES // max(1, sum(not goal.settled for goal in found))
    return tuple(replace(goal, collect=goal.left <= allowed) for goal in found)


def total(parts: Sequence[Part]) -> tuple[int, ...]:
    """What the rows of a group hold, in every unit, by the parts of the first round."""
    sums = [part.amounts.sum(axis=1) for part in parts if part is not None]
    return tuple(int(x) for x in np.sum(sums, axis=0))


def _buckets(words: Words, number: int, amounts: NDArray[np.int64], places: Places, goal: Goal, points: int) -> Buckets:
    shift = max(0, (goal.high - goal.low).bit_length() - BITS)
    if len(places) > 1 << (BITS - 3):  # counting beats sorting when the rows are many
        low, high, index, rows, sums = _counted(words, number, amounts, places, goal.low, shift)
    else:
        word = words.word(number, places)
        low, high = int(word.min()), int(word.max())
        bucket = _bucket(word, goal.low, shift)
        order = np.argsort(bucket, kind="stable")
        index, first, rows = np.unique(bucket[order], return_index=True, return_counts=True)
        sums = np.add.reduceat(amounts[:, places[order]], first, axis=1)
    while len(index) > points:
        shift += 1
        index, first = np.unique(index >> 1, return_index=True)
        rows, sums = np.add.reduceat(rows, first), np.add.reduceat(sums, first, axis=1)
    return Buckets(shift, index, rows, sums, low, high)


def _counted(
    words: Words, number: int, amounts: NDArray[np.int64], places: Places, base: int, shift: int
) -> tuple[int, int, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Smallest and largest word; buckets that hold rows, rows and amounts in each. One block after the other."""
    ends = [(int(word.min()), int(word.max())) for word in (words.word(number, b) for b in blocks(places))]
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    start = (low - base) >> shift
    size = ((high - base) >> shift) - start + 1
    # Sums are float64: exact up to 2^53, nine petabytes of text in a shard.
    sums = np.zeros((1 + len(amounts), size))
    for block in blocks(places):
        bucket = _bucket(words.word(number, block), base, shift) - start
        sums[0] += np.bincount(bucket, minlength=size)
        for total, amount in zip(sums[1:], amounts, strict=True):
            total += np.bincount(bucket, weights=amount[block], minlength=size)
    index = np.flatnonzero(sums[0])
    found = sums[:, index].astype(np.int64)
    return low, high, index + start, found[0], found[1:]


def _bucket(word: NDArray[np.uint64], base: int, shift: int) -> NDArray[np.int64]:
    return ((word - np.uint64(base)) >> np.uint64(shift)).astype(np.int64)


def _narrow(goal: Goal, said: Sequence[Buckets | Candidates]) -> Goal:
    if goal.settled:
        return goal
    collected = [part for part in said if isinstance(part, Candidates)]
    if collected:
        return _finish(goal, collected)
    buckets = [part for part in said if isinstance(part, Buckets)]
    if not buckets:
        return replace(goal, settled=True)
    shift = max(part.shift for part in buckets)
    every = np.concatenate([part.index >> (shift - part.shift) for part in buckets])
    order = np.argsort(every, kind="stable")
    index, first = np.unique(every[order], return_index=True)
    rows = np.add.reduceat(np.concatenate([part.rows for part in buckets])[order], first)
    amounts = np.add.reduceat(np.concatenate([part.amounts for part in buckets], axis=1)[:, order], first, axis=1)

    fitting = int(np.searchsorted(np.cumsum(amounts[goal.unit]), goal.budget - goal.reached[goal.unit], "right"))
    reached = _add(goal.reached, amounts[:, :fitting])
    if fitting == len(index):
        return replace(goal, reached=reached, settled=True)
    low = goal.low + (int(index[fitting]) << shift)
    high = low + (1 << shift) - 1
    low, high = max(low, min(p.low for p in buckets)), min(high, max(p.high for p in buckets))
    left = int(rows[fitting])
    if low < high:
        return replace(goal, low=low, high=high, reached=reached, left=left)
    fixed = (*goal.fixed, low)
    return replace(goal, fixed=fixed, low=0, high=LAST, reached=reached, left=left, settled=len(fixed) == NUM_WORDS)


def _finish(goal: Goal, collected: Sequence[Candidates]) -> Goal:
    """The cut among all rows of the bracket. One of them does not fit: that is why it is the bracket."""
    words = np.concatenate([part.words for part in collected])
    amounts = np.concatenate([part.amounts for part in collected], axis=1)
    order = np.lexsort((words[:, 2], words[:, 1], words[:, 0]))
    sums = np.cumsum(amounts[goal.unit, order])
    place = int(np.searchsorted(sums, goal.budget - goal.reached[goal.unit], "right"))
    cut = words[order[place]]
    while place > 0 and (words[order[place - 1]] == cut).all():  # rows of one id stay or go together
        place -= 1
    reached = _add(goal.reached, amounts[:, order[:place]])
    return replace(goal, fixed=tuple(int(w) for w in cut), reached=reached, settled=True)


def _add(reached: tuple[int, ...], amounts: NDArray[np.int64]) -> tuple[int, ...]:
    return tuple(have + int(more) for have, more in zip(reached, amounts.sum(axis=1), strict=False))
