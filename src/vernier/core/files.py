"""The files from outside that a stage reads, at a local path or any fsspec URL, and how they are opened.

A file's name is its path below the source root, so it does not depend on where data is mounted. What a remote file
system fails to do is tried again a few times, whatever the store: not each brings that of its own.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import posixpath
import re
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import IO, Any, TypeVar

import fsspec
from fsspec.asyn import AsyncFileSystem
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractFileSystem
from fsspec.utils import glob_translate

from vernier.core.errors import DataError, RecipeError, SetupError, VernierError, nearest

_MAGIC = "*?["
_T = TypeVar("_T")
_FIND: Any = AbstractFileSystem.find
_FIND_ASYNC: Any = AsyncFileSystem._find
TRIES = 5  # of one request to a remote file system
PAUSE_S = 0.5  # before the second try; doubles with each: 7.5 s in all
_FINAL = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, NotImplementedError, VernierError)


@dataclass(frozen=True)
class File:
    """One file.

    url     where it is: a local path or an fsspec URL
    name    its path below the source root
    size    in bytes, as stored
    stamp   time of its last change in ns (local files), to notice one that changes while it is read
    """

    url: str
    name: str
    size: int
    stamp: int = 0

    @property
    def is_local(self) -> bool:
        return "://" not in self.url

    def spec(self) -> dict[str, Any]:
        return {"url": self.url, "name": self.name, "size": self.size, "stamp": self.stamp}

    @staticmethod
    def of(spec: Mapping[str, Any]) -> File:
        return File(spec["url"], spec["name"], spec["size"], spec["stamp"])


def find(paths: Sequence[str], root: str | None, suffixes: Sequence[str], glob: str = "**/*") -> list[File]:
    """The files that `paths` name, each once, sorted by name.

    paths     files, glob patterns, or folders: these stand for the files below them that match `glob`, end in
              one of `suffixes` ("" = any) and have no hidden part in their path; nor is a hidden file found by
              a pattern that does not say so
    root      the source root; None = the longest common folder of what stands before the patterns

    Raises RecipeError when a path names nothing, SetupError when a file system can not be reached.
    """
    if not paths or isinstance(paths, str):
        raise RecipeError("`paths` names nothing to read", found=repr(paths), expected="a list with one path or more")
    systems: set[str] = set()
    bases: list[str] = []
    found: dict[str, tuple[Any, Mapping[str, Any]]] = {}
    for path in paths:
        fs, bare = file_system(path)
        systems.add(type(fs).__name__)
        with reaching(path):
            base, some = _match(fs, bare, suffixes, glob)
            if not some:
                raise _nothing(path, fs, bare, suffixes)
        bases.append(base)
        found.update((name, (fs, info)) for name, info in some.items())
    if len(systems) > 1:
        raise RecipeError(
            "`paths` lie on different file systems",
            found=", ".join(paths),
            expected="one file system a reader: documents are named by their path below one root",
        )
    top = _common(bases) if root is None else file_system(root)[1].rstrip("/")
    files = [_file(fs, path, info, top) for path, (fs, info) in found.items()]
    return sorted(files, key=lambda file: file.name)


def bytes_at(url: str) -> bytes | None:
    """All bytes of a small file; None if there is none."""
    fs, path = file_system(url)
    with reaching(url):
        info = _info(fs, path)
    if info is None or info["type"] != "file":
        return None
    with opened(_file(fs, path, info, posixpath.dirname(path))) as source:
        return source.read()


def file_system(url: str) -> tuple[Any, str]:
    """The fsspec file system of a path or URL, and its path there."""
    try:
        return url_to_fs(url)
    except ImportError as error:
        raise SetupError(
            f"the file system of {url!r} is not installed",
            found=str(error),
            do="pip install 'vernier[s3]' for s3://, else the package that fsspec names above",
        ) from error
    except ValueError as error:
        known = fsspec.available_protocols()
        raise RecipeError(
            f"the path {url!r} has no known protocol",
            found=str(error),
            do=nearest(url.partition("://")[0], known),
        ) from error


def _match(fs: Any, path: str, suffixes: Sequence[str], glob: str) -> tuple[str, dict[str, Mapping[str, Any]]]:
    """The folder before the pattern, and the files (path -> info)."""
    info = _info(fs, path)
    if info is not None and info["type"] == "file":
        return posixpath.dirname(path), {path: info}
    if info is not None:
        below = _files(_glob(fs, f"{path}/{glob}"))
        names = {name: name[len(path) :].lstrip("/") for name in below}
        return path, {
            name: below[name]
            for name, short in names.items()
            if short.endswith(tuple(suffixes)) and not _has_hidden_part(short)
        }
    if not _is_pattern(path):
        return posixpath.dirname(path), {}
    base = _before_pattern(path)
    hidden = _has_hidden_part(path[len(base) :])
    some = _files(_glob(fs, path))
    return base, {name: info for name, info in some.items() if hidden or not _has_hidden_part(name[len(base) :])}


def _common(folders: Sequence[str]) -> str:
    """The longest folder that they have in common; the `//` of an HTTP URL stays as it is."""
    same = itertools.takewhile(lambda parts: len(set(parts)) == 1, zip(*(f.split("/") for f in folders), strict=False))
    return "/".join(parts[0] for parts in same)


def _has_hidden_part(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))


def _info(fs: Any, path: str) -> Mapping[str, Any] | None:
    try:
        return _again(fs, lambda: fs.info(path))
    except FileNotFoundError as error:
        if _may_pass(error):
            raise
        if _status(error) in (401, 403):
            raise PermissionError(f"the server answers {_status(error)}") from error
        return None


def _glob(fs: Any, pattern: str) -> Mapping[str, Mapping[str, Any]]:
    """The files and folders that match. The walk that fsspec gives to stores without one of their own leaves out in
    silence a folder below the first that it can not list, so it is not used."""
    own: dict[str, Any] = {name: getattr(fs.__class__, name, None) for name in ("find", "_find")}
    walks = own["find"] is _FIND and own["_find"] in (None, _FIND_ASYNC)
    if isinstance(fs, LocalFileSystem) or not walks:
        return _again(fs, lambda: fs.glob(pattern, detail=True))
    base = _before_pattern(pattern)
    below = pattern[len(base) :].strip("/")
    listed = _below(fs, base, None if "**" in below else below.count("/"))
    matches = re.compile(glob_translate(pattern)).match
    return {name: info for name, info in listed.items() if matches(name)}


def _below(fs: Any, folder: str, depth: int | None) -> dict[str, Mapping[str, Any]]:
    """All that lies in a folder and those in it, `depth` levels of them. Empty if there is no such folder."""
    try:
        listed = _again(fs, lambda: fs.ls(folder, detail=True))
    except FileNotFoundError as error:
        if _may_pass(error):
            raise
        return {}
    found: dict[str, Mapping[str, Any]] = {}
    for info in listed:
        name = info["name"].rstrip("/")
        if name != folder.rstrip("/"):
            found[name] = info
            if info["type"] == "directory" and depth != 0:
                found |= _below(fs, name, None if depth is None else depth - 1)
    return found


def _files(listing: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The files of a listing, and the local links that lead to one (a link of a listing has a type of its own)."""
    return {
        name: info
        for name, info in listing.items()
        if info["type"] == "file" or (info.get("islink") and os.path.isfile(name))
    }


def _is_pattern(path: str) -> bool:
    return any(c in path for c in _MAGIC)


def _before_pattern(path: str) -> str:
    parts = path.split("/")
    first = next(i for i, part in enumerate(parts) if _is_pattern(part))
    return "/".join(parts[:first]) or "/"


def _file(fs: Any, path: str, info: Mapping[str, Any], root: str) -> File:
    below = root.rstrip("/") + "/" if root else ""
    if not path.startswith(below):
        raise RecipeError(
            "a file lies outside the source root",
            where=path,
            found=f"root {root!r}",
            expected="a root above all `paths`",
        )
    # A local name need not be UTF-8; the corpus names it in readable escapes.
    name = path[len(below) :].lstrip("/").encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if isinstance(fs, LocalFileSystem):
        with reaching(path):
            stat = os.stat(path)
        return File(path, name, stat.st_size, stat.st_mtime_ns)
    if info["size"] is None:
        raise SetupError("the server does not say how long a file is", where=path, do="download the file first")
    return File(fs.unstrip_protocol(path), name, int(info["size"]))


def _nothing(url: str, fs: Any, path: str, suffixes: Sequence[str]) -> RecipeError:
    """The error for a path that names no file, with what stands at the deepest folder that exists."""
    info = _info(fs, path)
    folder = path
    if info is None:
        folder = _before_pattern(path) if _is_pattern(path) else posixpath.dirname(path)
    while (info := _info(fs, folder)) is None and posixpath.dirname(folder) != folder:
        folder = posixpath.dirname(folder)
    names = sorted(posixpath.basename(n.rstrip("/")) for n in fs.ls(folder, detail=False)) if info else []
    shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    missing = path[len(folder) :].strip("/").split("/")[0]
    close = nearest(missing, names) if missing else ""
    relative = "relative paths start at the current folder" if "://" not in url and not os.path.isabs(url) else None
    return RecipeError(
        f"no file matches {url!r}",
        found=f"{folder or url} holds {shown or 'nothing'}",
        expected="a file, a glob pattern or a folder with files"
        + (f" that end in {', '.join(suffixes)}" if any(suffixes) else ""),
        do=close if close.startswith("did you mean") else relative,
    )


@contextlib.contextmanager
def reaching(url: str) -> Generator[None]:
    """Turns what a file system raises into an error that names the file and who must act."""
    try:
        yield
    except VernierError:
        raise
    except FileNotFoundError as error:
        if _may_pass(error):
            raise _unreachable(url, error.__cause__ or error) from error
        raise DataError("a file has vanished", where=url, do="run again: the files are listed anew") from error
    except (IsADirectoryError, NotADirectoryError) as error:
        raise DataError("a folder stands where a file was", where=url, found=str(error)) from error
    except PermissionError as error:
        raise SetupError(
            "a file can not be read", where=url, found=str(error), do="give this user the right to read it"
        ) from error
    except OSError as error:
        if "://" in url:
            raise _unreachable(url, error) from error
        raise DataError("a file can not be read", where=url, found=str(error) or type(error).__name__) from error
    except Exception as error:
        if "://" not in url:
            raise
        # Each object store brings its own exceptions, which are not OSErrors.
        raise _unreachable(url, error) from error


def _unreachable(url: str, error: BaseException) -> SetupError:
    return SetupError(
        "the file system can not be reached",
        where=url,
        found=f"{type(error).__name__}: {error}",
        expected=f"an answer to one of {TRIES} tries",
        do="run again when the server answers: what is committed is not read again",
    )


def tried(url: str, work: Callable[[], _T]) -> _T:
    """What `work` returns, tried `TRIES` times, under `reaching`."""
    with reaching(url):
        return _again(remote(url)[0], work)


def _again(fs: Any, work: Callable[[], _T]) -> _T:
    for number in range(TRIES - 1):
        try:
            return work()
        except Exception as error:
            if isinstance(fs, LocalFileSystem) or not _may_pass(error):
                raise
        time.sleep(PAUSE_S * 2**number)
    return work()


def _may_pass(error: Exception) -> bool:
    """Whether another try may succeed. The HTTP of fsspec calls any failure a missing file, and keeps it as cause."""
    if isinstance(error, FileNotFoundError):
        return _status(error) == 429 or _status(error) >= 500
    return not isinstance(error, _FINAL)


def _status(error: FileNotFoundError) -> int:
    """What the server answered, 404 unless it is known."""
    status = getattr(error.__cause__, "status", None)
    return status if isinstance(status, int) else 404


@contextlib.contextmanager
def opened(file: File) -> Generator[IO[bytes]]:
    """A file open for reading. Raises DataError if it is not the one that was listed, now or at the end."""
    with _Local(file) if file.is_local else _Remote(file) as source:
        yield source  # pyright: ignore[reportReturnType]
        source.check()


class _Local:
    """The bytes of a local file, each read of it under `reaching`."""

    def __init__(self, file: File) -> None:
        self._file = file
        with reaching(file.url):
            self._inner = open(file.url, "rb", buffering=0)  # noqa: SIM115 (closed by __exit__)
            self.check()

    def check(self) -> None:
        stat = os.fstat(self._inner.fileno())
        if (stat.st_size, stat.st_mtime_ns) != (self._file.size, self._file.stamp):
            raise _changed(self._file)

    def read(self, size: int = -1) -> bytes:
        with reaching(self._file.url):
            return self._inner.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        with reaching(self._file.url):
            return self._inner.seek(offset, whence)

    def tell(self) -> int:
        return self._inner.tell()

    @property
    def closed(self) -> bool:
        return self._inner.closed

    def __enter__(self) -> _Local:
        return self

    def __exit__(self, *_: object) -> None:
        self._inner.close()


class _Remote:
    """The bytes of a remote file. A read gives all that was asked for, up to the end; where the server fails or gives
    less, the file is opened anew, so that nothing is taken from what was cached of the failure."""

    def __init__(self, file: File) -> None:
        self._file, self._offset, self.closed = file, 0, False
        self._inner: Any = None
        tried(file.url, self._open)

    def _open(self) -> None:
        if self._inner is None:
            fs, path = remote(self._file.url)
            self._inner = fs.open(path, "rb")
            self.check()

    def check(self) -> None:
        if getattr(self._inner, "size", self._file.size) not in (self._file.size, None):
            raise _changed(self._file)

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._file.size - self._offset)
        left = left if size < 0 else min(left, size)
        parts: list[bytes] = []
        while left:
            part = tried(self._file.url, lambda left=left: self._part(left))
            parts.append(part)
            self._offset += len(part)
            left -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _part(self, size: int) -> bytes:
        whole = False
        try:
            self._open()
            self._inner.seek(self._offset)
            part = self._inner.read(size)
            whole = len(part) == size
            if not part:
                raise EOFError(f"no bytes at {self._offset} of {self._file.size}")
            return part
        finally:
            if not whole:
                self._forget()

    def _forget(self) -> None:
        inner, self._inner = self._inner, None
        if inner is not None:
            with contextlib.suppress(Exception):  # it failed already, and was only read
                inner.close()

    def seek(self, offset: int, whence: int = 0) -> int:
        self._offset = offset + (0, self._offset, self._file.size)[whence]
        return self._offset

    def tell(self) -> int:
        return self._offset

    def __enter__(self) -> _Remote:
        return self

    def __exit__(self, *_: object) -> None:
        self._forget()
        self.closed = True


def _changed(file: File) -> DataError:
    return DataError("a file changed while it was read", where=file.url, do="run again when it is complete")


@lru_cache(maxsize=1024)
def remote(url: str) -> tuple[Any, str]:
    return file_system(url)
