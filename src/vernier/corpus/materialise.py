"""Makes the corpus that a selection describes: kept rows, each as often as its count says.

The first copy of a row keeps its document id; copy i > 0 gets blake2b-128 of the id and i, so ids stay unique.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import ClassVar

import numpy as np
import pyarrow as pa

from vernier.core import tables
from vernier.core.errors import StageError
from vernier.core.shard import Shard


@dataclass(frozen=True, kw_only=True)
class Materialise:
    """A corpus of the rows that `selection` keeps (several selections: the product of their counts)."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "corpus"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "selection": "selection*"}
    rows: ClassVar[str] = "new"

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        """Raises StageError if it did not make as many rows as the counts add up to."""
        counts = np.ones(shard.rows, np.int64)
        for name in shard.inputs.names("selection"):
            counts *= shard.read(name, ["count"]).column("count").to_numpy()
        row, made = 0, 0
        for table in shard.batches("corpus", shard.columns("corpus")):
            here = counts[row : row + table.num_rows]
            row += table.num_rows
            for copies in _copies(table, here):
                made += copies.num_rows
                yield copies
        # the one map whose number of rows the pipeline can not know
        if made != counts.sum():
            raise StageError(
                "a materialised corpus does not hold the rows that the selection keeps",
                where=f"shard {shard.index}",
                found=f"{made} rows",
                expected=f"{counts.sum()} rows, the sum of the counts",
            )


def copy_id(doc_id: bytes, number: int) -> bytes:
    """The document id of copy `number` of a document; the document itself is copy 0."""
    return blake2b(b"%b%d" % (doc_id, number), digest_size=tables.ID_BYTES).digest() if number else doc_id


def _copies(table: pa.Table, counts: np.ndarray) -> Iterator[pa.Table]:
    """The rows of a table, each `counts` times side by side, in tables of at most 4 MB of text (or one row)."""
    rows = np.repeat(np.arange(len(counts)), counts)
    copies = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    ends = np.cumsum(table.column("num_bytes").to_numpy()[rows])
    begin, before = 0, 0
    while begin < len(rows):
        end = max(begin + 1, int(np.searchsorted(ends, before + tables.ROW_GROUP_TEXT, side="right")))
        yield _with_own_ids(table.take(pa.array(rows[begin:end])), copies[begin:end])
        begin, before = end, int(ends[end - 1])
    if not len(rows):
        yield table.slice(0, 0)


def _with_own_ids(table: pa.Table, copies: np.ndarray) -> pa.Table:
    if not copies.any():
        return table
    ids = table.column("doc_id").to_pylist()
    for i in np.flatnonzero(copies):
        ids[i] = copy_id(ids[i], copies[i])
    field = table.schema.field("doc_id")
    return table.set_column(table.schema.get_field_index("doc_id"), field, pa.array(ids, field.type))
