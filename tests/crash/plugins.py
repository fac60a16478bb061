"""A scorer under a mask that needs no model: it walks the path on which known rows are copied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from vernier.core.shard import Shard


@dataclass(frozen=True, kw_only=True)
class Masked:
    """The length of each wanted text; null in the other rows."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "selection": "selection?"}
    masks: ClassVar[tuple[str, ...]] = ("selection",)

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        wanted = pa.array(shard.wanted())
        lengths = pc.cast(pc.binary_length(shard.read("corpus", ["text"]).column("text")), pa.int64())
        yield pa.table({"num_bytes": pc.if_else(wanted, lengths.combine_chunks(), pa.scalar(None, pa.int64()))})
