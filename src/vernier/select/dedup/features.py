"""What documents are compared by, in files: written once in the order of the corpus, and never all in memory."""

from __future__ import annotations

import contextlib
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Features:
    """Those of some documents, one after another.

    values   uint64 [v], hashes; empty where vectors are compared
    weights  float32 [v], of the values, or the numbers of vectors; empty where sets are compared
    lengths  int64 [n], of each document's part
    """

    values: NDArray[np.uint64]
    weights: NDArray[np.float32]
    lengths: NDArray[np.int64]


def write(folder: Path, many: Iterator[Features]) -> None:
    """Write features into a new folder."""
    folder.mkdir()
    end = 0
    paths = (folder / name for name in ("values", "weights", "ends"))
    with contextlib.ExitStack() as stack:
        values, weights, ends = (stack.enter_context(open(path, "wb")) for path in paths)
        np.zeros(1, np.int64).tofile(ends)
        for some in many:
            some.values.astype(np.uint64, copy=False).tofile(values)
            some.weights.astype(np.float32, copy=False).tofile(weights)
            after = end + np.cumsum(some.lengths, dtype=np.int64)
            after.tofile(ends)
            end = int(after[-1]) if len(after) else end


class Store:
    """Features in a folder, as arrays that the kernel takes: pages of the files, which `release` gives back."""

    def __init__(self, folder: Path) -> None:
        self._maps: list[mmap.mmap] = []
        self.values = self._map(folder / "values", np.uint64)
        self.weights = self._map(folder / "weights", np.float32)
        self.offsets = self._map(folder / "ends", np.int64)

    def sizes(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Bytes that the features with these numbers take, int64 [n]."""
        width = 8 * (len(self.values) > 0) + 4 * (len(self.weights) > 0)
        return (self.offsets[numbers + 1] - self.offsets[numbers]) * width

    def release(self) -> None:
        """Take the pages that were read out of this process; they are read again when they are needed."""
        for one in self._maps:
            one.madvise(mmap.MADV_DONTNEED)

    def _map(self, path: Path, dtype: Any) -> NDArray[Any]:
        if not path.stat().st_size:
            return np.empty(0, dtype)
        with open(path, "rb") as file:
            self._maps.append(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ))
        return np.frombuffer(self._maps[-1], dtype)
