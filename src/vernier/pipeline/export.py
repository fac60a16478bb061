"""Take a selection out of the store: the kept documents with their scores, for any trainer.

Each shard becomes one file; `_export.json`, written last, says what the folder holds and marks it complete. All is
written to a folder beside the target, which takes its place at the end: an earlier export stays until then. Formats:
Parquet, JSON Lines under Zstandard, and a Hugging Face dataset folder (Parquet under `data/` with a dataset card, as on
the hub: `datasets.load_dataset(FOLDER)` reads it).
"""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from vernier.core import fault, tables
from vernier.core.errors import RecipeError, ResumeError, nearest
from vernier.core.fingerprint import file_sha256
from vernier.core.run import Run
from vernier.core.shard import Inputs, Shard
from vernier.core.store import room, write_atomically
from vernier.corpus.records import to_json
from vernier.exec.base import report
from vernier.exec.local import Pool
from vernier.exec.progress import Progress
from vernier.pipeline.swap import replacing, sync

FORMATS = ("parquet", "jsonl.zst", "hf")
COMPLETE, CARD = "_export.json", "README.md"
PLACE = ("doc_id", "source", "offset")  # of the corpus's columns, in a JSON line under `vernier` with our own
HARD = re.compile(r"\d{19}|\\u[dD][89a-fA-F]")  # integers beyond 64 bits, lone surrogates: not for the fast parser


@dataclass(frozen=True)
class _Task:
    inputs: Inputs
    path: str
    format: str
    columns: tuple[str, ...]  # of the corpus
    own: tuple[tuple[str, str, str], ...]  # count, rank, scores: input name, column in it, name in the export


def export(
    run: Run,
    node: str,
    to: Path,
    *,
    format: str = "parquet",
    scores: Sequence[str] | None = None,
    workers: int = 2,
    quiet: bool = False,
) -> dict[str, Any]:
    """Write the documents that the selection `node` keeps to the folder `to`.

    scores: nodes whose columns go along (the column `nll` of the node `nll_small` as `nll_small.nll`); by default those
    that the selection was made from.
    Returns what `_export.json` says: rows, bytes of text, rows by licence, columns, files. An earlier export in `to` is
    replaced whole. Raises ResumeError if `to` holds anything else, RecipeError if the run can not give what is asked.
    """
    if format not in FORMATS:
        raise RecipeError(f"unknown export format {format!r}", expected=", ".join(FORMATS))
    record = run.nodes.get(node)
    if record is None or record["kind"] != "selection":
        chosen = [n for n, r in run.nodes.items() if r["kind"] == "selection"]
        raise RecipeError(f"the run has no selection named {node!r}", do=nearest(node, chosen))
    score_tables = [n for n, r in run.nodes.items() if r["kind"] == "scores"]
    if scores is None:
        scores = [source for source in record["inputs"].values() if source in score_tables]
    scores = list(dict.fromkeys(scores))
    for name in scores:
        if name not in score_tables:
            raise RecipeError(f"the run has no score table named {name!r}", do=nearest(name, score_tables))
    with run.store.in_use(), replacing(to, _check_replaceable, COMPLETE) as folder:
        artifacts = {"selection": run.artifact(node), "corpus": run.artifact(record["inputs"]["corpus"])}
        artifacts |= {f"scores[{i}]": run.artifact(name) for i, name in enumerate(scores)}
        inputs = Inputs(run.store.url, artifacts)
        inputs.check_aligned()
        columns, own = _columns(inputs, scores)
        data = folder / "data" if format == "hf" else folder
        data.mkdir(exist_ok=True)
        ending = "jsonl.zst" if format == "jsonl.zst" else "parquet"
        total = inputs.num_shards
        files = [data / f"train-{i:05d}-of-{total:05d}.{ending}" for i in range(total)]
        tasks = [_Task(inputs.only(i), str(file), format, columns, own) for i, file in enumerate(files)]
        ledger = tables.add_counts(_write_all(tasks, f"export {node}", workers, quiet))
        summary: dict[str, Any] = {
            "vernier": 1,
            "run": run.name,
            "selection": node,
            "key": record["key"],
            "format": format,
            "rows": ledger.get("rows", 0),
            "bytes": ledger.get("bytes", 0),
            "licenses": {k.removeprefix("license."): v for k, v in ledger.items() if k.startswith("license.")},
            "columns": [*columns, *(name for _, _, name in own)],
            "files": [file.relative_to(folder).as_posix() for file in files],
        }
        if format == "hf":
            write_atomically(folder / CARD, _card(summary).encode())
            summary["card"] = file_sha256(folder / CARD)
        sync(data)
        write_atomically(folder / COMPLETE, json.dumps(summary, indent=1, ensure_ascii=False).encode() + b"\n")
    return summary


def _write_all(tasks: Sequence[_Task], name: str, workers: int, quiet: bool) -> list[dict[str, int]]:
    with (
        Pool(workers=workers, memory=None, recycle=256, env={}) as pool,
        Progress(name, len(tasks), quiet=quiet) as progress,
    ):
        return pool.map(
            _write, tasks, label=lambda i: f"export shard {i}", on_done=lambda i, ledger: None, progress=progress
        )


def _columns(inputs: Inputs, scores: Sequence[str]) -> tuple[tuple[str, ...], tuple[tuple[str, str, str], ...]]:
    """The corpus's columns that go out, and our own. One of ours gets `_` behind it where the user has that name."""
    shard = inputs.shard(0)
    columns = tuple(c for c in shard.columns("corpus") if c not in ("text_hash", "num_bytes"))
    own = [("selection", c, c) for c in shard.columns("selection") if c in ("count", "rank")]
    for i, node in enumerate(scores):
        own += [(f"scores[{i}]", column, f"{node}.{column}") for column in shard.columns(f"scores[{i}]")]
    taken, named = set(columns), list[tuple[str, str, str]]()
    for source, column, name in own:
        while name in taken:
            name += "_"
        taken.add(name)
        named.append((source, column, name))
    return columns, tuple(named)


def _check_replaceable(to: Path) -> None:
    """Raises ResumeError if the folder holds anything that is not of an earlier export, as that one wrote it."""
    entries = [p for p in to.rglob("*") if p.is_symlink() or not p.is_dir() or not any(p.iterdir())]
    others = sorted({p.relative_to(to).as_posix() for p in entries} - _files_of_export(to))
    if others:
        raise ResumeError(
            "the folder for the export holds other things",
            where=str(to),
            found=", ".join([*others[:3], *(["..."] if len(others) > 3 else [])]),
            do="give a new or empty folder with --to",
        )


def _files_of_export(to: Path) -> set[str]:
    """The files of a complete export; none if the folder is none."""
    try:
        said = json.loads((to / COMPLETE).read_bytes())
    except (OSError, ValueError):
        return set()
    if not isinstance(said, dict) or said.get("vernier") != 1 or not isinstance(said.get("files"), list):
        return set()
    card = to / CARD
    as_written = card.is_file() and said.get("card") == file_sha256(card)  # or else its owner has worked on it
    return {COMPLETE, *map(str, said["files"]), *([CARD] if as_written else [])}


def _write(task: _Task) -> dict[str, int]:
    """Write one shard; returns rows, bytes and rows by licence."""
    ledger: dict[str, int] = {"rows": 0, "bytes": 0}
    parts = _kept(task, ledger)
    with room(os.path.dirname(task.path)):
        if task.format == "jsonl.zst":
            _write_jsonl(task.path, parts, (*PLACE, *(name for _, _, name in task.own)))
        else:
            _write_parquet(task.path, parts)
        sync(Path(task.path))
    fault.point("export.shard")
    return ledger


def _kept(task: _Task, ledger: dict[str, int]) -> Iterator[pa.Table]:
    """The kept rows of a shard with their scores, one row group of the corpus at a time."""
    shard: Shard = task.inputs.shard(0)
    counts = shard.read("selection", ["count"]).column("count").to_numpy()
    own = {name: shard.read(source, [column]).column(column) for source, column, name in task.own}
    start = 0
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


def _write_parquet(path: str, parts: Iterator[pa.Table]) -> None:
    first = next(parts)
    with open(path, "wb") as file, tables.writer(file, first.schema) as writer:
        for table in itertools.chain([first], parts):
            if table.num_rows:
                writer.write_table(table)


def _write_jsonl(path: str, parts: Iterator[pa.Table], own: Sequence[str]) -> None:
    import zstandard

    with open(path, "wb") as raw, zstandard.ZstdCompressor(level=3).stream_writer(raw) as file:
        for table in parts:
            for row in table.to_pylist():
                file.write(to_json(_line(row, own)) + b"\n")


def _line(row: dict[str, Any], own: Sequence[str]) -> dict[str, Any]:
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


def _card(summary: dict[str, Any]) -> str:
    licenses = "\n".join(f"* {name}: {rows} documents" for name, rows in summary["licenses"].items())
    return f"""---
configs:
- config_name: default
  data_files:
  - split: train
    path: data/*.parquet
---
# {summary["run"]}: {summary["selection"]}

{summary["rows"]} documents, {summary["bytes"]} bytes of text, selected with Vernier (key `{summary["key"]}`).

Licences, as the corpus states them:

{licenses}
"""
