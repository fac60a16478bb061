"""The tables of a run, read through the links of its folder: a folder that was copied with them needs no store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO

import fsspec
import pyarrow as pa

from vernier.core import tables
from vernier.core.errors import ResumeError
from vernier.core.run import Run


def shards(run: Run, node: str) -> list[str]:
    """Where the shards of a table are, in order: paths, or addresses in an object store."""
    folder = run.folder / node
    linked = sorted([*folder.glob("[0-9]*.parquet"), *folder.glob("[0-9]*.parquet.url")])
    return [path.read_text().strip() if path.suffix == ".url" else str(path) for path in linked]


def read(shard: str, columns: Sequence[str]) -> pa.Table:
    """Columns of one shard. Raises ResumeError if it is gone, DataError if it is damaged."""
    with _open(shard) as file:
        return tables.read_columns(file, list(columns), where=shard)


def open_file(run: Run, node: str, name: str) -> IO[bytes]:
    """A file of a model or of results. Raises ResumeError if it is gone."""
    path = run.folder / node / name
    address = path.with_name(f"{name}.url")
    return _open(address.read_text().strip() if address.exists() else str(path))


def num_rows(shard: str) -> int:
    """Rows of one shard, by its footer."""
    with _open(shard) as file:
        return tables.open_parquet(file).metadata.num_rows


def columns(shard: str) -> list[str]:
    """The names of a shard's columns."""
    with _open(shard) as file:
        return tables.open_parquet(file).schema_arrow.names


def rows(shard: str, numbers: Sequence[int], columns: Sequence[str]) -> Iterator[dict[str, object]]:
    """Some rows of a shard, in the order of `numbers`; only the row groups that hold them are read."""
    with _open(shard) as file:
        parquet = tables.open_parquet(file)
        ends: list[int] = []
        for group in range(parquet.num_row_groups):
            ends.append((ends[-1] if ends else 0) + parquet.metadata.row_group(group).num_rows)
        groups = {n: next(g for g, end in enumerate(ends) if n < end) for n in numbers}
        wanted = sorted(set(groups.values()))
        read = {g: tables.read_columns(file, list(columns), where=shard, groups=[g]) for g in wanted}
        for n in numbers:
            group = groups[n]
            first = ends[group] - read[group].num_rows
            yield read[group].slice(n - first, 1).to_pylist()[0]


def _open(shard: str) -> IO[bytes]:
    try:
        return fsspec.open(shard, "rb").open()
    except FileNotFoundError as error:
        raise ResumeError(
            "a table of the run is gone",
            where=shard,
            do="run the recipe again: only what is missing is made anew; or copy the run folder with what its links "
            "lead to (`cp -rL`)",
        ) from error
