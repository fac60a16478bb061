"""The tables: corpus, scores, selection, quarantine. Columns, Parquet form, and what is counted at a commit.

Text is `large_string`; row groups hold at most 4 MB of text; Parquet carries zstd, page checksums and a page index.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vernier.core import rules
from vernier.core.errors import DataError

ID_BYTES = 16
ROW_GROUP_TEXT = 4 << 20  # bytes of text in a row group, unless one document is longer
ROW_GROUP_ROWS = 1 << 16  # so that one row of eight numbers is read in 11 ms (groups of 2^20 rows: 217 ms)
ROW_GROUP_LISTS = 1 << 10  # of a table with lists, which hold a number for each token of a document
SHARD_TEXT = 256 << 20  # bytes of text in a shard, unless one document is longer

CORPUS = pa.schema(
    [
        pa.field("doc_id", pa.binary(ID_BYTES), nullable=False),  # where the record was read
        pa.field("text", pa.large_string(), nullable=False),
        pa.field("num_bytes", pa.int64(), nullable=False),  # of the text in UTF-8
        pa.field("text_hash", pa.binary(ID_BYTES), nullable=False),
        pa.field("id", pa.string()),  # the user's, never a key
        pa.field("domain", pa.string()),
        pa.field("license", pa.string()),
        pa.field("source", pa.string(), nullable=False),  # path below the source root
        pa.field("offset", pa.int64(), nullable=False),  # of the record in the decompressed stream
        pa.field("extra", pa.large_string()),  # every other field of the record, as one JSON object
    ]
)

QUARANTINE = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),  # a short code: bad_json, bad_utf8, truncated, ...
        pa.field("detail", pa.string(), nullable=False),
        pa.field("raw", pa.large_binary(), nullable=False),
    ]
)

SELECTION = pa.schema(
    [
        pa.field("count", pa.int32(), nullable=False),  # how often the row is wanted; 0 = dropped
        pa.field("reason", pa.dictionary(pa.int8(), pa.string())),  # why it was dropped; null = kept
    ]
)
REASONS = {  # those of our own selectors, in the order of the column's dictionary; a third party's may be others
    "outside": "the selection given as `within` does not keep it",
    "not_scored": "a score that the measure needs is null: the row was never scored",
    "undefined": "the measure is not a number, or infinite: nothing was predicted, no words to count",
    "below_cut": "others are wanted more, and the budget is full; or it does not reach the threshold or the band",
    "above_band": "the measure lies above the band's upper end",
    "not_drawn": "the lot did not fall on it",
    "over_quota": "the share of its domain is full",
    "other_slice": "it belongs to another slice",
    "other_value": "its column holds none of the values that are wanted",
    "seen": "its text was seen before: what a model was tuned on, or is measured on",
    **rules.REASONS,
    "duplicate": "it is a copy of a document that is kept, or near enough: `duplicate_of` names it",
    "contaminated": "it holds too much of an item of a benchmark",
}
RANK = pa.field("rank", pa.int64())  # optional: the order of preference, 0 first
MEASURED = pa.field("measured", pa.float64())  # optional: of a dropped row, what the rule named as its reason measured
DUPLICATE_OF = pa.field(
    "duplicate_of", pa.binary(ID_BYTES)
)  # optional: the kept document that a dropped row is a copy of


def corpus_schema(columns: Sequence[str] = ()) -> pa.Schema:
    """The corpus schema with the user's declared columns (strings) behind the standard ones."""
    schema = CORPUS
    for name in columns:
        schema = schema.append(pa.field(name, pa.string()))
    return schema


def writer(file: IO[bytes], schema: pa.Schema) -> pq.ParquetWriter:
    """A Parquet writer whose bytes depend only on what is written."""
    return pq.ParquetWriter(
        file,
        schema,
        compression="zstd",
        compression_level=1,
        use_dictionary=[f.name for f in schema if f.name in ("domain", "license", "source", "reason")],
        write_statistics=[f.name for f in schema if f.name not in ("text", "extra", "raw")],
        write_page_index=True,
        write_page_checksum=True,
        data_page_version="2.0",
    )


def group_rows(schema: pa.Schema) -> int:
    """Rows in a row group of a table with this schema: fewer of more than eight columns, as they wait in memory."""
    if any(pa.types.is_list(f.type) for f in schema):
        return ROW_GROUP_LISTS
    return max(ROW_GROUP_LISTS, ROW_GROUP_ROWS * 8 // max(8, len(schema)))


def read_columns(
    file: IO[bytes], columns: Sequence[str] | None, *, where: str, groups: Sequence[int] | None = None
) -> pa.Table:
    """Columns of a Parquet file (all row groups or some). Raises DataError for damaged bytes."""
    with _told(where):
        parquet = open_parquet(file)
        if groups is None:
            return parquet.read(columns, use_threads=False)
        return parquet.read_row_groups(list(groups), columns, use_threads=False)


def read_groups(file: IO[bytes], columns: Sequence[str], *, where: str) -> Iterator[pa.Table]:
    """Columns of a Parquet file, one row group at a time; one empty table if it has none. The footer, which
    describes every row group, is read once. Raises DataError for damaged bytes."""
    with _told(where):
        parquet = open_parquet(file)
    groups = [[group] for group in range(parquet.num_row_groups)]
    for group in groups or [[]]:
        with _told(where):
            table = parquet.read_row_groups(group, list(columns), use_threads=False)
        yield table


@contextlib.contextmanager
def _told(where: str) -> Generator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise damaged(where, error) from error


def open_parquet(file: IO[bytes]) -> pq.ParquetFile:
    return pq.ParquetFile(file, page_checksum_verification=True, pre_buffer=False)


def damaged(where: str, error: Exception) -> DataError:
    return DataError(
        "a shard of the store is damaged",
        where=where,
        found=str(error).splitlines()[0],
        do="run `vernier verify RUN --repair`, then `vernier run` again: only damaged shards are made anew",
    )


def utf8(texts: pa.LargeStringArray) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The UTF-8 of all texts, not copied, and where each begins and the last ends, int64 [rows + 1]."""
    if len(texts) == 0:
        return np.empty(0, np.uint8), np.zeros(1, np.int64)
    _, ends, data = texts.buffers()
    bounds = np.frombuffer(ends, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return np.frombuffer(data if data is not None else b"", np.uint8), bounds


def counts(kind: str, table: pa.Table) -> dict[str, int]:
    """What the ledger needs to know of a table that is about to be committed."""
    if kind == "corpus":
        return {"rows": table.num_rows, "bytes": _sum(table, "num_bytes")}
    if kind == "scores":
        floats = [f.name for f in table.schema if pa.types.is_floating(f.type)]
        names = [
            f.name for f in table.schema if f.name in floats or pa.types.is_integer(f.type) or pa.types.is_list(f.type)
        ]
        if not names:
            return {"rows": table.num_rows}
        first = table.column(names[0])
        undefined = [pc.is_nan(table.column(n)) for n in floats]
        nan = 0
        if undefined:
            either = undefined[0]
            for column in undefined[1:]:
                either = pc.or_kleene(either, column)
            nan = pc.sum(either).as_py() or 0
        return {"rows": table.num_rows, "not_scored": first.null_count, "undefined": int(nan)}
    if kind == "selection":
        out = {"rows": table.num_rows, "kept": int(np.count_nonzero(table.column("count").to_numpy()))}
        for entry in table.column("reason").combine_chunks().cast(pa.string()).drop_null().value_counts():
            out[f"dropped.{entry['values'].as_py()}"] = entry["counts"].as_py()
        return dict(sorted(out.items()))
    return {"rows": table.num_rows}


def check_conserved(kind: str, ledger: dict[str, int]) -> str | None:
    """What does not add up in a ledger, in words; None if every row is accounted for."""
    if kind != "selection":
        return None
    dropped = sum(n for name, n in ledger.items() if name.startswith("dropped."))
    if ledger["kept"] + dropped == ledger["rows"]:
        return None
    return f"{ledger['rows']} rows in, {ledger['kept']} kept and {dropped} dropped with a reason"


def add_counts(many: Iterable[dict[str, Any]]) -> dict[str, int]:
    """The sum of several ledgers."""
    total: dict[str, int] = {}
    for one in many:
        for name, value in one.items():
            total[name] = total.get(name, 0) + value
    return dict(sorted(total.items()))


def _sum(table: pa.Table, column: str) -> int:
    return int(pc.sum(table.column(column)).as_py() or 0)
