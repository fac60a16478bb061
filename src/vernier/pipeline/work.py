"""What a worker does: one unit of one stage, from its inputs to its done record."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vernier.core import fault, tables
from vernier.core.artifact import DATA, QUARANTINED, ShardRef
from vernier.core.errors import StageError
from vernier.core.plugin import Unit
from vernier.core.shard import Inputs, Shard
from vernier.core.store import Store
from vernier.exec.base import report
from vernier.pipeline.keys import part_key


@dataclass(frozen=True)
class Task:
    """One unit of work, with all that a worker needs to do it.

    stage    the node's name in the run; unit: the readable name of this piece of it
    base     of a plugin with masks: the key of the same work under any mask
    source   of a reader: what to read
    state    of a fold: what the rounds came to
    ranks    of a build: processes that do it together
    """

    store: str
    stage: str
    unit: str
    kind: str
    plugin: Any
    key: str
    inputs: Inputs
    base: str = ""
    source: Unit | None = None
    state: Any = None
    ranks: int = 1


def do(task: Task) -> tuple[ShardRef, ...]:
    """Do a unit and commit it. Returns its shards (several only for a reader's unit)."""
    _begin(task)
    store = Store(task.store)
    if task.source is not None:
        return tuple(_read(task, store))
    if hasattr(task.plugin, "build"):
        return (_build(task, store),)
    return (_map(task, store),)


def fold(task: Task) -> Any:
    """One shard's part of a fold's round: small, and not committed."""
    _begin(task)
    return task.plugin.fold(task.inputs.shard(0), task.state)


def _begin(task: Task) -> None:
    pa.default_memory_pool().release_unused()  # Arrow keeps what the last unit freed, numpy can not use it
    fault.at_unit(task.stage, task.unit)
    fault.point("unit.started")


def finished_parts(store: Store, key: str) -> list[ShardRef]:
    """The shards of a reader's unit that are committed, from the first on without a gap."""
    parts: list[ShardRef] = []
    while not parts or not parts[-1].facts["last"]:
        ref = store.unit(part_key(key, len(parts)))
        if ref is None:
            break
        parts.append(ref)
    return parts


def _read(task: Task, store: Store) -> Iterator[ShardRef]:
    """Read a unit as shards of `plugin.shard` bytes of text, going on behind what is committed."""
    assert task.source is not None
    done = finished_parts(store, task.key)
    yield from done
    if done and done[-1].facts["last"]:
        return
    pieces = iter(task.plugin.read(task.source, done[-1].facts["next"] if done else 0))
    piece = next(pieces)
    number, rows_before = len(done), sum(ref.rows for ref in done)
    last = False
    while not last:
        with store.workspace() as folder:
            shard = _ShardFile(folder / DATA, "corpus")
            bad = _ShardFile(folder / QUARANTINED, "quarantine")
            while True:
                shard.add(piece.rows)
                if piece.bad.num_rows:
                    bad.add(piece.bad)
                report(rows_before + shard.rows)
                end = piece.next
                following = next(pieces, None)
                last = following is None
                if following is not None:
                    piece = following
                if last or shard.counts["bytes"] >= task.plugin.shard:
                    break
            counts = shard.close()
            if bad.rows:
                bad.close()
                counts |= {"quarantined": bad.rows, **bad.reasons}
            ref = store.commit_unit(
                part_key(task.key, number),
                folder,
                rows=shard.rows,
                counts=counts,
                facts={"next": end, "last": last, "unit": task.source.name},
            )
        number, rows_before = number + 1, rows_before + ref.rows
        yield ref


def _map(task: Task, store: Store) -> ShardRef:
    shard = task.inputs.shard(0)
    known = _known_rows(task, store, shard) if task.base else None
    with store.workspace() as folder:
        out = _ShardFile(folder / DATA, task.kind)
        made = task.plugin.map(shard) if task.state is None else task.plugin.map(shard, task.state)
        for table in made:
            out.add(table if known is None else _fill(table, known.slice(out.rows, table.num_rows)))
            report(out.rows)
        if out.writer is None:
            raise StageError(
                f"the plugin {type(task.plugin).__name__} made no table",
                where=f"stage {task.stage}, shard {task.unit}",
                expected="at least one, which may be empty",
            )
        counts = out.close()
        for name, reasons in (("left_out", shard.left_out), ("failed", shard.failed)):
            counts |= {f"{name}.{reason}": n for reason, n in sorted(reasons.items())}
        if getattr(task.plugin, "rows", "same") == "same" and out.rows != shard.rows:
            raise StageError(
                f"the plugin {type(task.plugin).__name__} broke its contract",
                where=f"stage {task.stage}, shard {task.unit}",
                found=f"{out.rows} rows",
                expected=f"{shard.rows} rows: one for each row of the corpus",
                do="report it to the plugin's author; `vernier.testing.exam` finds this",
            )
        wrong = tables.check_conserved(task.kind, counts)
        if wrong is not None:
            raise StageError(
                f"the plugin {type(task.plugin).__name__} lost count of rows",
                where=f"stage {task.stage}, shard {task.unit}",
                found=wrong,
                expected="rows in = kept + dropped by reason",
            )
        return store.commit_unit(task.key, folder, rows=out.rows, counts=counts, base=task.base)


def _build(task: Task, store: Store) -> ShardRef:
    with store.workspace() as folder:
        if task.ranks > 1:
            from vernier.exec.gang import gang  # brings multiprocessing, which other stages do without

            facts = gang(_build_as_rank, (task, folder), task.ranks)
        else:
            facts = task.plugin.build(task.inputs, folder)
        return store.commit_unit(task.key, folder, facts=facts)


def _build_as_rank(item: tuple[Task, Path]) -> dict[str, Any]:
    """One rank's part of a build. The worker commits the folder of rank 0 when all ranks have returned."""
    task, folder = item
    fault.at_unit(task.stage, task.unit)
    if os.environ["RANK"] == "0":
        shutil.rmtree(folder)  # the ranks may have died in it before
        folder.mkdir()
        return task.plugin.build(task.inputs, folder)
    with Store(task.store).workspace() as scratch:
        return task.plugin.build(task.inputs, scratch)


def _known_rows(task: Task, store: Store, shard: Shard) -> pa.Table | None:
    """Rows that the same work under another mask has made: they are copied, and the plugin is told to skip them.

    Returns a table with null in every row that is unknown or not wanted now; None if nothing is known.
    """
    wanted = np.logical_and.reduce([shard.kept(mask) for mask in task.plugin.masks])
    known: pa.Table | None = None
    for ref in store.siblings(task.base):
        with store.open(ref.data) as file:
            table = tables.read_columns(file, None, where=store.path(ref.data))
        known = table if known is None else _fill(known, table)
    if known is None:
        return None
    shard.skip = ~pc.is_null(known.column(0)).to_numpy()
    return _only(known, wanted)


def _fill(table: pa.Table, other: pa.Table) -> pa.Table:
    """`table` with its nulls taken from `other`, column by column."""
    columns = [pc.coalesce(table.column(n), other.column(n)) for n in table.column_names]
    return pa.table(columns, schema=table.schema)


def _only(table: pa.Table, rows: np.ndarray[Any, np.dtype[np.bool_]]) -> pa.Table:
    mask = pa.array(rows)
    return pa.table(
        [pc.if_else(mask, table.column(n), pa.scalar(None, table.schema.field(n).type)) for n in table.column_names],
        schema=table.schema,
    )


class _ShardFile:
    """A Parquet file being written, with its ledger. The bytes do not depend on how the rows were handed over,
    but for a corpus, whose row groups are the pieces of text that came in."""

    def __init__(self, path: Path, kind: str) -> None:
        self._path, self._kind = path, kind
        self.writer: Any = None
        self._file: Any = None
        self._waiting: list[pa.Table] = []
        self.rows = 0
        self.counts: dict[str, int] = {"rows": 0, "bytes": 0}
        self.reasons: dict[str, int] = {}

    def add(self, table: pa.Table) -> None:
        if self.writer is None:
            self._file = open(self._path, "wb")  # noqa: SIM115 (closed in close)
            self.writer = tables.writer(self._file, table.schema)
            self.counts = tables.counts(self._kind, table)
        else:
            self.counts = tables.add_counts([self.counts, tables.counts(self._kind, table)])
        if self._kind == "quarantine":
            for reason in table.column("reason").to_pylist():
                self.reasons[f"quarantined.{reason}"] = self.reasons.get(f"quarantined.{reason}", 0) + 1
        self.rows += table.num_rows
        if self._kind in ("corpus", "quarantine"):
            if table.num_rows:
                self.writer.write_table(table, row_group_size=tables.ROW_GROUP_ROWS)
            return
        self._waiting.append(table)
        waiting, group = sum(t.num_rows for t in self._waiting), tables.group_rows(table.schema)
        if waiting >= group:
            together = pa.concat_tables(self._waiting).combine_chunks()
            whole = waiting - waiting % group
            self.writer.write_table(together.slice(0, whole), row_group_size=group)
            self._waiting = [together.slice(whole)]

    def close(self) -> dict[str, int]:
        """Finish the file; returns its ledger."""
        rest = pa.concat_tables(self._waiting) if self._waiting else None
        if rest is not None and rest.num_rows:
            self.writer.write_table(rest.combine_chunks(), row_group_size=tables.group_rows(rest.schema))
        self.writer.close()
        self._file.close()
        return self.counts
