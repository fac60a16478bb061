"""Reads the text that every Python installation carries: a small corpus of known kinds, without a download.

    domain      from
    code        standard-library sources, their docstrings taken out
    docstring   those docstrings
    prose       package descriptions (METADATA), the topics behind `help()`
    licence     LICENSE, COPYING, NOTICE files
    changelog   CHANGELOG, NEWS, HISTORY files
    html        HTML files

    planted     noise made from some of these documents, if `planted` asks for it (`vernier.corpus.plant`)

Files come in a keyed random order, each kind up to its share of `max_bytes`, and of that a quarter at most from one
package (a file that is larger gives its first documents); a file whose bytes came before costs nothing. Tests,
bytecode, editable installs and Vernier itself are left out. Nothing depends on where Python lies.

A document that repeats others (`vernier.corpus.copies`) goes to quarantine as `exact_duplicate` or `near_duplicate`.
Whether it does depends on all documents before it, in the order of package, file and offset: so everything is one unit
of work, and the corpus is the same however many workers there are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from vernier.core.config import Bytes
from vernier.core.errors import DataError, RecipeError
from vernier.core.fingerprint import key_of
from vernier.core.plugin import Piece, Unit
from vernier.corpus import installed, plant, records
from vernier.corpus.copies import Copies, Copy

PIECE = 1 << 18  # bytes of documents in a piece: small, so that a few megabytes can be cut into shards for many workers
PACKAGES = 4  # at least, that share a kind of file, if there are as many: one of them holds nearly all HTML, say
FIELDS = records.Fields("text", domain="domain", license="license", columns=("package", "planted"))


@dataclass(frozen=True, kw_only=True)
class ReadInstalled:
    """Reads this Python's own text; the column `package` says which module or distribution a document is of.

    max_bytes      bytes of files to read; each of the five kinds of file gets a fifth, and what one leaves goes to
                   the others
    max_document   longer texts are cut, at a blank line if there is one, into documents of at most this many bytes
    packages       only these top-level modules and distributions
    planted        share of the documents from which noise is made: documents of their own, of the domain `planted` and
                   the package of their origin, read from `planted/KIND/` and the origin's file, with the kind of noise
                   in the column `planted` (null in all others)
    shard          bytes of text in a shard
    max_bad        files that are not UTF-8 that are put up with; duplicates do not count
    """

    version: ClassVar[int] = 2
    makes: ClassVar[str] = "corpus"
    takes: ClassVar[Mapping[str, str]] = {}
    drops: ClassVar[tuple[str, ...]] = ("exact_duplicate", "near_duplicate")

    # what they pick is in the units' keys
    max_bytes: Bytes = field(default=3_000_000, metadata={"key": False})
    packages: list[str] | None = field(default=None, metadata={"key": False})
    max_document: Bytes = 1024
    planted: float = 0.0
    shard: Bytes = 500_000
    max_bad: records.MaxBad = field(default=records.MaxBad(), metadata={"key": False})

    def __post_init__(self) -> None:
        for name, least in (("max_bytes", 1), ("max_document", 64), ("shard", 1)):
            if getattr(self, name) < least:
                raise RecipeError(
                    f"`{name}` is too small", found=str(getattr(self, name)), expected=f"at least {least} bytes"
                )
        if not 0 <= self.planted <= 1:
            raise RecipeError("`planted` is a share of the documents", found=str(self.planted), expected="0 to 1")

    def units(self) -> Sequence[Unit]:
        """All that is read, as one. Raises RecipeError if `packages` names one that is not there."""
        found = installed.files(self.packages)
        picked = _pick(found, self.max_bytes)
        if not picked:
            raise RecipeError(
                "nothing installed fits into `max_bytes`",
                found=f"max_bytes: {self.max_bytes}, {len(found)} files in {self.packages or 'all packages'}",
                do="raise `max_bytes`",
            )
        return [_unit(picked)]

    def read(self, unit: Unit, start: int) -> Iterator[Piece]:
        """The pieces of a unit. `next` counts documents: reading can start anew behind any piece."""
        builder, number, size = records.Builder(FIELDS), 0, 0
        for source, offset, made in self._documents(unit):
            number += 1
            if number <= start:
                continue
            builder.source = source
            if isinstance(made, _Rejected):
                builder.reject(offset, made.reason, made.detail, made.raw)
                size += len(made.raw)
            else:
                size += len(made["text"].encode())
                builder.add(made, offset, b"")
            if size >= PIECE:
                yield from builder.last(number)
                size = 0
        if size or number <= start:
            yield from builder.last(number)

    def _documents(self, unit: Unit) -> Iterator[tuple[str, int, dict[str, Any] | _Rejected]]:
        """Source, offset and record of every document, or why it is none; noise behind its origin."""
        copies, noises = Copies(), Copies()  # apart: what is planted changes nothing about the rest
        for entry in unit.spec["files"]:
            file = installed.File(**entry["file"])
            raw = _read(file)
            if hashlib.sha256(raw).hexdigest() != entry["sha256"]:
                raise DataError(
                    "an installed file changed while the corpus was read",
                    where=file.source,
                    do="run again when nothing is being installed",
                )
            try:
                text = raw.decode()
            except UnicodeDecodeError as error:
                yield file.source, 0, _Rejected("bad_utf8", f"{error.reason} at byte {error.start}", raw)
                continue
            left = entry["take"]
            for domain, offset, document in installed.documents(file, text, self.max_document):
                if left is not None and (left := left - len(document.encode())) < 0:
                    break
                name = f"{file.source}:{offset}"
                of_file = {"license": file.license, "package": file.package}
                copy = copies.exact(document, name) or copies.near(document, name)
                record = {**of_file, "text": document, "domain": domain}
                yield file.source, offset, record if copy is None else _Rejected.of(copy, document)
                doc_id = records.doc_id(file.source, offset)
                kind = plant.kind_of(doc_id, self.planted) if copy is None else None
                if kind is not None:
                    noise, source = plant.noise(kind, document, doc_id), f"planted/{kind}/{file.source}"
                    noises.exact(document, name)  # one word shuffled is the same word: no noise
                    copy = noises.exact(noise, f"{source}:{offset}")
                    record = {**of_file, "text": noise, "domain": "planted", "planted": kind}
                    yield source, offset, record if copy is None else _Rejected.of(copy, noise)


@dataclass(frozen=True)
class _Rejected:
    """A document for the quarantine."""

    reason: str
    detail: str
    raw: bytes

    @staticmethod
    def of(copy: Copy, document: str) -> _Rejected:
        return _Rejected(copy.reason, copy.detail, document.encode())


@dataclass(frozen=True)
class _Pick:
    """A file to read, the SHA-256 of its bytes, and how many bytes of documents to take from it (None: all)."""

    file: installed.File
    sha256: str
    take: int | None


def _pick(found: Sequence[installed.File], max_bytes: int) -> list[_Pick]:
    """Files in keyed order while their kind's share lasts, sorted by package and name."""
    order = sorted(found, key=lambda f: hashlib.sha256(f.source.encode()).digest())
    left, picked, seen = max_bytes, list[_Pick](), set[str]()
    sizes = {kind: sum(f.size for f in order if f.kind == kind) for kind in installed.KINDS}
    # smallest kinds first: what they do not use is shared by the others
    for done, kind in enumerate(sorted(sizes, key=lambda k: (sizes[k], k))):
        files = [file for file in order if file.kind == kind]
        share = left // (len(sizes) - done)
        packages = {file.package for file in files}
        most = share // max(1, min(PACKAGES, len(packages)))
        room = dict.fromkeys(packages, most)
        for file in files:
            size = min(file.size, most)
            if not installed.SMALLEST <= size <= min(share, room[file.package]):
                continue
            sha256 = hashlib.sha256(_read(file)).hexdigest()
            picked.append(_Pick(file, sha256, size if size < file.size else None))
            if sha256 not in seen:
                seen.add(sha256)
                room[file.package] -= size
                share -= size
                left -= size
    return sorted(picked, key=lambda p: (p.file.package, p.file.source))


def _unit(picked: Sequence[_Pick]) -> Unit:
    first, last = picked[0].file.package, picked[-1].file.package
    return Unit(
        name=first if first == last else f"{first}..{last}",
        content=key_of(
            [[p.file.source, p.file.package, p.file.kind, p.file.license, p.sha256, p.take] for p in picked]
        ),
        spec={"files": [{"file": vars(p.file), "sha256": p.sha256, "take": p.take} for p in picked]},
    )


def _read(file: installed.File) -> bytes:
    try:
        return Path(file.path).read_bytes()
    except OSError as error:
        raise DataError("an installed file can not be read", where=file.source, found=str(error)) from error
