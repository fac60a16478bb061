from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from tests.corpus.drive import jsonl, keys, write

from vernier.core import contents
from vernier.core.files import find
from vernier.corpus.read_jsonl import ReadJsonl


def content(path: str | Path) -> str:
    (file,) = find([str(path)], None, ("",))
    return contents.contents([(file, 0, file.size)])[0]


def test_a_file_added_to_the_glob_is_a_unit_more(tmp_path: Path) -> None:
    write(tmp_path / "b.jsonl", jsonl([{"text": "b"}]))
    write(tmp_path / "d.jsonl", jsonl([{"text": "d"}]))
    reader = ReadJsonl(paths=[f"{tmp_path}/*.jsonl"])
    before = keys(reader)
    write(tmp_path / "a.jsonl", jsonl([{"text": "a"}]))
    write(tmp_path / "c.jsonl", jsonl([{"text": "c"}]))
    after = keys(reader)
    assert {name: after[name] for name in before} == before
    assert sorted(after) == ["a.jsonl", "b.jsonl", "c.jsonl", "d.jsonl"]


def test_the_same_bytes_at_another_time_and_place_have_the_same_key(tmp_path: Path) -> None:
    write(tmp_path / "one" / "x.jsonl", jsonl([{"text": "t"}]))
    other = write(tmp_path / "two" / "x.jsonl", jsonl([{"text": "t"}]))
    os.utime(other, (1, 1))
    assert keys(ReadJsonl(paths=[f"{tmp_path}/one"])) == keys(ReadJsonl(paths=[f"{tmp_path}/two/*"]))


@pytest.fixture
def remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every hash is remembered at once, however small and fresh the file."""
    monkeypatch.setattr(contents, "REMEMBER", 1)
    monkeypatch.setattr(contents, "SETTLED_S", -1.0)


@pytest.mark.usefixtures("remembered")
def test_a_file_changed_in_place_has_another_key(tmp_path: Path) -> None:
    path = Path(write(tmp_path / "x.jsonl", b"one\n"))
    before, stat = content(path), path.stat()
    path.write_bytes(b"two\n")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # as tools do that carry times along
    assert path.stat().st_mtime_ns == stat.st_mtime_ns
    assert content(path) != before
    path.write_bytes(b"one\n")
    assert content(path) == before


@pytest.mark.usefixtures("remembered")
def test_a_known_file_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "x.jsonl", b"one\n")
    read: list[Any] = []
    slow = contents._hash
    monkeypatch.setattr(contents, "_hash", lambda *part: read.append(part) or slow(*part))
    assert content(path) == content(path)
    assert len(read) == 1


def test_a_file_just_written_is_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_cache: Path
) -> None:
    monkeypatch.setattr(contents, "REMEMBER", 1)
    path = write(tmp_path / "x.jsonl", b"one\n")
    content(path)
    with sqlite3.connect(own_cache / "vernier" / "contents.sqlite") as db:
        assert db.execute("SELECT count(*) FROM contents").fetchone() == (0,)
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 10)
        content(path)
        assert db.execute("SELECT count(*) FROM contents").fetchone() == (1,)


@pytest.mark.usefixtures("remembered")
def test_without_a_memory_files_are_hashed(tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "x.jsonl", b"one\n")
    want = content(path)
    (own_cache / "vernier" / "contents.sqlite").write_bytes(b"not a database" * 100)
    assert content(path) == want
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    assert content(path) == want
