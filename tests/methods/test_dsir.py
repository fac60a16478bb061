"""DSIR (arXiv 2302.03169): importance resampling by hashed n-grams, and the traps of the authors' code."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from tests.methods.lab import Lab

from vernier.core.artifact import Artifact
from vernier.core.errors import DataError
from vernier.core.ngram import BUCKETS, Counts, bucket, ngrams
from vernier.core.shard import Inputs
from vernier.score.ngram import Ngram
from vernier.select.budget import Budget
from vernier.select.gumbel import Gumbel
from vernier.select.threshold import Threshold
from vernier.select.top_k import TopK
from vernier.testing.make import build, make_artifact, make_folder, run
from vernier.train.ngrams import Ngrams

TENTH = Budget(share=0.1)
WORDS = [f"w{number}" for number in range(40)]


def inputs(lab: Lab, seed: int = 0, **given: Artifact | None) -> Inputs:
    return Inputs(lab.store.url, {name: made for name, made in given.items() if made is not None}, seed)


def counted(lab: Lab, corpus: Artifact, selection: Artifact | None = None) -> Artifact:
    folder = lab.folder / f"counts-{len(list(lab.folder.iterdir()))}"
    _, facts = build(Ngrams(), inputs(lab, corpus=corpus, selection=selection), folder)
    return make_folder(lab.store, "model", folder, facts=facts)


def bag(lab: Lab, **counts: int) -> Artifact:
    """Counts of buckets by n-gram; `_` in a name stands for a space."""
    found = np.zeros(BUCKETS, np.int64)
    for name, number in counts.items():
        found[bucket(name.replace("_", " "))] = number
    folder = lab.folder / f"bag-{len(list(lab.folder.iterdir()))}"
    folder.mkdir()
    Counts(found, 1).save(folder)
    return make_folder(lab.store, "model", folder)


def weighed(lab: Lab, corpus: Artifact, **given: Artifact | None) -> Artifact:
    """The table that score.ngram makes."""
    made = run(Ngram(), inputs(lab, corpus=corpus, **given))
    return make_artifact(lab.store, "scores", made, rows_of=corpus.rows_of)


def kept(lab: Lab, plugin: Any, corpus: Artifact, table: Artifact, seed: int = 0) -> set[int]:
    made = pa.concat_tables(run(plugin, inputs(lab, seed, corpus=corpus, a=table)))
    return set(np.flatnonzero(made.column("count").to_numpy()).tolist())


class Pool:
    """400 documents of very different lengths, each drawing some of its words from the target's half of the words."""

    def __init__(self, lab: Lab) -> None:
        self.lab, random = lab, np.random.default_rng(0)
        self.lengths: NDArray[np.int64] = random.integers(100, 1500, 400)
        alike = random.uniform(0.1, 0.9, 400)
        texts = [self._text(random, share, size) for share, size in zip(alike, self.lengths, strict=True)]
        self.corpus = lab.corpus(texts)
        wanted = lab.corpus([self._text(random, 0.9, 1000) for _ in range(20)])  # a corpus of its own
        self.table = weighed(lab, self.corpus, target=counted(lab, wanted), raw=counted(lab, self.corpus))
        columns = lab.columns(self.table)
        self.sums, self.means = columns["log_weight"], columns["log_weight"] / columns["num_ngrams"]
        self.mean_table = lab.table(self.corpus, mean=self.means)

    @staticmethod
    def _text(random: np.random.Generator, share: float, size: int) -> str:
        half = np.where(random.random(size) < share, 0, 20)
        return " ".join(WORDS[i] for i in half + random.integers(0, 20, size))


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    return Pool(Lab(tmp_path_factory.mktemp("dsir"), (150, 0, 90)))


def test_the_same_bag_twice_weighs_exactly_nothing(lab: Lab) -> None:
    texts = ["a b c", "", "d! d? e", "a a a a a a", "É é", "x", "y z", "a b"]
    corpus = lab.corpus(texts)
    columns = lab.columns(weighed(lab, corpus, target=counted(lab, corpus), raw=counted(lab, corpus)))
    assert columns["log_weight"].tolist() == [0.0] * len(texts)
    assert columns["num_ngrams"].tolist() == [len(ngrams(text)) for text in texts]
    assert columns["num_bytes"].tolist() == [len(text.encode()) for text in texts]


def test_a_bucket_twice_as_likely_and_met_three_times(lab: Lab) -> None:
    corpus = lab.corpus(["x x x"])
    target, raw = bag(lab, x=2, x_x=4, other=4), bag(lab, x=1, x_x=4, other=5)
    (weight,) = lab.columns(weighed(lab, corpus, target=target, raw=raw))["log_weight"]
    assert weight == pytest.approx(3 * math.log(2), abs=1e-6)


def test_a_weight_is_the_sum_over_the_n_grams(lab: Lab) -> None:
    """As the definition has it, bucket by bucket, with counts of a part of the corpus as the target."""
    texts = ["the cat sat", "the dog sat on the dog", "a cat", "dog", "1 + 1 = 2", "sat sat sat", "the the", "cat dog"]
    corpus = lab.corpus(texts)
    wanted = lab.selection(corpus, [1, 0, 3, 0, 0, 0, 0, 1])  # a document counts once, however often it is wanted
    table = weighed(lab, corpus, target=counted(lab, corpus, wanted), raw=counted(lab, corpus))
    p_target, p_raw = (Counts.of(some) for some in ([texts[0], texts[2], texts[7]], texts))
    for text, weight in zip(texts, lab.columns(table)["log_weight"], strict=True):
        expected = 0.0
        for place in map(bucket, ngrams(text)):
            expected += math.log(p_target.counts[place] / p_target.total + 1e-8)
            expected -= math.log(p_raw.counts[place] / p_raw.total + 1e-8)
        assert weight == pytest.approx(expected, abs=1e-9)


def test_rows_that_are_not_selected_are_null(lab: Lab) -> None:
    corpus = lab.corpus(["a", "b", "c", "d"])
    both = counted(lab, corpus)
    mask = lab.selection(corpus, [1, 0, 0, 1])
    made = pa.concat_tables(run(Ngram(), inputs(lab, corpus=corpus, selection=mask, target=both, raw=both)))
    assert made.column("num_ngrams").to_pylist() == [1, None, None, 1]
    assert made.column("log_weight").null_count == made.column("num_bytes").null_count == 2


@pytest.mark.parametrize("plugin", [TopK, Gumbel])
def test_the_whole_pool_can_be_kept(pool: Pool, plugin: type[Any]) -> None:
    """In the authors' code `argpartition(-w, k)` fails where k is the size of the pool."""
    more = {"temperature": 1.0} if plugin is Gumbel else {}
    every = plugin(by="a.log_weight", keep=Budget(documents=400), **more)
    assert len(kept(pool.lab, every, pool.corpus, pool.table)) == 400


def test_a_draw_is_that_of_its_seed(pool: Pool) -> None:
    """The authors draw with numpy's generator and never seed it."""
    tenth = Gumbel(by="a.mean", temperature=1.0, keep=TENTH)
    draws = [kept(pool.lab, tenth, pool.corpus, pool.mean_table, seed) for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]


def test_a_sum_grows_with_length(pool: Pool, lab: Lab) -> None:
    """What is written twice weighs twice, either way: long documents are at both ends of the scale."""
    order = np.argsort(pool.sums)
    assert min(pool.lengths[ends].mean() for ends in (order[:20], order[-20:])) > 1.1 * pool.lengths.mean()
    corpus = lab.corpus(["w1 w2 w3 w39", " ".join(["w1 w2 w3 w39"] * 2)])
    once, twice = lab.columns(
        weighed(lab, corpus, target=counted(lab, lab.corpus(["w1 w2"])), raw=counted(lab, corpus))
    )["log_weight"]
    assert twice / once == pytest.approx(2, rel=0.25)  # but for the one pair where they meet


def test_gumbel_noise_hardly_matters_beside_a_sum(pool: Pool) -> None:
    """What is sampled at temperature 1 is the top k."""
    assert np.abs(pool.sums).max() > 1000
    top = kept(pool.lab, TopK(by="a.log_weight", keep=TENTH), pool.corpus, pool.table)
    drawn = Gumbel(by="a.log_weight", temperature=1.0, keep=TENTH)
    for seed in (0, 1, 2):
        assert len(top & kept(pool.lab, drawn, pool.corpus, pool.table, seed)) >= 0.95 * len(top)


def test_a_mean_over_the_n_grams_does_not_know_the_length(pool: Pool) -> None:
    """And beside it, noise of temperature 1 is nearly everything: the temperature has to shrink with the scale."""
    order = np.argsort(pool.means)
    assert max(pool.lengths[ends].mean() for ends in (order[:20], order[-20:])) < pool.lengths.mean()
    top = kept(pool.lab, TopK(by="a.mean", keep=TENTH), pool.corpus, pool.mean_table)
    drawn = kept(pool.lab, Gumbel(by="a.mean", temperature=1.0, keep=TENTH), pool.corpus, pool.mean_table)
    assert len(top & drawn) < 0.5 * len(top)


def test_a_document_without_words_outweighs_every_unlikely_one(lab: Lab) -> None:
    """An empty sum is 0: the authors' limit of 100 words is a threshold on the number of n-grams, 2 x 100 - 1."""
    texts = ["", " ".join(["good"] * 100), " ".join(["bad"] * 100), " ".join(["good"] * 99)]
    corpus = lab.corpus(texts)
    table = weighed(lab, corpus, target=counted(lab, lab.corpus(["good good"])), raw=counted(lab, corpus))
    assert kept(lab, TopK(by="a.log_weight", keep=Budget(documents=3)), corpus, table) == {0, 1, 3}
    assert kept(lab, Threshold(by="a.num_ngrams", at_least=199), corpus, table) == {1, 2}


def test_counts_do_not_depend_on_how_the_pool_is_cut(tmp_path: Path) -> None:
    """The authors stop each process at its part of the n-grams, so their raw bag depends on the number of processes."""
    texts = ["a b c d " * size for size in range(1, 30)]

    def bags(sizes: Sequence[int]) -> list[list[int]]:
        lab = Lab(tmp_path / str(len(sizes)), sizes)
        lab.folder.mkdir()
        corpus = lab.corpus(texts)
        folder = Inputs(lab.store.url, {"counts": counted(lab, corpus)}).folder("counts")
        return [np.load(folder / "counts.npy").tolist(), [path.name for path in sorted(folder.iterdir())]]

    assert bags([]) == bags([3, 0, 11]) == bags([1] * 20)


def test_cost_is_an_addition_an_n_gram(pool: Pool) -> None:
    given = inputs(pool.lab, corpus=pool.corpus)
    real = Ngram().flops(given, pool.table)
    assert real == pool.lab.columns(pool.table)["num_ngrams"].sum()
    assert Ngram().flops(given, None) == pytest.approx(real, rel=0.05)


def test_what_can_not_be_counted_or_is_no_count(lab: Lab) -> None:
    corpus = lab.corpus(["", " \n ", "word"])
    with pytest.raises(DataError, match="no n-grams"):
        counted(lab, corpus, lab.selection(corpus, [1, 1, 0]))
    with pytest.raises(DataError, match="no n-gram counts"):
        weighed(lab, corpus, target=lab.toy(), raw=counted(lab, corpus))
