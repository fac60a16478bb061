"""How much of which items of a benchmark (`evaluate.benchmark`) a document holds, and where.

    num_found, num_ngrams   n-grams that the document has together of the item that it holds most of, and how many that
                            item has; 0 and 0 where nothing was found
    items                   numbers of all items that it has anything of, the most first: rows of the benchmark's
                            items.parquet
    found, ngrams           of each, as above
    start, end              of each, bytes of the text from the first of these n-grams to the last

Lists are empty where nothing was found, null where a document was not looked at. To mark and not drop, stop here:
`vernier why` shows the items and the text. One pass over the text; memory beside the row group: 32 bytes for each word
of the longest document, some 30 for each n-gram of each item.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vernier.core import passages
from vernier.core.passages import Passages
from vernier.core.shard import Shard
from vernier.score.wanted import batches, spread

LISTS = ("items", "found", "ngrams", "start", "end")


@dataclass(frozen=True, kw_only=True)
class Contamination:
    """Columns `num_found` and `num_ngrams`, and lists `items`, `found`, `ngrams`, `start`, `end`."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "selection": "selection?", "benchmark": "model"}
    masks: ClassVar[tuple[str, ...]] = ("selection",)

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        """One row for each document. Raises DataError for a model that is no benchmark."""
        known = passages.load(shard.inputs.folder("benchmark"))
        for batch, wanted in batches(shard, ["text"]):
            yield columns(known, batch.column("text").combine_chunks(), wanted)


def columns(known: Passages, texts: pa.LargeStringArray, wanted: NDArray[np.bool_]) -> pa.Table:
    """The table of some texts, nothing but nulls where they are not wanted."""
    read = texts.filter(pa.array(wanted))
    found = known.find(read)
    best = np.zeros((2, len(read)), np.int64)
    rows, first = np.unique(found.row, return_index=True)
    best[:, rows] = found.found[first], found.grams[first]
    made = {"num_found": spread(best[0], wanted), "num_ngrams": spread(best[1], wanted)}
    ends = np.zeros(len(wanted) + 1, np.int32)
    ends[1:][wanted] = np.bincount(found.row, minlength=len(read))
    ends = np.cumsum(ends, dtype=np.int32)
    for name, values in zip(LISTS, found[1:], strict=True):
        made[name] = pa.ListArray.from_arrays(pa.array(ends), pa.array(values), mask=pa.array(~wanted))
    return pa.table(made)
