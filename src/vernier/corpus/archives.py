"""Records of a web archive (WARC 1.0 and 1.1, ISO 28500), one after the other, in bounded memory.

Nothing is passed over in silence: what is no record, or not a whole one, comes as `Lost`, and reading goes on at the
next record that can be found. Offsets are of the unpacked stream; a member that could not be unpacked counts the bytes
that it gave, and one at least.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO

from vernier.corpus import payloads, streams
from vernier.corpus.members import Members

RAW = 64 << 10  # bytes kept of what is lost
PASS = 64 << 20  # bytes unpacked only to throw them away, before the next member is looked for instead
MOST_PASSED = 256 << 20  # the same where no other member follows: the archive ends there
_HEAD = 64 << 10  # bytes of a record's header: real ones have less than 2 KB
_VERSION = re.compile(rb"WARC/[01]\.\d{1,2}[ \t]*\r?\n")
_LONGEST = 16  # bytes of a version line
_LENGTH = re.compile(rb"\d{1,15}")
_BLANK = b"\r\n"


@dataclass(frozen=True)
class Record:
    """A record: its header fields by their names in small letters, and its block.

    block    its first bytes, at most as many as the archive was opened for
    length   of the whole block in bytes
    """

    offset: int
    headers: Mapping[str, bytes]
    block: bytes
    length: int


@dataclass(frozen=True)
class Lost:
    """Bytes that are no whole record. `reason`: garbage, bad_header, bad_length, damaged, truncated."""

    offset: int
    reason: str
    detail: str
    raw: bytes


class Archive:
    """The records of an archive in any of the forms of `streams`; `most` is how much is kept of a block in bytes."""

    def __init__(self, source: IO[bytes], most: int) -> None:
        self._stream, self._most = Members(source, b"WARC/"), most
        self._data, self._at = b"", 0
        self._end = 0  # offset behind the bytes in hand
        self._member = 0  # offset of the last member that was begun
        self._broken: streams.BrokenStreamError | None = None
        self._over = False

    @property
    def offset(self) -> int:
        """Of what comes next."""
        return self._end - len(self._data) + self._at

    def read(self) -> Iterator[Record | Lost]:
        while True:
            self._pass_blank()
            if self._have(1):
                yield self._record() if self._have(5) and self._data.startswith(b"WARC/", self._at) else self._garbage()
            elif self._broken:
                yield self._broken_off(self.offset, b"")
            else:
                return

    # ---- bytes in hand

    def _more(self) -> bool:
        """Take one more block in hand; False at the end and where the stream is broken."""
        if self._broken or self._over:
            return False
        try:
            block = self._stream.block()
        except streams.BrokenStreamError as broken:
            self._broken = broken
            return False
        if self._stream.first:
            self._member = self._end
        self._data, self._at = self._data[self._at :] + block, 0
        self._end += len(block)
        return bool(block)

    def _have(self, size: int) -> bool:
        while len(self._data) - self._at < size:
            if not self._more():
                return False
        return True

    def _pass_blank(self) -> None:
        while self._have(1):
            rest = self._data[self._at : self._at + 64].lstrip(_BLANK)
            self._at += min(64, len(self._data) - self._at) - len(rest)
            if rest:
                return

    def _skip(self, passed: int) -> bool:
        """After `passed` bytes of one member that nobody wants: go on at the next one, or end, if it is time."""
        if passed <= PASS or not self._stream.skip():
            self._over = self._over or passed > MOST_PASSED
            if not self._over:
                return False
        self._data, self._at, self._broken = b"", 0, None
        return True

    def _broken_off(self, begin: int, raw: bytes) -> Lost:
        """What a broken stream has cost, from offset `begin` on."""
        detail = f"{self._broken}; {len(raw)} bytes of what comes before are kept here"
        self._end = max(self._end, begin + 1)
        self._data, self._at, self._broken = b"", 0, None
        if self._stream.skip():
            return Lost(begin, "damaged", f"{detail}, the next record that can be unpacked follows", raw)
        self._over = True
        return Lost(begin, "truncated", f"{detail}, what would follow them is lost", raw)

    # ---- records

    def _record(self) -> Record | Lost:
        begin = self.offset
        end = self._head()
        version = _VERSION.match(self._data, self._at)
        if end is None or version is None:
            if end is None and len(self._data) - self._at < _HEAD:
                return self._cut(begin, "the archive ends in the header of a record")
            return self._to_next(begin, "bad_header", "found no end of its header, or no version before it", 5)
        headers = payloads.fields(self._data[version.end() : end])
        size = end - self._at
        said = headers.get("content-length", b"").split(b",")[0].strip()
        if not _LENGTH.fullmatch(said):
            detail = f"found Content-Length {said[:40]!r}, expected a number of bytes"
            return self._to_next(begin, "bad_header", detail, size)
        length = int(said)
        if length > self._most:
            return self._long(begin, headers, size, length)
        if not self._gather(size + length):
            return self._short(begin, size, length)
        if not self._ends_well(size + length):
            detail = f"found no end of the record behind the {length} bytes that Content-Length says"
            return self._to_next(begin, "bad_length", detail, size)
        if (
            self._broken and self._member == begin and not self._stream.fresh
        ):  # it unpacked to a record, but not to what its checksum says
            return self._cut(begin, "")
        block = self._data[self._at + size : self._at + size + length]
        self._at += size + length
        return Record(begin, headers, block, length)

    def _head(self) -> int | None:
        """Where the block of the record begins that stands next in the bytes in hand."""
        seen = self._at
        while True:
            crlf = self._data.find(b"\n\r\n", seen, self._at + _HEAD)
            lf = self._data.find(b"\n\n", seen, crlf if crlf >= 0 else self._at + _HEAD)
            if lf >= 0:
                return lf + 2
            if crlf >= 0:
                return crlf + 3
            size = len(self._data) - self._at
            if size >= _HEAD or not self._more():
                return None
            seen = self._at + max(0, size - 2)

    def _gather(self, size: int) -> bool:
        """As `_have`, for many blocks: they are joined once."""
        missing = size - (len(self._data) - self._at)
        if missing <= 0:
            return True
        parts = [self._data[self._at :]]
        self._data, self._at = b"", 0
        while missing > 0 and self._more():
            missing -= len(self._data)
            parts.append(self._data)
            self._data = b""
        self._data = b"".join(parts)
        return missing <= 0

    def _ends_well(self, size: int) -> bool:
        """Blank lines and a record, or the end, come behind this many bytes."""
        more = size
        while self._have(more + 1):
            rest = self._data[self._at + more : self._at + more + 64]
            if found := rest.lstrip(_BLANK):
                more += len(rest) - len(found)
                if more >= size + 4:  # a whole end, whatever comes then
                    return True
                self._have(more + 5)
                return self._data.startswith(b"WARC/", self._at + more)
            more += len(rest)
        return True

    def _long(self, begin: int, headers: Mapping[str, bytes], size: int, length: int) -> Record | Lost:
        """A record of which only the first bytes are kept."""
        if not self._gather(size + self._most):
            return self._short(begin, size, length)
        block = self._data[self._at + size : self._at + size + self._most]
        left = size + length
        passed = 0
        while left:
            here = min(left, len(self._data) - self._at)
            self._at, left, passed = self._at + here, left - here, passed + here
            if left and self._member == begin and self._skip(passed - self._most):
                left = 0
            elif left and not self._more():
                return self._cut(begin, f"the archive ends {left} bytes before the record does", block)
        return Record(begin, headers, block, length)

    def _short(self, begin: int, size: int, length: int) -> Lost:
        """A record that ends too early: another one begins in it, or nothing comes any more."""
        here = len(self._data) - self._at - size
        if _VERSION.search(self._data, self._at + size):
            detail = f"found another record in the {length} bytes that Content-Length says"
            return self._to_next(begin, "bad_length", detail, size)
        return self._cut(begin, f"the archive ends after {here} of the {length} bytes of a record")

    def _cut(self, begin: int, detail: str, head: bytes = b"") -> Lost:
        """All that is in hand is the beginning of a record, and there is no more."""
        raw = (head or self._data[self._at :])[:RAW]
        self._data, self._at = b"", 0
        if self._broken:
            return self._broken_off(begin, raw)
        return Lost(begin, "truncated", f"{detail}; {len(raw)} bytes of it are kept here", raw)

    def _garbage(self) -> Lost:
        begin = self.offset
        if not self._have(5) and b"WARC/".startswith(self._data[self._at :]):
            return self._cut(begin, "the archive ends where a record begins")
        return self._to_next(begin, "garbage", f"found {self._data[self._at : self._at + 20]!r}, expected a record", 0)

    def _to_next(self, begin: int, reason: str, detail: str, after: int) -> Lost:
        """Go on at the next version line, `after` bytes from here or later."""
        raw = b""
        while True:
            found = _VERSION.search(self._data, self._at + after)
            stop = found.start() if found else max(self._at, len(self._data) - _LONGEST)
            raw += self._data[self._at : min(stop, self._at + RAW - len(raw))]
            after = max(0, after - (stop - self._at))
            self._at = stop
            if found:
                return Lost(begin, reason, f"{detail}; {self.offset - begin} bytes up to the next record", raw)
            passed = self.offset - begin
            if self._member <= begin and self._skip(passed):
                reason = "truncated" if self._over else reason
                return Lost(begin, reason, f"{detail}; {passed} bytes, and no record among them", raw)
            if not self._more():
                raw += self._data[self._at : self._at + RAW - len(raw)]
                self._data, self._at = b"", 0
                if self._broken:
                    return self._broken_off(begin, raw)
                return Lost(begin, reason, f"{detail}; {self.offset - begin} bytes up to the end of the archive", raw)
