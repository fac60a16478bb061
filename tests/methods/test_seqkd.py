"""SeqKD (arXiv 1606.07947, 2410.17215): a teacher goes on with documents, and a student learns from what it wrote."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from tests.methods.lab import Lab

from vernier.core.artifact import Artifact
from vernier.core.errors import RecipeError
from vernier.core.shard import Inputs
from vernier.models.build import Shape
from vernier.models.flops import of_folder, pairs
from vernier.testing.make import make_artifact, run
from vernier.train.pretrain import Pretrain
from vernier.train.seqkd import SeqKD

TEACHER = Pretrain(model=Shape(hidden=32, layers=1), tokens=20480, context=32, batch=4)
GREEDY = SeqKD(prompt=8, tokens=20, temperature=0)


@pytest.fixture
def teacher(lab: Lab) -> Artifact:
    """It has read nothing but the alphabet, again and again."""
    corpus = lab.corpus(["abcdefghijklmnop" * 20] * 8)
    return lab.train(TEACHER, corpus=corpus, tokenizer=lab.bytes())


def taught(lab: Lab, plugin: SeqKD, texts: list[str], teacher: Artifact, seed: int = 0) -> pa.Table:
    inputs = Inputs(lab.store.url, {"corpus": lab.corpus(texts), "teacher": teacher}, seed)
    return pa.concat_tables(run(plugin, inputs))


def test_the_teacher_goes_on_as_it_has_learnt(lab: Lab, teacher: Artifact) -> None:
    """The prompt stays byte for byte; a document gets no longer than it was, and no longer than `tokens`."""
    texts = ["defghijkXXXX", "abcdefghXXXXXXXXXXXXXXXXXXXX", "cdefghij", "ab", ""]
    out = taught(lab, GREEDY, texts, teacher)
    assert out.column("text").to_pylist() == ["defghijklmno", "abcdefghijklmnopabcd", "cdefghij", "ab", ""]
    assert out.column("num_bytes").to_pylist() == [12, 20, 8, 2, 0]


def test_a_prompt_may_end_inside_a_character(lab: Lab, teacher: Artifact) -> None:
    """The character that the eighth byte is part of stays whole, and what is written is text."""
    (text,) = taught(lab, GREEDY, ["abcdefgé and more of it"], teacher).column("text").to_pylist()
    assert text.startswith("abcdefgé") and "\ufffd" not in text


def test_a_lot_for_each_document_and_seed(lab: Lab, teacher: Artifact) -> None:
    plugin = SeqKD(prompt=8, tokens=20, temperature=3.0)
    texts = [f"abcdefgh{'x' * 12}" for _ in range(4)]

    def texts_of(seed: int) -> list[Any]:
        return taught(lab, plugin, texts, teacher, seed).column("text").to_pylist()

    assert len(set(texts_of(0))) > 1  # the same text, other documents
    assert texts_of(0) == texts_of(0) != texts_of(1)


def test_what_the_teacher_took_is_known_when_it_has_written(lab: Lab, teacher: Artifact) -> None:
    corpus = lab.corpus(["defghijkXXXX", "ab"])
    inputs = Inputs(lab.store.url, {"corpus": corpus, "teacher": teacher})
    out = make_artifact(lab.store, "corpus", run(GREEDY, inputs), rows_of=corpus.rows_of)
    cost = of_folder(inputs.folder("teacher"))
    assert cost is not None and GREEDY.flops(inputs, None) is None
    assert GREEDY.flops(inputs, out) == cost.forward(12, pairs(12))


def test_settings_that_make_no_sense(lab: Lab, teacher: Artifact) -> None:
    for settings in ({"prompt": 8, "tokens": 8}, {"prompt": 0}, {"temperature": -1.0}, {"threads": 0}):
        with pytest.raises(RecipeError):
            SeqKD(**settings)
    with pytest.raises(RecipeError, match="can not read so much"):
        taught(lab, SeqKD(prompt=8, tokens=10**6), ["abc"], teacher)
