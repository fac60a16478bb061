"""CoLoR-Filter (arXiv 2406.10670): a prior's loss minus that of the same model trained further on the target."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from tests.methods.lab import Lab

from vernier.core.measures import excess_loss
from vernier.models.build import Shape
from vernier.models.flops import Cost
from vernier.select.budget import Budget
from vernier.select.top_k import TopK
from vernier.train.pretrain import Pretrain

PRIOR = Pretrain(model=Shape(hidden=16, layers=1), tokens=2560, context=32, batch=4)
WORDS = ["the cat sat on a mat", "a dog ran to the sea", "we ate the red apple"]


def words(number: int) -> str:
    return " ".join(WORDS[(number + i) % 3] for i in range(2))


def figures(number: int) -> str:
    return " ".join(str(number * 7919 + i * 104729) for i in range(6))


def test_a_conditional_that_did_not_move_gives_zeros(lab: Lab) -> None:
    """Trained further at a rate that moves no float32: theta_cond = theta_marg, and every score is exactly 0."""
    corpus, tokenizer = lab.corpus([words(i) + figures(i) for i in range(12)]), lab.bytes()
    marginal = lab.train(PRIOR, corpus=corpus, tokenizer=tokenizer)
    still = Pretrain(tokens=128, context=32, batch=4, lr=1e-30)
    conditional = lab.train(still, corpus=corpus, tokenizer=tokenizer, init=marginal)
    assert conditional.shards[0].key != marginal.shards[0].key  # another artifact: its metrics are its own
    a, b = lab.nll(corpus, marginal), lab.nll(corpus, conditional)
    assert lab.columns(a)["nll"].tolist() == lab.columns(b)["nll"].tolist()
    out = lab.top_k(TopK(by="excess_loss", keep=Budget(documents=5)), corpus=corpus, a=a, b=b)
    assert out.account["cut"] == 0 and out.rows == lab.lowest_ids(corpus, range(12), 5)


def test_the_target_s_kind_is_found_in_the_pool(lab: Lab) -> None:
    """A prior of words and figures, trained further on figures, keeps the figures; the other way round, the words."""
    tokenizer, corpora = lab.bytes(), {"both": lab.corpus([f(i) for i in range(8) for f in (words, figures)])}
    corpora |= {f.__name__: lab.corpus([f(100 + i) for i in range(8)]) for f in (words, figures)}
    marginal = lab.train(PRIOR, corpus=corpora["both"], tokenizer=tokenizer)
    pool = lab.corpus([f(50 + i) for i in range(8) for f in (words, figures)])
    a = lab.nll(pool, marginal)
    for first, kind in enumerate((words, figures)):
        further = Pretrain(tokens=640, context=32, batch=4, lr=1e-3)
        conditional = lab.train(further, corpus=corpora[kind.__name__], tokenizer=tokenizer, init=marginal)
        plugin = TopK(by="excess_loss", keep=Budget(share=0.5))
        assert lab.top_k(plugin, corpus=pool, a=a, b=lab.nll(pool, conditional)).rows == list(range(first, 16, 2))


def test_unigram_models_have_a_closed_form(lab: Lab) -> None:
    """s(x) = mean over t of log(p_cond(x_t) / p_marg(x_t))."""
    texts = ["a", "b", "aab", "abbb", "abbc", "ccc" * 50, "ba" * 40]
    marginal, conditional = {"a": 0.5, "b": 0.125, "c": 0.25}, {"a": 0.125, "b": 0.5, "c": 0.25}
    corpus = lab.corpus(texts)
    a, b = (lab.nll(corpus, lab.unigram(p)) for p in (marginal, conditional))
    tables = [lab.columns(table)[name] for table in (a, b) for name in ("nll", "num_tokens")]
    known = [float(np.mean([math.log(conditional[c] / marginal[c]) for c in text])) for text in texts]
    assert_allclose(excess_loss(*tables), known, atol=1e-6)
    assert known[1] == pytest.approx(math.log(4)) and known[5] == 0
    out = lab.top_k(TopK(by="excess_loss", keep=Budget(documents=3)), corpus=corpus, a=a, b=b)
    assert out.rows == [1, 3, 4]


@pytest.mark.parametrize(
    ("tau", "pool", "kept"), [(1, 30, 30), (7, 700, 100), (7, 699, 99), (16, 64, 4), (32, 33, 1), (64, 63, 0)]
)
def test_one_in_tau(lab: Lab, tau: int, pool: int, kept: int) -> None:
    """`int(N / tau)` of the best. Where that is 0 the official slice `[-0:]` keeps everything; nothing is kept here."""
    corpus, ones = lab.corpus([str(row) for row in range(pool)]), np.ones(pool, np.int64)
    a, b = (lab.table(corpus, nll=nll, num_tokens=ones) for nll in (np.arange(float(pool)), np.zeros(pool)))
    out = lab.top_k(TopK(by="excess_loss", keep=Budget(share=1 / tau)), corpus=corpus, a=a, b=b)
    assert out.rows == list(range(pool - kept, pool))
    assert out.account["requested"] == out.account["reached"]["documents"] == kept
    assert out.reasons.count("below_cut") == pool - kept


def test_the_best_of_every_large_batch_are_nearly_the_best_of_all(lab: Lab) -> None:
    """One in tau of each of four batches of 400, drawn alike, against one in tau of the whole: as the paper found.

    Of a batch's 25 best all but two or so are among the best of all; where a batch has one, every third is not.
    """
    size, tau = 1600, 16
    losses = np.random.default_rng(0).normal(3, 0.5, size)
    tables = {"nll": losses, "num_tokens": np.ones(size, np.int64)}, {"nll": 0 * losses, "num_tokens": np.ones(size)}

    def kept(batch: int | None) -> set[int]:
        batches = None if batch is None else [str(row // batch) for row in range(size)]
        corpus = lab.corpus([str(row) for row in range(size)], domains=batches)
        a, b = (lab.table(corpus, **columns) for columns in tables)
        quotas = None if batch is None else "equal"
        plugin = TopK(by="excess_loss", keep=Budget(share=1 / tau), quotas=quotas)
        return set(lab.top_k(plugin, corpus=corpus, a=a, b=b).rows)

    best = kept(None)
    assert len(best) == size // tau
    shared = [len(best & kept(batch)) / len(best) for batch in (400, 16)]
    assert shared[0] > 0.85 and 0.5 < shared[1] < 0.75


def test_the_paper_s_account_of_compute() -> None:
    """In forward passes of the 150M model over 1B tokens: 3m + 2 tau n + 3nL, against 3nL of random's 25B."""
    small, large = Cost(1, 0), Cost(5.5, 0)

    def color(prior: float, tau: int, n: float) -> float:
        scoring = small.forward(tau * n, 0)
        return small.training(prior, 0) + 2 * scoring + large.training(n, 0)

    random = large.training(25, 0)
    books, tasks = color(3.1, 16, 1.5), color(3.1, 16, 3)
    assert random == 412.5
    assert books == pytest.approx(82.05) and random / books > 5
    assert tasks == pytest.approx(154.8) and random / tasks > 2.5
