"""Rated documents: sums by criterion, what was told left out, what it costs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.models.test_asked import writer

from vernier.core.artifact import Artifact
from vernier.core.errors import RecipeError
from vernier.core.measures import evaluate
from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.core.tables import SELECTION
from vernier.models.flops import of_folder
from vernier.models.rater import Notes
from vernier.score import rubrics
from vernier.score.rater import Rater
from vernier.select.budget import Budget
from vernier.select.top_k import TopK
from vernier.testing.make import build, corpus_table, make_artifact, make_folder, run
from vernier.testing.toy import toy_rater
from vernier.train.read_hf import ReadHf

TEXTS = ["B" * 25, "A", "", "cats", "told", "AB", "told"]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def given(store: Store, folder: Path, **more: Artifact) -> Inputs:
    table = corpus_table(TEXTS)
    corpus = make_artifact(store, "corpus", [table.slice(0, 2), table.slice(2)])
    return Inputs(store.url, {"corpus": corpus, "rater": make_folder(store, "model", folder), **more})


def test_sums_and_counts(store: Store, tmp_path: Path) -> None:
    """20 and 5 tokens of an even document; the measure is the mean; an empty one has none."""
    inputs = given(store, toy_rater(tmp_path / "toy"))
    made = run(Rater(), inputs)
    whole = pa.concat_tables(made).to_pydict()
    assert list(whole) == ["even", "odd", "num_tokens", "num_bytes"]
    assert whole["even"] == pytest.approx([25, 0, 0, 0, 4, 2, 4])
    assert whole["odd"] == pytest.approx([0, 2, 0, 8, 0, 0, 0])
    assert whole["num_tokens"] == whole["num_bytes"] == [len(text) for text in TEXTS]
    table = make_artifact(store, "scores", made)
    shard = Inputs(store.url, {"corpus": inputs.artifacts["corpus"], "a": table}).shard(0)
    assert evaluate("a.odd", "token", shard)[0].tolist() == pytest.approx([0, 2])


def test_what_a_rater_was_told_is_never_rated(store: Store, tmp_path: Path) -> None:
    """By the text, wherever it stands, and by the id, since the excerpts of a pair are not the document."""
    folder = toy_rater(tmp_path / "toy", told=["told"])
    notes, ids = Notes.of(folder), corpus_table(TEXTS).column("doc_id").to_pylist()
    Notes(segment=20, texts=notes.texts, documents=frozenset({ids[3].hex()})).save(folder)
    counts = [1, 1, 1, 1, 1, 1, 0]
    chosen = pa.table({"count": counts, "reason": [None if n else "outside" for n in counts]}, schema=SELECTION)
    selection = make_artifact(store, "selection", [chosen.slice(0, 2), chosen.slice(2)])
    inputs = given(store, folder, selection=selection)
    made = pa.concat_tables(run(Rater(), inputs))
    for name in made.column_names:
        assert [value is None for value in made.column(name).to_pylist()] == [False] * 3 + [True] * 2 + [False, True]
    assert Rater().facts(inputs)["told"] == 2


def test_what_it_costs(store: Store, tmp_path: Path) -> None:
    folder = toy_rater(tmp_path / "toy")
    inputs, cost = given(store, folder), of_folder(folder, head=False)
    assert cost is not None
    out = make_artifact(store, "scores", run(Rater(segment=10), inputs))
    segments = [10, 10, 5, 1, 4, 4, 2, 4]
    wanted = cost.forward(sum(segments), sum(n * (n + 1) / 2 for n in segments))
    assert Rater(segment=10).flops(inputs, out) == wanted
    planned = Rater(segment=10).flops(inputs, None)
    assert planned is not None and 0.5 < planned / wanted < 2


def test_a_classifier_from_elsewhere(store: Store, tmp_path: Path) -> None:
    """`train.read_hf` takes it in with its notes, so what it was told stays known."""
    plugin = ReadHf(path=str(toy_rater(tmp_path / "toy", told=["told"])))
    build(plugin, Inputs("", {}, 0, tuple(plugin.units())), tmp_path / "taken")
    inputs = given(store, tmp_path / "taken")
    assert pa.concat_tables(run(Rater(), inputs)).column("even").to_pylist()[3:5] == [0, None]
    assert Rater().facts(inputs)["told"] == 2


EVEN = {"1": 0.0, "2": 0.0, "3": 0.0, "4": 0.0, "5": math.log(4)}


def test_a_language_model_rates(store: Store, tmp_path: Path) -> None:
    """Fourteen criteria and a field; the mean by tokens is the rating, however much of the document was shown."""
    inputs, plugin = given(store, writer(tmp_path / "lm", {"C": 3.0}, EVEN)), Rater(rubric="dataman", segment=10)
    made = run(plugin, inputs)
    whole = pa.concat_tables(made).to_pydict()
    tokens = [len(text) for text in TEXTS]
    assert list(whole) == [*rubrics.DATAMAN, "application", "num_unreadable", "num_tokens", "num_bytes"]
    assert plugin.facts(inputs)["criteria"] == list(rubrics.DATAMAN)
    for name in rubrics.DATAMAN:
        assert whole[name] == pytest.approx([3.75 * n for n in tokens], rel=1e-5)
    assert [rubrics.APPLICATIONS[i] for i in whole["application"]] == ["law"] * len(TEXTS)
    assert whole["num_unreadable"] == [0] * len(TEXTS) and whole["num_tokens"] == tokens
    cost, out = of_folder(inputs.folder("rater"), head=False), make_artifact(store, "scores", made)
    assert cost is not None
    prompt = len(rubrics.DATAMAN_PROMPT.encode()) - len("{text}")
    read = [1 + prompt + (n if n <= 10 else 13) + 15 for n in tokens]
    assert plugin.flops(inputs, out) == cost.forward(sum(read), sum(n * (n + 1) / 2 for n in read))


def test_answers_that_can_not_be_read_are_counted(store: Store, tmp_path: Path) -> None:
    """The trap: a default in their place would be a rating like others. Undefined, and never selected."""
    inputs = given(store, writer(tmp_path / "lm", {"P": 3.0}, EVEN))
    made = run(Rater(rubric="dataman"), inputs)
    whole = pa.concat_tables(made).to_pydict()
    assert whole["num_unreadable"] == [1] * len(TEXTS) and whole["application"] == [None] * len(TEXTS)
    assert all(math.isnan(value) for name in rubrics.DATAMAN for value in whole[name])
    table = {"corpus": inputs.artifacts["corpus"], "a": make_artifact(store, "scores", made)}
    plugin = TopK(by="a.overall_score", per="token", keep=Budget(share=1.0))
    reasons = pa.concat_tables(run(plugin, Inputs(store.url, table))).column("reason").to_pylist()
    assert set(reasons) == {"undefined"}


def test_a_prompt_of_ones_own(store: Store, tmp_path: Path) -> None:
    inputs = given(store, writer(tmp_path / "lm", EVEN, EVEN, positions=64))
    plugin = Rater(prompt="{text}?", criteria=("interest", "depth"), scale=(1, 5), segment=30)
    whole = pa.concat_tables(run(plugin, inputs)).to_pydict()
    assert list(whole) == ["interest", "depth", "num_unreadable", "num_tokens", "num_bytes"]
    assert whole["interest"][1] == whole["depth"][1] == pytest.approx(3.75, rel=1e-5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"values": (1.0,)},
        {"segment": 0},
        {"threads": 0},
        {"rubric": "dataman", "criteria": ("a",)},
        {"rubric": "dataman", "values": (0.0, 1.0)},
        {"prompt": "{text}", "criteria": ("a",)},
        {"prompt": "text", "criteria": ("a",), "scale": (1, 5)},
        {"prompt": "{text}", "scale": (1, 5)},
        {"prompt": "{text}", "criteria": ("a",), "scale": (1, 10)},
    ],
)
def test_settings_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(RecipeError):
        Rater(**wrong)
