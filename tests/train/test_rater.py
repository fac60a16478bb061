"""Raters that learn: a rule from judged pairs, grades from a column; what is held out, left out and remembered."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from vernier.core.artifact import Artifact
from vernier.core.errors import DataError, RecipeError
from vernier.core.rng import id_of
from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.models.build import Shape
from vernier.models.build import build as random_model
from vernier.models.rater import Notes
from vernier.score.rater import Rater as Rated
from vernier.select.budget import Budget
from vernier.select.gumbel import Gumbel
from vernier.select.top_k import TopK
from vernier.testing.make import build, corpus_table, make_artifact, make_folder, run
from vernier.testing.toy import byte_tokenizer
from vernier.train.rater import Rater

PAIRS = 300
LENGTH = 24


def text(random: Random) -> str:
    """Some letters, of which more or less are x."""
    share = random.random()
    return "".join("x" if random.random() < share else random.choice("abcdefgh ") for _ in range(LENGTH))


RANDOM = Random(0)
FIRST, SECOND = ([text(RANDOM) for _ in range(PAIRS)] for _ in range(2))


@dataclass(frozen=True)
class Bench:
    store: Store
    init: Artifact
    folder: Path

    def pairs(self, sizes: Sequence[int] = (100, 0), order: Sequence[int] = range(PAIRS)) -> Artifact:
        """A corpus of pairs, the rows in this order, the first shards of these sizes."""
        table = corpus_table(FIRST)
        for name, column in (
            ("second", SECOND),
            ("first_id", [id_of(f"first {i}").hex() for i in range(PAIRS)]),
            ("second_id", [id_of(f"second {i}").hex() for i in range(PAIRS)]),
        ):
            table = table.append_column(name, pa.array(column))
        return self._cut("corpus", table, sizes, order)

    def judgments(self, sizes: Sequence[int] = (100, 0), order: Sequence[int] = range(PAIRS), **rows: Any) -> Artifact:
        """More x wins by `many_x`, fewer by `few_x`, one answer in each order; `rows`: other columns."""
        won = [b.count("x") > a.count("x") for a, b in zip(FIRST, SECOND, strict=True)]
        columns: dict[str, Any] = {}
        for name, second in (("many_x", won), ("few_x", [not w for w in won])):
            columns |= {f"{name}_ab_votes": list(map(int, second)), f"{name}_ab_answers": [1] * PAIRS}
            columns |= {f"{name}_ba_votes": [int(not w) for w in second], f"{name}_ba_answers": [1] * PAIRS}
        facts = {"pairs": True, "criteria": ["many_x", "few_x"], "answers": 1}
        return self._cut("scores", pa.table(columns | rows), sizes, order, facts)

    def graded(self, grades: Sequence[str | None]) -> Artifact:
        table = corpus_table(FIRST).append_column("grade", pa.array(grades, pa.string()))
        return self._cut("corpus", table, (100, 0), range(PAIRS))

    @property
    def scores(self) -> Artifact:
        """A table that is no judgments."""
        return self._cut("scores", pa.table({"num_words": [0] * PAIRS}), (100, 0), range(PAIRS))

    def inputs(self, **given: Artifact) -> Inputs:
        return Inputs(self.store.url, {"init": self.init, **given})

    def train(self, plugin: Rater, **given: Artifact) -> tuple[Artifact, dict[str, Any]]:
        out = self.folder / f"out-{len(list(self.folder.iterdir()))}"
        _, facts = build(plugin, self.inputs(**given), out)
        return make_folder(self.store, "model", out, facts=facts), facts

    def rated(self, rater: Artifact, texts: Sequence[str]) -> tuple[Artifact, Artifact, dict[str, Any]]:
        """A corpus from elsewhere, its ratings, and these as columns."""
        corpus = make_artifact(self.store, "corpus", [corpus_table(texts, source="elsewhere")], rows_of=texts[0])
        made = run(Rated(), Inputs(self.store.url, {"corpus": corpus, "rater": rater}))
        table = make_artifact(self.store, "scores", made, rows_of=texts[0])
        return corpus, table, {n: made[0].column(n).to_numpy() for n in made[0].column_names}

    def _cut(
        self, kind: str, table: pa.Table, sizes: Sequence[int], order: Sequence[int], facts: Any = None
    ) -> Artifact:
        table, ends = table.take(pa.array(list(order))), [0, *np.cumsum(sizes).tolist(), len(table)]
        shards = [table.slice(a, b - a) for a, b in itertools.pairwise(ends)]
        return make_artifact(self.store, kind, shards, rows_of=str((sizes, list(order))), facts=facts)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("raters")
    model = random_model(Shape(hidden=32, layers=1), vocabulary=257, context=64, separator=256, seed=0)
    model.save_pretrained(folder / "init")
    byte_tokenizer(folder / "init")
    store = Store(str(folder / "store"))
    return Bench(store, make_folder(store, "model", folder / "init"), folder)


LEARNS = Rater(batch=16, lr=0.01, epochs=3, segment=32)


@pytest.fixture(scope="module")
def learnt(bench: Bench) -> tuple[Artifact, dict[str, Any]]:
    return bench.train(LEARNS, corpus=bench.pairs(), judgments=bench.judgments())


def test_a_rule_is_learnt_from_judgments(bench: Bench, learnt: tuple[Artifact, dict[str, Any]]) -> None:
    """And then rates other documents, of which more are kept the more x they have."""
    rater, facts = learnt
    assert min(facts["accuracy"].values()) > 0.85
    assert facts["accuracy"] == facts["epochs"][facts["best_epoch"] - 1]["accuracy"]
    learnt_on = facts["examples"]
    assert learnt_on["learnt"] + learnt_on["held_out"] == PAIRS and 15 < learnt_on["held_out"] < 50
    assert facts["was_told"] == f"labels of {2 * PAIRS} documents" and facts["flops"] > 0
    random = Random(1)
    texts = [one for one in (text(random) for _ in range(250)) if one not in {*FIRST, *SECOND}][:200]
    corpus, table, columns = bench.rated(rater, texts)
    count = np.array([one.count("x") for one in texts])
    rank = np.argsort(np.argsort(columns["many_x"]))
    assert np.corrcoef(rank, count)[0, 1] > 0.85 > -0.85 > np.corrcoef(columns["few_x"], count)[0, 1]
    inputs = Inputs(bench.store.url, {"corpus": corpus, "a": table})
    keep = Budget(share=0.3)
    for plugin in (
        TopK(by="a.many_x", per="token", keep=keep),
        Gumbel(by="a.many_x", per="token", temperature=0.5, keep=keep),
    ):
        kept = run(plugin, inputs)[0].column("count").to_numpy() > 0
        assert kept.sum() == 60 and count[kept].mean() > count[~kept].mean() + 5


def test_other_tools_load_it(bench: Bench, learnt: tuple[Artifact, dict[str, Any]]) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = bench.inputs(rater=learnt[0]).folder("rater")
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    assert model.config.id2label == {0: "many_x", 1: "few_x"} and model.config.pad_token_id is None
    with torch.inference_mode():
        logits = model(**AutoTokenizer.from_pretrained(folder)("xx ab", return_tensors="pt")).logits[0]
    columns = bench.rated(learnt[0], ["xx ab"])[2]
    assert columns["many_x"][0] / 5 == pytest.approx(float(logits[0]), rel=1e-5)


def test_what_it_was_told_it_never_rates(bench: Bench, learnt: tuple[Artifact, dict[str, Any]]) -> None:
    """Parents by id, excerpts by text, held out or not."""
    notes = Notes.of(bench.inputs(rater=learnt[0]).folder("rater"))
    assert {id_of(f"{which} {i}").hex() for which in ("first", "second") for i in range(PAIRS)} == notes.documents
    assert {hashlib.blake2b(t.encode(), digest_size=16).hexdigest() for t in (*FIRST, *SECOND)} == notes.texts
    columns = bench.rated(learnt[0], [FIRST[0], "another text", SECOND[9]])[2]
    assert np.isnan(columns["many_x"]).tolist() == [True, False, True]


def test_neither_shards_nor_order_matter(bench: Bench) -> None:
    plugin, shuffled = Rater(batch=64, lr=0.01, epochs=1, segment=32), Random(2).sample(range(PAIRS), PAIRS)
    made = [
        build(
            plugin,
            bench.inputs(corpus=bench.pairs(*how), judgments=bench.judgments(*how)),
            bench.folder / f"cut-{number}",
        )
        for number, how in enumerate([((100, 0), range(PAIRS)), ((7,), shuffled)])
    ]
    assert made[0] == made[1]


def test_what_is_left_out_of_judgments(bench: Bench) -> None:
    """Two answers of three unreadable; one order against the other; not judged at all."""
    answers: list[Any] = [1] * PAIRS
    answers[3] = 0
    votes: list[Any] = [0] * PAIRS  # the judge always names what it was shown last, or first
    votes[5] = None
    judged = bench.judgments(many_x_ab_answers=answers, few_x_ab_votes=votes, few_x_ba_votes=votes)
    _, facts = bench.train(Rater(batch=64, epochs=1, segment=32), corpus=bench.pairs(), judgments=judged)
    assert facts["left_out"] == {"not_judged": 1, "not_sure": PAIRS - 1, "unreadable": 1}
    assert sum(facts["examples"].values()) == PAIRS - 2
    assert facts["accuracy"]["few_x"] is None
    assert facts["was_told"] == f"labels of {2 * (PAIRS - 1)} documents"


GRADES: list[str | None] = ["many" if t.count("x") > 15 else "some" if t.count("x") > 8 else "few" for t in FIRST]
WORTH = {"few": 0.0, "some": 1.0, "many": 4.0}


def test_a_column_of_grades_is_learnt(bench: Bench) -> None:
    """As classes; a rating is between the values of the least and of the best one."""
    grades = [None, *GRADES[1:]]
    plugin = Rater(label="grade", labels=WORTH, batch=16, lr=0.01, epochs=4, segment=32)
    rater, facts = bench.train(plugin, corpus=bench.graded(grades))
    assert facts["accuracy"]["grade"] > 0.7 and facts["left_out"] == {"no_label": 1}
    assert plugin.told() == ("labels: grade",)
    folder = bench.inputs(rater=rater).folder("rater")
    assert Notes.of(folder).values == (0, 1, 4)
    config = json.loads((folder / "config.json").read_text())
    assert list(config["id2label"].values()) == ["grade 0", "grade 1", "grade 4"]
    columns = bench.rated(rater, ["x" * 30, "abcdefgh" * 3, FIRST[1], FIRST[0]])[2]
    low, high = columns["grade"][1] / 24, columns["grade"][0] / 30
    assert 0 <= low < 1 < 2 < high <= 4
    assert np.isnan(columns["grade"]).tolist() == [False, False, True, False]


def test_grades_that_are_numbers_need_no_values(bench: Bench) -> None:
    numbers = [f"{WORTH[grade]:g}.50" for grade in GRADES if grade is not None]
    rater, _ = bench.train(Rater(label="grade", batch=64, epochs=1, segment=32), corpus=bench.graded(numbers))
    assert Notes.of(bench.inputs(rater=rater).folder("rater")).values == (0.5, 1.5, 4.5)


def test_copies_are_held_out_together(bench: Bench) -> None:
    """A text on both sides would be known by heart."""
    from vernier.train.labelled import read_labels
    from vernier.train.rater import _held

    table = corpus_table([FIRST[i % 20] for i in range(200)]).append_column("grade", pa.array(["1", "2"] * 100))
    corpus = make_artifact(bench.store, "corpus", [table])
    labelled, _ = read_labels(bench.inputs(corpus=corpus), column="grade", values={})
    held = _held(labelled, 0)
    sides = [{texts[0] for texts, one in zip(labelled.texts, held, strict=True) if one == side} for side in (0, 1)]
    assert sides[0] and sides[1] and not sides[0] & sides[1]


def test_labels_that_do_not_fit(bench: Bench) -> None:
    corpus, judgments = bench.pairs(), bench.judgments()
    with pytest.raises(RecipeError, match=r"(?s)judged pairs or.*both"):
        build(Rater(label="grade"), bench.inputs(corpus=corpus, judgments=judgments), bench.folder / "no")
    with pytest.raises(RecipeError, match="neither"):
        Rater().check({"corpus", "init"})
    with pytest.raises(RecipeError, match="holds no pairs"):
        bench.train(Rater(), corpus=bench.graded(GRADES), judgments=judgments)
    with pytest.raises(RecipeError, match="are not about pairs"):
        bench.train(Rater(), corpus=corpus, judgments=bench.scores)
    with pytest.raises(RecipeError, match="no column 'grade'"):
        bench.train(Rater(label="grade"), corpus=corpus)
    graded = bench.graded(GRADES)
    with pytest.raises(RecipeError, match=r"label '(some|few)' has no value"):
        bench.train(Rater(label="grade", labels={"many": 1}), corpus=graded)
    with pytest.raises(DataError, match="is not a number"):
        bench.train(Rater(label="grade"), corpus=graded)
    with pytest.raises(DataError, match="two classes or more"):
        bench.train(Rater(label="grade"), corpus=bench.graded(["1"] * PAIRS))
    with pytest.raises(RecipeError, match="longer than the model can read"):
        bench.train(Rater(label="grade", labels=WORTH, segment=65), corpus=graded)
    with pytest.raises(DataError, match="nothing to train"):
        bench.train(Rater(label="grade"), corpus=bench.graded([None] * PAIRS))


@pytest.mark.parametrize(
    "wrong",
    [{"lr": 0.0}, {"epochs": 0}, {"confidence": 1.1}, {"temperature": 0.0}, {"labels": {"a": 1.0}}, {"segment": -1}],
)
def test_settings_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(RecipeError):
        Rater(**wrong)
