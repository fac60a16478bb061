"""One row of a table of a run."""

from __future__ import annotations

from typing import Any

from vernier.core import tables
from vernier.core.artifact import Artifact
from vernier.core.run import Run


def row_of(run: Run, artifact: Artifact, shard: int, row: int, columns: list[str] | None = None) -> dict[str, Any]:
    """One row of a table: only the row group that holds it is read."""
    ref = artifact.shards[shard]
    store = run.store
    with store.open(ref.data) as file:
        metadata = tables.open_parquet(file).metadata
        group, start = 0, 0
        while row >= start + metadata.row_group(group).num_rows:
            start += metadata.row_group(group).num_rows
            group += 1
        table = tables.read_columns(file, columns, where=store.path(ref.data), groups=[group])
    return table.slice(row - start, 1).to_pylist()[0]
