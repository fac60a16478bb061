"""How two documents are compared: what the table of keys says of itself, and what its documents are compared by.

A table of keys says in its facts how its documents compare (`likeness`):

    {"by": "jaccard", "shingles": {...}}       share of word n-grams that two texts have in common
    {"by": "containment", "lines": {...}}      share of a text's lines, by their length, that another one has
    {"by": "cosine"}                           of the vectors of the input `vectors`
    {"by": "equal"}                            the table has a column `check`; without a table of keys: equal texts

What else it says there (bands, a family of hash functions) tells keys apart that can not meet: those of earlier
documents have to say the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vernier.core.config import decode
from vernier.core.errors import RecipeError, nearest
from vernier.core.shard import Inputs, Shard
from vernier.core.shingles import sets
from vernier.core.yaml import Marks
from vernier.select.dedup.features import Features

KINDS = ("jaccard", "containment", "cosine", "equal")  # in the order of the kernel's numbers


@dataclass(frozen=True)
class Likeness:
    """How documents are compared; `settings` are those of what they are compared by."""

    by: str
    settings: Mapping[str, Any]

    @staticmethod
    def of(inputs: Inputs) -> Likeness:
        """Raises RecipeError if the table of keys does not say how its documents compare, or the tables of earlier
        corpora say something else."""
        if "keys" not in inputs:
            return Likeness("equal", {})
        told = [inputs.facts(name).get("likeness") for name in ("keys", *inputs.names("old_keys"))]
        if told[0] is None or told[0].get("by") not in KINDS:
            raise RecipeError(
                "the table `keys` does not say how its documents compare",
                found=str(told[0]),
                expected="a table of score.minhash, score.line_hashes, score.text_hash or score.clusters",
            )
        if any(one != told[0] for one in told):
            raise RecipeError(
                "the keys of earlier documents were made in another way",
                found=f"{told[0]} and {next(one for one in told if one != told[0])}",
                expected="the same settings for all",
            )
        by = told[0]["by"]
        if (by == "cosine") != ("vectors" in inputs):
            raise RecipeError(
                "vectors are for keys of clusters, and these need them",
                found=f"keys that compare by {by} " + ("without" if by == "cosine" else "and") + " `vectors`",
            )
        return Likeness(by, told[0])

    @property
    def number(self) -> int:
        """The kernel's."""
        return KINDS.index(self.by)

    def keys(self, shard: Shard) -> Iterator[pa.Array]:
        """For each row of a shard a list of uint64, a row group at a time."""
        if "keys" not in shard:
            yield _lists(shard.text_hashes()[:, 0])
            return
        _has(shard, "keys", "keys")
        for batch in shard.batches("keys", ["keys"]):
            column = batch.column("keys").combine_chunks()
            if column.type.value_type != pa.uint64():
                raise RecipeError("the column `keys` is no list of hashes", found=str(column.type))
            yield column

    def batches(self, shard: Shard, rows: NDArray[np.int64]) -> Iterator[pa.Array]:
        """What the features of some rows (rising) are made of, texts, vectors or hashes, a row group at a time."""
        if self.by == "equal" and "keys" not in shard:
            yield pa.array(shard.text_hashes()[rows, 1])  # the other half is the key
            return
        table, name = {"cosine": ("vectors", "embedding"), "equal": ("keys", "check")}.get(self.by, ("corpus", "text"))
        _has(shard, table, name)
        at = 0
        for batch in shard.batches(table, [name]):
            low, high = np.searchsorted(rows, (at, at + batch.num_rows))
            if low < high:
                yield batch.column(name).combine_chunks().take(pa.array(rows[low:high] - at))
            at += batch.num_rows

    def features(self, batch: pa.Array) -> Features:
        """What these texts, vectors or hashes are compared by."""
        nothing = np.empty(0, np.uint64), np.empty(0, np.float32)
        if self.by == "jaccard":
            values, offsets = sets.shingles_of(
                batch, decode(sets.Shingles, self.settings["shingles"], Marks("the table of keys"))
            )
            return Features(values, nothing[1], np.diff(offsets))
        if self.by == "containment":
            values, weights, offsets = sets.lines_of(
                batch, decode(sets.Lines, self.settings["lines"], Marks("the table of keys"))
            )
            return Features(values, weights.astype(np.float32), np.diff(offsets))
        if self.by == "equal":
            return Features(batch.to_numpy(zero_copy_only=False), nothing[1], np.ones(len(batch), np.int64))
        lengths = pc.fill_null(pc.list_value_length(batch), 0).to_numpy(zero_copy_only=False).astype(np.int64)
        return Features(nothing[0], batch.flatten().to_numpy(zero_copy_only=False), lengths)


def _lists(hashes: NDArray[np.uint64]) -> pa.Array:
    """Each hash as a list of its own."""
    return pa.ListArray.from_arrays(pa.array(np.arange(len(hashes) + 1, dtype=np.int32)), pa.array(hashes))


def _has(shard: Shard, table: str, column: str) -> None:
    here = shard.columns(table)
    if column not in here:
        raise RecipeError(f"the table `{table}` has no column {column!r}", do=nearest(column, here))
