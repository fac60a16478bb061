"""The benchmark: items of files and of the harness become what is looked for; errors name the file and line."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from vernier.core import passages
from vernier.core.errors import DataError, RecipeError
from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.evaluate import harness, sources
from vernier.evaluate.benchmark import Benchmark
from vernier.evaluate.items import Item
from vernier.testing.make import build, corpus_table, make_artifact

CHOICE = {
    "id": "0",
    "task": "choose",
    "kind": "multiple_choice",
    "context": "Question: who sat on the mat of the old red house?\nAnswer:",
    "choices": [" the cat of the neighbours", " a dog that nobody knew well"],
    "label": 1,
    "target": None,
}
SOLVED = {
    "id": "1",
    "task": "solve",
    "kind": "generation",
    "context": "How many legs have seven cats and two dogs together?",
    "choices": [],
    "label": None,
    "target": "36",
    "solution": "Nine animals of four legs each have thirty six legs",
}


def write(path: Path, *items: dict[str, Any]) -> str:
    path.write_text("".join(json.dumps(item) + "\n" for item in items), encoding="utf-8")
    return str(path)


def made(plugin: Benchmark, out: Path, **artifacts: Any) -> tuple[passages.Passages, dict[str, Any]]:
    inputs = Inputs(str(out.parent / "store"), artifacts, units=tuple(plugin.units()))
    facts = build(plugin, inputs, out)[1]
    return passages.load(out), facts


def held(known: passages.Passages, *texts: str) -> list[tuple[int, str]]:
    found = known.find(pa.array(texts, pa.large_string()))
    return [(row, known.ids[item]) for row, item in zip(found.row.tolist(), found.item.tolist(), strict=True)]


def test_the_right_answer_is_looked_for_and_no_other(tmp_path: Path) -> None:
    path = write(tmp_path / "tasks.jsonl", CHOICE, SOLVED)
    known, facts = made(Benchmark(tasks=[path], n=5, shortest=5), tmp_path / "out")
    assert facts["items"] == {"choose": 1, "solve": 1} and facts["not_looked_for"] == {}
    assert held(known, "a dog that nobody knew well", "the cat of the neighbours") == [(0, "0")]
    assert held(known, "Nine animals of four legs", "legs have seven cats and", "thirty six legs: 36 it is") == [
        (0, "1"),
        (1, "1"),
    ]
    assert held(known, "have thirty six legs 36") == [(0, "1")]


def test_items_that_are_too_short_are_told(tmp_path: Path) -> None:
    path = write(tmp_path / "tasks.jsonl", {**CHOICE, "context": "who?", "id": "short"}, CHOICE, SOLVED)
    _, facts = made(Benchmark(tasks=[path]), tmp_path / "out")
    assert facts["items"] == {"choose": 2, "solve": 1} and facts["not_looked_for"] == {"choose": 1}
    path = write(tmp_path / "short.jsonl", {**CHOICE, "context": "who?"})
    with pytest.raises(DataError, match="no item of the tasks can be looked for"):
        made(Benchmark(tasks=[path]), tmp_path / "none")


def test_a_phrase_of_the_pool_is_no_evidence(tmp_path: Path) -> None:
    path = write(tmp_path / "tasks.jsonl", CHOICE, SOLVED)
    store = Store(str(tmp_path / "store"))
    texts = [f"{i} the mat of the old red house?" for i in range(11)] + ["who sat on the mat of the old"]
    corpus = make_artifact(store, "corpus", [corpus_table(texts[:5]), corpus_table(texts[5:])])
    asked = Benchmark(tasks=[path], n=5, shortest=5)
    plain, facts = made(asked, tmp_path / "plain")
    fewer, told = made(asked, tmp_path / "fewer", corpus=corpus)
    # "the mat of the old" in 12 documents, "mat of the old red" and "of the old red house" in 11
    assert told["common_ngrams"] == 3 and told["ngrams"] == facts["ngrams"]
    assert held(plain, texts[0], texts[-1]) == [(0, "0"), (1, "0")] and held(fewer, texts[0], texts[-1]) == [(1, "0")]
    selection = pa.table(
        {"count": [int(i != 3) for i in range(12)], "reason": [None] * 12},
        schema=pa.schema([("count", pa.int32()), ("reason", pa.string())]),
    )
    masked = make_artifact(store, "selection", [selection.slice(0, 5), selection.slice(5)])
    assert made(asked, tmp_path / "masked", corpus=corpus, selection=masked)[1]["common_ngrams"] == 1


def test_a_bad_task_file(tmp_path: Path) -> None:
    path = write(tmp_path / "tasks.jsonl", CHOICE, {**CHOICE, "label": 7})
    with pytest.raises(DataError, match=r"`label` is none of its choices(.|\n)*tasks.jsonl:2"):
        Benchmark(tasks=[path]).units()
    (tmp_path / "tasks.jsonl").write_text("{")
    with pytest.raises(DataError, match="not JSON"):
        Benchmark(tasks=[path]).units()
    (tmp_path / "tasks.jsonl").write_text("\n")
    with pytest.raises(DataError, match="no items"):
        Benchmark(tasks=[path]).units()
    with pytest.raises(DataError, match="needs `solution`"):
        Benchmark(tasks=[write(tmp_path / "tasks.jsonl", {**SOLVED, "solution": ""})]).units()
    with pytest.raises(RecipeError, match="names nothing"):
        Benchmark(tasks=[]).units()
    units = Benchmark(tasks=[write(tmp_path / "tasks.jsonl", CHOICE)]).units()
    write(tmp_path / "tasks.jsonl", SOLVED)
    with pytest.raises(DataError, match="changed while"):
        sources.items(units[0], generated=True)


@pytest.mark.parametrize("settings", [{"n": 1}, {"shortest": 0}, {"common": 0}])
def test_bad_settings(settings: dict[str, int]) -> None:
    with pytest.raises(RecipeError, match="too small"):
        Benchmark(tasks=["x.jsonl"], **settings)


def test_a_selection_needs_its_corpus() -> None:
    asked = Benchmark(tasks=["x.jsonl"])
    with pytest.raises(RecipeError, match="selection of no corpus"):
        asked.check({"selection"})
    asked.check({"selection", "corpus"})
    asked.check({"corpus"})


def test_tasks_of_the_harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task by name, its data set being a file, and one that asks for generated text."""
    pytest.importorskip("lm_eval")
    from datasets import Dataset
    from lm_eval.api.task import ConfigurableTask

    def rows(*_: Any, **__: Any) -> dict[str, Dataset]:
        return {
            "test": Dataset.from_list([{"q": f"Where is the place {i}?", "a": f"it is {i} miles away"} for i in "12"])
        }

    basic = {"dataset_path": "json", "test_split": "test", "custom_dataset": rows, "metadata": {"version": 0}}
    words = {"doc_to_text": "Q: {{q}}", "doc_to_target": "{{a}}"}
    task = ConfigurableTask(config={**basic, **words, "task": "g", "output_type": "generate_until"})
    items = [Item("g", str(i), ((f"Q: Where is the place {i + 1}?", f"it is {i + 1} miles away"),), 0) for i in (0, 1)]
    assert harness.items_of(task, "g") == items
    monkeypatch.setattr(harness, "dataset_of", lambda name, *, generated: (f"data of {name} {generated}", "0" * 40))
    monkeypatch.setattr(harness, "named_items", lambda name, commit: items)
    known, facts = made(Benchmark(tasks=["g"], n=4, shortest=4), tmp_path / "out")
    assert facts["items"] == {"g": 2}
    assert held(known, "Where is the place 2? It is 2 miles away.")[0] == (0, "1")


def test_generated_tasks_by_name_need_their_output_type(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = SimpleNamespace(cfg={"output_type": "generate_until", "dataset_path": "somebody/math"})
    manager = SimpleNamespace(task_index={"math": entry})
    monkeypatch.setattr(harness, "_index", lambda name: manager)
    monkeypatch.setattr(harness.hub, "dataset_commit", lambda name: "c" * 40)
    with pytest.raises(RecipeError, match="not measured by likelihoods"):
        harness.dataset_of("math")
    assert harness.dataset_of("math", generated=True) == ("somebody/math", "c" * 40)
