"""A shard's tables: read whole, or one row group at a time with the footer read once."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from vernier.core.errors import DataError
from vernier.core.shard import Inputs, Shard
from vernier.core.store import Store
from vernier.testing.make import GROUP_ROWS, corpus_table, make_artifact


class Counted(io.FileIO):
    """A file that knows how many bytes were read of it."""

    bytes_read = 0

    def read(self, size: int | None = -1, /) -> bytes:
        raw = super().read(-1 if size is None else size)
        Counted.bytes_read += len(raw or b"")
        return raw or b""


def corpus(folder: Path, texts: list[str]) -> Shard:
    store = Store(str(folder))
    return Inputs(store.url, {"corpus": make_artifact(store, "corpus", [corpus_table(texts)])}).shard(0)


def file_of(shard: Shard, folder: Path) -> Path:
    return folder / shard.inputs.artifacts["corpus"].shards[0].data


def test_batches_are_the_row_groups_in_order(tmp_path: Path) -> None:
    texts = [f"text {i}" for i in range(3 * GROUP_ROWS + 2)]
    batches = list(corpus(tmp_path, texts).batches("corpus", ["text", "offset"]))
    assert [b.num_rows for b in batches] == [GROUP_ROWS] * 3 + [2]
    assert pa.concat_tables(batches).column("text").to_pylist() == texts
    assert batches[0].column_names == ["text", "offset"]


def test_an_empty_shard_is_one_empty_batch(tmp_path: Path) -> None:
    (batch,) = corpus(tmp_path, []).batches("corpus", ["text"])
    assert (batch.num_rows, batch.column_names) == (0, ["text"])


def test_many_row_groups_cost_no_more_than_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading the footer anew for each row group would read this file sixty times over."""
    shard = corpus(tmp_path, ["text"] * (100 * GROUP_ROWS))
    size = file_of(shard, tmp_path).stat().st_size

    def counted(self: Store, relative: str) -> Any:
        return Counted(self.path(relative))

    monkeypatch.setattr(Store, "open", counted)
    monkeypatch.setattr(Counted, "bytes_read", 0)
    assert sum(1 for _ in shard.batches("corpus", ["text"])) == 100
    assert Counted.bytes_read <= size + (64 << 10)  # the end of the file is read ahead of what it says


def test_damage_is_told_where_it_is_met(tmp_path: Path) -> None:
    noise = np.random.default_rng(0)
    shard = corpus(tmp_path, [noise.bytes(600).hex() for _ in range(2 * GROUP_ROWS)])
    path = file_of(shard, tmp_path)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1  # in the texts of the second row group
    path.write_bytes(raw)
    batches = shard.batches("corpus", ["text"])
    assert next(batches).num_rows == GROUP_ROWS
    with pytest.raises(DataError, match="damaged"):
        next(batches)
    path.write_bytes(raw[:-9])
    with pytest.raises(DataError, match="damaged"):
        next(shard.batches("corpus", ["text"]))
