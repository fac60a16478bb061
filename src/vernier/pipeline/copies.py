"""What a search for duplicates says of one document: what it is a copy of and where the two differ, or its own copies.

The table of duplicates and the ids of a corpus are gone through, a row group at a time; text is read of two documents.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc

from vernier.core import tables
from vernier.core.artifact import DUPLICATES, Artifact
from vernier.core.errors import DataError
from vernier.core.run import Run
from vernier.pipeline.rows import row_of
from vernier.report.duplicates import SEARCH, corpora, likeness, several

SHOWN = 10  # duplicates of a kept document that are named
NAMES = ["doc_id", "id", "source", "offset"]


@dataclass(frozen=True)
class Other:
    """A document beside the one that is asked about: the corpus that it is in, where, its ids and source, and how
    alike the two are."""

    node: str
    shard: int
    row: int
    values: dict[str, Any]
    likeness: float


@dataclass(frozen=True)
class Copies:
    """What one search says.

    by       what likeness is, in words
    kept     of a duplicate the document that is kept
    texts    of a duplicate: the kept document's and its own, as they were compared
    number   of a kept document how many duplicates it has
    first    of them, in the order of the corpus
    """

    by: str
    kept: Other | None
    texts: tuple[str, str]
    number: int
    first: list[Other]


def copies(run: Run, node: str, rows_of: str, shard: int, row: int, doc_id: bytes) -> Copies | None:
    """What the search of a node says of a row; None if it says nothing, or the node is no search among such rows."""
    record = run.nodes[node]
    if record["stage"]["plugin"] != SEARCH:
        return None
    inputs, by = record["inputs"], likeness(run, node)
    searched = run.artifact(inputs["corpus"])
    own = searched.rows_of == rows_of
    # As a kept one it may be one of the corpus that was searched, of an earlier one, or of both.
    asked: list[int | None] = [None] if own else []
    asked += [n for n, name in enumerate(several(inputs, "old_corpus")) if run.artifact(name).rows_of == rows_of]
    if not asked:
        return None
    ref = run.artifact(node).shards[0]
    with run.store.open(f"{ref.folder}/{DUPLICATES}") as file:
        found = _duplicate(file, sum(one.rows for one in searched.shards[:shard]) + row) if own else None
        if found is not None:
            kept = _find(run, corpora(inputs, found["old"]), found["duplicate_of"], found["likeness"])
            theirs = row_of(run, run.artifact(kept.node), kept.shard, kept.row, ["text"])["text"]
            return Copies(by, kept, (theirs, row_of(run, searched, shard, row, ["text"])["text"]), 0, [])
        number, first = _copies_of(file, doc_id, asked)
    if not number:
        return None
    return Copies(by, None, ("", ""), number, [_other(run, inputs["corpus"], searched, *one) for one in first])


def _duplicate(file: IO[bytes], row: int) -> dict[str, Any] | None:
    """What the table says of a row of the corpus: only row groups that may hold it are read."""
    metadata = tables.open_parquet(file).metadata
    for group in range(metadata.num_row_groups):
        statistics = metadata.row_group(group).column(0).statistics
        if statistics.min <= row <= statistics.max:
            table = tables.read_columns(file, None, where=DUPLICATES, groups=[group])
            place = pc.index(table.column("row"), pa.scalar(row, pa.int64())).as_py()
            return table.slice(place, 1).to_pylist()[0] if place >= 0 else None
    return None


def _copies_of(file: IO[bytes], doc_id: bytes, asked: list[int | None]) -> tuple[int, list[tuple[int, float]]]:
    """How many duplicates a document of these corpora has, and row and likeness of the first."""
    number, first = 0, list[tuple[int, float]]()
    for some in tables.read_groups(file, ["row", "duplicate_of", "old", "likeness"], where=DUPLICATES):
        named = some.filter(pc.equal(some.column("duplicate_of"), pa.scalar(doc_id, pa.binary(tables.ID_BYTES))))
        rows = [one for one in named.to_pylist() if one["old"] in asked]
        number += len(rows)
        first += [(one["row"], one["likeness"]) for one in rows[: SHOWN - len(first)]]
    return number, first


def _other(run: Run, node: str, artifact: Artifact, row: int, alike: float) -> Other:
    """A document by its row in the whole corpus."""
    shard = 0
    while row >= artifact.shards[shard].rows:
        row -= artifact.shards[shard].rows
        shard += 1
    return Other(node, shard, row, row_of(run, artifact, shard, row, NAMES), alike)


def _find(run: Run, node: str, doc_id: bytes, alike: float) -> Other:
    """A document by its doc_id. Raises DataError if the corpus does not have it."""
    artifact = run.artifact(node)
    wanted = pa.scalar(doc_id, pa.binary(tables.ID_BYTES))
    for shard, ref in enumerate(artifact.shards):
        with run.store.open(ref.data) as file:
            start = 0
            for some in tables.read_groups(file, ["doc_id"], where=ref.data):
                place = pc.index(some.column("doc_id"), wanted).as_py()
                if place >= 0:
                    row = start + place
                    return Other(node, shard, row, row_of(run, artifact, shard, row, NAMES), alike)
                start += some.num_rows
    raise DataError("a document that is kept is not in its corpus", where=node, found=doc_id.hex())
