"""Small artifacts, made from tables in memory, and plugins run over them in this process."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from vernier.core import tables
from vernier.core.artifact import DATA, Artifact, ShardRef
from vernier.core.fingerprint import file_sha256, key_of
from vernier.core.plugin import shape_of
from vernier.core.rng import id_of
from vernier.core.shard import Inputs, Shard
from vernier.core.store import Store

GROUP_ROWS = 7  # small row groups, so that a plugin that forgets to go on behind the first is found out


def corpus_table(
    texts: Sequence[str],
    *,
    domains: Sequence[str | None] | None = None,
    licenses: Sequence[str | None] | None = None,
    source: str = "toy.jsonl",
) -> pa.Table:
    """A corpus table (`tables.CORPUS`) of these texts, as if read from lines of one file."""
    sizes = [len(text.encode()) for text in texts]
    offsets = [sum(sizes[:i]) + i for i in range(len(texts))]
    return pa.table(
        {
            "doc_id": [id_of(f"{source}\0{offset}") for offset in offsets],
            "text": texts,
            "num_bytes": sizes,
            "text_hash": [hashlib.blake2b(text.encode(), digest_size=16).digest() for text in texts],
            "id": [str(i) for i in range(len(texts))],
            "domain": domains if domains is not None else [None] * len(texts),
            "license": licenses if licenses is not None else [None] * len(texts),
            "source": [source] * len(texts),
            "offset": offsets,
            "extra": [None] * len(texts),
        },
        schema=tables.CORPUS,
    )


def make_artifact(
    store: Store,
    kind: str,
    shards: Sequence[pa.Table],
    *,
    rows_of: str = "toy",
    facts: Mapping[str, Any] | None = None,
) -> Artifact:
    """Commit tables as an artifact with one shard each. Tables of the same `rows_of` are aligned."""
    refs: list[ShardRef] = []
    for table in shards:
        with store.workspace() as folder:
            with open(folder / DATA, "wb") as file, tables.writer(file, table.schema) as writer:
                if table.num_rows:
                    writer.write_table(table.combine_chunks(), row_group_size=GROUP_ROWS)
            key = key_of("make_artifact", kind, file_sha256(folder / DATA))
            counts = tables.counts(kind, table)
            refs.append(store.commit_unit(key, folder, rows=table.num_rows, counts=counts))
    key = key_of("make_artifact", kind, rows_of, [ref.key for ref in refs], facts or {})
    artifact = Artifact(kind, key, rows_of, tuple(refs), {"plugin": "made by a test"}, dict(facts or {}))
    store.commit_artifact(artifact, {})
    return artifact


def make_folder(store: Store, kind: str, folder: Path, *, facts: Mapping[str, Any] | None = None) -> Artifact:
    """Commit the files of `folder` (a model, a table of results) as an artifact."""
    with store.workspace() as work:
        shutil.copytree(folder, work, dirs_exist_ok=True)
        names = sorted(p.relative_to(work).as_posix() for p in work.rglob("*") if p.is_file())
        key = key_of("make_folder", kind, {name: file_sha256(work / name) for name in names}, facts or {})
        ref = store.commit_unit(key, work)
    artifact = Artifact(kind, key, "", (ref,), {"plugin": "made by a test"}, dict(facts or {}))
    store.commit_artifact(artifact, {})
    return artifact


def run(plugin: Any, inputs: Inputs, *, backwards: bool = False) -> list[pa.Table]:
    """What a map or fold plugin makes, one table for each shard.

    Works as the executor does: a fresh copy of the plugin sees one shard of the inputs at a time, in any
    order (`backwards`), and what a fold hands over is pickled.
    """
    indices = list(range(inputs.num_shards))
    order = indices[::-1] if backwards else indices
    if shape_of(plugin) == "fold":
        state = settle(plugin, inputs, backwards=backwards)
        made = {i: list(_copy(plugin).map(_shard(inputs, i), _copy(state))) for i in order}
    else:
        made = {i: list(_copy(plugin).map(_shard(inputs, i))) for i in order}
    return [pa.concat_tables(made[i]) for i in indices]


def settle(plugin: Any, inputs: Inputs, *, backwards: bool = False) -> Any:
    """The settled state of a fold plugin."""
    indices = list(range(inputs.num_shards))
    state, settled = None, False
    while not settled:
        order = indices[::-1] if backwards else indices
        parts = {i: _copy(_copy(plugin).fold(_shard(inputs, i), _copy(state))) for i in order}
        state, settled = plugin.merge([parts[i] for i in indices], state)
    return state


def build(plugin: Any, inputs: Inputs, out: Path) -> tuple[dict[str, str], dict[str, Any]]:
    """What a build plugin writes into the new folder `out`: SHA-256 by file name, and its facts."""
    out.mkdir(parents=True)
    facts = _copy(plugin).build(inputs, out)
    files = sorted(path for path in out.rglob("*") if path.is_file())
    return {path.relative_to(out).as_posix(): file_sha256(path) for path in files}, json.loads(json.dumps(facts))


def _shard(inputs: Inputs, index: int) -> Shard:
    return inputs.only(index).shard(0)


def _copy(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))  # noqa: S301 (made one line above)
