"""Folders of HTML files: what is read, what is left out, and no bytes in them without an account."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.corpus.drive import bad, check_restarts, keys, pieces, rows, texts, write
from tests.corpus.web import page
from tests.fuzz import Edit, edited, edits, for_seconds

from vernier.core import tables
from vernier.core.errors import RecipeError
from vernier.corpus.read_html import ReadHtml


def test_files_of_a_folder(tmp_path: Path) -> None:
    write(tmp_path / "a.html", "<p>\u00fcber".encode())
    write(tmp_path / "b" / "c.htm", "<meta charset=windows-1251><p>\u0434\u0430".encode("cp1251"))
    write(tmp_path / "d.html.gz", gzip.compress(b"<p>packed"))
    write(tmp_path / "e.html.zst", zstandard.compress(b"<p>packed too"))
    write(tmp_path / "f.txt", b"no page")
    source = ReadHtml(paths=[str(tmp_path)], constant_domain="web")
    assert texts(source) == [
        "<p>\u00fcber",
        "<meta charset=windows-1251><p>\u0434\u0430",
        "<p>packed",
        "<p>packed too",
    ]
    table = rows(source)
    assert table.column("id").to_pylist() == ["a.html", "b/c.htm", "d.html.gz", "e.html.zst"]
    assert table.column("encoding").to_pylist() == ["utf-8", "windows-1251", "utf-8", "utf-8"]
    assert set(table.column("domain").to_pylist()) == {"web"}
    for name in ("url", "date", "content_type", "extra"):
        assert table.column(name).null_count == 4
    assert bad(source) == []
    check_restarts(source)


def test_what_is_left_out(tmp_path: Path) -> None:
    write(tmp_path / "a.html", b"")
    write(tmp_path / "b.html", b"\xd0\xff" * 40)
    write(tmp_path / "c.html", b"<p>" + b"x" * 100)
    write(tmp_path / "d.html.gz", gzip.compress(bytes(1_000_000)))
    write(tmp_path / "e.html.gz", gzip.compress(b"<p>x")[:-3])
    source = ReadHtml(paths=[str(tmp_path)], max_page=100)
    write(tmp_path / "b.html", b"<meta charset=utf-8>" + b"\xd0\xff" * 30)
    assert [(row["source"], row["reason"]) for row in bad(source)] == [
        ("a.html", "empty"),
        ("b.html", "undecodable"),
        ("c.html", "too_large"),
        ("d.html.gz", "too_large"),
        ("e.html.gz", "bad_body"),
    ]
    assert ReadHtml.drops == ("empty",)
    assert texts(source) == []
    with pytest.raises(RecipeError, match="max_page"):
        ReadHtml(paths=[str(tmp_path)], max_page=0)


def test_a_changed_file_changes_its_run(tmp_path: Path) -> None:
    write(tmp_path / "a.html", b"<p>a")
    write(tmp_path / "b.html", b"<p>b")
    source = ReadHtml(paths=[str(tmp_path)])
    before = keys(source)
    write(tmp_path / "b.html", b"<p>c")
    assert keys(source) != before


PACKED = {".html": bytes, ".html.gz": lambda data: gzip.compress(data, mtime=0), ".html.zst": zstandard.compress}
TOKENS = [b"<meta charset=", b"utf-16le>", b"gbk>", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\0", b"\xff\xfe", b"-->"]
PAGES = [page("<p>\u00fcber</p>").encode(), page("\u0434\u0430").encode("cp1251", "replace"), b"", b"<p>x", bytes(3000)]
FILES: dict[str, st.SearchStrategy[Any]] = {
    "files": st.lists(
        st.tuples(st.sampled_from(PAGES), st.sampled_from(list(PACKED)), edits(TOKENS)), min_size=1, max_size=4
    ),
    "most": st.sampled_from([10, 1000, 1 << 20]),
    "piece": st.integers(1, 3000),
}


def check_files(files: list[tuple[bytes, str, Sequence[Edit]]], most: int, piece: int) -> None:
    """Each file is a page or has a reason why it is none, in order; reading goes on behind any piece."""
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(tables, "ROW_GROUP_TEXT", piece):
        for number, (data, suffix, changes) in enumerate(files):
            write(Path(folder) / f"{number}{suffix}", edited(PACKED[suffix](data), changes))
        reader = ReadHtml(paths=[str(Path(folder) / "*.html*")], root=folder, max_page=most)
        made = [one for unit in pieces(reader) for one in unit]
        kept = [row for one in made for row in one.rows.to_pylist()]
        left = [row for one in made for row in one.bad.to_pylist()]
        names = [f"{number}{suffix}" for number, (_, suffix, _) in enumerate(files)]
        assert sorted([row["id"] for row in kept] + [row["source"] for row in left]) == names
        assert [row["id"] for row in kept] == sorted(row["id"] for row in kept)
        assert {row["reason"] for row in left} <= {"empty", "too_large", "bad_body", "undecodable"}
        assert all(row["text"].strip() and "\0" not in row["text"] for row in kept)
        check_restarts(reader)


@settings(max_examples=25)
@given(**FILES)
def test_any_files(**case: Any) -> None:
    check_files(**case)


@pytest.mark.fuzz
@pytest.mark.timeout(600)
def test_any_files_for_long() -> None:
    for_seconds(40, check_files, **FILES)
