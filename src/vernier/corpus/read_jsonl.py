"""Reads JSON Lines, plain or compressed (gzip, zstd, bzip2, xz), into a corpus.

A line that can not be used costs one record: it goes to the quarantine with its bytes and a reason: `bad_json`,
`bad_utf8`, `bad_surrogate`, `not_an_object`, `text_missing`, `text_not_a_string`, or `truncated` (what is left at
the end of a broken compressed stream). Lines end at LF alone; blank ones are skipped. Plain files are split into
ranges of whole lines; a compressed stream is read once, in constant memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from json import JSONDecodeError
from typing import Any, ClassVar, Literal

import orjson

from vernier.core import files, tables
from vernier.core.config import Bytes
from vernier.core.contents import contents
from vernier.core.errors import DataError
from vernier.core.plugin import Piece, Unit
from vernier.corpus import records, streams

SUFFIXES = tuple(
    f".{name}{packed}" for name in ("jsonl", "ndjson", "json") for packed in ("", ".gz", ".zst", ".bz2", ".xz")
)
BOM = b"\xef\xbb\xbf"
PROBE = 64 << 10  # bytes read at a time in search of the end of a line


@dataclass(frozen=True, kw_only=True)
class ReadJsonl:
    """Reads JSON Lines.

    paths            files, glob patterns, folders; local paths or fsspec URLs
    root             documents are named by their path below it; default: the longest common folder of `paths`
    text             the field that holds the text
    id               the field that holds the user's own identifier, kept as a column; null = none
    domain           the field that holds the domain; null = none
    constant_domain  a domain for all records, in place of the field's
    license          the field that holds the licence; null = none
    columns          fields to keep as columns of their own (as strings); all others go to `extra`
    shard            bytes of text in a shard, and of a plain file in a unit of work
    max_line         bytes of a line; a longer one is never held whole, and goes to quarantine as `too_long`
    max_bad          quarantined records that are put up with
    on_truncated     what a broken compressed stream does: stop the stage, or keep what could be read
    """

    version: ClassVar[int] = 2
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
    max_line: Bytes = tables.SHARD_TEXT  # a longer one is a shard by itself
    max_bad: records.MaxBad = field(default=records.MaxBad(), metadata={"key": False})
    on_truncated: Literal["stop", "keep"] = field(default="stop", metadata={"key": False})

    def __post_init__(self) -> None:
        records.check(self)

    def units(self) -> Sequence[Unit]:
        return units_of(files.find(self.paths, self.root, SUFFIXES), self.shard)

    def read(self, unit: Unit, start: int) -> Iterator[Piece]:
        yield from read_file(unit, start, records.Fields.of(self), self.max_line)


def units_of(found: Sequence[files.File], most: int) -> list[Unit]:
    """Units of at most `most` bytes (or one line) of plain files, and whole compressed ones."""
    parts = [(file, begin, end) for file in found for begin, end in _ranges(file, most)]
    return [
        Unit(
            file.name if (begin, end) == (0, file.size) else f"{file.name}+{begin}",
            content,
            {**file.spec(), "begin": begin, "end": end},
            {} if (begin, end) == (0, file.size) else {"begin": begin, "end": end},
        )
        for (file, begin, end), content in zip(parts, contents(parts), strict=True)
    ]


def _ranges(file: files.File, most: int) -> list[tuple[int, int]]:
    """Ranges that together are the file, each beginning at the start of a line."""
    if file.size <= most:
        return [(0, file.size)]
    with files.opened(file) as source:
        if streams.format_of(source.read(16)) != "plain":
            return [(0, file.size)]
        cuts = [0]
        for wanted in range(most, file.size, most):
            if wanted > cuts[-1]:
                cuts.append(_next_line(source, wanted))
    cuts = [cut for cut in cuts if cut < file.size]
    return list(zip(cuts, [*cuts[1:], file.size], strict=True))


def _next_line(source: Any, offset: int) -> int:
    """Where the first line begins that begins at `offset` or later; the file's end if none does."""
    offset -= 1
    source.seek(offset)
    while probe := source.read(PROBE):
        cut = probe.find(b"\n")
        if cut >= 0:
            return offset + cut + 1
        offset += len(probe)
    return offset


def read_file(unit: Unit, start: int, fields: records.Fields, most: int) -> Iterator[Piece]:
    """The pieces of a unit from `start` on: a byte offset in the (decompressed) stream."""
    file = files.File.of(unit.spec)
    begin, end = unit.spec["begin"], unit.spec["end"]
    builder = records.Builder(fields, file.name)
    offset = start = max(begin, start)
    loads, add = orjson.loads, builder.add
    with files.opened(file) as source:
        blocks = _blocks(source, file, start, end)
        try:
            for offset, lines in streams.lines(blocks, start, most):
                if isinstance(lines, streams.LongLine):
                    detail = (
                        f"{lines.length:,} bytes in a line, of which the first are kept here; `max_line` is {most:,}"
                    )
                    builder.reject(offset, "too_long", detail, lines.head)
                    offset += lines.length + 1
                    continue
                for line in lines:
                    try:
                        record = loads(line)
                    except ValueError:
                        _second_look(builder, line, offset)
                    else:
                        if type(record) is not dict:
                            _check_lines(record, offset, file)
                            _not_an_object(builder, record, line, offset)
                        elif not add(record, offset, line, exact=False):
                            _second_look(builder, line, offset)
                    offset += len(line) + 1
                yield from builder.pieces()
        except streams.BrokenStreamError as broken:
            offset = broken.offset + len(broken.tail)
            detail = (
                f"{broken.detail}; {len(broken.tail)} bytes behind the last whole line are kept here, "
                "what would follow them is lost"
            )
            builder.reject(broken.offset, "truncated", detail, broken.tail)
    yield from builder.last(offset)


def _blocks(source: Any, file: files.File, start: int, end: int) -> Iterator[bytes]:
    form = streams.format_of(source.read(16))
    if form == "plain":
        source.seek(start)
        try:
            yield from streams.plain_blocks(source, end - start)
        except EOFError as error:
            raise DataError("a file changed while it was read", where=file.url, found=str(error)) from error
    else:
        source.seek(0)
        yield from streams.behind(streams.decompressed_blocks(source, form), start)


def _second_look(builder: records.Builder, line: bytes, offset: int) -> None:
    """What the fast parser refuses or rounds: blank, a byte-order mark, NaN, long integers, a bad record."""
    body = line.removeprefix(BOM) if offset == 0 else line
    if not body.strip():
        return
    try:
        record = records.parse_exactly(body)
    except UnicodeDecodeError as error:
        found = f"found byte 0x{body[error.start]:02x} at byte {error.start} of the line"
        builder.reject(offset, "bad_utf8", f"{found} ({error.reason}), expected UTF-8", line)
    except (ValueError, RecursionError) as error:
        found = f"{error.msg} at character {error.pos}" if isinstance(error, JSONDecodeError) else str(error)
        builder.reject(offset, "bad_json", f"found: {found}; expected one JSON object on the line", line)
    else:
        if type(record) is dict:
            builder.add(record, offset, line)
        else:
            _not_an_object(builder, record, line, offset)


def _check_lines(first: Any, offset: int, file: files.File) -> None:
    """Raises DataError for a file that is one JSON array of records: one bad line, and yet all of its records."""
    if offset == 0 and type(first) is list and first and type(first[0]) is dict:
        raise DataError(
            "a file is not JSON Lines",
            where=file.url,
            found=f"one JSON array of {len(first)} values",
            expected="one JSON object on each line",
            do="convert it (`jq -c '.[]'`), or read its folder with corpus.read_hf",
        )


def _not_an_object(builder: records.Builder, value: Any, line: bytes, offset: int) -> None:
    kinds = {list: "an array", str: "a string", type(None): "null", bool: "a boolean"}
    found = kinds.get(type(value), "a number")
    builder.reject(offset, "not_an_object", f"found {found}, expected one JSON object on the line", line)
