"""Parts: documents with their embeddings brought together by a keyed lot, so that each part can be worked on whole.

A document's part is a keyed hash of its id: a part has the same documents however the corpus is cut into shards. In the
first round every shard counts its pool. From that follow the number of parts and of groups of parts; in the second
round a worker takes some groups, one after the other, and reads the embeddings of a group from all shards. So every
embedding is read once for each group, and twice more; a worker holds a group (`GROUP` bytes, or one part if it is
larger), the driver and each worker 4 bytes for every row kept.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vernier.core import rng
from vernier.core.shard import Inputs, Shard
from vernier.core.vectors import embeddings, have_direction, uneven
from vernier.select.pool import Pool, Scores, read

GROUP = 1 << 28  # bytes of embeddings that a worker reads together
AT_ONCE = 16  # groups at least, if there are as many parts: for so many workers


@dataclass(frozen=True)
class Seen:
    """The pool of one shard: where to read it, its rows, numbers in an embedding; and what it costs whole: documents,
    bytes, tokens, each row as often as it is wanted."""

    inputs: Inputs
    rows: int
    width: int
    amounts: tuple[int, ...]


@dataclass(frozen=True)
class Groups:
    """How the pool is divided.

    shards   those that have a part in it
    parts    how many
    groups   for each its first part and the part behind its last
    amounts  what the whole pool costs, in every unit
    """

    shards: tuple[Inputs, ...]
    parts: int
    groups: tuple[tuple[int, int], ...]
    amounts: tuple[int, ...]

    @staticmethod
    def of(seen: Sequence[Seen], part: int) -> Groups:
        """part: documents in a part, about. Raises DataError if embeddings differ in their length."""
        seen = [one for one in seen if one.rows]
        widths = sorted({one.width for one in seen})
        if len(widths) > 1:
            raise uneven(widths)
        rows = sum(one.rows for one in seen)
        amounts = tuple(int(x) for x in np.sum([one.amounts for one in seen], axis=0)) if seen else (0, 0, 0)
        parts = math.ceil(rows / part)
        number = min(parts, max(AT_ONCE, math.ceil(rows * sum(widths) * 4 / GROUP)))
        ends = [parts * i // number for i in range(number + 1)] if number else [0]
        return Groups(tuple(one.inputs for one in seen), parts, tuple(itertools.pairwise(ends)), amounts)

    def mine(self, shard: Shard) -> list[tuple[int, int]]:
        """The groups that the worker of a shard takes."""
        places = [place for place, one in enumerate(self.shards) if name(one.shard(0)) == name(shard)]
        return [group for i, group in enumerate(self.groups) if places and i % len(self.shards) == places[0]]


@dataclass(frozen=True)
class Part:
    """The documents of a part, in the order of their ids.

    number   of the part
    shard    int64 [m], place of each document's shard in `Groups.shards`
    row      int64 [m], in its shard
    ids      uint64 [m, 2]
    vectors  float32 [m, d]
    amounts  int64 [k, m], what each costs: documents, bytes, tokens
    """

    number: int
    shard: NDArray[np.int64]
    row: NDArray[np.int64]
    ids: NDArray[np.uint64]
    vectors: NDArray[np.float32]
    amounts: NDArray[np.int64]


def name(shard: Shard) -> str:
    """Tells the shards of a corpus apart; only empty ones may have one name."""
    return shard.inputs.artifacts["corpus"].shards[shard.index].key


def part_of(ids: NDArray[np.uint64], seed: int, parts: int) -> NDArray[np.int64]:
    """The part of each document, int64 [n]."""
    return (rng.bits(ids, seed, "select.parts") % np.uint64(parts)).astype(np.int64)


def see(shard: Shard) -> Seen:
    """What a shard's pool holds."""
    width = next((vectors.shape[1] for _, vectors in embeddings(shard)), 0)
    pool = pool_of(shard)
    amounts = tuple(int(x) for x in pool.amounts.sum(axis=1))
    return Seen(shard.inputs.only(shard.index), len(pool.rows), width, amounts)


def pool_of(shard: Shard) -> Pool:
    """The pool of a shard: rows that `within` keeps, with an embedding that has a direction (and a known length)."""
    return read(shard, _score)


def gather(groups: Groups, group: tuple[int, int]) -> Iterator[Part]:
    """The parts of a group."""
    low, high = group
    found: list[tuple[NDArray[Any], ...]] = []
    for place, inputs in enumerate(groups.shards):
        shard = inputs.shard(0)
        ids = shard.doc_ids()
        part = part_of(ids, shard.seed, groups.parts)
        held = _Held((part >= low) & (part < high))
        pool = read(shard, held.score)
        if len(pool.rows):
            where = np.full(len(pool.rows), place)
            found.append((part[pool.rows], where, pool.rows, ids[pool.rows], held.take(pool.rows), pool.amounts.T))
    if not found:
        return
    part, where, row, ids, vectors, amounts = (np.concatenate(column) for column in zip(*found, strict=True))
    found.clear()  # or the group would be held twice
    words = ids.byteswap()
    order = np.lexsort((words[:, 1], words[:, 0], part))
    for some in np.split(order, np.flatnonzero(np.diff(part[order])) + 1):
        yield Part(int(part[some[0]]), where[some], row[some], ids[some], vectors[some], amounts[some].T)


def _score(shard: Shard) -> Scores:
    """0 for an embedding that has a direction, NaN for one of length 0 or not finite."""
    values, scored = np.full(shard.rows, math.nan), np.zeros(shard.rows, dtype=bool)
    for rows, vectors in embeddings(shard):
        scored[rows] = True
        values[rows] = _defined(vectors)
    return values, scored


@dataclass(frozen=True)
class _Held:
    """The embeddings of some rows of a shard, held while they are looked at. inside: bool [rows]."""

    inside: NDArray[np.bool_]
    rows: list[NDArray[np.int64]] = field(default_factory=list[NDArray[np.int64]])
    vectors: list[NDArray[np.float32]] = field(default_factory=list[NDArray[np.float32]])

    def score(self, shard: Shard) -> Scores:
        """As `_score`, but rows outside count as not scored."""
        values, scored = np.full(shard.rows, math.nan), np.zeros(shard.rows, dtype=bool)
        for rows, vectors in embeddings(shard):
            wanted = self.inside[rows]
            self.rows.append(rows[wanted])
            self.vectors.append(vectors[wanted])
            scored[self.rows[-1]] = True
            values[self.rows[-1]] = _defined(self.vectors[-1])
        return values, scored

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The embeddings of rows that were scored."""
        return np.concatenate(self.vectors)[np.searchsorted(np.concatenate(self.rows), rows)]


def _defined(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.where(have_direction(vectors), 0.0, math.nan)
