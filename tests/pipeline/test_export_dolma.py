"""An export for the Dolma toolkit: documents, and attributes that line up with them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.pipeline.plugins import Undefined
from tests.pipeline.small import ONE, document, small_recipe, tree

from vernier.core.errors import RecipeError
from vernier.core.run import Run
from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.pipeline import dolma
from vernier.pipeline.export import export as export_with
from vernier.pipeline.kept import Own
from vernier.score.surface import Surface
from vernier.select.budget import Budget
from vernier.select.threshold import Threshold
from vernier.select.top_k import TopK
from vernier.testing.make import make_artifact

Go = Callable[..., Run]


def export(*args: Any, **more: Any) -> dict[str, Any]:
    return export_with(*args, **{"workers": 1, "quiet": True, "format": "dolma", **more})


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).decode().split("\n")[:-1]]


def together(folder: Path) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Documents with their attributes, joined as the toolkit does it: by line, the ids must be equal."""
    out: list[tuple[dict[str, Any], dict[str, Any]]] = []
    for path in sorted((folder / "documents").glob("*.jsonl.gz")):
        documents = lines(path)
        beside = [lines(below / path.name) for below in sorted((folder / "attributes").iterdir())]
        for number, one in enumerate(documents):
            attributes: dict[str, Any] = {}
            for table in beside:
                assert len(table) == len(documents) and table[number]["id"] == one["id"]
                assert set(table[number]) == {"id", "attributes"}
                attributes |= table[number]["attributes"]
            out.append((one, attributes))
    return out


def test_documents_and_attributes(here: Path, go: Go) -> None:
    recipe = small_recipe()
    recipe.add("surface", Surface(), corpus="clean", on=ONE)
    best = TopK(by="length", keep=Budget(documents=30), rank=True)
    recipe.add("best", best, corpus="clean", a="surface", on=ONE)
    said = export(go(recipe), "best", here / "out")
    found = together(here / "out")
    assert len(found) == said["rows"] == 30 and len({one["id"] for one, _ in found}) == 30
    for one, attributes in found:
        assert set(one) == {"id", "text", "source", "metadata"}
        original = document(int(one["metadata"]["id"][1:]))
        assert one["text"] == original.pop("text") and one["source"].startswith("part-")
        assert original.items() <= one["metadata"].items()
        assert set(one["metadata"]["vernier"]) == {"offset"}
        size = len(one["text"])
        assert attributes["surface__num_chars"] == [[0, size, size]]
        assert attributes["best__count"] == [[0, size, 1]]
    assert sorted(a["best__rank"][0][2] for _, a in found) == list(range(30))
    assert {"best__count", "best__rank", *(c for c in said["columns"] if c.startswith("surface__"))} == set(attributes)
    assert said["files"] == sorted(said["files"], key=lambda f: (f.split("/")[-1], -f.count("documents")))
    assert {p for p in tree(here / "out") if p != "_export.json"} == set(said["files"])


def test_spans_are_in_characters_and_what_is_undefined_has_none(here: Path, go: Go) -> None:
    (here / "data" / "odd.jsonl").write_text(
        "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in ("", "naïve 🙂", "two words"))
    )
    recipe = small_recipe(paths=["data/odd.jsonl"], id=None)
    recipe.add("odd", Undefined(), corpus="clean", on=ONE)
    recipe.add("all", Threshold(by="a.num_bytes", at_least=0), corpus="clean", a="odd", on=ONE)
    export(go(recipe), "all", here / "out")
    (empty, none), (wide, some), (_, other) = together(here / "out")
    assert empty["text"] == "" and none["odd__num_bytes"] == [[0, 0, 0]] and none["odd__value"] == []
    assert some["odd__num_bytes"] == [[0, 7, 11]] and wide["text"][0:7] == "naïve 🙂" and some["odd__value"] == []
    assert other["odd__value"] == [[0, 9, 0.5]]


def test_what_dolma_knows_stays_where_dolma_has_it(here: Path, go: Go) -> None:
    records: list[dict[str, Any]] = [
        {"id": "a", "text": "one", "source": "c4", "added": "2024-01-01", "created": "2023", "metadata": {"x": 1}},
        {"id": "a", "text": "two", "source": ["not", "text"], "added": 7, "vernier": "mine"},
    ]
    (here / "data" / "odd.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    recipe = small_recipe(paths=["data/odd.jsonl"])
    recipe.add("surface", Surface(), corpus="clean", on=ONE)
    recipe.add("all", Threshold(by="length", at_least=0), corpus="clean", a="surface", on=ONE)
    export(go(recipe), "all", here / "out", scores=[])
    (first, attributes), (second, _) = together(here / "out")
    assert {k: first[k] for k in ("text", "source", "added", "created")} == {
        k: records[0][k] for k in ("text", "source", "added", "created")
    }
    assert first["metadata"]["metadata"] == {"x": 1} and first["metadata"]["vernier"]["source"] == "odd.jsonl"
    assert first["metadata"]["id"] == second["metadata"]["id"] == "a" and first["id"] != second["id"]
    assert second["source"] == "odd.jsonl" and "added" not in second
    assert second["metadata"]["source"] == ["not", "text"] and second["metadata"]["added"] == 7
    assert second["metadata"]["vernier"] == "mine" and set(second["metadata"]["vernier_"]) == {"offset"}
    assert set(attributes) == {"all__count"}


def test_an_empty_selection_and_any_number_of_workers(here: Path, go: Go) -> None:
    recipe = small_recipe()
    recipe.add("surface", Surface(), corpus="clean", on=ONE)
    recipe.add("none", Threshold(by="length", at_least=1e9), corpus="clean", a="surface", on=ONE)
    recipe.add("long", Threshold(by="length", at_least=40), corpus="clean", a="surface", on=ONE)
    done = go(recipe)
    assert export(done, "none", here / "one")["rows"] == 0 and together(here / "one") == []
    export(done, "long", here / "one")
    export(done, "long", here / "three", workers=3)
    assert tree(here / "one") == tree(here / "three") and together(here / "one")


def test_a_column_of_lists_can_not_be_an_attribute(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    table = pa.table({"num_tokens": [1], "losses": [[0.5]]})
    inputs = Inputs(store.url, {"scores[0]": make_artifact(store, "scores", [table])})
    own = [Own("scores[0]", name, "nll", f"nll.{name}") for name in table.column_names]
    dolma.check(inputs, own[:1])
    with pytest.raises(RecipeError, match=r"'losses' of 'nll' can not be an attribute[\s\S]*list"):
        dolma.check(inputs, own)


def test_attributes_have_names_that_a_filter_can_hold_and_each_its_own() -> None:
    own = [
        Own("selection", "count", "keep@random@1", "count"),
        Own("scores[0]", "nll", "a-b", "a-b.nll"),
        Own("scores[1]", "nll", "a_b", "a_b.nll"),
    ]
    assert list(dolma.keys(own).values()) == ["keep_random_1__count", "a_b__nll", "a_b__nll_"]
