"""Keep the documents whose text was not seen before: what stands between a target and a pool (`train.texts`).

Exact copies only: a copy with a word changed passes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from vernier.core import seen
from vernier.core.shard import Shard
from vernier.select.pool import KEPT, code, selection, within


@dataclass(frozen=True, kw_only=True)
class Unseen:
    """Drop every document that has the text of one in `seen`, a list of models of `train.texts`; no budget."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "selection"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "within": "selection?", "seen": "model*"}

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        """Raises DataError for a model that remembers no texts."""
        count, reason = within(shard)
        for name in shard.inputs.names("seen"):
            reason[(reason == KEPT) & seen.among(shard, seen.load(shard.inputs.folder(name)))] = code("seen")
        yield selection(count, reason)
