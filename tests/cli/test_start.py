"""`init` and the first `run`: folders as people have them, and nothing left behind by a mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Verb
from tests.pipeline.small import document, write_jsonl


def saved(folder: Path, splits: tuple[str, ...] = ()) -> None:
    """A data set by `save_to_disk`, with its text in `content`."""
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_list([{"content": f"page {i}", "url": f"u{i}"} for i in range(30)])
    whole = datasets.DatasetDict(dict.fromkeys(splits, rows)) if splits else rows
    whole.save_to_disk(str(folder))


def test_a_folder_with_signs_of_patterns_in_its_name(here: Path, verb: Verb) -> None:
    write_jsonl(here / "w[1] *?" / "a.jsonl", range(20))
    assert verb("init", "w[1] *?", "--surface")[0] == 0
    code, out, err = verb("run", "recipe.yaml", "-q")
    assert code == 0 and "20 records" in out, err


@pytest.mark.parametrize(("splits", "given"), [((), "sets/web"), (("test", "train"), "sets/web"), ((), "sets")])
def test_saved_data_sets(here: Path, verb: Verb, splits: tuple[str, ...], given: str) -> None:
    saved(here / "sets" / "web", splits)
    code, out, err = verb("init", given, "--surface")
    assert code == 0 and "text = 'content'" in out and "id = 'url'" in out, err
    code, out, err = verb("run", "recipe.yaml", "-q")
    assert code == 0 and "30 records" in out, err


def test_a_folder_of_several_saved_data_sets(here: Path, verb: Verb) -> None:
    saved(here / "sets" / "web")
    saved(here / "sets" / "books", ("train", "test"))
    code, _, err = verb("init", "sets", "--surface")
    assert code == 2 and "2 data sets" in err and "vernier init sets/books" in err and "sets/web" in err
    assert not (here / "recipe.yaml").exists()


@pytest.mark.parametrize("indent", [None, 2])
def test_a_json_array_is_not_json_lines(here: Path, verb: Verb, indent: int | None) -> None:
    (here / "all.json").write_text(json.dumps([document(i) for i in range(9)], indent=indent))
    code, _, err = verb("init", "all.json")
    assert code == 3 and "not JSON Lines" in err and "one JSON array" in err and "jq" in err


def test_records_without_a_text(here: Path, verb: Verb) -> None:
    (here / "n.jsonl").write_text('{"n": 1}\n{"n": 2}\n')
    code, _, err = verb("init", "n.jsonl")
    assert code == 3 and "2 records, none with a field that holds a string" in err


def test_a_run_from_another_folder_leaves_nothing_behind(
    here: Path, verb: Verb, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    for _ in range(2):
        code, _, err = verb("run", "../small.yaml", "-q")
        assert code == 2 and "no file matches 'data/*.jsonl'" in err and "../small.yaml:4" in err
        assert "current folder" in err and ".vernier" not in err
        assert not list((here / "elsewhere").iterdir())


def test_only_what_is_to_be_made_is_looked_for(here: Path, verb: Verb) -> None:
    text = (here / "small.yaml").read_text()
    (here / "small.yaml").write_text(text + "  more: {do: corpus.read_jsonl, with: {paths: [nowhere]}}\n")
    assert verb("run", "small.yaml", "-q")[0] == 2
    assert verb("run", "small.yaml", "-q", "--to", "clean")[0] == 0


def test_what_a_run_made_is_not_offered_as_input(here: Path, verb: Verb) -> None:
    verb("run", "small.yaml", "-q")
    (here / "data").rename(here / "moved")
    code, _, err = verb("run", "small.yaml", "-q")
    assert code == 2 and err.splitlines()[-1] == "  do:       relative paths start at the current folder"


def test_a_target_that_no_record_has_is_found_at_once(here: Path, verb: Verb) -> None:
    code, _, err = verb("init", "data", "--target", "od")
    assert code == 2 and "no record has the domain 'od'" in err and "even 40, odd 40" in err and "'odd'?" in err
    assert not (here / "recipe.yaml").exists()
    assert verb("init", "data", "--target", "odd")[0] == 0
    (here / "texts").mkdir()
    (here / "texts" / "a.txt").write_text("a text")
    code, _, err = verb("init", "texts", "--target", "odd", "--to", "t.yaml")
    assert code == 2 and "no domain" in err and "text files" in err


def test_of_a_large_file_only_the_first_records_are_known(here: Path, verb: Verb) -> None:
    write_jsonl(here / "large" / "a.jsonl", range(600))
    code, _, err = verb("init", "large", "--target", "rare")
    assert code == 0 and "note: none of the first 500 records" in err and "even" in err


def test_check_says_when_no_comparison_or_no_verdict_can_come(here: Path, verb: Verb) -> None:
    arms = """\
arms:
  few: {keep: {with: {keep: {documents: 10}}}}
  NAME: {}
"""
    text = (here / "small.yaml").read_text()
    (here / "small.yaml").write_text(text + arms.replace("NAME", "rando"))
    assert "no arm is named `random`" in verb("check", "small.yaml")[2]
    (here / "small.yaml").write_text(text + arms.replace("NAME", "random"))
    assert "no verdict" in verb("check", "small.yaml")[2]
    assert verb("check", "small.yaml")[0] == 0
