"""Embeddings out of a table, and cosines that come out the same wherever and in whatever company they are computed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vernier.core.errors import DataError, RecipeError, nearest
from vernier.core.shard import Shard

COLUMN = "embedding"
WHOLE = 2.0**25  # a thirtieth of what float32 tells apart at 1


def embeddings(shard: Shard) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """The rows that have an embedding in the table `embeddings`, int64 [n], and these, float32 [n, d]: a row group at a
    time.

    Raises RecipeError for a table without them, DataError if they differ in their length.
    """
    here = shard.columns("embeddings")
    if COLUMN not in here:
        raise RecipeError(
            f"the table 'embeddings' has no column {COLUMN!r}",
            found=f"columns {', '.join(here)}",
            expected="what `score.embedding` makes",
            do=nearest(COLUMN, here),
        )
    at, width = 0, None
    for batch in shard.batches("embeddings", [COLUMN]):
        column = batch.column(COLUMN).combine_chunks()
        if not pa.types.is_list(column.type) or not pa.types.is_floating(column.type.value_type):
            raise RecipeError(f"the column {COLUMN!r} of 'embeddings' is {column.type}", expected="lists of numbers")
        rows = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
        for length in pc.unique(pc.list_value_length(column).drop_null()).to_pylist():
            width = length if width is None else width
            if length != width:
                raise uneven([width, length])
        if len(rows):
            yield at + rows, column.drop_null().flatten().to_numpy().reshape(len(rows), -1).astype(np.float32)
        at += batch.num_rows


def have_direction(vectors: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
    """Which of some vectors [n, d] are finite and not 0 in every place, bool [n]."""
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    return np.isfinite(lengths) & (lengths > 0)


def whole(vectors: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Vectors [n, d], each with a direction, at length `WHOLE` and in whole numbers, float64 [n, d].

    Every sum of products of two such vectors is exact in float64, whatever the order of adding: the number of threads
    and of vectors that are multiplied at once moves no bit of a cosine, x y / WHOLE^2.
    """
    rows = vectors.astype(np.float64)
    return np.rint(rows / np.linalg.norm(rows, axis=1, keepdims=True) * WHOLE)


def uneven(widths: Sequence[int]) -> DataError:
    return DataError(
        "embeddings of one table differ in their length",
        found=f"{widths[0]} and {widths[-1]} numbers",
        expected="one length for all",
    )
