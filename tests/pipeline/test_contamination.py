"""Decontamination as a user sees it: a run, `why`, the report, the account; and recall on the planted documents."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import zstandard

from vernier.cli.look import why
from vernier.core import files
from vernier.core.passages import Passages, Text
from vernier.core.recipe import Recipe
from vernier.core.run import Run
from vernier.corpus.read_jsonl import ReadJsonl
from vernier.evaluate.benchmark import Benchmark
from vernier.evaluate.items import read
from vernier.pipeline.run import run
from vernier.report.contamination import section
from vernier.score.contamination import Contamination
from vernier.select.uncontaminated import Uncontaminated

QUESTION = "Where does the small river that runs through the old town end?"
ITEM = {"id": "q1", "task": "rivers", "kind": "cloze", "context": QUESTION, "target": " In the sea", "choices": []}


@pytest.fixture
def done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    texts = ["Nothing of it.", f"A quiz, with an ü. {QUESTION.upper()}\nIn the sea!", "Where does the small river end?"]
    (tmp_path / "docs.jsonl").write_text(
        "".join(json.dumps({"id": f"d{i}", "text": t}) + "\n" for i, t in enumerate(texts))
    )
    short = {**ITEM, "id": "q2", "task": "other", "context": "Why?"}
    (tmp_path / "tasks.jsonl").write_text("".join(json.dumps(one) + "\n" for one in (ITEM, short)))
    recipe = Recipe("clean", store=".vernier")
    docs = recipe.add("docs", ReadJsonl(paths=["docs.jsonl"]))
    tasks = recipe.add("tasks", Benchmark(tasks=["tasks.jsonl"]))
    held = recipe.add("held", Contamination(), corpus=docs, benchmark=tasks)
    recipe.add("clean", Uncontaminated(), corpus=docs, contamination=held, benchmark=tasks)
    return run(recipe)


def test_a_run(done: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert done.nodes["clean"]["counts"] == {"dropped.contaminated": 1, "kept": 2, "rows": 3}
    account = done.artifact("clean").facts["contamination"]
    assert account == {
        "other": {"documents": 0, "found": 0, "items": 1},
        "rivers": {"documents": 1, "found": 1, "items": 1},
    }
    capsys.readouterr()
    why(done.folder, "d1")
    told = capsys.readouterr().out
    assert "held: holds 3 of 3 n-grams of rivers q1 (bytes 20 to 93): WHERE DOES" in told
    assert "IN THE SEA" not in told and "In the sea" in told
    assert "clean: dropped: contaminated (1)" in told
    why(done.folder, "d0")
    told = capsys.readouterr().out
    assert "held: holds nothing of the benchmark" in told and "clean: kept" in told


def test_the_report(done: Run) -> None:
    found = section(done)
    assert found is not None and "clean: 1 of 3 documents dropped" in found.body
    assert found.body.count("<tr>") == 3 and "100.0 %" in found.body


@pytest.fixture(scope="module")
def items(data: Path) -> list[Text]:
    found = files.find([str(data / "tasks" / "*.jsonl")], None, (".jsonl",))
    made = [one for file in found for one in read(file, (data / "tasks" / file.name).read_bytes(), generated=True)]
    return [Text(one.task, one.id, *one.asked[one.label]) for one in made]


@pytest.mark.parametrize(
    ("n", "shortest", "least"),
    [
        (13, 8, {"verbatim": 98, "question_only": 86, "edited": 0, "none": 0}),
        (13, 5, {"verbatim": 98, "question_only": 92, "edited": 0, "none": 0}),
        (6, 8, {"verbatim": 98, "question_only": 86, "edited": 90, "none": 0}),
    ],
)
def test_planted_items_are_found(data: Path, items: list[Text], n: int, shortest: int, least: dict[str, int]) -> None:
    """The documents with an overlap of 0.2 or more, by kind; that item is the planted one."""
    path = data / "contamination" / "planted.jsonl.zst"
    with zstandard.open(path, "rt", encoding="utf-8", newline="\n") as lines:
        documents = [json.loads(line) for line in lines]
    known = Passages.of(items, n, shortest)
    found = known.find(pa.array([one["text"] for one in documents], pa.large_string()))
    hits = dict.fromkeys(least, 0)
    for row in np.unique(found.row[found.found >= 0.2 * found.grams]):
        best = int(np.flatnonzero(found.row == row)[0])
        document = documents[row]
        hits[document["contamination"]] += 1
        assert document["contaminates"] == [known.ids[found.item[best]]]
        start, end = int(found.start[best]), int(found.end[best])
        assert 0 <= start < end <= len(document["text"].encode())
    assert hits == least
