"""From a record of a web archive, or an HTML file, to a page: its text, or why it is none.

PAGES      columns of a page, behind those of every corpus
NO_PAGE    reasons by which a record is left out though nothing is wrong with it
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from vernier.corpus import charsets, payloads
from vernier.corpus.archives import Record

PAGES = ("url", "date", "content_type", "encoding")
NO_PAGE = (
    "warcinfo",
    "request",
    "metadata",
    "revisit",
    "continuation",
    "other_record",
    "redirect",
    "error_status",
    "other_status",
    "other_content",
    "empty",
)
# A share of U+FFFD, of the characters beyond ASCII, past which a page was read in the wrong encoding; a few stray bytes
# are put up with. Ours: 235 pages of three archives have none at all; what is written in windows-1251 or -1252 and says
# that it is UTF-8 has 0.79 and more. (UTF-8 that says it is Shift_JIS has 0.003 to 0.29: not all of that is found.)
MOST_INVALID = 0.1
FEW_INVALID = 10
_HTML = (b"text/html", b"application/xhtml+xml")
_LOOKS_LIKE_HTML = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S
)
_OTHERS = ("warcinfo", "request", "metadata", "revisit", "continuation")


@dataclass(frozen=True)
class NoPage:
    """Why there is no page; `raw` is what the quarantine keeps."""

    reason: str
    detail: str
    raw: bytes = b""


def of_record(record: Record, most: int, keep: int) -> dict[str, Any] | NoPage:
    """The fields of a page. `most`: bytes of a body; `keep`: bytes of a bad one that the quarantine gets."""
    headers = record.headers
    kind = headers.get("warc-type", b"").strip().lower().decode("latin-1")
    block, status = record.block, None
    declared = headers.get("content-type", b"")
    if kind not in ("response", "resource", "conversion"):
        reason = kind if kind in _OTHERS else "other_record"
        return NoPage(reason, f"found a record of type {kind[:40]!r} with {record.length} bytes")
    try:
        http = payloads.response(block) if _is_http(kind, declared) else None
        if http is not None:
            status, block = http.status, block[http.begin :]
            declared = http.headers.get("content-type", b"")
        told = f"{_url(headers) or 'no URL'}, {record.length} bytes"
        if status is not None and not 200 <= status < 300:
            reason = "redirect" if 300 <= status < 400 else "error_status" if 400 <= status < 600 else "other_status"
            return NoPage(reason, f"found status {status}: {told}")
        essence = _essence(declared)
        if not _is_wanted(kind, essence, headers, block):
            return NoPage("other_content", f"found {essence.decode('latin-1')[:80]!r}: {told}")
        if record.length > len(record.block):
            return NoPage("too_large", f"found {record.length} bytes, `max_page` is {most}", record.block[:keep])
        cut = headers.get("warc-truncated")
        if http is not None:
            block = payloads.body(block, http.headers, most, cut=cut is not None)
    except payloads.BadBodyError as bad:
        return NoPage(bad.reason, bad.detail, record.block[:keep])
    page = of_bytes(block, charsets.charset_of(declared) or ("utf-8" if kind == "conversion" else None), keep)
    if isinstance(page, NoPage):
        return NoPage(page.reason, f"{page.detail}: {told}", page.raw)
    page |= {
        "id": _text(headers.get("warc-record-id")),
        "url": _url(headers),
        "date": _text(headers.get("warc-date")),
        "content_type": _text(essence),
    }
    return page if cut is None else page | {"truncated": _text(cut)}


def of_bytes(data: bytes, declared: str | None, keep: int) -> dict[str, Any] | NoPage:
    """`text`, `encoding`, and `num_invalid` where bytes of it became U+FFFD."""
    page = charsets.decoded(data, declared)
    if not page.text or page.text.isspace():
        return NoPage("empty", f"found {len(data)} bytes and no text")
    if page.invalid > FEW_INVALID:
        beyond = len(page.text) - len(page.text.encode("ascii", "ignore"))
        if page.invalid > MOST_INVALID * beyond:
            detail = f"found {page.invalid} invalid characters of {beyond} beyond ASCII in {page.encoding}"
            return NoPage("undecodable", f"{detail}, expected at most {MOST_INVALID:.0%}", data[:keep])
    fields: dict[str, Any] = {"text": page.text, "encoding": page.encoding}
    return fields | {"num_invalid": page.invalid} if page.invalid else fields


def _is_http(kind: str, content_type: bytes) -> bool:
    return kind == "response" and _essence(content_type) in (b"application/http", b"")


def _is_wanted(kind: str, essence: bytes, headers: Any, block: bytes) -> bool:
    """HTML, by what its header says, what the crawler found, or how it begins; of conversions text too."""
    if kind == "conversion" and essence in (b"text/plain", b""):
        return True
    if essence in (b"", b"application/octet-stream", b"unk", b"unknown/unknown"):
        found = _essence(headers.get("warc-identified-payload-type", b""))
        return found in _HTML if found else _LOOKS_LIKE_HTML.match(block[:1024]) is not None
    return essence in _HTML


def _essence(content_type: bytes) -> bytes:
    """Type and subtype without parameters (RFC 9110, 8.3.1); of several, the first."""
    return re.split(rb"[;,]", content_type, maxsplit=1)[0].strip().lower()


def _url(headers: Any) -> str | None:
    return _text(headers.get("warc-target-uri"))


def _text(value: bytes | None) -> str | None:
    """A field's value, without the angle brackets that older writers put around URLs."""
    if not value:
        return None
    text = value.decode("utf-8", "replace").replace("\0", charsets.REPLACEMENT)
    return text[1:-1] if text.startswith("<") and text.endswith(">") else text
