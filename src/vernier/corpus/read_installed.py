"""Reads the text that every Python installation carries: a small corpus of known kinds, without a download.

    domain      from
    code        standard-library sources, their docstrings taken out
    docstring   those docstrings
    prose       package descriptions (METADATA), the topics behind `help()`
    licence     LICENSE, COPYING, NOTICE files
    changelog   CHANGELOG, NEWS, HISTORY files
    html        HTML files

Files come in a keyed random order, each kind up to its share of `max_bytes`; a file whose bytes came before is left
out. Tests, bytecode, editable installs and Vernier itself are left out too. Nothing depends on where Python lies.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from vernier.core import tables
from vernier.core.config import Bytes
from vernier.core.errors import DataError, RecipeError
from vernier.core.fingerprint import key_of
from vernier.core.plugin import Piece, Unit
from vernier.corpus import installed, records

UNIT = 1 << 20  # bytes of files in a unit of work, unless one package has more
FIELDS = records.Fields("text", domain="domain", license="license", columns=("package",))


@dataclass(frozen=True, kw_only=True)
class ReadInstalled:
    """Reads this Python's own text; the column `package` says which module or distribution a document is of.

    max_bytes      bytes of files to read; each of the five kinds of file gets a fifth, and what one leaves goes to
                   the others
    max_document   longer texts are cut, at a blank line if there is one, into documents of at most this many bytes
    packages       only these top-level modules and distributions
    shard          bytes of text in a shard
    max_bad        files that are not UTF-8 that are put up with
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "corpus"
    takes: ClassVar[Mapping[str, str]] = {}

    # what they pick is in the units' keys
    max_bytes: Bytes = field(default=3_000_000, metadata={"key": False})
    packages: list[str] | None = field(default=None, metadata={"key": False})
    max_document: Bytes = 1024
    shard: Bytes = tables.SHARD_TEXT
    max_bad: records.MaxBad = field(default=records.MaxBad(), metadata={"key": False})

    def __post_init__(self) -> None:
        for name, least in (("max_bytes", 1), ("max_document", 64), ("shard", 1)):
            if getattr(self, name) < least:
                raise RecipeError(
                    f"`{name}` is too small", found=str(getattr(self, name)), expected=f"at least {least} bytes"
                )

    def units(self) -> Sequence[Unit]:
        """Whole packages, some together. Raises RecipeError if `packages` names one that is not there."""
        found = installed.files(self.packages)
        picked = _pick(found, self.max_bytes)
        if not picked:
            raise RecipeError(
                "nothing installed fits into `max_bytes`",
                found=f"max_bytes: {self.max_bytes}, {len(found)} files in {self.packages or 'all packages'}",
                do="raise `max_bytes`",
            )
        units: list[Unit] = []
        group: list[tuple[installed.File, str]] = []
        for i, (file, sha256) in enumerate(picked):
            group.append((file, sha256))
            ends = i + 1 == len(picked) or picked[i + 1][0].package != file.package
            if ends and (i + 1 == len(picked) or sum(f.size for f, _ in group) >= UNIT):
                units.append(_unit(group))
                group = []
        return units

    def read(self, unit: Unit, start: int) -> Iterator[Piece]:
        """The pieces of a unit. `next` counts documents: reading can start anew behind any piece."""
        position = start
        for piece in self._pieces(unit, start):
            position += piece.rows.num_rows + piece.bad.num_rows
            yield replace(piece, next=position)

    def _pieces(self, unit: Unit, start: int) -> Iterator[Piece]:
        """The pieces behind the first `start` documents."""
        builder = records.Builder(FIELDS)
        number = 0
        for entry in unit.spec["files"]:
            file = installed.File(**entry["file"])
            raw = _read(file)
            if hashlib.sha256(raw).hexdigest() != entry["sha256"]:
                raise DataError(
                    "an installed file changed while the corpus was read",
                    where=file.source,
                    do="run again when nothing is being installed",
                )
            builder.source = file.source
            try:
                text = raw.decode()
            except UnicodeDecodeError as error:
                number += 1
                if number > start:
                    builder.reject(0, "bad_utf8", f"{error.reason} at byte {error.start}", raw)
                continue
            for domain, offset, document in installed.documents(file, text, self.max_document):
                number += 1
                if number > start:
                    record = {"text": document, "domain": domain, "license": file.license, "package": file.package}
                    builder.add(record, offset, b"")
            yield from builder.pieces()
        yield from builder.last(number)


def _pick(found: Sequence[installed.File], max_bytes: int) -> list[tuple[installed.File, str]]:
    """Files in keyed order while their kind's share lasts, with their SHA-256; sorted by package and name."""
    order = sorted(found, key=lambda f: hashlib.sha256(f.source.encode()).digest())
    left, picked, seen = max_bytes, list[tuple[installed.File, str]](), set[str]()
    sizes = {kind: sum(f.size for f in order if f.kind == kind) for kind in installed.KINDS}
    # smallest kinds first: what they do not use is shared by the others
    for done, kind in enumerate(sorted(sizes, key=lambda k: (sizes[k], k))):
        share = left // (len(sizes) - done)
        for file in order:
            if file.kind != kind or file.size > share:
                continue
            sha256 = hashlib.sha256(_read(file)).hexdigest()
            if sha256 not in seen:
                seen.add(sha256)
                picked.append((file, sha256))
                share -= file.size
                left -= file.size
    return sorted(picked, key=lambda p: (p[0].package, p[0].source))


def _unit(group: Sequence[tuple[installed.File, str]]) -> Unit:
    first, last = group[0][0].package, group[-1][0].package
    return Unit(
        name=first if first == last else f"{first}..{last}",
        content=key_of([[f.source, f.package, f.kind, f.license, sha256] for f, sha256 in group]),
        spec={"files": [{"file": vars(f), "sha256": sha256} for f, sha256 in group]},
    )


def _read(file: installed.File) -> bytes:
    try:
        return Path(file.path).read_bytes()
    except OSError as error:
        raise DataError("an installed file can not be read", where=file.source, found=str(error)) from error
