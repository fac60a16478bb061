"""The rows that a scorer with a mask has to work on: read batch by batch, scored, and spread over all rows again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vernier.core.artifact import Artifact
from vernier.core.shard import Inputs, Shard

SAMPLE = 256  # documents that are looked at before a plan says what scoring costs


def batches(shard: Shard, columns: Sequence[str]) -> Iterator[tuple[pa.Table, NDArray[np.bool_]]]:
    """Columns of the corpus, one row group at a time, and which of its rows are wanted, bool [rows]."""
    todo, at = shard.wanted(), 0
    for batch in shard.batches("corpus", columns):
        yield batch, todo[at : at + batch.num_rows]
        at += batch.num_rows


def spread(values: np.ndarray[Any, Any], wanted: NDArray[np.bool_]) -> pa.Array:
    """`values` in the wanted rows, null in the others."""
    full = np.zeros(len(wanted), dtype=values.dtype)
    full[wanted] = values
    return pa.array(full, mask=~wanted)


def first_texts(inputs: Inputs) -> list[str]:
    """The texts of the first SAMPLE wanted documents that have any."""
    texts: list[str] = []
    for shard in inputs.shards():
        for batch, wanted in batches(shard, ["text"]):
            column = batch.column("text").filter(pa.array(wanted))
            texts += filter(None, column.slice(0, SAMPLE).to_pylist())
            if len(texts) >= SAMPLE:
                return texts[:SAMPLE]
    return texts


def planned(inputs: Inputs, count: Callable[[list[str]], int]) -> float:
    """About how much of what `count` counts all wanted documents have: by their bytes, as the first ones have it."""
    texts = first_texts(inputs)
    sizes = (
        shard.read("corpus", ["num_bytes"]).column("num_bytes").to_numpy()[shard.wanted()] for shard in inputs.shards()
    )
    num_bytes = sum(int(size.sum()) for size in sizes)
    return num_bytes * count(texts) / max(1, sum(len(text.encode()) for text in texts))


def counted(inputs: Inputs, out: Artifact, column: str) -> int:
    """The sum of a column of counts over all scored rows of the table `out`."""
    shards = replace(inputs, artifacts={"scores": out}).shards()
    found = (shard.read("scores", [column]).column(column).drop_null().to_numpy() for shard in shards)
    return sum(int(counts.sum()) for counts in found)
