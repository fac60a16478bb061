"""From a record of a source to a row of the corpus, or to a row of the quarantine; rows to pieces.

A piece ends before the row that would take it past 4 MB, so where it ends depends on nothing but the records
since the last piece: reading that starts anew at any piece boundary makes the same pieces.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from vernier.core import tables
from vernier.core.errors import RecipeError
from vernier.core.plugin import Piece

# A number of 1e10 or more as the fast parser's floats are written: perhaps an integer that lost its digits.
_ROUNDED = re.compile(rb"[:\[,]-?\d[\d.]*e\+?\d\d")


@dataclass(frozen=True)
class MaxBad:
    """How many bad records (of an extraction: pages) a stage puts up with: the larger of the two.

    share     of all records
    at_least  a number of records
    """

    share: float = 0.001
    at_least: int = 10

    def __str__(self) -> str:
        return f"{self.share:.2%} of all records, but at least {self.at_least}"


@dataclass(frozen=True)
class Fields:
    """Which fields of a record become which columns of the corpus; all others go to `extra`."""

    text: str
    id: str | None = None
    domain: str | None = None
    constant_domain: str | None = None
    license: str | None = None
    columns: tuple[str, ...] = ()

    @staticmethod
    def of(plugin: Any) -> Fields:
        """The fields that a reader's settings name. Raises RecipeError where they contradict each other."""
        fields = Fields(
            plugin.text,
            plugin.id,
            plugin.domain if plugin.constant_domain is None else None,
            plugin.constant_domain,
            plugin.license,
            tuple(plugin.columns),
        )
        for name in fields.columns:
            if name in tables.CORPUS.names:
                raise RecipeError(
                    f"`columns` can not have {name!r}: the corpus has a column of that name",
                    expected=f"names other than {', '.join(tables.CORPUS.names)}",
                    do="leave it out: a field that is not named is kept in the column `extra`",
                )
        named = (fields.text, fields.id, fields.domain, fields.license, *fields.columns)
        if twice := sorted({name for name in named if name is not None and named.count(name) > 1}):
            raise RecipeError(
                f"the field {twice[0]!r} is named twice",
                found=f"text={fields.text!r}, id={fields.id!r}, domain={fields.domain!r}, "
                f"license={fields.license!r}, columns={list(fields.columns)}",
                expected="each field of a record in one place",
            )
        return fields


def check(plugin: Any) -> None:
    """What every reader checks of its settings. Raises RecipeError."""
    Fields.of(plugin)
    check_limits(plugin.shard, plugin.max_bad)


def check_limits(shard: int, max_bad: MaxBad) -> None:
    """Raises RecipeError if a limit makes no sense."""
    if shard <= 0:
        raise RecipeError("`shard` must be a positive number of bytes", found=str(shard))
    check_max_bad(max_bad)


def check_max_bad(max_bad: MaxBad) -> None:
    """Raises RecipeError if the limit makes no sense."""
    if not 0 <= max_bad.share <= 1 or max_bad.at_least < 0:
        raise RecipeError(
            "`max_bad` is out of range",
            found=f"share {max_bad.share}, at_least {max_bad.at_least}",
            expected="a share from 0 to 1 and a number of records of 0 or more",
        )


def doc_id(source: str, offset: int) -> bytes:
    """The 128 bits that name a document: blake2b of its source's name, NUL, its offset in decimal."""
    return blake2b(b"%b\0%d" % (source.encode(), offset), digest_size=16).digest()


def to_json(value: Any) -> bytes:
    """Canonical JSON: sorted keys, UTF-8. NaN and infinities, which JSON lacks, become null."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # integers beyond 64 bits, lone surrogates: slowly, and exactly
        value = _finite(value)
        try:
            return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    return [_finite(v) for v in value] if isinstance(value, list) else value


class Builder:
    """Collects records and cuts them into pieces of at most 4 MB and 64k rows.

    source    where the records come from; a reader of many small files changes it between them
    position  where reading can start anew, of the record that comes next; None: its offset says it
    """

    def __init__(self, fields: Fields, source: str = "") -> None:
        self._fields, self.source = fields, source
        self.position: int | None = None
        self._schema = tables.corpus_schema(fields.columns)
        named = (fields.id, fields.domain, fields.license, *fields.columns)
        self._named = tuple(name for name in named if name is not None)
        self._ready: list[Piece] = []
        self._clear()

    def _clear(self) -> None:
        self._size = 0
        self._texts: list[bytes] = []
        self._offsets: list[int] = []
        self._sources: list[str] = []
        self._extras: list[bytes | None] = []
        self._strings: list[list[str | None]] = [[] for _ in self._named]
        self._bad: list[tuple[str, int, str, str, bytes]] = []

    def add(self, record: dict[str, Any], offset: int, raw: bytes, *, exact: bool = True) -> bool:
        """Take one record, which is used up; quarantine it (with its bytes `raw`) if it has no text.
        With `exact=False` a record that may hold rounded integers is left alone, and False returned.
        """
        text = record.pop(self._fields.text, None)
        if type(text) is not str:
            self._no_text(text, offset, raw)
            return True
        values: list[str | None] = []
        for name in self._named:
            value = record.pop(name, None)
            if type(value) is not str and value is not None:
                if not exact and type(value) is not int:
                    return False
                value = to_json(value).decode()
            values.append(value)
        extra = to_json(record) if record else None
        if not exact and extra is not None and _ROUNDED.search(extra):
            return False
        try:
            data = text.encode()
        except UnicodeEncodeError as error:
            self._surrogate(self._fields.text, error, offset, raw)
            return True
        if exact and self._surrogate_in(values, offset, raw):
            return True
        size = len(data) if extra is None else len(data) + len(extra)
        self._make_room(size, offset)
        self._texts.append(data)
        self._offsets.append(offset)
        self._sources.append(self.source)
        self._extras.append(extra)
        for column, value in zip(self._strings, values, strict=True):
            column.append(value)
        return True

    def reject(self, offset: int, reason: str, detail: str, raw: bytes) -> None:
        """Take one record into the quarantine."""
        self._make_room(len(raw), offset)
        self._bad.append((self.source, offset, reason, detail, raw))

    def _make_room(self, size: int, offset: int) -> None:
        rows = len(self._texts) + len(self._bad)
        if rows and (self._size + size > tables.ROW_GROUP_TEXT or rows == tables.ROW_GROUP_ROWS):
            self._ready.append(self._cut(offset if self.position is None else self.position))
        self._size += size

    def _no_text(self, text: Any, offset: int, raw: bytes) -> None:
        name = self._fields.text
        if text is None:
            self.reject(offset, "text_missing", f"found no field {name!r} (or null), expected a string", raw)
            return
        found = {bool: "a boolean", int: "a number", float: "a number", list: "an array", dict: "an object"}
        kind = found.get(type(text), type(text).__name__)
        detail = f"found {kind} in the field {name!r}, expected a string"
        self.reject(offset, "text_not_a_string", detail, raw)

    def _surrogate_in(self, values: list[str | None], offset: int, raw: bytes) -> bool:
        for name, value in zip(self._named, values, strict=True):
            try:
                (value or "").encode()
            except UnicodeEncodeError as error:
                self._surrogate(name, error, offset, raw)
                return True
        return False

    def _surrogate(self, name: str, error: UnicodeEncodeError, offset: int, raw: bytes) -> None:
        found = f"half of a surrogate pair (\\u{ord(error.object[error.start]):04x})"
        detail = f"found {found} at character {error.start} of the field {name!r}, expected Unicode text"
        self.reject(offset, "bad_surrogate", detail, raw)

    def pieces(self) -> Iterator[Piece]:
        """The pieces that are full by now."""
        ready, self._ready = self._ready, []
        yield from ready

    def last(self, next: int) -> Iterator[Piece]:
        """The rest; `next` is the position behind it. One piece at least, over a whole read."""
        yield from self.pieces()
        yield self._cut(next)

    def _cut(self, next: int) -> Piece:
        n = len(self._texts)
        ends = np.zeros(n + 1, np.int64)
        lengths = np.fromiter(map(len, self._texts), np.int64, n)
        np.cumsum(lengths, out=ends[1:])
        text = pa.LargeStringArray.from_buffers(n, pa.py_buffer(ends), pa.py_buffer(b"".join(self._texts)))
        strings = dict(zip(self._named, (pa.array(c, pa.string()) for c in self._strings), strict=True))
        absent = pa.nulls(n, pa.string())
        if self._fields.constant_domain is None:
            domain = strings.get(self._fields.domain or "", absent)
        else:
            domain = pa.repeat(pa.scalar(self._fields.constant_domain, pa.string()), n)
        rows = pa.Table.from_arrays(
            [
                _ids(list(map(doc_id, self._sources, self._offsets))),
                text,
                pa.array(lengths),
                _ids([blake2b(data, digest_size=16).digest() for data in self._texts]),
                strings.get(self._fields.id or "", absent),
                domain,
                strings.get(self._fields.license or "", absent),
                pa.array(self._sources, pa.string()),
                pa.array(self._offsets, pa.int64()),
                pa.array(self._extras, pa.large_string()),
                *(strings[name] for name in self._fields.columns),
            ],
            schema=self._schema,
        )
        bad = quarantine(self._bad)
        self._clear()
        return Piece(rows, bad, next)


def quarantine(bad: list[tuple[str, int, str, str, bytes]]) -> pa.Table:
    """Quarantined records (source, offset, reason, detail, raw bytes) as a table."""
    sources, offsets, reasons, details, raws = zip(*bad, strict=True) if bad else ((), (), (), (), ())
    return pa.Table.from_arrays(
        [
            pa.array(sources, pa.string()),
            pa.array(offsets, pa.int64()),
            pa.array(reasons, pa.string()),
            pa.array(details, pa.string()),
            pa.array(raws, pa.large_binary()),
        ],
        schema=tables.QUARANTINE,
    )


def _ids(ids: list[bytes]) -> pa.Array:
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(tables.ID_BYTES), len(ids), [None, pa.py_buffer(b"".join(ids))]
    )


def parse_exactly(line: bytes) -> Any:
    """JSON as the standard library reads it: NaN, Infinity and integers of any length included.

    Raises UnicodeDecodeError, ValueError (json.JSONDecodeError among them) or RecursionError.
    """
    return json.loads(line.decode())
