"""The documents that are compared, numbered in order: those that were kept before, then those of the corpus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vernier.core.errors import RecipeError
from vernier.core.shard import Inputs, Shard
from vernier.select.dedup.alike import Likeness
from vernier.select.dedup.features import Features

OLD = ("old_corpus", "old_keys", "old_vectors", "old")  # inputs of earlier corpora, and what each stands for
NEW = ("corpus", "keys", "vectors", "within")


@dataclass(frozen=True)
class Part:
    """A shard, and the number of its first document. old: which earlier corpus it is of, from 0; None: of none."""

    shard: Shard
    start: int
    old: int | None

    def kept(self) -> NDArray[np.bool_]:
        """Which rows are looked at, bool [rows]."""
        return self.shard.kept("within")


@dataclass(frozen=True)
class Documents:
    """All parts, old ones first; `first_new` is the number of the first document of the corpus itself."""

    parts: Sequence[Part]
    first_new: int

    @staticmethod
    def of(inputs: Inputs) -> Documents:
        """Raises RecipeError if the inputs of earlier corpora do not go together."""
        parts, start = list[Part](), 0
        for number, earlier in enumerate(_earlier(inputs)):
            for shard in earlier.shards():
                parts.append(Part(shard, start, old=number))
                start += shard.rows
        first_new = start
        own = replace(inputs, artifacts={n: a for n, a in inputs.artifacts.items() if n.partition("[")[0] not in OLD})
        for shard in own.shards():
            parts.append(Part(shard, start, old=None))
            start += shard.rows
        return Documents(parts, first_new)

    def keys(self, likeness: Likeness) -> Iterator[pa.Table]:
        """`key` and `doc` of every document that is looked at, a few million at a time."""
        for part in self.parts:
            kept, at = part.kept(), 0
            for column in likeness.keys(part.shard):
                rows = np.flatnonzero(kept[at : at + len(column)])
                lists = column.take(pa.array(rows))
                lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
                docs = np.repeat(part.start + at + rows, lengths)
                yield pa.table({"key": lists.flatten(), "doc": docs})
                at += len(column)

    def among(self, docs: NDArray[np.int64]) -> Iterator[tuple[Part, NDArray[np.int64]]]:
        """The parts that hold some of these documents (rising), and which rows of theirs they are."""
        for part in self.parts:
            low, high = np.searchsorted(docs, (part.start, part.start + part.shard.rows))
            if low < high:
                yield part, docs[low:high] - part.start

    def features(self, likeness: Likeness, docs: NDArray[np.int64], threads: int) -> Iterator[Features]:
        """What these documents (rising) are compared by, in their order; read and made by some threads."""
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(threads) as pool:
            waiting = list[Any]()
            for part, rows in self.among(docs):
                for batch in likeness.batches(part.shard, rows):
                    waiting.append(pool.submit(likeness.features, batch))
                    if len(waiting) > threads:
                        yield waiting.pop(0).result()
            for one in waiting:
                yield one.result()


def _earlier(inputs: Inputs) -> Iterator[Inputs]:
    """The inputs of each earlier corpus, under the names of the corpus itself."""
    given = {name: inputs.names(name) for name in OLD}
    number = len(given["old_corpus"])
    for name in ("old_keys", "old_vectors", "old"):
        wanted = number if name.replace("old_", "") in inputs or name == "old" else 0
        if len(given[name]) != wanted:
            raise RecipeError(
                f"the input {name!r} does not fit `old_corpus`",
                found=f"{len(given[name])} of {name}, {number} of old_corpus",
                expected=f"{wanted}: one for each earlier corpus, in the same order"
                if wanted
                else "none, as this corpus has none either",
            )
    for place in range(number):
        mine = {new: inputs.artifacts[given[old][place]] for old, new in zip(OLD, NEW, strict=True) if given[old]}
        one = replace(inputs, artifacts=mine)
        one.check_aligned()
        yield one
