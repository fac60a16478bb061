"""What arms were told by way of scores: a classifier fitted on labels, a target that somebody read in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.pipeline.small import write_jsonl
from tests.pipeline.test_compare import arms, in_folder
from tests.pipeline.trials import Score, Train, recipe, stage

from vernier.core.artifact import Artifact
from vernier.core.recipe import Recipe
from vernier.core.store import Store
from vernier.pipeline.knowledge import told
from vernier.pipeline.lineage import Lineage
from vernier.pipeline.run import run

POOL = {"corpus": "clean", "within": "pool"}
WANTED = {"among": ["odd"]}
READ = stage("corpus.read_jsonl", with_={"paths": ["wiki/*.jsonl"]})
MORE = {  # beside clean, pool, scores, keep, train and test
    "wiki": READ,
    "rest": stage("select.slice", in_={"corpus": "clean"}, with_={"range": [0.9, 1]}),
    "good": stage("select.where", in_={"corpus": "clean", "within": "rest"}, with_=WANTED),
    "fitted": stage(
        "train.classifier", in_={"corpus": "clean", "positive": "good", "negative": "rest"}, with_={"documents": 9}
    ),
    "odds": stage("score.classifier", in_={"corpus": "clean", "selection": "pool", "classifier": "fitted"}),
    "target": stage("train.ngrams", in_={"corpus": "wiki"}),
    "raw": stage("train.ngrams", in_={"corpus": "clean", "selection": "pool"}),
    "dsir": stage("score.ngram", in_={"corpus": "clean", "selection": "pool", "target": "target", "raw": "raw"}),
}
HALF = {"keep": {"share": 0.5}}
ARMS = {
    "random": {},
    "blind": {"keep": stage("select.where", in_=POOL, with_=WANTED)},
    "classifier": {"keep": stage("select.top_k", in_={**POOL, "a": "odds"}, with_={"by": "a.log_odds", **HALF})},
    "dsir": {
        "keep": stage(
            "select.gumbel", in_={**POOL, "a": "dsir"}, with_={"by": "a.log_weight", "temperature": 1.0, **HALF}
        )
    },
}


def with_scores(every: Mapping[str, Any], **more: Any) -> Recipe:
    data = recipe({"random": {}}, seeds=1).to_data()
    return Recipe.from_data({**data, "stages": {**data["stages"], **MORE, **more}, "arms": every})


def lineage(made: Recipe) -> Lineage:
    """As if all of it were finished: nothing but the kinds of artifacts is looked at."""
    nodes = {node.id: node for node in made.nodes()}
    artifacts = {name: Artifact(node.plugin.makes, name, "", (), {}, {}) for name, node in nodes.items()}
    return Lineage(Store(""), nodes, artifacts)


def knows(made: Recipe, arm: str = "other") -> list[str]:
    found = lineage(made)
    models = [name for name, node in found.nodes.items() if node.stage == "train" and arm in node.arms]
    assert models
    return told(found, models)


def test_scores_carry_what_their_model_was_fitted_on(tmp_path: Path) -> None:
    with in_folder(tmp_path):
        write_jsonl(tmp_path / "data" / "a.jsonl", range(60))
        write_jsonl(tmp_path / "wiki" / "b.jsonl", range(100, 120))
        done = run(with_scores(ARMS), out=tmp_path / "run", quiet=True)
    found = {arm: one["told"] for arm, one in arms(done).items()}
    assert found == {
        "random": [],
        "blind": ["domain: odd"],
        "classifier": ["domain: odd"],
        "dsir": ["documents of wiki"],
    }
    assert arms(done)["classifier"]["overhead_stages"] == ["rest", "good", "fitted", "odds", "keep@classifier@0"]
    assert arms(done)["classifier"]["overhead"]["actual"] > 0
    # One that only knew the domain stands beside the one that fitted a model to it.
    assert [beside["arm"] for beside in arms(done)["classifier"]["same_knowledge"]] == ["blind"]
    assert [beside["arm"] for beside in arms(done)["dsir"]["same_knowledge"]] == []


def test_documents_that_are_trained_on_tell_nothing_more() -> None:
    """Another corpus to train on is another pool, not knowledge about it, however many steps lie between."""
    some = stage("select.random", in_={"corpus": "wiki"}, with_=HALF)
    copy = stage("corpus.materialise", in_={"corpus": "wiki", "selection": "some"})
    chosen = stage("select.random", in_={"corpus": "copy"}, with_=HALF)
    other = {"train": {"in": {"corpus": "copy", "selection": "chosen"}}}
    assert knows(with_scores({"random": {}, "other": other}, some=some, copy=copy, chosen=chosen)) == []


def test_a_tokenizer_tells_nothing_and_a_model_of_other_documents_does() -> None:
    bpe = stage("train.tokenizer", in_={"corpus": "wiki"})
    lengths = stage("score.tokens", in_={"corpus": "clean", "tokenizer": "bpe"})
    meta = stage(Train, on=False, in_={"corpus": "wiki"}, with_={"losses": [1.0]})
    loss = stage("score.nll", in_={"corpus": "clean", "model": "meta"})

    def other(table: str) -> dict[str, Any]:
        kept = stage("select.top_k", in_={**POOL, "a": table}, with_={"by": "a.num_tokens", **HALF})
        return {"random": {}, "other": {"keep": kept}}

    assert knows(with_scores(other("lengths"), bpe=bpe, lengths=lengths)) == []
    assert knows(with_scores(other("loss"), meta=meta, loss=loss)) == ["documents of wiki"]
    assert knows(with_scores(other("scores"), scores=stage(Score, in_={"corpus": "clean"}))) == []


def test_texts_that_are_kept_out_tell_nothing_of_what_is_wanted() -> None:
    more = {
        "known": stage("train.texts", in_={"corpus": "clean", "selection": "good"}),
        "others": stage("train.texts", in_={"corpus": "wiki"}),
        "apart": stage("select.unseen", in_={"corpus": "clean", "within": "pool", "seen": ["known", "others"]}),
    }
    keep = stage("select.random", in_={"corpus": "clean", "within": "apart"}, with_=HALF)
    assert knows(with_scores({"random": {}, "other": {"keep": keep}}, **more)) == []


def test_a_benchmark_that_is_kept_out_tells_nothing_of_what_is_wanted() -> None:
    """Nor do the documents by which it knows phrases."""
    more = {
        "tasks": stage("evaluate.benchmark", in_={"corpus": "wiki"}, with_={"tasks": ["tasks.jsonl"]}),
        "held": stage("score.contamination", in_={"corpus": "clean", "benchmark": "tasks"}),
        "apart": stage("select.uncontaminated", in_={**POOL, "contamination": "held", "benchmark": "tasks"}),
    }
    keep = stage("select.random", in_={"corpus": "clean", "within": "apart"}, with_=HALF)
    assert knows(with_scores({"random": {}, "other": {"keep": keep}}, **more)) == []


def test_an_earlier_corpus_whose_copies_are_kept_out_tells_nothing_of_what_is_wanted() -> None:
    old = {"old_corpus": "wiki", "old": "before"}
    made = with_scores(
        {"random": {}, "other": {"keep": stage("select.random", in_={"corpus": "clean", "within": "new"}, with_=HALF)}},
        before=stage("select.random", in_={"corpus": "wiki"}, with_=HALF),
        found=stage("select.duplicates", in_={**POOL, **old}),
        new=stage("select.unique", in_={**POOL, "duplicates": "found"}),
    )
    assert knows(made) == []
