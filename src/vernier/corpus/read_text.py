"""Reads text files into a corpus, one document a file.

A file that is not UTF-8 goes to the quarantine (`bad_utf8`). Units of work are runs of files, cut where the hash
of a name says so: a file that is added or taken away changes its own run and no other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import ClassVar

from vernier.core import files, tables
from vernier.core.config import Bytes
from vernier.core.contents import contents
from vernier.core.fingerprint import key_of
from vernier.core.plugin import Piece, Unit
from vernier.corpus import records

RUN_FILES = 512  # files in a run, on average
RUN_BYTES = 64 << 20  # bytes in a run, unless one file is longer
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, kw_only=True)
class ReadText:
    """Reads text files, one document a file; `id` is the path below the root.

    paths            files, glob patterns, folders; local paths or fsspec URLs
    glob             which files below a folder are read
    root             documents are named by their path below it; default: the longest common folder of `paths`
    constant_domain  a domain for all documents
    shard            bytes of text in a shard
    max_bad          quarantined files that are put up with
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "corpus"
    takes: ClassVar[Mapping[str, str]] = {}

    paths: list[str] = field(metadata={"key": False})
    glob: str = field(default="**/*", metadata={"key": False})
    root: str | None = field(default=None, metadata={"key": False})
    constant_domain: str | None = None
    shard: Bytes = tables.SHARD_TEXT
    max_bad: records.MaxBad = field(default=records.MaxBad(), metadata={"key": False})

    def __post_init__(self) -> None:
        records.check_limits(self.shard, self.max_bad)

    def units(self) -> Sequence[Unit]:
        found = files.find(self.paths, self.root, ("",), self.glob)
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
        builder = records.Builder(records.Fields("text", id="id", constant_domain=self.constant_domain))
        run = [files.File.of(spec) for spec in unit.spec["files"]]
        for position, file in enumerate(run[start:], start):
            builder.source, builder.position = file.name, position
            with files.opened(file) as source:
                data = source.read()
            try:
                text = data.removeprefix(BOM).decode()
            except UnicodeDecodeError as error:
                found = f"found byte 0x{error.object[error.start]:02x} at byte {error.start}"
                builder.reject(0, "bad_utf8", f"{found} ({error.reason}), expected UTF-8", data)
            else:
                builder.add({"text": text, "id": file.name}, 0, data)
            yield from builder.pieces()
        yield from builder.last(len(run))


def runs(found: Sequence[files.File]) -> Iterator[list[files.File]]:
    run: list[files.File] = []
    size = 0
    for file in found:
        if run and size + file.size > RUN_BYTES:
            yield run
            run, size = [], 0
        run.append(file)
        size += file.size
        if int.from_bytes(blake2b(file.name.encode(), digest_size=8).digest()) % RUN_FILES == 0:
            yield run
            run, size = [], 0
    if run:
        yield run
