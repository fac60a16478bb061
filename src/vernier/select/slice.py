"""Cut a corpus into parts that never overlap: a keyed hash puts each group of documents on a point of [0, 1).

All slices with the same `group` and `salt` share one scale: [0, 0.3] and [0.3, 0.32] have no group in
common and leave none out between them, whatever stages make them and whatever is added to the corpus later.
The default group is the text itself, so that exact copies never straddle two slices; a column such as a URL
or a book keeps its pieces together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vernier.core import rng
from vernier.core.errors import RecipeError
from vernier.core.shard import Shard
from vernier.select.pool import KEPT, code, column_codes, selection, within


@dataclass(frozen=True, kw_only=True)
class Slice:
    """Keep the groups whose point lies in a range.

    range  [low, high) within [0, 1]
    group  a corpus column of strings, or text_hash; a document without a value stands alone, by its text
    salt   another word gives another, independent scale
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "selection"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "within": "selection?"}

    range: tuple[float, float]
    group: str = "text_hash"
    salt: str = ""

    def __post_init__(self) -> None:
        low, high = self.range
        if not 0 <= low < high <= 1:
            raise RecipeError("a slice is [low, high) with 0 <= low < high <= 1", found=str(list(self.range)))

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        count, reason = within(shard)
        point = rng.uniform(self._groups(shard), 0, f"select.slice:{self.salt}")
        low, high = self.range
        reason[(reason == KEPT) & ~((point >= low) & (point < high))] = code("other_slice")
        yield selection(count, reason)

    def _groups(self, shard: Shard) -> NDArray[np.uint64]:
        """128 bits for the group of each row, uint64 [rows, 2]."""
        texts = shard.text_hashes()
        if self.group == "text_hash":
            return texts
        codes, values = column_codes(shard, self.group)
        names = np.frombuffer(b"".join(map(rng.id_of, values)), np.uint64).reshape(-1, 2)
        has_value = codes < len(values)
        texts = texts.copy()
        texts[has_value] = names[codes[has_value]]
        return texts
