"""Texts that were seen before, by their hashes: exact copies and nothing else. 16 bytes for each.

A folder has them as `seen.npy`, uint8 [n, 16].
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vernier.core.errors import DataError
from vernier.core.shard import Inputs, Shard
from vernier.core.tables import ID_BYTES

FILE = "seen.npy"


def hashes(inputs: Inputs) -> NDArray[np.uint8]:
    """The text hashes of the selected documents, each once, uint8 [n, 16]."""
    parts = [shard.text_hashes()[shard.kept()] for shard in inputs.shards()]
    return np.unique(np.concatenate([np.empty((0, 2), np.uint64), *parts]), axis=0).view(np.uint8)


def save(folder: Path, found: NDArray[np.uint8]) -> None:
    np.save(folder / FILE, found, allow_pickle=False)


@lru_cache(maxsize=4)
def load(folder: Path) -> pa.Array:
    """The hashes in a folder, as a column like `text_hash`. Raises DataError if it holds none."""
    path = folder / FILE
    if not path.exists():
        raise DataError("this model remembers no texts", where=str(folder), expected="a model of train.texts")
    found = np.load(path, allow_pickle=False)
    if found.dtype != np.uint8 or found.ndim != 2 or found.shape[1] != ID_BYTES:
        raise DataError("a list of texts is damaged", where=str(path), found=f"{found.dtype} {found.shape}")
    return pa.Array.from_buffers(pa.binary(ID_BYTES), len(found), [None, pa.py_buffer(np.ascontiguousarray(found))])


def among(shard: Shard, known: pa.Array) -> NDArray[np.bool_]:
    """Which rows have one of the known texts, bool [rows]."""
    column = shard.read("corpus", ["text_hash"]).column("text_hash")
    return pc.is_in(column, value_set=known).to_numpy(zero_copy_only=False)
