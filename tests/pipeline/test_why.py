"""`why`: one document's story, one row of a table."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.pipeline.plugins import OddThrice
from tests.pipeline.small import ONE, document, small_recipe

from vernier.core.errors import RecipeError
from vernier.core.recipe import Recipe
from vernier.core.run import Run
from vernier.corpus.clean import Clean
from vernier.corpus.lines import Lines
from vernier.corpus.mask import Mask
from vernier.corpus.read_jsonl import ReadJsonl
from vernier.pipeline.why import find, row_of, story
from vernier.select.budget import Budget
from vernier.select.random import Random
from vernier.select.slice import Slice

Go = Callable[..., Run]


def own_ids(run: Run, path: str) -> list[str]:
    return pq.read_table(run.store.path(path)).column("id").to_pylist()


def test_why_by_doc_id_own_id_and_place(here: Path, done: Run) -> None:
    (place,), _ = find(done, "d57")
    assert place.text == document(57)["text"] and place.values["source"] == "part-1.jsonl"
    assert find(done, place.values["doc_id"].hex()) == ([place], [])
    assert find(done, f"part-1.jsonl:{place.values['offset']}") == ([place], [])
    chapters = {c.node: c.values for c in story(done, place)}
    assert list(chapters) == ["pool", "keep"]
    selected = pq.read_table(done.store.path(done.artifact("keep").shards[1].data)).to_pylist()[57 - 40]
    assert (chapters["keep"]["count"], chapters["keep"]["reason"]) == (selected["count"], selected["reason"])


def test_why_with_duplicate_ids_tells_of_each(here: Path, go: Go) -> None:
    (here / "data" / "part-3.jsonl").write_text('{"id": "d57", "text": "another d57"}\n')
    done = go(small_recipe())
    assert sorted(p.text for p in find(done, "d57")[0]) == sorted([document(57)["text"], "another d57"])


def test_why_of_an_unknown_document(here: Path, done: Run) -> None:
    with pytest.raises(RecipeError, match="no document 'd9999'"):
        find(done, "d9999")


def test_why_by_own_ids_of_any_form(here: Path, go: Go) -> None:
    """Ids that look like a doc_id or like a place are the user's all the same."""
    ids = ["0" * 32, "part-0.jsonl:99", "x:" + "9" * 30, "x:\u00b2"]
    (here / "data" / "own.jsonl").write_text("".join(json.dumps({"id": i, "text": i}) + "\n" for i in ids))
    done = go(small_recipe())
    for name in ids:
        assert [p.text for p in find(done, name)[0]] == [name]


def test_why_of_a_quarantined_record(here: Path, go: Go, capsys: pytest.CaptureFixture[str]) -> None:
    from vernier.cli.look import why

    (here / "data" / "bad.jsonl").write_text('{"text": "good"}\n{"text": 7}\n')
    done = go(small_recipe())
    places, (rejected,) = find(done, "bad.jsonl:17")
    assert not places and rejected.nodes == ("clean",) and rejected.values["reason"] == "text_not_a_string"
    why(done.folder, "bad.jsonl:17")
    said = capsys.readouterr().out
    assert "quarantined by clean" in said and "text_not_a_string: found a number" in said


def test_why_tells_what_a_document_became(here: Path, go: Go, capsys: pytest.CaptureFixture[str]) -> None:
    """Three copies, half of them materialised again, and those once more as they were."""
    from vernier.cli.look import why
    from vernier.corpus.materialise import Materialise

    recipe = Recipe("small", store=".vernier", plugins=["tests.pipeline.plugins"])
    recipe.add("clean", ReadJsonl(paths=["data/*.jsonl"]), on=ONE)
    recipe.add("odd", OddThrice(), corpus="clean", on=ONE)
    recipe.add("copies", Materialise(), corpus="clean", selection="odd", on=ONE)
    recipe.add("half", Random(keep=Budget(share=0.5)), corpus="copies", on=ONE)
    recipe.add("again", Materialise(), corpus="copies", selection="half", on=ONE)
    recipe.add("all", Slice(range=(0.0, 1.0)), corpus="again", on=ONE)
    recipe.add("same", Materialise(), corpus="again", selection="all", on=ONE)
    done = go(recipe)
    ids = {n: [i for s in done.artifact(n).shards for i in own_ids(done, s.data)] for n in ("copies", "again", "same")}
    for name in ("d3", "d57"):
        places, _ = find(done, name)
        assert places[0].nodes == ("clean",)
        assert {p.nodes for p in places[1:]} <= {("copies",), ("again", "same")}
        told = {c.node: c.values["rows"] for c in story(done, places[0]) if c.kind == "corpus"}
        assert {n: len(r) for n, r in told.items()} == {n: i.count(name) for n, i in ids.items() if name in i}
        for node, found in told.items():
            for row in found:
                assert row_of(done, done.artifact(node), places[0].shard, row)["id"] == name
    assert not [c for c in story(done, find(done, "d4")[0][0]) if c.kind == "corpus"]
    why(done.folder, "d57")
    assert "copies: in it 3 times (shard 1, row " in capsys.readouterr().out


def test_a_row_by_number(here: Path, done: Run) -> None:
    clean = done.artifact("clean")
    for row in np.random.default_rng(0).integers(0, 40, 5):
        assert row_of(done, clean, 2, int(row))["text"] == document(80 + int(row))["text"]


def test_one_row_of_a_long_table_is_read_from_a_small_row_group(here: Path, go: Go) -> None:
    num = 150_000
    (here / "data" / "part-0.jsonl").write_text("".join(f'{{"text":"{i}"}}\n' for i in range(num)))
    done = go(small_recipe(paths=["data/part-0.jsonl"]))
    for node in ("clean", "keep"):
        artifact = done.artifact(node)
        path = done.store.path(artifact.shards[0].data)
        metadata, whole = pq.read_metadata(path), pq.read_table(path)
        assert max(metadata.row_group(g).num_rows for g in range(metadata.num_row_groups)) <= 1 << 16
        for row in (0, (1 << 16) - 1, 1 << 16, num - 1):
            assert row_of(done, artifact, 0, row) == whole.slice(row, 1).to_pylist()[0]


def test_an_edited_text_is_a_chapter_not_another_document(here: Path, go: Go) -> None:
    recipe = small_recipe()
    recipe.add("short", Lines(rules=["single_word"]), corpus="clean", on=ONE)
    recipe.add("clean_text", Clean(lines=Lines(rules=["single_word"]), mask=Mask()), corpus="clean", on=ONE)
    (here / "data" / "more.jsonl").write_text('{"id": "m", "text": "Two words\\nOne"}\n')
    done = go(recipe)
    (place,), _ = find(done, "m")
    assert place.nodes == ("clean",) and place.text == "Two words\nOne"
    chapters = {chapter.node: chapter.values for chapter in story(done, place)}
    for node in ("short", "clean_text"):
        assert chapters[node]["num_bytes"] == len("Two words") and chapters[node]["doc_id"] == place.values["doc_id"]
