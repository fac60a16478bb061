"""Documents on two sides of a comparison are counted in its notes, and `select.unseen` keeps them out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.pipeline.small import document

from vernier.core.recipe import Recipe
from vernier.core.run import Run
from vernier.core.shard import Inputs

ONE = {"workers": 1}
TRAINING = {"context": 32, "tokens": 256, "batch": 4}
TINY = {"model": {"hidden": 16, "layers": 1}, **TRAINING}


def stage(do: str, given: dict[str, Any], **settings: Any) -> dict[str, Any]:
    return {"do": do, "in": given, "with": settings, "on": ONE}


def train(**given: str) -> dict[str, Any]:
    return stage("train.pretrain", {"tokenizer": "bpe", **given}, **TINY)


ALL = {"share": 1.0}
STAGES = {
    "clean": stage("corpus.read_jsonl", {}, paths=["data/*.jsonl"]),
    "target": stage("corpus.read_jsonl", {}, paths=["target.jsonl"]),
    "held": stage("corpus.read_jsonl", {}, paths=["held.jsonl"]),
    "known_target": stage("train.texts", {"corpus": "target"}),
    "known_held": stage("train.texts", {"corpus": "held"}),
    "apart": stage("select.unseen", {"corpus": "clean", "seen": ["known_target", "known_held"]}),
    "bpe": stage("train.tokenizer", {"corpus": "clean"}, vocab=300),
    "tuned": train(corpus="target"),
    "again": stage("train.pretrain", {"tokenizer": "bpe", "corpus": "target", "init": "tuned"}, **TRAINING),
    "nll": stage("score.nll", {"corpus": "clean", "model": "again"}),
    "keep": stage("select.random", {"corpus": "clean"}, keep=ALL),
    "train": train(corpus="clean", selection="keep"),
    "test": stage("evaluate.loss", {"model": "train", "corpus": "held"}),
}
CHOSEN = stage("select.top_k", {"corpus": "clean", "a": "nll"}, by="low_loss", keep={"documents": 60})
GUARDED = stage("select.top_k", {"corpus": "clean", "within": "apart", "a": "nll"}, by="low_loss", keep=ALL)


def write(path: Path, numbers: list[int]) -> None:
    path.write_text("".join(json.dumps(document(number)) + "\n" for number in numbers))


@pytest.mark.slow
def test_copies_on_two_sides_are_counted_by_arm(here: Path, go: Callable[..., Run]) -> None:
    write(here / "target.jsonl", [0, 1, 2, 3, 4, 500, 501])  # five of the pool's 120 texts
    write(here / "held.jsonl", [10, 11, 11, 600, 601])  # two of them, one twice
    arms = {"random": {}, "chosen": {"keep": CHOSEN}, "guarded": {"keep": GUARDED}}
    done = go(Recipe.from_data({"vernier": 1, "name": "leak", "stages": STAGES, "arms": arms}))
    notes = done.artifact("comparison").facts["evaluations"]["test"]["notes"]
    kept = _kept_texts(done, "keep@chosen")
    held, tuned = (len(kept & {document(number)["text"] for number in some}) for some in ([10, 11], range(5)))
    told = "random 2" + (f", chosen {held}" if held else "")
    assert f"held-out texts that are also trained on: {told} (`select.unseen` keeps them apart)" in notes
    told = f"texts chosen by models that had been trained on them: chosen {tuned} (`select.unseen` keeps them out)"
    assert tuned > 0 and told in notes
    assert not any("guarded" in note for note in notes if "trained on" in note)
    assert done.nodes["apart"]["counts"] == {"kept": 113, "dropped.seen": 7, "rows": 120}


def _kept_texts(done: Run, name: str) -> set[str]:
    given = {"corpus": done.artifact("clean"), "selection": done.artifact(name)}
    return set(Inputs(done.store.url, given).texts())
