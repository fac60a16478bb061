"""Artifacts: immutable, named by key, made of shards. What a manifest says, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from vernier.core.fingerprint import key_of
from vernier.core.tables import add_counts

ALIGNED = ("corpus", "scores", "selection")  # kinds with one row for each row of a corpus
DATA = "data.parquet"
QUARANTINED = "quarantine.parquet"
DUPLICATES = "duplicates.parquet"  # of results: the documents that are copies of others


@dataclass(frozen=True)
class ShardRef:
    """One committed unit of work: a folder in the store and what its done record says.

    key      of the unit
    folder   relative to the store
    files    name -> {bytes, sha256}
    rows     in `data.parquet`; 0 where there is none
    counts   the ledger of this shard (`tables.counts`)
    facts    what the plugin said of it (JSON values)
    """

    key: str
    folder: str
    files: Mapping[str, Mapping[str, Any]]
    rows: int = 0
    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def content(self) -> str:
        """Hash of the bytes of its data: what downstream keys are made of."""
        return key_of({name: f["sha256"] for name, f in self.files.items() if name != QUARANTINED})

    @property
    def data(self) -> str:
        return f"{self.folder}/{DATA}"


@dataclass(frozen=True)
class Artifact:
    """A finished stage output.

    kind      one of plugin.KINDS
    key       of the stage that made it
    rows_of   which rows it aligns to (tables), shard by shard, row by row; "" for models and results
    stage     plugin, version, settings, seed and content of the inputs, in words
    facts     what the plugin said of the whole (a selection's account, a model's loss)
    """

    kind: str
    key: str
    rows_of: str
    shards: tuple[ShardRef, ...]
    stage: Mapping[str, Any]
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def content(self) -> str:
        """Hash of all bytes of its data."""
        return key_of(self.kind, [shard.content for shard in self.shards])

    @property
    def rows(self) -> int:
        return sum(shard.rows for shard in self.shards)

    @property
    def counts(self) -> dict[str, int]:
        return add_counts(dict(shard.counts) for shard in self.shards)

    @property
    def aligned(self) -> bool:
        return self.kind in ALIGNED

    def only(self, index: int) -> Artifact:
        """This artifact with one of its shards: what a worker needs for one unit."""
        return Artifact(self.kind, self.key, self.rows_of, (self.shards[index],), {}, self.facts)

    def to_json(self) -> dict[str, Any]:
        return {"vernier": 1, **asdict(self), "content": self.content, "counts": self.counts}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Artifact:
        return Artifact(
            kind=data["kind"],
            key=data["key"],
            rows_of=data["rows_of"],
            shards=tuple(ShardRef(**shard) for shard in data["shards"]),
            stage=data["stage"],
            facts=data["facts"],
        )
