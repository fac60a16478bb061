"""The numbers of a pool of documents, shard by shard: which rows are in it, their domains, what they measure.

Numbers and domains are read whole, a shard at a time; text never is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from vernier.core import measures
from vernier.core.run import Run
from vernier.report import read
from vernier.report.choices import Score

NO_DOMAIN = "(no domain)"
PLANTED = "planted"  # the domain of noise that was put in to see who keeps it, and the column that tells its kind


@dataclass(frozen=True)
class Scored:
    """A score in the pool of one shard.

    shard    its number
    rows     row numbers of the pool, int64 [n]
    domains  codes into the names of all shards, int64 [n]
    values   of the measure, float64 [n]: not finite where it is undefined, of no meaning where it was not scored
    scored   bool [n]
    """

    shard: int
    rows: NDArray[np.int64]
    domains: NDArray[np.int64]
    values: NDArray[np.float64]
    scored: NDArray[np.bool_]

    @property
    def defined(self) -> NDArray[np.bool_]:
        return self.scored & np.isfinite(self.values)


class Names:
    """Names by code, in the order in which they were met."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}

    def code(self, name: str) -> int:
        return self._codes.setdefault(name, len(self._codes))

    @property
    def all(self) -> list[str]:
        return list(self._codes)


def scored(run: Run, score: Score, names: Names) -> Iterator[Scored]:
    """A score's pool, shard by shard. names: takes in the domains that are met."""
    for number, shard in enumerate(read.shards(run, score.corpus)):
        codes = domains(shard, names)
        rows = np.flatnonzero(wanted(run, score.within, number, len(codes)))
        values, known = measure(run, score, number)
        yield Scored(number, rows, codes[rows], values[rows], known[rows])


def wanted(run: Run, node: str | None, number: int, rows: int) -> NDArray[np.bool_]:
    """Which rows of a shard a selection keeps, bool [rows]; all, without one."""
    if node is None:
        return np.ones(rows, dtype=bool)
    return read.read(read.shards(run, node)[number], ["count"]).column("count").to_numpy() > 0


def domains(shard: str, names: Names, column: str = "domain", missing: str = NO_DOMAIN) -> NDArray[np.int64]:
    """A string column of a corpus shard as codes [rows]; where there is none it is `missing`."""
    encoded = pc.dictionary_encode(read.read(shard, [column]).column(column)).combine_chunks()
    codes = np.array([*map(names.code, encoded.dictionary.to_pylist()), -1], dtype=np.int64)
    if encoded.null_count:
        codes[-1] = names.code(missing)
    return codes[pc.fill_null(encoded.indices, len(codes) - 1).to_numpy(zero_copy_only=False)]


def measure(run: Run, score: Score, number: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The measure of every row of a shard and which rows were scored in every table that it needs."""
    found = measures.find(score.by, score.per)
    known: NDArray[np.bool_] | None = None
    values: list[NDArray[np.float64]] = []
    for node, names in ((score.a, found.a), (score.b, found.b)):
        if node is None or not names:
            continue
        wanted = [measures.PER[score.per or "token"] if name == "per" else name for name in names]
        table = read.read(read.shards(run, node)[number], wanted)
        for name in wanted:
            column = table.column(name)
            valid = column.is_valid().to_numpy()
            known = valid if known is None else known & valid
            values.append(pc.fill_null(column, 0).to_numpy().astype(np.float64))
    assert known is not None, "every measure reads a column"
    return found.function(*values), known


def counted(shard: str, column: str) -> NDArray[np.int64]:
    """A column of counts, int64 [rows]; 0 where it is null."""
    return pc.fill_null(read.read(shard, [column]).column(column), 0).to_numpy().astype(np.int64)


def range_of(parts: Iterator[Scored], tail: float) -> tuple[float, float] | None:
    """About the quantiles `tail` and 1 - `tail` of the defined values; None if there are none.

    Of each shard at most 1,001 evenly spaced order statistics are held, each standing for as many values: memory
    does not grow with a shard. The error in rank is at most a thousandth of the pool.
    """
    points: list[NDArray[np.float64]] = []
    weights: list[NDArray[np.float64]] = []
    for part in parts:
        values = np.sort(part.values[part.defined])
        if len(values):
            taken = np.unique(np.linspace(0, len(values) - 1, min(len(values), 1001)).round().astype(np.int64))
            points.append(values[taken])
            weights.append(np.full(len(taken), len(values) / len(taken)))
    if not points:
        return None
    every, weight = np.concatenate(points), np.concatenate(weights)
    order = np.argsort(every, kind="stable")
    rank = np.cumsum(weight[order])
    low, high = np.searchsorted(rank, [tail * rank[-1], (1 - tail) * rank[-1]])
    low, high = (float(every[order[min(int(place), len(order) - 1)]]) for place in (low, high))
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None
