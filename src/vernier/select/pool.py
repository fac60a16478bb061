"""The pool: which rows of a shard may be selected, how much each is wanted, and what it costs.

A row is in the pool if `within` keeps it, its score is there and finite, and (for a token budget) its
length is there. Selections compose by product: a row that `within` wants twice costs twice and is wanted
twice if kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vernier.core import tables
from vernier.core.errors import RecipeError, nearest
from vernier.core.measures import read_numbers
from vernier.core.shard import Shard

Scores = tuple[NDArray[np.float64], NDArray[np.bool_]]  # of every row: the score, and whether it was scored
_CODES = {reason: code for code, reason in enumerate(tables.REASONS)}
KEPT = -1
ALWAYS = _CODES["other_slice"] + 1  # reasons that every column names; a later one only where it is used
SIGN = np.uint64(1 << 63)
ONES = np.uint64((1 << 64) - 1)


def code(reason: str) -> int:
    """The reason's number in a reason array."""
    return _CODES[reason]


@dataclass(frozen=True)
class Pool:
    """The selectable rows of one shard.

    count    how often `within` wants each row of the shard, int32 [rows]
    reason   why a row of the shard is not in the pool, int8 [rows]; KEPT for those that are
    rows     row numbers of the pool, int64 [n]
    key      how much each is wanted, uint64 [n]: smaller = more
    amounts  what each costs, int64 [2 or 3, n]: documents, bytes, tokens (times `count`)
    """

    count: NDArray[np.int32]
    reason: NDArray[np.int8]
    rows: NDArray[np.int64]
    key: NDArray[np.uint64]
    amounts: NDArray[np.int64]


def read(shard: Shard, score: Callable[[Shard], Scores]) -> Pool:
    """The pool of a shard under a score (larger = more wanted)."""
    count, reason = within(shard)
    values, scored = score(shard)
    lengths: NDArray[np.int64] | None = None
    if "lengths" in shard:
        lengths, known = _lengths(shard)
        scored = scored & known
    inside = reason == KEPT
    reason[inside & ~scored] = code("not_scored")
    reason[inside & scored & ~np.isfinite(values)] = code("undefined")
    rows = np.flatnonzero(reason == KEPT)
    key = key_of_score(values[rows])
    del values, scored, inside  # a shard may have a million rows: what is not needed goes at once
    amounts = np.empty((2 if lengths is None else 3, len(rows)), dtype=np.int64)
    amounts[0] = count[rows]
    if lengths is not None:
        np.multiply(amounts[0], lengths[rows], out=amounts[2])
        del lengths
    np.multiply(amounts[0], read_numbers(shard, "corpus", ["num_bytes"])[0][0][rows], out=amounts[1])
    return Pool(count, reason, rows, key, amounts)


def _lengths(shard: Shard) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The number of tokens in each row, and whether it is known."""
    tokens, known = read_numbers(shard, "lengths", ["num_tokens"])[0]
    return tokens.astype(np.int64, copy=False), known


def within(shard: Shard) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
    """How often the input `within` wants each row (once, without it), and a reason array to go on with."""
    count = np.ones(shard.rows, dtype=np.int32)
    if "within" in shard:
        count = shard.read("within", ["count"]).column("count").to_numpy().astype(np.int32)
    reason = np.where(count > 0, KEPT, code("outside")).astype(np.int8)
    return count, reason


def selection(
    count: NDArray[np.int32],
    reason: NDArray[np.int8],
    rank: NDArray[np.int64] | None = None,
    measured: NDArray[np.float64] | None = None,
    duplicate_of: pa.Array | None = None,
) -> pa.Table:
    """A selection table: `count` where the reason is KEPT, else 0.

    rank          int64 [rows], read where kept
    measured      float64 [rows], what the rule that dropped a row measured; NaN where none did
    duplicate_of  binary [rows], the document that a dropped row is a copy of; null where it is none
    """
    kept = reason == KEPT
    codes = pa.array(np.where(kept, 0, reason).astype(np.int8), mask=kept)
    # a reason that is new among REASONS does not change the bytes of selections that never had it
    names = list(tables.REASONS)[: max(ALWAYS, int(reason.max(initial=KEPT)) + 1)]
    columns = [
        pa.array(np.where(kept, count, 0).astype(np.int32)),
        pa.DictionaryArray.from_arrays(codes, pa.array(names)),
    ]
    schema = tables.SELECTION
    if rank is not None:
        columns.append(pa.array(rank, mask=~kept))
        schema = schema.append(tables.RANK)
    if measured is not None:
        columns.append(pa.array(measured, mask=np.isnan(measured)))
        schema = schema.append(tables.MEASURED)
    if duplicate_of is not None:
        columns.append(duplicate_of)
        schema = schema.append(tables.DUPLICATE_OF)
    return pa.Table.from_arrays(columns, schema=schema)


def groups(
    shard: Shard, pool: Pool, column: str, named: frozenset[str] | None
) -> Iterator[tuple[str | None, NDArray[np.int64]]]:
    """The pool by the values of a column: value and places in the pool, each group once.

    With `named`, every other value falls into the group None; without, only rows that have no value do.
    """
    codes, values = column_codes(shard, column)
    if named is not None:
        ours = [i if value in named else len(values) for i, value in enumerate(values)]
        codes = np.array([*ours, len(values)], dtype=np.int64)[codes]
    codes = codes[pool.rows].astype(np.int16 if len(values) < 1 << 15 else np.int64)  # numpy sorts int16 by radix
    order = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes, minlength=len(values) + 1)
    for i, places in enumerate(np.split(order, np.cumsum(sizes)[:-1])):
        if len(places):
            yield (values[i] if i < len(values) else None), places


def nested_groups(
    shard: Shard, pool: Pool, columns: Sequence[str]
) -> Iterator[tuple[tuple[str | None, ...], NDArray[np.int64]]]:
    """The pool by the values of several columns: the values (None where there is none) and places, each group once."""
    together, found = np.zeros(len(pool.rows), dtype=np.int64), list[list[str | None]]()
    for column in columns:
        codes, values = column_codes(shard, column)
        together = together * (len(values) + 1) + codes[pool.rows]
        found.append([*values, None])
    order = np.argsort(together, kind="stable")
    numbers, starts = np.unique(together[order], return_index=True)
    for each, places in zip(numbers, np.split(order, starts[1:]), strict=False):
        number, path = int(each), list[str | None]()
        for values in reversed(found):
            path.append(values[number % len(values)])
            number //= len(values)
        yield tuple(reversed(path)), places


def column_codes(shard: Shard, column: str) -> tuple[NDArray[np.int32], list[str]]:
    """A column of strings of the corpus, or a.COLUMN, one of whole numbers of table `a`, as codes [rows] into its
    values; without a value the code is len(values)."""
    table, name = ("a", column[2:]) if column.startswith("a.") and "a" in shard else ("corpus", column)
    here = shard.columns(table)
    if name not in here:
        whose = "corpus" if table == "corpus" else "table `a`"
        raise RecipeError(f"the {whose} has no column {name!r}", do=nearest(name, here))
    read = shard.read(table, [name]).column(name)
    if table == "a" and pa.types.is_integer(read.type):
        read = read.cast(pa.string())
    if not (pa.types.is_string(read.type) or pa.types.is_large_string(read.type)):
        expected = "strings" if table == "corpus" else "whole numbers"
        raise RecipeError(f"the column {column!r} is {read.type}", expected=expected)
    encoded = pc.dictionary_encode(read).combine_chunks()
    values: list[str] = encoded.dictionary.to_pylist()
    codes = pc.fill_null(encoded.indices, len(values)).to_numpy(zero_copy_only=False)
    del read, encoded
    pa.default_memory_pool().release_unused()  # a million strings, which Arrow would keep and numpy can not use
    return codes, values


def key_of_score(score: NDArray[np.float64]) -> NDArray[np.uint64]:
    """uint64 keys in the opposite order of finite scores: the larger the score, the smaller the key."""
    key = (score + 0.0).view(np.uint64)  # + 0.0 turns -0.0, which equals 0.0, into 0.0
    return np.bitwise_xor(key, ONES ^ SIGN, out=key, where=key < SIGN)


def score_of_key(key: int) -> float:
    """The score that has this key."""
    word = np.uint64(key)
    return float((word if word & SIGN else word ^ ONES ^ SIGN).view(np.float64))
