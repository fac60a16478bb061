"""Archives made by hand, record by record."""

from __future__ import annotations

import gzip
import io
from collections.abc import Sequence
from typing import Any

import zstandard

from vernier.corpus import archives, pages


def page(text: str) -> bytes:
    return f"<!doctype html>\n<title>{text}</title><p>{text} \u00fcber\n".encode()


def http(body: bytes, *more: str, status: str = "200 OK", kind: str | None = "text/html; charset=utf-8") -> bytes:
    head = [f"HTTP/1.1 {status}", *([f"Content-Type: {kind}"] if kind is not None else []), *more]
    return "\r\n".join([*head, "", ""]).encode() + body


def record(
    block: bytes,
    *more: str,
    kind: str = "response",
    id: str = "0",
    content: str = "application/http; msgtype=response",
    length: int | str | None = None,
) -> bytes:
    head = [
        "WARC/1.0",
        f"WARC-Type: {kind}",
        f"WARC-Record-ID: <urn:x:{id}>",
        f"WARC-Target-URI: http://a.b/{id}",
        "WARC-Date: 2024-01-02T03:04:05Z",
        f"Content-Type: {content}",
        *more,
        f"Content-Length: {len(block) if length is None else length}",
    ]
    return "\r\n".join([*head, "", ""]).encode() + block + b"\r\n\r\n"


def response(number: int | str, body: bytes | None = None, *more: str) -> bytes:
    return record(http(page(f"page {number}") if body is None else body, *more), id=str(number))


def packed(records: Sequence[bytes], form: str = "gzip") -> bytes:
    """An archive: `plain`, `gzip` and `zstd` with a member a record, `solid` with one for all."""
    if form == "plain":
        return b"".join(records)
    if form == "solid":
        return gzip.compress(b"".join(records), mtime=0)
    pack = {"gzip": lambda data: gzip.compress(data, mtime=0), "zstd": zstandard.ZstdCompressor().compress}[form]
    return b"".join(map(pack, records))


SMALL = [  # one of each kind
    record(b"software: hand\r\n", kind="warcinfo", id="i", content="application/warc-fields"),
    record(b"GET / HTTP/1.1\r\nHost: a.b\r\n\r\n", kind="request", id="q", content="application/http; msgtype=request"),
    response(1),
    record(page("two"), kind="resource", id="2", content="text/html"),
    record("Plain t\u00ebxt.\n".encode(), kind="conversion", id="3", content="text/plain"),
    record(b"a: b\r\n", kind="metadata", id="m", content="application/warc-fields"),
    response(4),
]


def found(data: bytes, most: int = 1 << 20) -> tuple[list[dict[str, Any]], list[tuple[str, bytes]], list[int]]:
    """The pages of an archive, reason and bytes of all else, and all offsets: as the reader, without files."""
    kept, left, offsets = [], [], []
    for one in archives.Archive(io.BytesIO(data), most).read():
        offsets.append(one.offset)
        page = one if isinstance(one, archives.Lost) else pages.of_record(one, most, archives.RAW)
        if isinstance(page, dict):
            kept.append(page)
        else:
            left.append((page.reason, page.raw))
    return kept, left, offsets
