"""Take a selection out of the store: the kept documents with their scores, for any trainer.

Each shard becomes one file; `_export.json`, written last, says what the folder holds and marks it complete. All is
written to a folder beside the target, which takes its place at the end: an earlier export stays until then. Formats:

    parquet, jsonl.zst   a table, or a JSON object a line
    hf                   a Hugging Face dataset folder: Parquet under `data/` with a dataset card, as on the hub
                         (`datasets.load_dataset(FOLDER)` reads it)
    dolma                documents and attributes as the Dolma toolkit has them (`pipeline.dolma`)
    megatron             tokens, as Megatron-LM's indexed dataset: one file for all shards (`pipeline.megatron`)

A document that is wanted several times is repeated where a trainer reads the export as it is (megatron); elsewhere it
stands there once, beside its `count`.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from vernier.core import fault, tables
from vernier.core.errors import RecipeError, ResumeError, nearest
from vernier.core.fingerprint import file_sha256
from vernier.core.run import Run
from vernier.core.shard import Inputs
from vernier.core.store import room, write_atomically
from vernier.corpus.records import to_json
from vernier.exec.local import Pool
from vernier.exec.progress import Progress
from vernier.models.tokenizer import Tokenizer
from vernier.pipeline import dolma, megatron
from vernier.pipeline.kept import PLACE, Own, Task, kept, line
from vernier.pipeline.swap import replacing, sync

FORMATS = {"parquet": "parquet", "jsonl.zst": "jsonl.zst", "hf": "parquet", "dolma": "jsonl.gz", "megatron": "bin"}
COMPLETE, CARD = "_export.json", "README.md"


def export(
    run: Run,
    node: str,
    to: Path,
    *,
    format: str = "parquet",
    scores: Sequence[str] | None = None,
    tokenizer: str | None = None,
    workers: int = 2,
    quiet: bool = False,
) -> dict[str, Any]:
    """Write the documents that the selection `node` keeps to the folder `to`.

    scores: nodes whose columns go along (the column `nll` of the node `nll_small` as `nll_small.nll`); by default those
    that the selection was made from; none where tokens go out.
    tokenizer: the node, a tokenizer or a model that has one, that megatron's tokens are made with.
    Returns what `_export.json` says: rows, bytes of text, rows by licence, columns, files. An earlier export in `to` is
    replaced whole. Raises ResumeError if `to` holds anything else, RecipeError if the run can not give what is asked.
    """
    if format not in FORMATS:
        raise RecipeError(f"unknown export format {format!r}", expected=", ".join(FORMATS))
    record = run.nodes.get(node)
    if record is None or record["kind"] != "selection":
        chosen = [n for n, r in run.nodes.items() if r["kind"] == "selection"]
        raise RecipeError(f"the run has no selection named {node!r}", do=nearest(node, chosen))
    _check_tokens(run, format, scores, tokenizer)
    score_tables = [n for n, r in run.nodes.items() if r["kind"] == "scores"]
    if scores is None:
        scores = [source for source in record["inputs"].values() if source in score_tables and tokenizer is None]
    scores = list(dict.fromkeys(scores))
    for name in scores:
        if name not in score_tables:
            raise RecipeError(f"the run has no score table named {name!r}", do=nearest(name, score_tables))
    with run.store.in_use(), replacing(to, _check_replaceable, COMPLETE) as folder:
        artifacts = {"selection": run.artifact(node), "corpus": run.artifact(record["inputs"]["corpus"])}
        artifacts |= {f"scores[{i}]": run.artifact(name) for i, name in enumerate(scores)}
        inputs = Inputs(run.store.url, artifacts)
        inputs.check_aligned()
        columns, own = _columns(inputs, node, scores)
        if format == "dolma":
            dolma.check(inputs, own)
        encoder = None
        if tokenizer is not None:
            encoder = Tokenizer(Inputs(run.store.url, {"tokenizer": run.artifact(tokenizer)}).folder("tokenizer"))
        data = folder / {"hf": "data", "dolma": dolma.DOCUMENTS, "megatron": megatron.PIECES}.get(format, ".")
        data.mkdir(exist_ok=True)
        total = inputs.num_shards
        written = [data / f"train-{i:05d}-of-{total:05d}.{FORMATS[format]}" for i in range(total)]
        path = "" if encoder is None else str(encoder.folder)
        tasks = [Task(inputs.only(i), str(file), format, columns, own, path) for i, file in enumerate(written)]
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
        }
        if encoder is not None:
            ranked = any(one.column == "rank" for one in own)
            with room(str(folder)):
                made = megatron.join(folder, written, tokenizer=encoder, ranked=ranked)
            summary |= {"tokenizer": encoder.digest, **made}
            files = [folder / megatron.BIN, folder / megatron.INDEX]
        else:
            summary["columns"] = [*columns, *(one.name for one in own)]
            files = written
            if format == "dolma":
                summary["columns"] = [*columns, *dolma.keys(own).values()]
                files = [path for file in written for path in dolma.files(folder, file.name, own)]
        summary["files"] = [file.relative_to(folder).as_posix() for file in files]
        if format == "hf":
            write_atomically(folder / CARD, _card(summary).encode())
            summary["card"] = file_sha256(folder / CARD)
        for below in sorted(
            {parent for file in files for parent in file.parents if folder in (parent, *parent.parents)}
        ):
            sync(below)
        write_atomically(folder / COMPLETE, json.dumps(summary, indent=1, ensure_ascii=False).encode() + b"\n")
    return summary


def _check_tokens(run: Run, format: str, scores: Sequence[str] | None, tokenizer: str | None) -> None:
    """Raises RecipeError if what is asked for does not fit a format that holds tokens, or one that holds texts."""
    if format != "megatron":
        if tokenizer is not None:
            raise RecipeError(
                f"an export as {format} holds texts: it needs no tokenizer", found=tokenizer, do="leave --tokenizer out"
            )
        return
    models = [n for n, r in run.nodes.items() if r["kind"] == "model"]
    if tokenizer not in models:
        raise RecipeError(
            "an export as megatron holds tokens: it needs a tokenizer of the run",
            found=tokenizer or "none",
            do=f"give --tokenizer, {nearest(tokenizer or '', models)}",
        )
    if scores:
        raise RecipeError("an export as megatron has no place for scores", found=", ".join(scores), do="leave them out")


def _write_all(tasks: Sequence[Task], name: str, workers: int, quiet: bool) -> list[dict[str, int]]:
    with (
        Pool(workers=workers, memory=None, recycle=256, env={}) as pool,
        Progress(name, len(tasks), quiet=quiet) as progress,
    ):
        return pool.map(
            _write, tasks, label=lambda i: f"export shard {i}", on_done=lambda i, ledger: None, progress=progress
        )


def _columns(inputs: Inputs, node: str, scores: Sequence[str]) -> tuple[tuple[str, ...], tuple[Own, ...]]:
    """The corpus's columns that go out, and our own. One of ours gets `_` behind it where the user has that name."""
    shard = inputs.shard(0)
    columns = tuple(c for c in shard.columns("corpus") if c not in ("text_hash", "num_bytes"))
    own = [Own("selection", c, node, c) for c in shard.columns("selection") if c in ("count", "rank")]
    for i, table in enumerate(scores):
        label = f"scores[{i}]"
        own += [Own(label, column, table, f"{table}.{column}") for column in shard.columns(label)]
    taken, named = set(columns), list[Own]()
    for one in own:
        while one.name in taken:
            one = replace(one, name=f"{one.name}_")
        taken.add(one.name)
        named.append(one)
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


def _write(task: Task) -> dict[str, int]:
    """Write one shard; returns rows, bytes and rows by licence."""
    ledger: dict[str, int] = {}
    with room(os.path.dirname(task.path)):
        if task.format == "dolma":
            dolma.write(task, ledger)
        elif task.format == "megatron":
            megatron.write(task, ledger)
        elif task.format == "jsonl.zst":
            _write_jsonl(task.path, kept(task, ledger), (*PLACE, *(one.name for one in task.own)))
            sync(Path(task.path))
        else:
            _write_parquet(task.path, kept(task, ledger))
            sync(Path(task.path))
    fault.point("export.shard")
    return ledger


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
                file.write(to_json(line(row, own)) + b"\n")


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
