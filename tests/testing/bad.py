"""A plugin that breaks promises on demand: the exam must find each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from vernier.core import rng
from vernier.core.artifact import Artifact
from vernier.core.shard import Inputs, Shard

CALLS: list[int] = []


@dataclass(frozen=True, kw_only=True)
class Bad:
    """The length of a text, got wrong.

    how     which promise is broken
    batch   rows at a time
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "selection": "selection?"}
    masks: ClassVar[tuple[str, ...]] = ("selection",)

    how: str = "good"
    batch: int = field(default=8, metadata={"key": False})

    def flops(self, inputs: Inputs, out: Artifact | None) -> float | None:
        """One for each row."""
        wrong = {"costs less than nothing": -1.0, "costs by the shard": float(inputs.num_shards)}
        return wrong.get(self.how, float(sum(shard.rows for shard in inputs.shards())))

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        """One table for the shard."""
        CALLS.append(1)
        length = shard.read("corpus", ["num_bytes"]).column("num_bytes").to_numpy().copy()
        kept = shard.kept() if self.how != "ignores the mask" else np.ones(shard.rows, dtype=bool)
        wrong: dict[str, Any] = {
            "sees shards": lambda: length + shard.rows,
            "sees order": lambda: length + np.arange(shard.rows),
            "does not repeat": lambda: length + len(CALLS),
            "draws in secret": lambda: length + (rng.bits(shard.doc_ids(), shard.seed, "x") % 7).astype(np.int64),
            "key lies": lambda: length + self.batch,
        }
        length = wrong.get(self.how, lambda: length)()
        made = pa.table({"length": pa.array(length, mask=~kept)})
        yield made.slice(1) if self.how == "drops a row" else made


@dataclass
class Careless:
    """Not frozen, by position, with a setting that is not explained."""

    version: ClassVar[int] = 0
    makes: ClassVar[str] = "score"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "text"}

    depth: int = 1

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        """Nothing for each row."""
        yield pa.table({"length": pa.array([0] * shard.rows)})
