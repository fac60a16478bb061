"""The kept rows of a shard, with what goes out beside them: what every form of an export is written from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from vernier.core.shard import Inputs, Shard
from vernier.exec.base import report

PLACE = ("doc_id", "source", "offset")  # of the corpus's columns, in a JSON line under `vernier` with our own
HARD = re.compile(r"\d{19}|\\u[dD][89a-fA-F]")  # integers beyond 64 bits, lone surrogates: not for the fast parser


@dataclass(frozen=True)
class Own:
    """A column of ours that goes along: count, rank, a score.

    label, column   where it is: the input's name, the column in it
    node            the node of the run that made it
    name            in the export; one that the user has too gets `_` behind it
    """

    label: str
    column: str
    node: str
    name: str


@dataclass(frozen=True)
class Task:
    """One shard of an export.

    path        of the file to write
    columns     of the corpus, that go out
    tokenizer   the folder of the one to encode with, where tokens go out
    """

    inputs: Inputs
    path: str
    format: str
    columns: tuple[str, ...]
    own: tuple[Own, ...]
    tokenizer: str = ""


def kept(task: Task, ledger: dict[str, int]) -> Iterator[pa.Table]:
    """The kept rows of a shard with our columns, one row group at a time. Counts rows, bytes, licences."""
    shard: Shard = task.inputs.shard(0)
    counts = shard.read("selection", ["count"]).column("count").to_numpy()
    own = {own.name: shard.read(own.label, [own.column]).column(own.column) for own in task.own}
    start = 0
    ledger |= {"rows": 0, "bytes": 0}
    for rows in shard.batches("corpus", task.columns):
        for name, column in own.items():
            rows = rows.append_column(name, column.slice(start, rows.num_rows))
        keep = np.flatnonzero(counts[start : start + rows.num_rows])
        start += rows.num_rows
        rows = rows.take(keep)
        hexes = [b.hex() for b in rows.column("doc_id").to_pylist()]
        rows = rows.set_column(0, "doc_id", pa.array(hexes, pa.string()))
        ledger["rows"] += rows.num_rows
        ledger["bytes"] += int(pc.sum(pc.binary_length(rows.column("text"))).as_py() or 0)
        for entry in rows.column("license").value_counts():
            name = f"license.{entry['values'].as_py() or 'unknown'}"
            ledger[name] = ledger.get(name, 0) + entry["counts"].as_py()
        report(start)
        yield rows


def line(row: dict[str, Any], own: Sequence[str]) -> dict[str, Any]:
    """A row as one JSON object. The document's fields come back as they were; what we know of it stands under
    `vernier`, or `vernier_` if the document has that field. A further field with the name of a column that the reader
    filled from another field is kept there, under `extra`."""
    extra = row.pop("extra") or "{}"
    fields: dict[str, Any] = json.loads(extra) if HARD.search(extra) else orjson.loads(extra)
    ours: dict[str, Any] = {name: row.pop(name) for name in own}
    taken = {name: fields.pop(name) for name in row if name in fields and row[name] is not None}
    if taken:
        ours["extra"] = taken
    line = {**row, **fields}
    place = "vernier"
    while place in line:
        place += "_"
    return {**line, place: ours}
