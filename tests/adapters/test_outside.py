"""A plugin outside of a run: what it can not be given, and what it says of it."""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.adapters.conftest import Reference
from tests.examples import EXAMPLES
from tests.test_floors import python

from vernier.adapters.outside import Documents, Outside, Table
from vernier.core import plugin
from vernier.core.config import decode
from vernier.core.errors import DataError, RecipeError, StageError
from vernier.core.rng import id_of
from vernier.core.yaml import Marks
from vernier.models.rater import Notes
from vernier.testing.behaviour import rows
from vernier.testing.endpoint import toy_endpoint
from vernier.testing.make import run
from vernier.testing.toy import toy_rater
from vernier.testing.toyset import ToySet


def documents(texts: Sequence[Any], **columns: list[Any]) -> Documents:
    held = {"text": texts, **columns}
    return Documents(len(texts), list(held), lambda name: held[name])


@pytest.mark.parametrize(
    ("do", "makes", "given", "says"),
    [
        ("score.combine", "scores", {}, "looks at the whole corpus"),
        ("select.where", "selection", {"among": ["prose"]}, "looks at the whole corpus"),
        ("select.top_k", "selection", {}, "looks at the whole corpus"),
        ("select.slice", "scores", {"range": [0, 1]}, "makes a selection, not scores"),
        ("corpus.materialise", "corpus", {}, "does not make a row for each document"),
        ("train.ngrams", "model", {}, "does not make a row for each document"),
        ("score.nll", "scores", {}, "needs the input 'model'"),
        ("score.nll", "scores", {"model": "nowhere", "max_token": 9}, "did you mean 'max_tokens'"),
        ("score.nll", "scores", {"model": "x", "selection": "keep"}, "every document that comes is meant"),
        ("score.nl", "scores", {}, "did you mean 'score.nll'"),
        ("select.threshold", "selection", {"a": "s", "by": "excess_loss", "at_least": 0}, "give input `b`"),
        ("select.threshold", "selection", {"a": "s", "by": "length", "at_least": "0"}, "a number"),
    ],
)
def test_what_does_not_fit_is_refused_at_once(do: str, makes: str, given: dict[str, Any], says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        Outside(do, makes, given)


def test_a_name_that_is_no_folder() -> None:
    nll = Outside("score.nll", "scores", {"model": "user/model"})
    with pytest.raises(RecipeError, match=r"no model at[\s\S]*train\.read_hf"):
        nll.over(documents(["a"]))


def test_documents_that_lack_something() -> None:
    keep = Outside("select.threshold", "selection", {"a": "s", "by": "length", "at_least": 3})
    with pytest.raises(RecipeError, match=r"no columns s\.\*[\s\S]*score them first, under the name 's'"):
        keep.over(documents(["a"]))
    with pytest.raises(RecipeError, match=r"the corpus has no column 'url'"):
        Outside("select.slice", "selection", {"range": [0, 1], "group": "url"}).over(documents(["a"]))
    surface = Outside("score.surface", "scores", {})
    for text, found in ((None, "NoneType"), (7, "int"), ("\ud800", "surrogate")):
        with pytest.raises(DataError, match=rf"document 1 of its batch[\s\S]*{found}"):
            surface.over(documents(["fine", text]))


def test_two_tokenizers_are_told_apart_by_the_facts() -> None:
    given = {"by": "excess_loss", "at_least": 0.0}
    counts = {"a.nll": [2.0], "a.num_tokens": [1], "b.nll": [1.0], "b.num_tokens": [1]}
    for digests, ok in ((("x", "x"), True), (("x", "y"), False)):
        tables = {name: Table(name, {"tokenizer": digest}) for name, digest in zip("ab", digests, strict=True)}
        keep = Outside("select.threshold", "selection", {**given, **tables})
        if ok:
            assert keep.over(documents(["t"], **counts)).column("count").to_pylist() == [1]
        else:
            with pytest.raises(RecipeError, match="one tokenizer in both tables"):
                keep.over(documents(["t"], **counts))


@settings(max_examples=30)
@given(groups=st.lists(st.one_of(st.none(), st.text(), st.integers(), st.booleans()), min_size=1))
def test_a_value_that_is_no_text_groups_as_a_reader_would_write_it(groups: list[Any]) -> None:
    """Known answer: the point of a group is that of its text; without one, that of the document's text."""
    import hashlib
    import json

    import numpy as np

    from vernier.core import rng

    texts = [f"text {i}" for i in range(len(groups))]
    kept = Outside("select.slice", "selection", {"range": [0.25, 0.75], "group": "g"}).over(documents(texts, g=groups))
    for text, group, count in zip(texts, groups, kept.column("count").to_pylist(), strict=True):
        if group is None:
            raw = hashlib.blake2b(text.encode(), digest_size=16).digest()
        else:
            raw = id_of(group if isinstance(group, str) else json.dumps(group))
        point = rng.uniform(np.frombuffer(raw, np.uint64).reshape(1, 2), 0, "select.slice:")[0]
        assert count == (0.25 <= point < 0.75)


def test_a_list_of_tables(reference: Reference) -> None:
    """score.predictive_strength takes several; it is given the names of their columns."""
    takes = plugin.find("score.predictive_strength").takes
    assert takes["scores"] == "scores*"
    outside = Outside("score.predictive_strength", "scores", {"scores": ["small", "large"], "abilities": [1.0, 2.0]})
    columns = {
        f"{name}.{column}": reference.table(f"nll_{name}").column(column).to_pylist()
        for name in ("small", "large")
        for column in ("nll", "num_tokens", "num_bytes")
    }
    made = outside.over(documents([d["text"] for d in reference.documents], **columns))
    assert set(made.column("num_pairs").to_pylist()) <= {0, 1, None} and sum(made.column("num_pairs").to_pylist()) > 0


def test_a_judge_keeps_its_answers_in_the_store_of_a_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    judge = Outside("score.judge", "scores", {"url": toy_endpoint(), "model": "toy", "rubric": "prrc"})
    first = judge.over(documents(["one text", "another"]))
    assert {path.name for path in tmp_path.iterdir()} == {".vernier"}
    assert judge.over(documents(["another", "one text"])).to_pylist() == first.to_pylist()[::-1]


def test_no_setting_of_a_scorer_has_the_name_of_an_input_or_of_an_adapter() -> None:
    import dataclasses

    for name in plugin.names():
        cls = plugin.find(name)
        if cls.makes in ("scores", "selection"):
            settings = {field.name for field in dataclasses.fields(cls)}
            assert not settings & {*cls.takes, "do", "name", "text", "batch_size", "exclusion_writer"}


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    code = (
        "from vernier.adapters.datasets import Kept, Scores\n"
        "rows = Scores('score.surface')({'text': ['two words']})\n"
        "print(rows['surface.num_words'], Kept('select.slice', range=(0, 1))({'text': 'one row'}))"
    )
    assert python(code, block=("torch", "transformers", "datasets", "datatrove", "scipy")) == "[2] True\n"


ROW_BY_ROW = [
    name
    for name in plugin.names()
    if (cls := plugin.find(name)).makes in ("scores", "selection")
    and not hasattr(cls, "fold")
    and getattr(cls, "rows", "same") == "same"
]


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> ToySet:
    return ToySet(tmp_path_factory.mktemp("toys"))


@pytest.mark.parametrize("name", ROW_BY_ROW)
def test_batches_of_any_size_give_what_a_stage_gives(
    name: str, toys: ToySet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every plugin of ours that works document by document, with the examples of the exam."""
    monkeypatch.chdir(tmp_path)
    cls = plugin.find(name)
    for example in EXAMPLES.get(name, [{}]):
        settings = json.loads(json.dumps(example.get("with", {})).replace("{endpoint}", toys.endpoint()))
        takes = {n: kind for n, kind in cls.takes.items() if n not in example.get("without", ())}
        inputs = toys.inputs({n: kind for n, kind in takes.items() if not kind.startswith("selection")})
        stage = pa.concat_tables(run(decode(cls, settings, Marks("test")), inputs))
        shard = inputs.shard(0)
        held = {n: shard.read("corpus", [n]).column(n).to_pylist() for n in ("text", "id", "domain", "license")}
        held["doc_id"] = [one.hex() for one in shard.read("corpus", ["doc_id"]).column("doc_id").to_pylist()]
        given, listed = dict[str, Any](settings), dict[str, list[Any]]()
        for label, artifact in inputs.artifacts.items():
            if artifact.kind == "scores":
                listed.setdefault(label.partition("[")[0], []).append(Table(label, artifact.facts))
                for column in shard.columns(label):
                    held[f"{label}.{column}"] = shard.read(label, [column]).column(column).to_pylist()
            elif artifact.kind != "corpus":
                listed.setdefault(label.partition("[")[0], []).append(inputs.folder(label))
        given |= {n: some if "*" in takes[n] else some[0] for n, some in listed.items()}
        outside = pickle.loads(pickle.dumps(Outside(name, cls.makes, given)))
        made: list[pa.Table] = []
        for start in range(0, len(held["text"]), 7):
            part = {n: values[start : start + 7] for n, values in held.items()}
            made.append(outside.over(documents(part.pop("text"), **part)))
        assert {table.schema for table in made} == {stage.schema}
        assert rows(pa.concat_tables(made)) == rows(stage)


def test_a_rater_leaves_out_what_it_was_told_by_our_id_or_by_the_text(tmp_path: Path) -> None:
    texts, ids = ["told by its text", "told by its id", "new to it"], [id_of(name).hex() for name in "abc"]
    rater = toy_rater(tmp_path / "rater", told=texts[:1])
    replace(Notes.of(rater), documents=frozenset(ids[1:2])).save(rater)
    outside = Outside("score.rater", "scores", {"rater": rater})
    for column, known in ((ids, [True, True, False]), (["x", None, 7], [True, False, False])):
        made = outside.over(documents(texts, doc_id=column)).column("even").to_pylist()
        assert [one is None for one in made] == known
    assert [one is None for one in outside.over(documents(texts)).column("even").to_pylist()] == [True, False, False]


def test_a_plugin_that_goes_by_our_ids_gets_them_or_says_so() -> None:
    ids = [id_of("a"), id_of("b")]
    outside = Outside("tests.adapters.plugins:Ids", "scores", {})
    made = outside.over(documents(["x", "y"], doc_id=[one.hex() for one in ids]))
    assert made.column("low").to_pylist() == [int.from_bytes(one[:8], "little") for one in ids]
    for column in ({}, {"doc_id": [ids[0].hex(), "b"]}):
        with pytest.raises(RecipeError, match="goes by our document ids"):
            outside.over(documents(["x", "y"], **column))


def test_a_plugin_that_loses_a_document_is_found_out() -> None:
    with pytest.raises(StageError, match=r"broke its contract[\s\S]*1 rows"):
        Outside("tests.adapters.plugins:Loses", "scores", {}).over(documents(["x", "y"]))


def test_those_are_most_scorers() -> None:
    assert len(ROW_BY_ROW) >= 12
