"""A shard of an export in the layout of the Dolma toolkit (allenai/dolma, docs/data-format.md).

    documents/train-00000-of-00001.jsonl.gz          {"id", "text", "source", "metadata"}, one document a line
    attributes/NODE/train-00000-of-00001.jsonl.gz    {"id", "attributes": {NODE__COLUMN: [[0, length, value]]}}

The lines of an attribute file are those of the documents' file of the same name, in the same order. A value of ours
belongs to the whole document, a span from 0 to its length in characters; one that is null or no finite number has no
span. `id` is our document id (the toolkit joins by it, and a user's own may be missing or repeated), `source` the
record's own field of that name or else the file that it was read from; `added`, `created` and `version`, which the
toolkit knows, go beside them where a record has them as text. All else stands in `metadata`.
"""

from __future__ import annotations

import contextlib
import gzip
import math
import re
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from vernier.core.errors import RecipeError
from vernier.core.shard import Inputs
from vernier.corpus.records import to_json
from vernier.pipeline import kept
from vernier.pipeline.kept import PLACE, Own, Task
from vernier.pipeline.swap import sync

DOCUMENTS, ATTRIBUTES = "documents", "attributes"
LEVEL = 6  # of gzip: its own default
KNOWN = ("added", "created", "version")  # what `dolma.core.data_types.InputSpec` has beside id, text and source


def check(inputs: Inputs, own: Sequence[Own]) -> None:
    """Raises RecipeError for a column of ours that is no number: an attribute's value is one."""
    shard = inputs.shard(0)
    for one in own:
        kind = next(shard.batches(one.label, [one.column])).schema.field(0).type
        if not str(kind).startswith(("int", "uint", "float", "double", "halffloat")):
            raise RecipeError(
                f"the column {one.column!r} of {one.node!r} can not be an attribute",
                found=str(kind),
                expected="numbers",
                do="name the score tables to take along with --scores",
            )


def files(folder: Path, name: str, own: Sequence[Own]) -> list[Path]:
    """The files of the shard `name`: its documents, and one for each node whose columns go along."""
    return [folder / DOCUMENTS / name, *(folder / ATTRIBUTES / node / name for node in _nodes(own))]


def keys(own: Sequence[Own]) -> dict[str, str]:
    """The attributes by our columns' names: of node and column, in letters that the toolkit's filters can hold."""
    found: dict[str, str] = {}
    for one in own:
        key = re.sub(r"\W", "_", f"{one.node}__{one.column}", flags=re.ASCII)
        while key in found.values():
            key += "_"
        found[one.name] = key
    return found


def write(task: Task, ledger: dict[str, int]) -> None:
    """Write a shard: `task.path` is that of its documents, the attributes lie beside."""
    documents = Path(task.path)
    paths = files(documents.parent.parent, documents.name, task.own)
    named = keys(task.own)
    with contextlib.ExitStack() as stack:
        into, *beside = [stack.enter_context(_open(path)) for path in paths]
        for table in kept.kept(task, ledger):
            for row in table.to_pylist():
                values = {own.name: row.pop(own.name) for own in task.own}
                document = _document(row)
                into.write(to_json(document) + b"\n")
                for node, file in zip(_nodes(task.own), beside, strict=True):
                    spans = {
                        named[own.name]: _span(document["text"], values[own.name])
                        for own in task.own
                        if own.node == node
                    }
                    file.write(to_json({"id": document["id"], "attributes": spans}) + b"\n")
    for path in paths:
        sync(path)


def _document(row: dict[str, Any]) -> dict[str, Any]:
    fields = kept.line(row, PLACE)
    place = next(reversed(fields))  # where `line` put what we know, behind all else
    ours = fields[place]
    out = {"id": ours.pop("doc_id"), "text": fields.pop("text")}
    read_from = ours.pop("source")
    if isinstance(fields.get("source"), str):
        out["source"] = fields.pop("source")
        ours["source"] = read_from
    else:
        out["source"] = read_from
    out |= {name: fields.pop(name) for name in KNOWN if isinstance(fields.get(name), str)}
    return {**out, "metadata": fields}


def _span(text: str, value: float | None) -> list[list[float]]:
    return [] if value is None or not math.isfinite(value) else [[0, len(text), value]]


def _nodes(own: Sequence[Own]) -> list[str]:
    return list(dict.fromkeys(one.node for one in own))


@contextlib.contextmanager
def _open(path: Path) -> Generator[gzip.GzipFile]:
    """A gzip file whose bytes depend only on what is written: no name, no time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", LEVEL, raw, mtime=0) as file:
        yield file
