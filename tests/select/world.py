"""A small world to select in: tables written to a real store, cut into shards at will, and a driver for plugins."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from vernier.core import tables
from vernier.core.artifact import DATA, Artifact, ShardRef
from vernier.core.plugin import shape_of
from vernier.core.shard import Inputs
from vernier.core.store import Store

COLUMNS = {
    "nll": pa.float64(),
    "num_tokens": pa.int64(),
    "application": pa.int64(),
    "embedding": pa.list_(pa.float32()),
    "keys": pa.list_(pa.uint64()),
    "hash": pa.list_(pa.uint64()),
    "count": pa.int32(),
    "reason": pa.dictionary(pa.int8(), pa.string()),
    **{field.name: field.type for field in tables.CORPUS},
}


@dataclass(frozen=True)
class Selected:
    """A selection over all shards, and what the plugin said of it."""

    count: list[int]
    reason: list[str | None]
    rank: list[int | None]
    account: dict[str, Any]
    rounds: int

    @property
    def kept(self) -> list[int]:
        return [row for row, count in enumerate(self.count) if count]


class World:
    """Makes artifacts in one store and runs select plugins over them."""

    def __init__(self, url: str) -> None:
        self.store = Store(url)
        self._numbers = itertools.count()

    def table(self, kind: str, columns: Mapping[str, Sequence[Any]], sizes: Sequence[int], **facts: Any) -> Artifact:
        """An artifact of the given columns, its shards of the given sizes; the rest is the last shard."""
        schema = pa.schema([pa.field(n, COLUMNS.get(n, pa.float64())) for n in columns])
        whole = pa.table({n: pa.array(v, COLUMNS.get(n, pa.float64())) for n, v in columns.items()}, schema)
        ends = [0, *(min(end, len(whole)) for end in itertools.accumulate(sizes)), len(whole)]
        shards = []
        for start, end in itertools.pairwise(ends):
            shard = whole.slice(start, end - start)
            folder = Path(self.store.root) / str(next(self._numbers))
            folder.mkdir()  # not committed by the store: hundreds of small tables would wait for the disk
            with (folder / DATA).open("wb") as file, tables.writer(file, schema) as writer:
                writer.write_table(shard, row_group_size=3)
            shards.append(ShardRef(folder.name, folder.name, {}, len(shard)))
        return Artifact(kind, kind, "rows", tuple(shards), {}, facts)

    def corpus(self, size: int, sizes: Sequence[int] = (), **columns: Sequence[Any]) -> Artifact:
        """A corpus of `size` documents; num_bytes, text_hash and domain as given, or made up."""
        defaults = {
            "doc_id": [doc_id(row) for row in range(size)],
            "num_bytes": [1] * size,
            "text_hash": [hashlib.blake2b(b"%d" % row, digest_size=16).digest() for row in range(size)],
            "domain": [None] * size,
        }
        return self.table("corpus", {**defaults, **columns}, sizes)

    def tables(self, plugin: Any, *, seed: int = 0, **inputs: Artifact) -> list[pa.Table]:
        """The tables that the plugin makes, shard by shard as an executor would call it."""
        return self._made(plugin, seed, inputs)[0]

    def run(self, plugin: Any, *, seed: int = 0, **inputs: Artifact) -> Selected:
        """What the plugin selects."""
        out, account, rounds = self._made(plugin, seed, inputs)
        table = pa.concat_tables(out)
        assert table.schema.names[:2] == tables.SELECTION.names
        rank = table.column("rank").to_pylist() if "rank" in table.schema.names else []
        reason = table.column("reason").to_pylist()
        return Selected(table.column("count").to_pylist(), reason, rank, account, rounds)

    def _made(
        self, plugin: Any, seed: int, inputs: Mapping[str, Artifact]
    ) -> tuple[list[pa.Table], dict[str, Any], int]:
        """The tables, the account, and how many rounds it took."""
        all_inputs = Inputs(self.store.url, inputs, seed)
        all_inputs.check_aligned()
        shards = [all_inputs.only(index) for index in range(all_inputs.num_shards)]
        account, rounds, more = {}, 0, ()
        if shape_of(plugin) == "fold":
            state, settled = None, False
            while not settled:
                state, settled = plugin.merge([plugin.fold(one.shard(0), state) for one in shards], state)
                rounds += 1
                assert rounds < 100
            account, more = plugin.account(state), (state,)
        out = []
        for one in shards:
            parts = list(plugin.map(one.shard(0), *more))
            assert parts and sum(len(part) for part in parts) == one.shard(0).rows
            out += parts
        return out, account, rounds


def doc_id(row: int) -> bytes:
    """The document id of a row of `World.corpus`: ids in an order of their own."""
    return hashlib.blake2b(b"doc %d" % row, digest_size=16).digest()


def finite(score: float | None) -> bool:
    return score is not None and math.isfinite(score)
