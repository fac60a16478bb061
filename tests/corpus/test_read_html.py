from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import zstandard
from tests.corpus.drive import bad, check_restarts, keys, rows, texts, write

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
