"""The corpus that every Python carries."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import pyarrow as pa
import pytest

from vernier.core.errors import DataError, RecipeError
from vernier.corpus import installed
from vernier.corpus.installed import File
from vernier.corpus.read_installed import ReadInstalled

SOURCE = '''"""Module: what it is about, in a line."""
import os

class A:
    """A class with a docstring
    of two lines, and an ü."""

    def f(self):
        \'\'\'Short, but long enough for a document.\'\'\'
        return "not a docstring, é"

x = 1; """not alone on its line"""
'''


def table(reader: ReadInstalled) -> pa.Table:
    return pa.concat_tables([piece.rows for unit in reader.units() for piece in reader.read(unit, 0)])


@pytest.fixture(scope="module")
def small() -> pa.Table:
    return table(ReadInstalled(max_bytes=400_000))


def code(text: str, limit: int = 10_000) -> dict[str, str]:
    found: dict[str, str] = {}
    for domain, _, document in installed.documents(File("", "python/a.py", "code", "a", None, 1), text, limit):
        found[domain] = found.get(domain, "") + document
    return found


def test_the_kinds_that_every_python_has(small: pa.Table) -> None:
    assert {"code", "docstring", "prose", "licence"} <= set(small["domain"].to_pylist())
    assert len(set(small["doc_id"].to_pylist())) == small.num_rows > 100
    assert all(small["package"].to_pylist())
    sizes = [len(text.encode()) for text in small["text"].to_pylist()]
    assert sizes == small["num_bytes"].to_pylist()
    assert max(sizes) <= 1024
    assert sum(sizes) <= 400_000


def test_the_same_again_and_no_path_of_this_machine(small: pa.Table) -> None:
    reader = ReadInstalled(max_bytes=400_000)
    assert table(reader).equals(small)
    assert [u.content for u in reader.units()] == [u.content for u in ReadInstalled(max_bytes=400_000).units()]
    root = sysconfig.get_paths()["stdlib"]
    assert not any(root in source or source.startswith("/") for source in small["source"].to_pylist())


def test_reading_can_start_behind_any_document() -> None:
    reader = ReadInstalled(max_bytes=60_000, packages=["json", "asyncio"])
    (unit,) = reader.units()
    whole = table(reader)
    for start in (1, 5, whole.num_rows):
        pieces = list(reader.read(unit, start))
        assert pa.concat_tables([p.rows for p in pieces]).equals(whole.slice(start))
        assert pieces[-1].next == whole.num_rows


def test_packages_are_those_asked_for() -> None:
    rows = table(ReadInstalled(packages=["json", "numpy"]))
    assert set(rows["package"].to_pylist()) == {"json", "numpy"}
    licenses = dict(zip(rows["package"].to_pylist(), rows["license"].to_pylist(), strict=True))
    assert licenses["json"] == "PSF-2.0"
    with pytest.raises(RecipeError, match="jsno") as told:
        ReadInstalled(packages=["jsno"]).units()
    assert "'json'" in str(told.value)


def test_docstrings_leave_the_code() -> None:
    found = code(SOURCE)
    assert found["docstring"].split("\n\n")[0] == "Module: what it is about, in a line."
    assert "A class with a docstring\nof two lines, and an ü." in found["docstring"]
    assert "Short, but long enough" in found["docstring"]
    assert "A class with" not in found["code"]
    assert 'return "not a docstring, é"' in found["code"]
    assert '"""not alone on its line"""' in found["code"]


@pytest.mark.parametrize("broken", ["def f(:\n    pass\n" * 5, "x = 1\ry = 2\r" * 5])
def test_sources_that_can_not_be_parsed_stay_whole(broken: str) -> None:
    assert "".join(code(broken).values()).strip() == broken.strip()


def test_long_texts_are_cut_at_blank_lines_and_nothing_is_lost() -> None:
    text = "\n".join(f"line {i} ü" + "\n" * (i % 4 == 0) for i in range(200)) + "z" * 700
    file = File("", "d/CHANGELOG.md", "changelog", "d", None, 1)
    documents = list(installed.documents(file, text, 256))
    kept = "".join(document for _, _, document in documents)
    assert (text + "\n").startswith(kept)
    assert len(text) + 1 - len(kept) < installed.SMALLEST  # a last piece that is no document
    for _, offset, document in documents:
        raw = document.encode()
        assert len(raw) <= 256
        assert (text.encode() + b"\n")[offset : offset + len(raw)] == raw
    assert sum(document.endswith("\n\n") for _, _, document in documents) > len(documents) // 2


def test_a_file_that_is_not_utf8_is_quarantined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "NEWS"
    path.write_bytes(b"caf\xe9 " * 20)
    file = File(str(path), "d/NEWS", "changelog", "d", None, path.stat().st_size)
    monkeypatch.setattr(installed, "files", lambda packages: [file])
    reader = ReadInstalled()
    (unit,) = reader.units()
    (piece,) = reader.read(unit, 0)
    assert (piece.rows.num_rows, piece.bad.column("reason").to_pylist(), piece.next) == (0, ["bad_utf8"], 1)
    path.write_bytes(b"changed")
    with pytest.raises(DataError, match="changed"):
        list(reader.read(unit, 0))


def test_a_cap_below_every_file() -> None:
    with pytest.raises(RecipeError, match="fits"):
        ReadInstalled(max_bytes=1).units()
