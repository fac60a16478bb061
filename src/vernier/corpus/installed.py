"""What text a Python installation carries: which files there are, and the documents in each.

Names never say where Python lies: a standard-library file is `python/json/decoder.py`, a distribution's file
`NAME/` and its path in site-packages.
"""

from __future__ import annotations

import ast
import importlib.metadata
import inspect
import json
import os
import sysconfig
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vernier.core.errors import RecipeError, nearest

KINDS = ("code", "prose", "licence", "changelog", "html")
STANDARD = "python"  # what standard-library files' names begin with
STANDARD_LICENSE = "PSF-2.0"
TOPICS = "pydoc_data/topics.py"  # a module that holds nothing but prose
LARGEST = 1 << 20  # bytes; larger files are generated
SMALLEST = 32  # bytes of text below which there is no document
LEFT_OUT = {"test", "tests", "testing", "idle_test", "__pycache__", "site-packages", "dist-packages", "_bundled"}
LICENCES = ("license", "licence", "copying", "notice")
CHANGELOGS = ("changelog", "changes", "news", "history", "release_notes")
PLAIN = {"", ".txt", ".md", ".rst"}

Line = tuple[int, str]  # byte offset in the file, and the line with its end


@dataclass(frozen=True)
class File:
    """One file with text.

    path      where it lies on this machine (never part of a key or of the corpus)
    source    its name in the corpus
    kind      one of KINDS
    package   top-level module or distribution
    license   as its distribution declares it, or None
    size      bytes
    """

    path: str
    source: str
    kind: str
    package: str
    license: str | None
    size: int


def files(packages: Sequence[str] | None) -> list[File]:
    """All files (of these packages). Raises RecipeError for a package that is not there."""
    found = [*_standard(), *_distributions()]
    if packages is None:
        return found
    known = {file.package for file in found}
    for name in packages:
        if name not in known:
            raise RecipeError(
                f"there is no installed package {name!r} with text",
                found=f"packages: {name}",
                do=nearest(name, known),
            )
    return [file for file in found if file.package in packages]


def documents(file: File, text: str, limit: int) -> Iterator[tuple[str, int, str]]:
    """The documents in a file: domain, byte offset, text of at most `limit` bytes."""
    if file.source.endswith(TOPICS):
        parts = [("prose", lines) for lines in _topics(text)]
    elif file.kind == "code":
        code, docstrings = _python(text)
        parts = [("code", code), ("docstring", docstrings)]
    elif file.source.endswith("/METADATA"):
        head, _, body = text.partition("\n\n")
        parts = [("prose", _lines(body, len(head.encode()) + 2))]
    else:
        parts = [(file.kind, _lines(text))]
    for domain, lines in parts:
        for offset, document in _cut(lines, limit):
            if len(document.strip().encode()) >= SMALLEST:
                yield domain, offset, document


def _standard() -> Iterator[File]:
    root = Path(sysconfig.get_paths()["stdlib"])
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in LEFT_OUT and not f.startswith("config-"))
        for name in sorted(names):
            path = Path(folder, name)
            short = path.relative_to(root).as_posix()
            package = PurePosixPath(short).parts[0].removesuffix(".py")
            # what a build writes into its own sources holds the paths of that machine
            kind = None if name.startswith("_sysconfigdata") else _kind(short)
            if kind is not None:
                yield from _file(path, f"{STANDARD}/{short}", kind, package, STANDARD_LICENSE)


def _distributions() -> Iterator[File]:
    """Files of installed distributions; of two with one name, the one that Python would import."""
    seen: set[str] = set()
    for distribution in importlib.metadata.distributions():
        name = distribution.metadata["Name"]
        if name is None or name in seen:
            continue
        seen.add(name)
        if name == "vernier" or _editable(distribution):
            continue
        license = distribution.metadata["License-Expression"] or distribution.metadata["License"]
        if license is not None and (len(license) > 64 or "\n" in license):
            license = None  # the whole text instead of a name
        for entry in sorted(distribution.files or ()):
            kind = None if entry.suffix == ".py" or ".." in entry.parts else _kind(entry.as_posix())
            if kind is not None:
                path = Path(str(distribution.locate_file(entry)))
                yield from _file(path, f"{name}/{entry.as_posix()}", kind, name, license)


def _editable(distribution: importlib.metadata.Distribution) -> bool:
    raw = distribution.read_text("direct_url.json")
    return raw is not None and bool(json.loads(raw).get("dir_info", {}).get("editable"))


def _kind(path: str) -> str | None:
    """The kind of a file by its name; None for one without text of use."""
    pure = PurePosixPath(path)
    if LEFT_OUT & set(pure.parts[:-1]):
        return None
    if path.endswith(TOPICS) or (pure.name == "METADATA" and pure.parts[-2].endswith(".dist-info")):
        return "prose"
    suffix = pure.suffix.lower()
    if suffix == ".py":
        return "code"
    if suffix in (".html", ".htm"):
        return "html"
    # in a name without a known suffix the dot belongs to it: LICENSE.MIT, LICENSE-2.0
    name = pure.name.lower()
    if name.startswith(LICENCES) and suffix not in (".so", ".pyi", ".json"):
        return "licence"
    return "changelog" if suffix in PLAIN and name.startswith(CHANGELOGS) else None


def _file(path: Path, source: str, kind: str, package: str, license: str | None) -> Iterator[File]:
    if path.is_file() and 0 < (size := path.stat().st_size) <= LARGEST:
        yield File(str(path), source, kind, package, license, size)


def _lines(text: str, offset: int = 0) -> list[Line]:
    lines: list[Line] = []
    for line in text.split("\n"):
        lines.append((offset, line + "\n"))
        offset += len(line.encode()) + 1
    return lines


def _python(text: str) -> tuple[list[Line], list[Line]]:
    """A module's lines without its docstrings, and its docstrings' lines."""
    lines = _lines(text)
    gone: set[int] = set()
    docstrings: list[Line] = []
    for node in _strings(text):
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        alone = lines[first][1].encode()[: node.col_offset].strip() == b""
        if not alone or lines[last][1].encode()[node.end_col_offset or 0 :].strip() not in (b"", b"\\"):
            continue
        gone.update(range(first, last + 1))
        docstrings += _lines(inspect.cleandoc(str(node.value)) + "\n", lines[first][0] + node.col_offset + 1)
    return [line for i, line in enumerate(lines) if i not in gone], docstrings


def _strings(text: str) -> list[ast.Constant]:
    """The docstrings of a module, its classes and functions, in order. None in what this Python can not parse."""
    if "\r" in text.replace("\r\n", "\n"):
        return []  # lines that end in CR alone, which Python counts and we do not
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old escapes in the sources of others
            tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return []
    found: list[ast.Constant] = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and node.body:
            first = node.body[0].value if isinstance(node.body[0], ast.Expr) else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                found.append(first)
    return sorted(found, key=lambda c: (c.lineno, c.col_offset))


def _topics(text: str) -> Iterator[list[Line]]:
    """The values of the module's one dictionary, at the offsets of their keys."""
    starts = [offset for offset, _ in _lines(text)]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(value, ast.Constant):
                    yield _lines(str(value.value), starts[key.lineno - 1] + key.col_offset)


def _cut(lines: Sequence[Line], limit: int) -> Iterator[Line]:
    """Runs of whole lines of at most `limit` bytes, ended at the last blank line if half of it is used by then."""
    run: list[Line] = []
    size = 0
    for offset, line in (piece for whole in lines for piece in _short(whole, limit)):
        length = len(line.encode())
        if size + length > limit:
            end = _blank(run, limit)
            yield run[0][0], "".join(text for _, text in run[:end])
            run = run[end:]
            size = sum(len(text.encode()) for _, text in run)
        run.append((offset, line))
        size += length
    if run:
        yield run[0][0], "".join(text for _, text in run)


def _blank(run: Sequence[Line], limit: int) -> int:
    """How many lines to take: up to the last blank one in the second half, else all."""
    size, end = 0, len(run)
    for i, (_, line) in enumerate(run):
        size += len(line.encode())
        if line == "\n" and size >= limit // 2:
            end = i + 1
    return end


def _short(line: Line, limit: int) -> Iterator[Line]:
    """A line, or pieces of at most `limit` bytes of one that is longer (a character has up to 4)."""
    offset, text = line
    if len(text.encode()) <= limit:
        yield line
        return
    step = limit // 4
    for at in range(0, len(text), step):
        piece = text[at : at + step]
        yield offset, piece
        offset += len(piece.encode())
