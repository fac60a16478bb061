"""Keep one of each: drop the documents that `select.duplicates` found to be copies of others.

A dropped row names the document that it is a duplicate of (`duplicate_of`, a doc_id of this corpus or of an earlier
one, which is kept) and how alike they are (`measured`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from vernier.core.errors import RecipeError
from vernier.core.shard import Shard
from vernier.select.dedup.written import read
from vernier.select.parts import name
from vernier.select.pool import code, selection, within


@dataclass(frozen=True)
class Starts:
    """The row of the corpus at which each shard begins, by its name, and how many documents `within` keeps."""

    first: dict[str, int]
    documents: int


@dataclass(frozen=True, kw_only=True)
class Unique:
    """Drop every duplicate; no budget. The search has to be of the same `corpus` and the same `within`."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "selection"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "within": "selection?", "duplicates": "results"}

    def fold(self, shard: Shard, state: Starts | None) -> tuple[str, int, int, int]:
        count, _ = within(shard)
        searched = shard.inputs.facts("duplicates")["documents"]
        return name(shard), shard.rows, int(np.count_nonzero(count)), searched

    def merge(self, parts: Sequence[tuple[str, int, int, int]], state: Starts | None) -> tuple[Starts, bool]:
        """Raises RecipeError if others were searched: then what a duplicate names may not be kept."""
        rows = np.cumsum([0, *(rows for _, rows, _, _ in parts)])
        documents = sum(count for _, _, count, _ in parts)
        for *_, searched in parts:
            if searched != documents:
                raise RecipeError(
                    "the duplicates were searched among other documents than are kept",
                    found=f"{searched} documents searched, {documents} here",
                    expected="one `corpus` and one `within` for both stages",
                )
        return Starts({shard: int(start) for (shard, *_), start in zip(parts, rows, strict=False)}, documents), True

    def account(self, state: Starts) -> dict[str, Any]:
        return {"documents": state.documents}

    def map(self, shard: Shard, state: Starts) -> Iterator[pa.Table]:
        """Raises RecipeError if the duplicates are those of another corpus."""
        count, reason = within(shard)
        rows, table = read(shard.inputs.folder("duplicates"), state.first[name(shard)], shard.rows)
        mine = np.frombuffer(b"".join(table.column("doc_id").to_pylist()), np.uint64).reshape(-1, 2)
        if not np.array_equal(mine, shard.doc_ids()[rows]):
            raise RecipeError("the duplicates are those of another corpus", expected="one `corpus` for both stages")
        reason[rows] = code("duplicate")
        measured, places = np.full(shard.rows, np.nan), np.full(shard.rows, -1)
        measured[rows], places[rows] = table.column("likeness").to_numpy(), np.arange(len(rows))
        originals = table.column("duplicate_of").combine_chunks().take(pa.array(places, mask=places < 0))
        yield selection(count, reason, measured=measured, duplicate_of=originals)
