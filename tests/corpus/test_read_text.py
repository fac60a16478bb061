from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

import pytest
from tests.corpus.drive import bad, check_restarts, keys, rows, texts, write

from vernier.core import tables
from vernier.core.errors import RecipeError
from vernier.corpus import read_text
from vernier.corpus.read_text import ReadText


def test_one_document_a_file(tmp_path: Path) -> None:
    write(tmp_path / "b.txt", "two\r\nlines\u2028".encode())
    write(tmp_path / "deep" / "a.md", b"\xef\xbb\xbfone")
    write(tmp_path / "empty.txt", b"")
    write(tmp_path / ".hidden", b"not read")
    table = rows(ReadText(paths=[str(tmp_path)], constant_domain="notes"))
    assert table.column("text").to_pylist() == ["two\r\nlines\u2028", "one", ""]
    assert table.column("source").to_pylist() == table.column("id").to_pylist() == ["b.txt", "deep/a.md", "empty.txt"]
    assert table.column("doc_id").to_pylist()[1] == blake2b(b"deep/a.md\x000", digest_size=16).digest()
    assert table.column("offset").to_pylist() == [0, 0, 0]
    assert set(table.column("domain").to_pylist()) == {"notes"}
    assert texts(ReadText(paths=[str(tmp_path)], glob="**/*.md")) == ["one"]
    assert texts(ReadText(paths=[str(tmp_path)], glob="*.txt")) == ["two\r\nlines\u2028", ""]


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", b"good")
    write(tmp_path / "b.txt", b"caf\xe9 au lait")
    write(tmp_path / "c.txt", b"good too")
    source = ReadText(paths=[str(tmp_path)])
    assert texts(source) == ["good", "good too"]
    (row,) = bad(source)
    assert (row["source"], row["offset"], row["reason"], row["raw"]) == ("b.txt", 0, "bad_utf8", b"caf\xe9 au lait")
    assert "found byte 0xe9 at byte 3 (invalid continuation byte), expected UTF-8" in row["detail"]


def test_a_folder_without_files(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    with pytest.raises(RecipeError, match="no file matches"):
        ReadText(paths=[str(tmp_path)]).units()


def test_an_added_file_changes_its_own_run_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_text, "RUN_FILES", 8)
    for i in range(0, 400, 2):
        write(tmp_path / f"{i:03}.txt", b"%d" % i)
    source = ReadText(paths=[str(tmp_path)])
    before = keys(source)
    write(tmp_path / "201.txt", b"new")
    after = keys(source)
    assert 10 < len(before) < 50
    assert len(set(before.items()) - set(after.items())) <= 1
    assert len(set(after.items()) - set(before.items())) in (1, 2)
    assert texts(source) == [str(i) if i != 201 else "new" for i in sorted([*range(0, 400, 2), 201])]


def test_same_documents_whatever_the_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(50):
        write(tmp_path / f"{i:02}.txt", b"\xff" if i % 7 == 3 else b"text " * i)
    source = ReadText(paths=[str(tmp_path)])
    want, want_bad = rows(source), bad(source)
    for run, piece in ((1, 1), (3, 100), (7, 300), (1000, 500)):
        monkeypatch.setattr(read_text, "RUN_FILES", run)
        monkeypatch.setattr(tables, "ROW_GROUP_TEXT", piece)
        assert rows(source).equals(want)
        assert bad(source) == want_bad
        check_restarts(source)
