"""Rated documents: sums by criterion, what was told left out, what it costs."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from vernier.core.artifact import Artifact
from vernier.core.errors import RecipeError
from vernier.core.measures import evaluate
from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.core.tables import SELECTION
from vernier.models.flops import of_folder
from vernier.models.rater import Notes
from vernier.score.rater import Rater
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


@pytest.mark.parametrize("wrong", [{"values": (1.0,)}, {"segment": 0}, {"threads": 0}])
def test_settings_out_of_range(wrong: dict[str, int]) -> None:
    with pytest.raises(RecipeError):
        Rater(**wrong)
