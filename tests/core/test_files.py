from __future__ import annotations

import os
from pathlib import Path

import fsspec
import pytest
from tests.corpus.drive import jsonl, write

from vernier.core.errors import DataError, RecipeError, SetupError
from vernier.core.files import File, find, opened

SUFFIXES = (".jsonl", ".jsonl.gz")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a.jsonl", "b.jsonl", "c.jsonl.gz", "notes.md", ".hidden.jsonl", "deep/er/d.jsonl", ".git/e.jsonl"):
        write(tmp_path / "data" / name, b"x")
    return tmp_path


def names(paths: list[str], root: str | None = None) -> list[str]:
    return [file.name for file in find(paths, root, SUFFIXES)]


def test_links_to_files_count_as_files(tree: Path) -> None:
    links = tree / "links"
    links.mkdir()
    for name in ("a.jsonl", "c.jsonl.gz", "deep"):
        (links / name).symlink_to(tree / "data" / name)
    (links / "b.jsonl").symlink_to(tree / "nothing")
    assert names([str(links)]) == names([f"{links}/*"]) == ["a.jsonl", "c.jsonl.gz"]


def test_folders_patterns_and_files(tree: Path) -> None:
    data = str(tree / "data")
    everything = ["a.jsonl", "b.jsonl", "c.jsonl.gz", "deep/er/d.jsonl"]
    assert names([data]) == names([data + "/"]) == everything
    assert names([f"{data}/*.jsonl"]) == ["a.jsonl", "b.jsonl"]
    assert names([f"{data}/**/*.jsonl"]) == ["a.jsonl", "b.jsonl", "deep/er/d.jsonl"]
    assert names([f"{data}/.*.jsonl"]) == [".hidden.jsonl"]
    assert names([f"{data}/b.jsonl"]) == ["b.jsonl"]
    assert names([f"{data}/*/er/*.jsonl", f"{data}/a.jsonl"]) == ["a.jsonl", "deep/er/d.jsonl"]


def test_a_file_named_twice_is_read_once(tree: Path) -> None:
    data = str(tree / "data")
    assert names([f"{data}/a.jsonl", f"{data}/*.jsonl", data, f"{data}/deep/../a.jsonl"]).count("a.jsonl") == 1


def test_names_do_not_depend_on_where_data_is_mounted(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree)
    assert names(["data/*.jsonl"]) == names([str(tree / "data/*.jsonl")]) == ["a.jsonl", "b.jsonl"]
    assert names(["data/a.jsonl"], root=".") == ["data/a.jsonl"]
    with pytest.raises(RecipeError, match="a file lies outside the source root"):
        names(["data/a.jsonl"], root="data/deep")


def test_odd_names(tmp_path: Path) -> None:
    write(tmp_path / "part[1].jsonl", b"x")
    write(tmp_path / "part1.jsonl", b"y")
    assert names([str(tmp_path / "part[1].jsonl")]) == ["part[1].jsonl"]
    with open(os.fsencode(tmp_path) + b"/caf\xe9.jsonl", "wb") as file:
        file.write(b"{}")
    (odd,) = find([str(tmp_path / "caf*.jsonl")], None, SUFFIXES)
    assert odd.name == "caf\\xe9.jsonl"
    with opened(odd) as source:
        assert source.read(2) == b"{}"


def test_nothing_matches(tree: Path) -> None:
    data = str(tree / "data")
    with pytest.raises(RecipeError) as caught:
        names([f"{data}/a.jsnl"])
    assert str(caught.value) == (
        f"no file matches '{data}/a.jsnl'\n"
        f"  found:    {data} holds .git, .hidden.jsonl, a.jsonl, b.jsonl, c.jsonl.gz, deep, notes.md\n"
        "  expected: a file, a glob pattern or a folder with files that end in .jsonl, .jsonl.gz\n"
        "  do:       did you mean 'a.jsonl'?"
    )
    with pytest.raises(RecipeError, match=r"(?s)no file matches .*did you mean 'deep'"):
        names([f"{data}/deeep/er/*.jsonl"])
    (tree / "empty").mkdir()
    with pytest.raises(RecipeError, match="empty holds nothing"):
        names([f"{tree}/empty"])
    with pytest.raises(RecipeError, match="`paths` names nothing"):
        names([])


def test_unknown_and_missing_file_systems() -> None:
    with pytest.raises(RecipeError, match=r"(?s)no known protocol.*did you mean 's3'"):
        names(["s33://bucket/x.jsonl"])
    with pytest.raises(SetupError, match=r"(?s)is not installed.*pip install"):
        names(["gs://bucket/x.jsonl"])
    fsspec.filesystem("memory").pipe("/two/x.jsonl", b"x")
    with pytest.raises(RecipeError, match="different file systems"):
        names(["memory://two/x.jsonl", str(Path(__file__))])


def test_what_a_file_system_raises_names_the_file() -> None:
    gone = File("memory://gone/x.jsonl", "x.jsonl", 3)
    with pytest.raises(DataError, match=r"(?s)a file has vanished.*memory://gone/x\.jsonl"), opened(gone):
        pass
    fs = fsspec.filesystem("memory")
    fs.pipe("/short/x.jsonl", jsonl([{}]))
    with (
        pytest.raises(DataError, match="a file changed while it was read"),
        opened(File("memory://short/x.jsonl", "x", 99)),
    ):
        pass
