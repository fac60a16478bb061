"""Reads Parquet files into a corpus, in ranges of row groups, streaming.

A row without text goes to the quarantine (`text_missing`, with the row as JSON), one that is not UTF-8 too
(`bad_utf8`). Every other column goes to `extra`: times in ISO 8601, binary in base64.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from vernier.core import files, tables
from vernier.core.config import Bytes
from vernier.core.contents import contents
from vernier.core.errors import DataError
from vernier.core.plugin import Piece, Unit
from vernier.corpus import batches, records

SUFFIXES = (".parquet", ".pq")
BATCH = 1 << 20  # bytes aimed at for one batch of rows
MOST_ROWS = 8192  # rows of a batch


@dataclass(frozen=True, kw_only=True)
class ReadParquet:
    """Reads Parquet files.

    paths            files, glob patterns, folders; local paths or fsspec URLs
    root             documents are named by their path below it; default: the longest common folder of `paths`
    text             the column that holds the text (string, binary or dictionary)
    id               the column that holds the user's own identifier; null = none
    domain           the column that holds the domain; null = none
    constant_domain  a domain for all rows, in place of the column's
    license          the column that holds the licence; null = none
    columns          columns to keep as columns of their own (as strings); all others go to `extra`
    shard            bytes of text in a shard, and in a unit of work
    max_bad          quarantined rows that are put up with
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "corpus"
    takes: ClassVar[Mapping[str, str]] = {}

    paths: list[str] = field(metadata={"key": False})
    root: str | None = field(default=None, metadata={"key": False})
    text: str = "text"
    id: str | None = "id"
    domain: str | None = "domain"
    constant_domain: str | None = None
    license: str | None = "license"
    columns: list[str] = field(default_factory=list[str])
    shard: Bytes = tables.SHARD_TEXT
    max_bad: records.MaxBad = field(default=records.MaxBad(), metadata={"key": False})

    def __post_init__(self) -> None:
        records.check(self)

    def units(self) -> Sequence[Unit]:
        return units_of(files.find(self.paths, self.root, SUFFIXES), records.Fields.of(self), self.shard)

    def read(self, unit: Unit, start: int) -> Iterator[Piece]:
        yield from read_file(unit, start, records.Fields.of(self))


def units_of(found: Sequence[files.File], fields: records.Fields, most: int) -> list[Unit]:
    """Runs of row groups with at most `most` bytes of text, but one row group at least."""
    units: list[Unit] = []
    for file, content in zip(found, contents([(file, 0, file.size) for file in found]), strict=True):
        runs = _runs(file, fields, most)
        for begin, end in runs:
            whole = len(runs) == 1
            units.append(
                Unit(
                    file.name if whole else f"{file.name}+{begin}",
                    content,
                    {**file.spec(), "begin": begin, "end": end},
                    {} if whole else {"groups": [begin, end]},
                )
            )
    return units


def _runs(file: files.File, fields: records.Fields, most: int) -> list[tuple[int, int]]:
    with _opened(file) as parquet:
        batches.check_schema(parquet.schema_arrow, fields, file.url)
        meta = parquet.metadata
        cuts, size = [0], 0
        for group in range(meta.num_row_groups):
            text = _text_bytes(meta.row_group(group), fields.text)
            if size and size + text > most:
                cuts.append(group)
                size = 0
            size += text
        return list(zip(cuts, [*cuts[1:], meta.num_row_groups], strict=True))


def _text_bytes(group: Any, text: str) -> int:
    columns = (group.column(i) for i in range(group.num_columns))
    return next((c.total_uncompressed_size for c in columns if c.path_in_schema == text), group.total_byte_size)


def read_file(unit: Unit, start: int, fields: records.Fields) -> Iterator[Piece]:
    """The pieces of a unit from `start` on: a row's number in the file."""
    file = files.File.of(unit.spec)
    with _opened(file) as parquet:
        meta = parquet.metadata
        begin = sum(meta.row_group(g).num_rows for g in range(unit.spec["begin"]))
        start = max(begin, start)
        groups: list[int] = []
        skip = 0
        for group in range(unit.spec["begin"], unit.spec["end"]):
            behind = begin + meta.row_group(group).num_rows
            if behind > start:
                skip = skip if groups else start - begin
                groups.append(group)
            begin = behind
        builder = records.Builder(fields, file.name)
        yield from batches.pieces(_batches(parquet, groups, skip), builder, fields, start)


def _batches(parquet: pq.ParquetFile, groups: list[int], skip: int) -> Iterator[pa.RecordBatch]:
    if not groups:
        return
    infos = [parquet.metadata.row_group(group) for group in groups]
    rows = max(1, sum(info.num_rows for info in infos))
    rows_a_batch = max(1, min(MOST_ROWS, rows * BATCH // max(1, sum(info.total_byte_size for info in infos))))
    for batch in parquet.iter_batches(batch_size=rows_a_batch, row_groups=groups, use_threads=False):
        if skip < batch.num_rows:
            yield batch.slice(skip)
        skip = max(0, skip - batch.num_rows)


@contextlib.contextmanager
def _opened(file: files.File) -> Iterator[pq.ParquetFile]:
    with files.opened(file) as source:
        try:
            yield pq.ParquetFile(source, buffer_size=BATCH, pre_buffer=False, page_checksum_verification=True)
        except (pa.ArrowException, OSError) as error:
            raise DataError(
                "a Parquet file is damaged",
                where=file.url,
                found=str(error).splitlines()[0],
                expected="a complete Parquet file",
                do="fetch or write it again, or take it out of `paths`",
            ) from error
