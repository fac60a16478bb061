"""The classifier that DCLM filters by (arXiv 2406.11794), in linear form: beside the plain one, and honestly used."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.methods.lab import Lab

from vernier.core.artifact import Artifact
from vernier.core.errors import DataError, RecipeError
from vernier.core.shard import Inputs
from vernier.core.tables import SELECTION
from vernier.models.classifier import Classifier as Fitted
from vernier.models.classifier import fit, fold_of, load_classifier
from vernier.score.classifier import Classifier as Odds
from vernier.select.budget import Budget
from vernier.select.top_k import TopK
from vernier.testing.make import build, corpus_table, make_artifact, make_folder, run
from vernier.train.classifier import Classifier

ANSWERS, CRAWL = "because so that means you can see why", "click here buy now login menu cookie home"


def texts(words: str, number: int, seed: int) -> list[str]:
    """Some words of one kind, some that both kinds have."""
    random, every = Random(seed), f"{words} the of and a in to".split()
    return [" ".join(random.choices(every, k=random.randint(5, 30))) for _ in range(number)]


GOOD, BAD = texts(ANSWERS, 20, 0), texts(CRAWL, 20, 1)


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    return fit(GOOD, BAD)


def plain(text: str) -> Counter[str]:
    words = text.split()
    return Counter([*words, *map(" ".join, pairwise(words))])


def fitted_in(
    lab: Lab, corpus: Artifact, positive: Sequence[int], negative: Sequence[int], **settings: int
) -> Artifact:
    classes = {"positive": lab.selection(corpus, positive), "negative": lab.selection(corpus, negative)}
    folder = lab.folder / f"classifier-{len(list(lab.folder.iterdir()))}"
    given = Inputs(lab.store.url, {"corpus": corpus, **classes})
    _, facts = build(Classifier(**settings), given, folder)
    return make_folder(lab.store, "model", folder, facts=facts)


def scored(lab: Lab, corpus: Artifact, classifier: Artifact, **more: Artifact) -> tuple[Artifact, dict[str, Any]]:
    given = Inputs(lab.store.url, {"corpus": corpus, "classifier": classifier, **more})
    facts = Odds().facts(given)
    return make_artifact(lab.store, "scores", run(Odds(), given), rows_of=corpus.rows_of, facts=facts), facts


def test_it_is_logistic_regression_on_counts_of_words_and_pairs(fitted: Fitted) -> None:
    """Without hashing, a column for each word and pair: the gradient of the penalised loss is zero there."""
    every = [*GOOD, *BAD]
    columns = sorted({feature for text in every for feature in plain(text)})
    counts = np.array([[plain(text)[column] for column in columns] for text in every], np.float64)
    counts /= np.linalg.norm(counts, axis=1, keepdims=True)
    log_odds, read = fitted.log_odds(every)
    assert read.tolist() == [plain(text).total() for text in every]
    assert len(fitted.features) == len(columns)  # no two in one bucket, so that what follows is exact
    # At the optimum the weights are sums of documents, by how far the label is from the probability.
    residual = np.repeat([1.0, 0.0], 20) - 1 / (1 + np.exp(-log_odds))
    weights = counts.T @ residual
    np.testing.assert_allclose(counts @ weights + fitted.intercept, log_odds, atol=1e-3)
    assert residual.sum() == pytest.approx(0, abs=1e-3)


def test_words_move_the_odds_their_way(fitted: Fitted) -> None:
    (nothing,), _ = fitted.log_odds([""])
    assert nothing == fitted.intercept
    assert fitted.log_odds(["because"])[0] > fitted.log_odds(["the"])[0] > fitted.log_odds(["click"])[0]


def test_unseen_documents_are_told_apart(fitted: Fitted) -> None:
    good, bad = (fitted.log_odds(texts(words, 50, seed))[0] for words, seed in ((ANSWERS, 2), (CRAWL, 3)))
    assert np.mean(good[:, None] > bad) > 0.95


def test_a_line_end_is_a_space(fitted: Fitted) -> None:
    """fastText reads each line as a document of its own, which is why DCLM puts spaces there first."""
    lines = ["because so\nthat", "because\n\nso that\n", "because so that"]
    odds, read = fitted.log_odds(lines)
    assert len(set(odds)) == 1 and read.tolist() == [5, 5, 5]
    assert fitted.log_odds(["Because so that"])[0] != odds[0]  # as it is written


def test_a_score_does_not_depend_on_the_other_documents(fitted: Fitted) -> None:
    together = fitted.log_odds([*GOOD, *BAD, ""])[0]
    assert together.tolist() == [fitted.log_odds([text])[0][0] for text in [*GOOD, *BAD, ""]]


def test_what_it_was_fitted_on_is_never_scored(lab: Lab) -> None:
    """Nor is a copy of it, wherever that was read: of labelled documents, only those of other text have a score."""
    pool = [*GOOD[:6], *BAD[:6], *texts(ANSWERS, 4, 4), GOOD[0], *texts(CRAWL, 4, 5), ""]
    corpus = lab.corpus(pool)
    classifier = fitted_in(lab, corpus, [1] * 6 + [0] * 16, [0] * 6 + [1] * 6 + [0] * 10)
    table, facts = scored(lab, corpus, classifier)
    odds = lab.columns(table)["log_odds"]
    known = {*range(12), 16}
    assert {row for row, value in enumerate(odds) if math.isnan(value)} == known
    assert facts == {"fitted": 13}
    best = lab.top_k(TopK(by="a.log_odds", keep=Budget(documents=4)), corpus=corpus, a=table)
    assert best.rows == [12, 13, 14, 15]
    assert {row for row, why in enumerate(best.reasons) if why == "not_scored"} == known
    masked, facts = scored(lab, corpus, classifier, selection=lab.selection(corpus, [1] + [0] * 12 + [1] * 9))
    assert facts == {"fitted": 2}  # of those that were to be scored
    same = {row for row, value in enumerate(lab.columns(masked)["log_odds"]) if not math.isnan(value)}
    assert same == set(range(13, 22)) - {16}
    np.testing.assert_array_equal(lab.columns(masked)["log_odds"][17:], odds[17:])


def better(good: np.ndarray, bad: np.ndarray) -> float:
    """How often a positive has the higher odds than a negative, ties one half."""
    return float(np.mean((good[:, None] > bad) + 0.5 * (good[:, None] == bad)))


def test_a_memorised_token_is_worth_nothing_out_of_fold(lab: Lab) -> None:
    """Each document says a word of its own again and again, and nothing else tells the classes apart: who has read it
    knows its label by that word, who has not can only guess."""
    every = [f"{text} {f'word{i} ' * 20}" for i, text in enumerate(texts("", 200, 7))]
    corpus, labels = lab.corpus(every), np.arange(200) % 2
    odds = fit(every[1::2], every[::2]).log_odds(every)[0]
    assert better(odds[labels == 1], odds[labels == 0]) > 0.95
    classifier = fitted_in(lab, corpus, labels.tolist(), (1 - labels).tolist(), folds=5)
    table, facts = scored(lab, corpus, classifier)
    odds = lab.columns(table)["log_odds"]
    assert facts == {"fitted": 200, "folds": 5} and np.isfinite(odds).all()
    assert 0.3 < better(odds[labels == 1], odds[labels == 0]) < 0.6


def test_in_folds_a_document_is_scored_as_if_it_were_not_there(lab: Lab) -> None:
    """What was fitted on, by a plain fit on the texts of the other folds; what was not, by that on all."""
    pool = [*GOOD, *BAD, *texts(ANSWERS, 5, 8), *texts(CRAWL, 5, 9)]
    corpus = lab.corpus(pool)
    hashes = np.concatenate([shard.text_hashes() for shard in Inputs(lab.store.url, {"corpus": corpus}).shards()])
    fold = fold_of(hashes, 3)
    assert {*fold} == {0, 1, 2}
    classifier = fitted_in(lab, corpus, [1] * 20 + [0] * 30, [0] * 20 + [1] * 20 + [0] * 10, folds=3)
    odds = lab.columns(scored(lab, corpus, classifier)[0])["log_odds"]
    np.testing.assert_allclose(odds[40:], fit(GOOD, BAD).log_odds(pool[40:])[0], atol=1e-4)
    for each in range(3):
        others = [
            [t for t, f in zip(some, fold[at:], strict=False) if f != each] for at, some in ((0, GOOD), (20, BAD))
        ]
        here = np.flatnonzero(fold[:40] == each)
        np.testing.assert_allclose(odds[here], fit(*others).log_odds([pool[i] for i in here])[0], atol=1e-4)
    some = np.arange(50) % 3 == 0
    masked = lab.columns(scored(lab, corpus, classifier, selection=lab.selection(corpus, some.astype(int).tolist()))[0])
    np.testing.assert_array_equal(masked["log_odds"], np.where(some, odds, np.nan))
    good, bad = odds[:20], odds[20:40]
    assert better(good, bad) > 0.9  # of documents that none of these fits has seen


def test_copies_fall_into_one_fold(lab: Lab) -> None:
    """A copy of a positive among the negatives, and one that was not fitted on: one text has one score."""
    pool = [*GOOD, *BAD, GOOD[3], BAD[5], GOOD[3]]
    corpus = lab.corpus(pool)
    classifier = fitted_in(lab, corpus, [1] * 20 + [0] * 21 + [1, 0], [0] * 20 + [1] * 21 + [0] * 2, folds=4)
    table, facts = scored(lab, corpus, classifier)
    odds = lab.columns(table)["log_odds"]
    assert odds[3] == odds[40] == odds[42] and odds[25] == odds[41]
    assert facts == {"fitted": 43, "folds": 4}


def test_folds_leave_the_fit_on_all_as_it_is(fitted: Fitted, tmp_path: Path) -> None:
    in_folds = fit(GOOD, BAD, folds=3)
    np.testing.assert_array_equal(in_folds.weights, fitted.weights)
    assert in_folds.intercept == fitted.intercept and in_folds.operations > 2 * fitted.operations
    in_folds.save(tmp_path)
    read = load_classifier(tmp_path)
    assert read.num_folds == 3 and fitted.num_folds == 0
    left_out = np.arange(40) % 3
    np.testing.assert_array_equal(
        read.log_odds([*GOOD, *BAD], left_out)[0], in_folds.log_odds([*GOOD, *BAD], left_out)[0]
    )


@pytest.mark.parametrize("folds", [0, 2])
def test_a_fit_knows_the_documents_and_not_their_order(lab: Lab, tmp_path: Path, folds: int) -> None:
    """The same files from another order and other shards; with `documents`, of the same few."""
    whole, labels = corpus_table([*GOOD, *BAD]), np.repeat([1, 0], 20)

    def made(order: Sequence[int], cut: int) -> tuple[dict[str, str], dict[str, Any]]:
        tables = {"corpus": whole.take(pa.array(order))}
        for name, count in (("positive", labels), ("negative", 1 - labels)):
            columns = {"count": count[order], "reason": [None if count[row] else "outside" for row in order]}
            tables[name] = pa.table(columns, schema=SELECTION)
        kinds = {"corpus": "corpus", "positive": "selection", "negative": "selection"}
        shards = {name: [table.slice(0, cut), table.slice(cut)] for name, table in tables.items()}
        given = {name: make_artifact(lab.store, kind, shards[name], rows_of=str(cut)) for name, kind in kinds.items()}
        return build(Classifier(documents=9, folds=folds), Inputs(lab.store.url, given), tmp_path / f"out-{cut}")

    files, facts = made(range(40), 7)
    assert (files, facts) == made(Random(0).sample(range(40), 40), 30)
    assert facts.items() >= {"documents": {"positive": 9, "negative": 9}, "texts_in_both": 0}.items()
    assert sum(facts.get("folds", [18])) == 18 and len(facts.get("folds", ())) == folds
    assert sorted(files) == ["classifier.json", "classifier.safetensors"]  # nothing that runs code when it is read
    assert len(load_classifier(tmp_path / "out-7").fitted) == 18


def test_a_text_of_both_classes_is_counted(lab: Lab) -> None:
    corpus = lab.corpus([*GOOD[:4], *BAD[:4], GOOD[0]])
    assert fitted_in(lab, corpus, [1] * 4 + [0] * 5, [0, 1] + [0] * 2 + [1] * 5).facts == {
        "documents": {"positive": 4, "negative": 6},
        "texts_in_both": 2,  # one document in both selections, one that is a copy
    }


def test_costs_of_fit_and_scores(lab: Lab) -> None:
    corpus = lab.corpus([*GOOD, *BAD, *texts(ANSWERS, 30, 6)])
    classifier = fitted_in(lab, corpus, [1] * 20 + [0] * 50, [0] * 20 + [1] * 20 + [0] * 30)
    given = Inputs(lab.store.url, {"corpus": corpus, "classifier": classifier})
    cost = Classifier().flops(given, classifier)
    assert Classifier().flops(given, None) is None
    assert cost is not None and cost % (4 * sum(len(plain(text)) for text in [*GOOD, *BAD])) == 0 and cost > 0
    unseen = lab.selection(corpus, [0] * 40 + [1] * 30)
    table, _ = scored(lab, corpus, classifier, selection=unseen)
    real = Odds().flops(given, table)
    assert real == 2 * sum(plain(text).total() for text in texts(ANSWERS, 30, 6))
    given = Inputs(lab.store.url, {**given.artifacts, "selection": unseen})
    assert Odds().flops(given, None) == pytest.approx(real)


def test_what_can_not_be_fitted_or_is_no_classifier(lab: Lab) -> None:
    corpus = lab.corpus(["", "some", "words"])
    with pytest.raises(DataError, match="no positive document"):
        fitted_in(lab, corpus, [1, 0, 0], [0, 1, 1])
    with pytest.raises(RecipeError, match="documents"):
        Classifier(documents=0)
    for folds in (1, -1):
        with pytest.raises(RecipeError, match="folds are two or more"):
            Classifier(folds=folds)
    with pytest.raises(DataError, match="every positive document lies in one fold"):
        fit(GOOD[:1] * 5, BAD, folds=2)
    with pytest.raises(DataError, match="no classifier"):
        scored(lab, corpus, lab.toy())
