"""Reads web archives, WARC and WET, plain or compressed (gzip, zstd, bzip2, xz), into a corpus of pages.

A page is a response with a status of 2xx, or a resource, that is HTML, or a conversion that is text. What a record
holds besides is left out by reason, and `max_bad` does not count it: `warcinfo`, `request`, `metadata`, `revisit`,
`continuation`, `other_record`, `redirect` (3xx), `error_status` (4xx, 5xx), `other_status`, `other_content` (images,
feeds, other text) and `empty`; no bytes of these are kept. What is broken goes to the quarantine with the first 64 KB
of its bytes: `garbage` between records, `bad_header`, `bad_length`, `bad_http`, `bad_body` (chunks or a content
encoding that break off), `too_large`, `undecodable` (more than ten characters beyond ASCII, and more than a tenth of
them, are none in the page's encoding), `damaged` (a member that can not be unpacked) and `truncated` (what is left at
the end of a broken archive).

An archive is read once, in near-constant memory. `offset` is that of the record in the unpacked archive.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from vernier.core import files, tables
from vernier.core.config import Bytes
from vernier.core.contents import contents
from vernier.core.errors import RecipeError
from vernier.core.plugin import Piece, Unit
from vernier.corpus import archives, pages, records

SUFFIXES = tuple(f".{name}{packed}" for name in ("warc", "wet") for packed in ("", ".gz", ".zst"))
# Common Crawl cut a page's content at 1 MiB from 2013 on and cuts it at 5 MiB since 2025: what is three times as long
# is a dump or an attack.
MAX_PAGE = 16 << 20


@dataclass(frozen=True, kw_only=True)
class ReadWarc:
    """Reads WARC and WET archives: `text` is the page's HTML, or the text of a WET record, `id` its WARC-Record-ID.

    Columns of its own: `url`, `date` (WARC-Date), `content_type` (as declared, without parameters) and `encoding`
    (what it was decoded with). `extra` has `num_invalid`, characters U+FFFD in the place of bytes that are none in this
    encoding, and `truncated`, why the crawler cut the page off, of those pages that have the one or the other.

    paths            files, glob patterns, folders; local paths or fsspec URLs
    root             documents are named by their path below it; default: the longest common folder of `paths`
    constant_domain  a domain for all pages
    max_page         bytes of a page, and of a record's block, unpacked; the rest of a longer one is never unpacked
    shard            bytes of text in a shard
    max_bad          quarantined records that are put up with
    on_truncated     what a broken archive does: stop the stage, or keep what could be read
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "corpus"
    takes: ClassVar[Mapping[str, str]] = {}
    drops: ClassVar[tuple[str, ...]] = pages.NO_PAGE

    paths: list[str] = field(metadata={"key": False})
    root: str | None = field(default=None, metadata={"key": False})
    constant_domain: str | None = None
    max_page: Bytes = MAX_PAGE
    shard: Bytes = tables.SHARD_TEXT
    max_bad: records.MaxBad = field(default=records.MaxBad(), metadata={"key": False})
    on_truncated: Literal["stop", "keep"] = field(default="stop", metadata={"key": False})

    def __post_init__(self) -> None:
        records.check_limits(self.shard, self.max_bad)
        if self.max_page <= 0:
            raise RecipeError("`max_page` must be a positive number of bytes", found=str(self.max_page))

    def units(self) -> Sequence[Unit]:
        found = files.find(self.paths, self.root, SUFFIXES)
        content = contents([(file, 0, file.size) for file in found])
        return [Unit(file.name, hash, file.spec()) for file, hash in zip(found, content, strict=True)]

    def read(self, unit: Unit, start: int) -> Iterator[Piece]:
        """The pieces from `start` on: an offset in the unpacked archive; what comes before it is unpacked, no more."""
        file = files.File.of(unit.spec)
        named = records.Fields("text", id="id", constant_domain=self.constant_domain, columns=pages.PAGES)
        builder = records.Builder(named, file.name)
        with files.opened(file) as source:
            archive = archives.Archive(source, self.max_page)
            for found in archive.read():
                if found.offset < start:
                    continue
                if isinstance(found, archives.Lost):
                    builder.reject(found.offset, found.reason, found.detail, found.raw)
                    continue
                page = pages.of_record(found, self.max_page, archives.RAW)
                if isinstance(page, pages.NoPage):
                    builder.reject(found.offset, page.reason, page.detail, page.raw)
                else:
                    builder.add(page, found.offset, found.block[: archives.RAW])
                yield from builder.pieces()
        yield from builder.last(archive.offset)
