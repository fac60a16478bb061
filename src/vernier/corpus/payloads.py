"""From an HTTP response as it came over the wire to its body: status, headers, chunks, content encodings.

Archives often hold a body that was unpacked already under headers that say it is packed. So a body that does not begin
as its header says is taken as it is; one that begins so and then breaks off is bad. Nothing is unpacked past `most`.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import zstandard

_STATUS = re.compile(rb"HTTP/\d(?:\.\d)?[ \t]+(\d{3})\b")
_END = re.compile(rb"\r?\n\r?\n")
_FOLDED = re.compile(rb"\r?\n[ \t]+")
_FIELD = re.compile(rb"^([^\s:]+)[ \t]*:[ \t]*(.*?)[ \t\r]*$", re.M)
_CHUNK = re.compile(rb"[ \t]*([0-9a-fA-F]{1,15})[ \t]*(?:;[^\n]*)?\r?\n")
_NAMES = {"x-gzip": "gzip"}
_ZSTD_WINDOW = 8 << 20  # bytes, the most that a server may ask of a reader (RFC 9659)
_ZSTD_FEED = 512  # bytes handed over at a time: a block of 4 can stand for 128 KB (RFC 8878, 3.1.1.2)


class BadBodyError(Exception):
    """A body that can not be had: the reason for the quarantine, and the detail."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


@dataclass(frozen=True)
class Response:
    """An HTTP response: its status, its headers by their names in small letters, where its body begins."""

    status: int
    headers: Mapping[str, bytes]
    begin: int


def fields(head: bytes) -> dict[str, bytes]:
    """Header fields by their names in small letters; of several with one name, all values, with commas between them."""
    found: dict[str, bytes] = {}
    for name, value in _FIELD.findall(_FOLDED.sub(b" ", head)):
        key = name.decode("latin-1").lower()
        found[key] = found[key] + b", " + value if key in found else value
    return found


def response(block: bytes) -> Response:
    """The head of a response. Raises BadBodyError if it is none."""
    status = _STATUS.match(block)
    if status is None:
        raise BadBodyError("bad_http", f"found {block[:40]!r}, expected the status line of an HTTP response")
    end = _END.search(block)
    head = block[: end.start()] if end else block
    return Response(int(status[1]), fields(head[status.end() :]), end.end() if end else len(block))


def body(data: bytes, headers: Mapping[str, bytes], most: int, *, cut: bool = False) -> bytes:
    """The body without chunks and content encodings; of one that the crawler cut, what there is.

    Raises BadBodyError: `too_large` past `most` bytes, `bad_body`.
    """
    if b"chunked" in headers.get("transfer-encoding", b"").lower():
        data = _joined(data, cut)
    coded = headers.get("content-encoding", b"").decode("latin-1").lower().split(",")
    for coding in reversed([_NAMES.get(name.strip(), name.strip()) for name in coded]):
        if coding not in ("", "identity", "none") and data:
            data = _unpacked(data, coding, most, cut)
    return data


def _joined(data: bytes, cut: bool) -> bytes:
    """The chunks of a body (RFC 9112, 7.1) in one."""
    parts: list[bytes] = []
    at = 0
    while size := _CHUNK.match(data, at):
        length, at = int(size[1], 16), size.end()
        if length == 0:
            return b"".join(parts)
        parts.append(data[at : at + length])
        at += length
        if data[at : at + 2] == b"\r\n":
            at += 2
        elif data[at : at + 1] == b"\n":
            at += 1
    if not parts:
        return data
    if not cut:
        raise BadBodyError("bad_body", f"its chunks break off at byte {min(at, len(data))}")
    return b"".join(parts)


def _unpacked(data: bytes, coding: str, most: int, cut: bool) -> bytes:
    """Raises BadBodyError."""
    decoders: dict[str, Callable[[], Iterator[bytes]]] = {
        "gzip": lambda: _inflated(data, 31, most),
        "deflate": lambda: _inflated(data, 15 if _is_zlib(data) else -15, most),  # RFC 9110, 8.4.1.2, and what is sent
        "br": lambda: _brotli(data, most),
        "zstd": lambda: _zstd(data, most),
    }
    if coding not in decoders:
        raise BadBodyError("bad_body", f"found the content encoding {coding!r}, expected {', '.join(decoders)}")
    parts: list[bytes] = []
    try:
        for part in decoders[coding]():
            parts.append(part)
    except _broken() as error:
        unpacked = b"".join(parts)
        if not unpacked and data.lstrip()[:1] == b"<":  # a page, whatever its header says
            return data
        if cut and unpacked and isinstance(error, EOFError):
            return unpacked
        raise BadBodyError("bad_body", f"its content encoding {coding} is damaged: {error}") from error
    unpacked = b"".join(parts)
    if len(unpacked) > most:
        raise BadBodyError("too_large", f"its content encoding {coding} unpacks to more than {most} bytes")
    return unpacked


def _broken() -> tuple[type[Exception], ...]:
    import brotli

    return zlib.error, zstandard.ZstdError, brotli.error, EOFError


def _is_zlib(data: bytes) -> bool:
    """RFC 1950, 2.2: compression method 8, and a check of the first two bytes."""
    return len(data) >= 2 and data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0


def _inflated(data: bytes, wbits: int, most: int) -> Iterator[bytes]:
    """At most one byte more than `most`. Raises zlib.error, EOFError."""
    left = most + 1
    while data and left:
        decoder = zlib.decompressobj(wbits=wbits)
        part = decoder.decompress(data, left)
        left -= len(part)
        yield part
        if not decoder.eof:
            if left:
                raise EOFError("it breaks off")
            return
        data = decoder.unused_data if wbits == 31 and decoder.unused_data[:2] == b"\x1f\x8b" else b""


def _brotli(data: bytes, most: int) -> Iterator[bytes]:
    import brotli

    decoder: Any = brotli.Decompressor()
    left = most + 1
    part = decoder.process(data, output_buffer_limit=left)
    while left > 0:
        yield part[:left]
        left -= len(part)
        if decoder.is_finished():
            return
        if left > 0 and decoder.can_accept_more_data():
            raise EOFError("it breaks off")
        part = decoder.process(b"", output_buffer_limit=max(1, left))


def _zstd(data: bytes, most: int) -> Iterator[bytes]:
    left = most + 1
    decoder = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()
    for at in range(0, len(data), _ZSTD_FEED):
        part = decoder.decompress(data[at : at + _ZSTD_FEED])[:left]
        left -= len(part)
        yield part
        if decoder.eof or not left:
            return
    raise EOFError("it breaks off")
