"""Reads HTML files into a corpus, one page a file.

A file is decoded as `corpus.read_warc` decodes a page without an HTTP header. One with no text is left out (`empty`);
one that is too long, damaged, or has too many bytes that are no characters goes to the quarantine with its first 64 KB
(`too_large`, `bad_body`, `undecodable`). Units of work are runs of files, as those of `corpus.read_text`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, ClassVar

from vernier.core import files, tables
from vernier.core.config import Bytes
from vernier.core.contents import contents
from vernier.core.errors import RecipeError
from vernier.core.fingerprint import key_of
from vernier.core.plugin import Piece, Unit
from vernier.corpus import archives, pages, records, streams
from vernier.corpus.members import Members
from vernier.corpus.read_text import runs
from vernier.corpus.read_warc import MAX_PAGE

SUFFIXES = tuple(f".{name}{packed}" for name in ("html", "htm", "xhtml") for packed in ("", ".gz", ".zst"))


@dataclass(frozen=True, kw_only=True)
class ReadHtml:
    """Reads HTML files, plain or compressed, one page a file; `id` is the path below the root.

    Columns of its own are those of `corpus.read_warc`: `encoding`, what the page was decoded with, and `url`, `date`
    and `content_type`, which a file does not tell (null). `extra` has `num_invalid` as there.

    paths            files, glob patterns, folders; local paths or fsspec URLs
    root             documents are named by their path below it; default: the longest common folder of `paths`
    constant_domain  a domain for all pages
    max_page         bytes of a page, unpacked
    shard            bytes of text in a shard
    max_bad          quarantined files that are put up with
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "corpus"
    takes: ClassVar[Mapping[str, str]] = {}
    drops: ClassVar[tuple[str, ...]] = ("empty",)

    paths: list[str] = field(metadata={"key": False})
    root: str | None = field(default=None, metadata={"key": False})
    constant_domain: str | None = None
    max_page: Bytes = MAX_PAGE
    shard: Bytes = tables.SHARD_TEXT
    max_bad: records.MaxBad = field(default=records.MaxBad(), metadata={"key": False})

    def __post_init__(self) -> None:
        records.check_limits(self.shard, self.max_bad)
        if self.max_page <= 0:
            raise RecipeError("`max_page` must be a positive number of bytes", found=str(self.max_page))

    def units(self) -> Sequence[Unit]:
        found = files.find(self.paths, self.root, SUFFIXES)
        content = dict(zip(found, contents([(file, 0, file.size) for file in found]), strict=True))
        return [
            Unit(
                run[0].name,
                key_of([[file.name, content[file]] for file in run]),
                {"files": [file.spec() for file in run]},
            )
            for run in runs(found)
        ]

    def read(self, unit: Unit, start: int) -> Iterator[Piece]:
        named = records.Fields("text", id="id", constant_domain=self.constant_domain, columns=pages.PAGES)
        builder = records.Builder(named)
        run = [files.File.of(spec) for spec in unit.spec["files"]]
        for position, file in enumerate(run[start:], start):
            builder.source, builder.position = file.name, position
            with files.opened(file) as source:
                page = self._page(source)
            if isinstance(page, pages.NoPage):
                builder.reject(0, page.reason, page.detail, page.raw)
            else:
                builder.add({**page, "id": file.name}, 0, b"")
            yield from builder.pieces()
        yield from builder.last(len(run))

    def _page(self, source: IO[bytes]) -> dict[str, Any] | pages.NoPage:
        stream, data = Members(source, b""), b""
        try:
            while len(data) <= self.max_page and (block := stream.block()):
                data += block
        except streams.BrokenStreamError as broken:
            return pages.NoPage("bad_body", str(broken), data[: archives.RAW])
        if len(data) > self.max_page:
            return pages.NoPage("too_large", f"`max_page` is {self.max_page} bytes", data[: archives.RAW])
        return pages.of_bytes(data, None, archives.RAW)
