"""What is in a file, as a hash: the part of a key that bytes from outside determine.

Local bytes are hashed (SHA-256), in threads, and remembered per user; of an object store its own checksum is
taken, without a download. The same bytes give the same hash whatever their time stamps.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import sqlite3
import time
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from vernier.core.errors import DataError
from vernier.core.files import File, reaching, remote, tried
from vernier.core.fingerprint import key_of

CHUNK = 1 << 20
REMEMBER = 8 << 20  # bytes from which on a hash is worth remembering (about 5 ms of work)
SETTLED_S = 2.0  # a file changed more recently may change again within its time stamp's resolution
ENTRIES = 1 << 18  # hashes remembered, the newest
# What file systems call their checksum of an object's bytes: S3 and Azure, GCS, Hugging Face, HTTP.
CHECKSUMS = ("ETag", "etag", "md5Hash", "content_md5", "blob_id", "checksum", "crc32c")

log = logging.getLogger(__name__)


def contents(parts: Sequence[tuple[File, int, int]]) -> list[str]:
    """The content of each part (file, first byte, byte behind the last one)."""
    with _memory() as memory, ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        stamps = [_stamp(part) for part in parts]
        known = [memory.get(stamp) for stamp in stamps]
        todo = [i for i, content in enumerate(known) if content is None]
        for i, content in zip(todo, pool.map(_content, (parts[i] for i in todo)), strict=True):
            known[i] = content
            if _stamp(parts[i]) == stamps[i]:  # else it changed while it was hashed
                memory.put(stamps[i], content)
    return [content for content in known if content is not None]


def _content(part: tuple[File, int, int]) -> str:
    file, begin, end = part
    if file.is_local:
        return _hash(file, begin, end)
    fs, path = remote(file.url)

    def ask() -> str:
        info = fs.info(path)
        checksum = next((str(info[name]) for name in CHECKSUMS if info.get(name)), None)
        return key_of(file.size, checksum if checksum is not None else str(fs.checksum(path)))

    return tried(file.url, ask)


def _hash(file: File, begin: int, end: int) -> str:
    digest = hashlib.sha256()
    with reaching(file.url), open(file.url, "rb", buffering=0) as data:
        data.seek(begin)
        left = end - begin
        while left and (chunk := data.read(min(CHUNK, left))):
            digest.update(chunk)
            left -= len(chunk)
    if left:
        raise DataError("a file changed while it was read", where=file.url, found=f"{left} bytes less than listed")
    return digest.hexdigest()


def _stamp(part: tuple[File, int, int]) -> str | None:
    """What tells that a file is still the same one; None where its hash is not worth remembering."""
    file, begin, end = part
    if not file.is_local or end - begin < REMEMBER:
        return None
    with reaching(file.url):
        stat = os.stat(file.url)
    # ctime too: it also changes when a tool writes a file and then sets its old modification time.
    if time.time() - max(stat.st_mtime, stat.st_ctime) < SETTLED_S:
        return None
    return key_of(file.url, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, begin, end)


class _Memory:
    """The hashes of earlier runs. Only a cache: where it can not be had, files are hashed again."""

    def __init__(self, path: Path) -> None:
        self._new: dict[str, str] = {}
        self._db: sqlite3.Connection | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=5)
            self._db.execute("CREATE TABLE IF NOT EXISTS contents (stamp TEXT PRIMARY KEY, content TEXT)")
        except (OSError, sqlite3.Error) as error:
            self._lost(error)

    def get(self, stamp: str | None) -> str | None:
        if stamp is None or self._db is None:
            return None
        try:
            row = self._db.execute("SELECT content FROM contents WHERE stamp = ?", (stamp,)).fetchone()
        except sqlite3.Error as error:
            self._lost(error)
            return None
        return row[0] if row else None

    def put(self, stamp: str | None, content: str) -> None:
        if stamp is not None:
            self._new[stamp] = content

    def close(self) -> None:
        if self._db is None:
            return
        try:
            if self._new:
                with self._db:
                    self._db.executemany("INSERT OR REPLACE INTO contents VALUES (?, ?)", self._new.items())
                    self._db.execute(
                        "DELETE FROM contents WHERE rowid <= (SELECT max(rowid) FROM contents) - ?",
                        (ENTRIES,),
                    )
        except sqlite3.Error as error:
            self._lost(error)
        else:
            self._db.close()

    def _lost(self, error: Exception) -> None:
        log.info("the memory of file hashes is not available: %s", error)
        if self._db is not None:
            self._db.close()
        self._db = None


@contextlib.contextmanager
def _memory() -> Generator[_Memory]:
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    memory = _Memory(Path(home) / "vernier" / "contents.sqlite")
    try:
        yield memory
    finally:
        memory.close()
