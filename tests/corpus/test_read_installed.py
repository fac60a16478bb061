"""The corpus that every Python carries."""

from __future__ import annotations

import sysconfig
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from tests.corpus.drive import bad, check_restarts, pieces, rows

from vernier.core.errors import DataError, RecipeError
from vernier.core.recipe import Recipe
from vernier.corpus import installed
from vernier.corpus.installed import File
from vernier.corpus.plant import KINDS
from vernier.corpus.read_installed import ReadInstalled
from vernier.pipeline.run import run
from vernier.select.slice import Slice

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
    assert len(set(small["text_hash"].to_pylist())) == small.num_rows
    assert set(small["planted"].to_pylist()) == {None}


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
    documents = [p.rows.num_rows + p.bad.num_rows for p in reader.read(unit, 0)]
    assert sum(documents) == whole.num_rows  # no copies in these two
    for start in (1, 5, whole.num_rows):
        pieces = list(reader.read(unit, start))
        assert pa.concat_tables([p.rows for p in pieces]).equals(whole.slice(start))
        assert pieces[-1].next == whole.num_rows


def test_pieces_are_small_and_follow_from_where_the_last_one_ended() -> None:
    reader = ReadInstalled(max_bytes=1_500_000, planted=0.3)
    assert len(pieces(reader)[0]) > 3
    check_restarts(reader)


def test_copies_go_to_quarantine_and_say_of_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = " ".join(f"word{i}" for i in range(100)) + "\n"
    texts = {"a": first, "b": first, "c": first.upper(), "d": "something else, and long enough for a document\n"}
    sides = {}
    for name, text in texts.items():
        path = tmp_path / name
        path.write_text(text)
        sides[name] = File(str(path), f"{name}/NEWS", "changelog", name, None, path.stat().st_size)
    monkeypatch.setattr(installed, "files", lambda packages: list(sides.values())[::-1])
    reader = ReadInstalled(max_bytes=4 * len(first))  # four packages share the one kind of file that there is
    assert rows(reader)["package"].to_pylist() == ["a", "d"]
    assert [(r["source"], r["reason"], r["raw"].decode()) for r in bad(reader)] == [
        ("b/NEWS", "exact_duplicate", texts["b"] + "\n"),
        ("c/NEWS", "near_duplicate", texts["c"] + "\n"),
    ]
    assert [r["detail"] for r in bad(reader)] == [
        "the text is that of a/NEWS:0",
        "100% of its sequences of 5 words came before, most in a/NEWS:0",
    ]


def test_one_package_gives_a_quarter_of_a_kind_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = []
    for name in "abcde":
        path = tmp_path / name
        path.write_text("".join(f"{name}{i} {name}{i + 1} {name}{i + 2}\n" for i in range(0, 9000, 3)))
        files.append(File(str(path), f"{name}/NEWS", "changelog", name, None, path.stat().st_size))
    assert all(file.size > 50_000 for file in files)
    monkeypatch.setattr(installed, "files", lambda packages: files)
    read = rows(ReadInstalled(max_bytes=20_000))
    by_package = dict.fromkeys(read["package"].to_pylist(), 0)
    for name, number in zip(read["package"].to_pylist(), read["num_bytes"].to_pylist(), strict=True):
        by_package[name] += number
    assert len(by_package) == 4
    assert all(5000 - 1024 < number <= 5000 for number in by_package.values())


def test_a_file_larger_than_its_share_gives_its_first_documents() -> None:
    read = rows(ReadInstalled(max_bytes=50_000, packages=["pydoc_data"]))
    topics = [row for row in read.to_pylist() if row["source"] == "python/pydoc_data/topics.py"]
    assert {row["domain"] for row in topics} == {"prose"}
    assert 20_000 < sum(row["num_bytes"] for row in topics) <= 50_000
    assert topics[0]["text"].startswith('The "assert" statement')


def test_planted_noise_is_marked_and_changes_nothing_else(small: pa.Table) -> None:
    whole = table(ReadInstalled(max_bytes=400_000, planted=0.3))
    noise = whole.filter(pc.is_valid(whole["planted"]))
    assert whole.filter(pc.is_null(whole["planted"])).equals(small)
    assert len(set(whole["doc_id"].to_pylist())) == whole.num_rows
    assert set(noise["domain"].to_pylist()) == {"planted"}
    assert set(noise["planted"].to_pylist()) == set(KINDS)
    assert 0.2 < noise.num_rows / small.num_rows < 0.4
    origins = {(r["source"], r["offset"]): r for r in small.to_pylist()}
    for row in noise.to_pylist():
        prefix = f"planted/{row['planted']}/"
        origin = origins[row["source"].removeprefix(prefix), row["offset"]]
        assert row["source"].startswith(prefix)
        assert (row["package"], row["license"]) == (origin["package"], origin["license"])
        assert row["text"] != origin["text"] and row["num_bytes"] <= origin["num_bytes"]


def test_a_run_counts_copies_and_no_package_is_on_two_sides(tmp_path: Path) -> None:
    recipe = Recipe("split", store=str(tmp_path / "store"))
    recipe.add("text", ReadInstalled(max_bytes=600_000, planted=0.1, shard=100_000))
    sides = {"meta": (0.0, 0.3), "held": (0.3, 0.5), "pool": (0.5, 1.0)}
    for name, ends in sides.items():
        recipe.add(name, Slice(range=ends, group="package"), corpus="text")
    done = run(recipe, out=tmp_path / "run", quiet=True)
    counts = done.artifact("text").counts
    assert counts["quarantined"] == sum(n for name, n in counts.items() if name.startswith("quarantined."))
    assert counts["quarantined"] > 10 > counts.get("quarantined.bad_utf8", 0)  # more than `max_bad` puts up with
    assert len(done.artifact("text").shards) > 2

    def column(node: str, name: str) -> list[Any]:
        shards = done.artifact(node).shards
        return [v for s in shards for v in pq.read_table(done.store.path(s.data)).column(name).to_pylist()]

    packages, count = column("text", "package"), {name: column(name, "count") for name in sides}
    assert {"json", "asyncio"} & set(packages) or len(set(packages)) > 20  # standard modules, each for itself
    for package in set(packages):
        rows_of = [i for i, name in enumerate(packages) if name == package]
        assert sum(any(count[side][i] for i in rows_of) for side in sides) == 1
    assert all(sum(count[side][i] for side in sides) == 1 for i in range(len(packages)))


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
