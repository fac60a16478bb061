"""One document's whole story in a run: where it was read, what it scored, where it was kept or dropped, and why."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vernier.core import passages, tables
from vernier.core.artifact import QUARANTINED, Artifact, ShardRef
from vernier.core.errors import RecipeError
from vernier.core.measures import value_of
from vernier.core.run import Run
from vernier.corpus.materialise import copy_id
from vernier.pipeline.copies import copies
from vernier.pipeline.rows import row_of

CONTAMINATION = "score.contamination"


@dataclass(frozen=True)
class Place:
    """A row of a corpus: the nodes that hold this same corpus, shard, row in it, the row's columns but for the text."""

    nodes: tuple[str, ...]
    rows_of: str
    shard: int
    row: int
    values: dict[str, Any]
    text: str


@dataclass(frozen=True)
class Held:
    """What a document holds of an item of a benchmark: n-grams, how many the item has, and the text around them."""

    task: str
    id: str
    found: int
    ngrams: int
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Rejected:
    """A record that a reader put into its quarantine: the nodes that did, source, offset, reason, detail."""

    nodes: tuple[str, ...]
    shard: int
    values: dict[str, Any]


@dataclass(frozen=True)
class Chapter:
    """What one node says of the document: of a corpus made of others' rows, `shard` and the `rows` that it became; of
    one with other texts in the same rows, the columns of its row but for the text; of a search for duplicates its
    `copies`; of one for a benchmark, what it `holds` (`Held`)."""

    node: str
    kind: str
    values: dict[str, Any]


def find(run: Run, name: str) -> tuple[list[Place], list[Rejected]]:
    """Every corpus row that `name` means, and every quarantined record.

    name: a doc_id (32 hex digits), the user's own id, or `source:offset`. Raises RecipeError if there is nothing.
    """
    corpora: dict[str, tuple[Artifact, list[str]]] = {}  # by their rows: those who edit texts come after who read them
    quarantines: dict[str, tuple[int, ShardRef, list[str]]] = {}
    for node, record in run.nodes.items():
        if record["kind"] == "corpus":
            artifact = run.artifact(node)
            first, nodes = corpora.setdefault(artifact.rows_of, (artifact, []))
            if artifact.content == first.content:
                nodes.append(node)
            for number, ref in enumerate(artifact.shards):
                if QUARANTINED in ref.files:
                    quarantines.setdefault(ref.folder, (number, ref, []))[2].append(node)
    places = [p for artifact, nodes in corpora.values() for p in _search(run, tuple(nodes), artifact, name)]
    rejected = [
        r for number, ref, nodes in quarantines.values() for r in _rejected(run, tuple(nodes), number, ref, name)
    ]
    if not places and not rejected:
        raise RecipeError(
            f"no document {name!r} in the run {run.name!r}",
            expected="a doc_id (32 hex digits), an id of your own, or source:offset",
            do="`vernier show RUN NODE` prints documents with their doc_id",
        )
    return places, rejected


def story(run: Run, place: Place) -> Iterator[Chapter]:
    """What each table of the run that describes this row says of it, and each corpus that it went into, in the run's
    order."""
    documents = {place.rows_of: [place.values["doc_id"]]}  # by what rows a corpus has: which of them it became
    for node, record in run.nodes.items():
        if record["kind"] == "corpus":
            if node not in place.nodes and run.artifact(node).rows_of == place.rows_of:
                edited = row_of(run, run.artifact(node), place.shard, place.row)
                yield Chapter(node, "corpus", {name: value for name, value in edited.items() if name != "text"})
            elif (chapter := _went_into(run, node, place.shard, documents)) is not None:
                yield chapter
        elif record["kind"] in ("scores", "selection"):
            artifact = run.artifact(node)
            if artifact.rows_of != place.rows_of:
                continue
            values = row_of(run, artifact, place.shard, place.row)
            if record["kind"] == "selection":
                values |= {"account": dict(artifact.facts), **_measured(run, node, place)}
            elif record["stage"]["plugin"] == CONTAMINATION and values["items"] is not None:
                values = {"holds": _held(run, node, place, values)}
            yield Chapter(node, record["kind"], values)
        elif record["kind"] == "results":
            doc_id = place.values["doc_id"]
            if (found := copies(run, node, place.rows_of, place.shard, place.row, doc_id)) is not None:
                yield Chapter(node, "results", {"copies": found})


def _measured(run: Run, node: str, place: Place) -> dict[str, Any]:
    """The measure that a selection went by and its value for one document; empty if it went by none."""
    record = run.nodes[node]
    by = record["stage"]["settings"].get("by")
    if by is None:
        return {}
    rows = {
        name: row_of(run, run.artifact(record["inputs"][name]), place.shard, place.row)
        for name in ("a", "b")
        if name in record["inputs"]
    }
    return {"by": by, "measure": value_of(by, record["stage"]["settings"].get("per"), rows)}


def _held(run: Run, node: str, place: Place, values: dict[str, Any]) -> list[Held]:
    """The items of a benchmark that the document holds anything of, the most first."""
    inputs = run.nodes[node]["inputs"]
    if not values["items"]:
        return []
    names = passages.names(run.store.local_folder(run.artifact(inputs["benchmark"]).shards[0]))
    data = row_of(run, run.artifact(inputs["corpus"]), place.shard, place.row, ["text"])["text"].encode()
    rows = zip(*(values[name] for name in ("items", "found", "ngrams", "start", "end")), strict=True)
    return [Held(names[i][0], names[i][1], have, of, a, b, data[a:b].decode()) for i, have, of, a, b in rows]


def _went_into(run: Run, node: str, shard: int, documents: dict[str, list[bytes]]) -> Chapter | None:
    """Where the documents are in a corpus that was made of another, shard by shard; notes what they became there."""
    origin = run.nodes[node]["inputs"].get("corpus")
    artifact = run.artifact(node)
    source = run.artifact(origin).rows_of if origin is not None else ""
    if source not in documents:
        return None
    ref = artifact.shards[shard]
    with run.store.open(ref.data) as file:
        ids = tables.read_columns(file, ["doc_id"], where=run.store.path(ref.data)).column("doc_id")
    rows = sorted({row for document in documents[source] for row in _copies(ids, document)})
    if not rows:
        return None
    documents[artifact.rows_of] = ids.take(pa.array(rows)).to_pylist()
    return Chapter(node, "corpus", {"shard": shard, "rows": rows})


def _copies(ids: pa.ChunkedArray, document: bytes) -> Iterator[int]:
    """The rows of a document and its copies, as `corpus.materialise` names them."""
    for number in itertools.count():
        row = pc.index(ids, pa.scalar(copy_id(document, number), ids.type)).as_py()
        if row < 0:
            return
        yield row


def _search(run: Run, nodes: tuple[str, ...], artifact: Artifact, name: str) -> Iterator[Place]:
    store = run.store
    for number, ref in enumerate(artifact.shards):
        if not ref.rows:
            continue
        with store.open(ref.data) as file:
            table = tables.read_columns(file, ["doc_id", "id", "source", "offset"], where=store.path(ref.data))
        hit = pc.fill_null(pc.equal(table.column("id"), name), False)
        if re.fullmatch(r"[0-9a-f]{32}", name):
            doc_id = pa.scalar(bytes.fromhex(name), pa.binary(tables.ID_BYTES))
            hit = pc.or_(hit, pc.equal(table.column("doc_id"), doc_id))
        hit = pc.or_(hit, _read_from(table, name))
        for row in np.flatnonzero(hit.to_numpy()):
            values = row_of(run, artifact, number, int(row))
            text = values.pop("text")
            yield Place(nodes, artifact.rows_of, number, int(row), values, text)


def _rejected(run: Run, nodes: tuple[str, ...], number: int, ref: ShardRef, name: str) -> Iterator[Rejected]:
    path = f"{ref.folder}/{QUARANTINED}"
    with run.store.open(path) as file:
        columns = ["source", "offset", "reason", "detail"]
        table = tables.read_columns(file, columns, where=run.store.path(path))
    for values in table.filter(_read_from(table, name)).to_pylist():
        yield Rejected(nodes, number, values)


def _read_from(table: pa.Table, name: str) -> pa.ChunkedArray | pa.Scalar:
    """Which rows were read at the place that `name` means if it is `source:offset`."""
    source, _, offset = name.rpartition(":")
    number = int(offset) if re.fullmatch(r"[0-9]{1,18}", offset) else -1
    return pc.and_(pc.equal(table.column("source"), source), pc.equal(table.column("offset"), number))
