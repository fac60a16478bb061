"""The table of duplicates: what `select.duplicates` writes and `select.unique` reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vernier.core import tables
from vernier.core.artifact import DUPLICATES
from vernier.core.errors import DataError
from vernier.select.dedup.search import Search

SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),  # of the corpus, rising; shards do not count anew
        pa.field("doc_id", pa.binary(tables.ID_BYTES), nullable=False),
        pa.field("duplicate_of", pa.binary(tables.ID_BYTES), nullable=False),  # a kept document
        pa.field("old", pa.int16()),  # which of `old_corpus` that one is in, from 0; null: the corpus itself
        pa.field("likeness", pa.float64(), nullable=False),
    ]
)
LARGEST = 10  # clusters that the account names


def write(search: Search, out: Path) -> dict[str, Any]:
    """Write what a search found; returns the account (JSON values)."""
    first_new = search.documents.first_new
    search.db.execute("CREATE TABLE ids (doc BIGINT, id BLOB, old SMALLINT)")
    for docs in search.numbers("SELECT doc FROM duplicates UNION SELECT of_ FROM duplicates ORDER BY 1", "doc"):
        for part, rows in search.documents.among(docs):
            ids = pa.array([one.tobytes() for one in part.shard.doc_ids()[rows]], pa.binary())
            old = pa.repeat(pa.scalar(part.old, pa.int16()), len(rows))
            search.insert("ids", pa.table({"doc": part.start + rows, "id": ids, "old": old}))
    found = search.query(
        """SELECT duplicates.doc - ? AS row, mine.id AS doc_id, theirs.id AS duplicate_of, theirs.old AS old, likeness
           FROM duplicates JOIN ids AS mine ON mine.doc = duplicates.doc JOIN ids AS theirs ON theirs.doc = of_
           ORDER BY 1""",
        [first_new],
    )
    with open(out / DUPLICATES, "wb") as file, tables.writer(file, SCHEMA) as writer:
        for table in _even(found):
            writer.write_table(table, row_group_size=tables.ROW_GROUP_ROWS)
    sizes = "SELECT of_, count(*) AS number FROM duplicates GROUP BY of_"
    largest = search.db.execute(
        f"SELECT id, old, number FROM ({sizes}) JOIN ids ON ids.doc = of_ ORDER BY number DESC, of_ LIMIT {LARGEST}"
    ).fetchall()
    return {
        "documents": sum(int(part.kept().sum()) for part in search.documents.parts if part.old is None),
        "duplicates": search.one("SELECT count(*) FROM duplicates"),
        "originals": search.one("SELECT count(DISTINCT of_) FROM duplicates"),
        "of_old": search.one("SELECT count(*) FROM duplicates WHERE of_ < ?", [first_new]),
        "largest": [{"doc_id": bytes(id).hex(), "old": old, "duplicates": number} for id, old, number in largest],
    }


def _even(many: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Tables of one schema and size, so that the bytes of a file do not depend on how rows were handed over."""
    waiting = SCHEMA.empty_table()
    for one in many:
        waiting = pa.concat_tables([waiting, one.cast(SCHEMA)])
        whole = waiting.num_rows - waiting.num_rows % tables.ROW_GROUP_ROWS
        if whole:
            yield waiting.slice(0, whole).combine_chunks()
            waiting = waiting.slice(whole).combine_chunks()
    if waiting.num_rows:
        yield waiting.combine_chunks()


def read(folder: Path, start: int, rows: int) -> tuple[NDArray[np.int64], pa.Table]:
    """The duplicates among `rows` rows of the corpus from `start` on: which of these they are, int64 [n], and
    the table's rows. Only row groups that hold some are read. Raises DataError without a table."""
    path = folder / DUPLICATES
    if not path.exists():
        raise DataError("this folder holds no duplicates", where=str(folder), expected="what `select.duplicates` makes")
    with open(path, "rb") as file:
        parquet = tables.open_parquet(file)
        groups = [i for i in range(parquet.num_row_groups) if _overlaps(parquet.metadata.row_group(i), start, rows)]
        table = tables.read_columns(file, SCHEMA.names, where=str(path), groups=groups)
    numbers = table.column("row").to_numpy()
    low, high = np.searchsorted(numbers, (start, start + rows))
    return numbers[low:high] - start, table.slice(low, high - low)


def _overlaps(group: pq.RowGroupMetaData, start: int, rows: int) -> bool:
    statistics = group.column(0).statistics
    return statistics.min < start + rows and statistics.max >= start
