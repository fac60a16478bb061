"""Real web pages: both n-gram scores tell the main text of unseen pages from what stands around it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import zstandard
from numpy.typing import ArrayLike

from vernier.core.artifact import Artifact
from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.core.tables import SELECTION
from vernier.models.classifier import load_classifier
from vernier.score.classifier import Classifier as Odds
from vernier.score.ngram import Ngram
from vernier.testing.make import build, corpus_table, make_artifact, make_folder, run
from vernier.train.classifier import Classifier
from vernier.train.ngrams import Ngrams

PAGES = 100  # of each kind; every other one is unseen


def pages(path: Path) -> list[str]:
    with zstandard.ZstdDecompressor().stream_reader(path.open("rb")) as stream:
        lines = io.TextIOWrapper(stream, encoding="utf-8", newline="\n")
        return [json.loads(line)["text"] for line, _ in zip(lines, range(PAGES), strict=False)]


def area(wanted: ArrayLike, others: ArrayLike) -> float:
    """Of the pairs of one and one, the share that is in the right order."""
    return float(np.mean(np.asarray(wanted)[:, None] > np.asarray(others)))


class Web:
    def __init__(self, data: Path, folder: Path) -> None:
        self.folder, self.store = folder, Store(str(folder / "store"))
        kinds = ("main", "boilerplate")
        self.texts = [text for kind in kinds for text in pages(data / "corpus" / f"web_{kind}.jsonl.zst")]
        self.number = np.arange(len(self.texts))
        self.main, self.seen = self.number < PAGES, self.number % 2 == 0
        self.corpus = make_artifact(self.store, "corpus", [corpus_table(self.texts)])

    def select(self, rows: ArrayLike) -> Artifact:
        count = np.asarray(rows, np.int32)
        reason = [None if number else "outside" for number in count]
        return make_artifact(self.store, "selection", [pa.table({"count": count, "reason": reason}, SELECTION)])

    def train(self, plugin: Ngrams | Classifier, name: str, **selections: ArrayLike) -> Artifact:
        given = {label: self.select(rows) for label, rows in selections.items()}
        build(plugin, Inputs(self.store.url, {"corpus": self.corpus, **given}), self.folder / name)
        return make_folder(self.store, "model", self.folder / name)

    def unseen(self, plugin: Ngram | Odds, column: str, per: str | None = None, **models: Artifact) -> float:
        given = {"corpus": self.corpus, "selection": self.select(~self.seen), **models}
        (table,) = run(plugin, Inputs(self.store.url, given))
        values = table.column(column).to_numpy()
        if per is not None:
            values = values / table.column(per).to_numpy()
        return area(values[self.main & ~self.seen], values[~self.main & ~self.seen])


@pytest.fixture(scope="module")
def web(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Web:
    return Web(data, tmp_path_factory.mktemp("web"))


def test_a_classifier_tells_unseen_pages_apart(web: Web) -> None:
    fitted = web.train(Classifier(), "fitted", positive=web.main & web.seen, negative=~web.main & web.seen)
    assert web.unseen(Odds(), "log_odds", classifier=fitted) > 0.9


def test_in_folds_all_labelled_pages_are_told_apart(web: Web) -> None:
    """About as well as unseen ones, not as well as by a fit that knows them by heart."""
    every = np.ones_like(web.seen)
    fitted = web.train(Classifier(folds=5), "folds", positive=web.main, negative=~web.main)
    given = {"corpus": web.corpus, "selection": web.select(every), "classifier": fitted}
    (table,) = run(Odds(), Inputs(web.store.url, given))
    odds, known = table.column("log_odds").to_numpy(), load_classifier(web.folder / "folds").log_odds(web.texts)[0]
    out_of_fold, by_heart = (area(some[web.main], some[~web.main]) for some in (odds, known))
    assert 0.9 < out_of_fold < by_heart
    assert abs(odds).mean() < abs(known).mean()


def test_a_bag_of_main_text_tells_unseen_pages_apart(web: Web) -> None:
    """And better by the mean over the n-grams than by the sum, which is mostly length."""
    target, raw = (
        web.train(Ngrams(), "target", selection=web.main & web.seen),
        web.train(Ngrams(), "raw", selection=web.seen),
    )
    by_sum, by_mean = (web.unseen(Ngram(), "log_weight", per, target=target, raw=raw) for per in (None, "num_ngrams"))
    assert by_mean > 0.9 and by_mean > by_sum
