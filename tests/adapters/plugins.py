"""Plugins of the tests: one that goes by document ids, one that breaks its contract."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from vernier.core.shard import Shard


@dataclass(frozen=True, kw_only=True)
class Ids:
    """Column `low`: the first half of the id."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus"}

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        yield pa.table({"low": pa.array(shard.doc_ids()[:, 0])})


@dataclass(frozen=True, kw_only=True)
class Loses:
    """One row less than there are documents."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus"}

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        yield shard.read("corpus", ["num_bytes"]).slice(1)
