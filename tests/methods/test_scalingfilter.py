"""ScalingFilter (arXiv 2408.08310): perplexity of a small model over that of a large one, and semantic diversity."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
from numpy.testing import assert_allclose
from tests.methods.lab import Lab

from vernier.core.measures import quality_factor
from vernier.evaluate.diversity import semantic_diversity
from vernier.models.build import Shape
from vernier.models.flops import Cost
from vernier.select.budget import Budget
from vernier.select.top_k import TopK
from vernier.testing.toy import VOCABULARY, toy_bits
from vernier.train.pretrain import Pretrain

TEXTS = ["", "a", "the cat sat on the mat", "0123456789 " * 20, "é🙂", "<|endoftext|>", "a<|endoftext|>b", "x = 1;" * 9]
BY = ("excess_loss", "quality_factor")
ALL = Budget(share=1.0)
HUGE = 900.0  # nat: its exponential is no float64


def test_identical_models_give_nothing_and_one(lab: Lab) -> None:
    """Trained twice with one seed, scored by two stages: not a bit differs, and ties go by document id."""
    corpus, tokenizer = lab.corpus(TEXTS), lab.bytes()
    plugin = Pretrain(model=Shape(hidden=16, layers=1), tokens=640, context=32, batch=4)
    a, b = (lab.nll(corpus, lab.train(plugin, corpus=corpus, tokenizer=tokenizer)) for _ in range(2))
    filled = [row for row, text in enumerate(TEXTS) if text]
    for by, value in zip(BY, (0.0, 1.0), strict=True):
        some = lab.top_k(TopK(by=by, keep=Budget(documents=4)), corpus=corpus, a=a, b=b)
        assert some.account["cut"] == value
        assert some.rows == lab.lowest_ids(corpus, filled, 4)
        assert lab.top_k(TopK(by=by, keep=ALL), corpus=corpus, a=a, b=b).rows == filled


def test_uniform_against_a_coin(lab: Lab) -> None:
    """Small: every token alike. Large: one half for an `a`. A text of `a` has a factor of half the vocabulary."""
    corpus = lab.corpus(["a", "a" * 200, "b", "ab"])
    a, b = (lab.columns(lab.nll(corpus, lab.unigram({"a": p}))) for p in (1 / VOCABULARY, 1 / 2))
    factor = quality_factor(a["nll"], a["num_tokens"], b["nll"], b["num_tokens"])
    other = 1 / 2 / (VOCABULARY - 1)  # what the coin leaves for each other token
    probabilities = [1 / 2, 1 / 2, other, math.sqrt(other / 2)]  # of a text: the geometric mean over its tokens
    assert_allclose(factor, [VOCABULARY * p for p in probabilities], rtol=1e-5)


def test_a_separator_spelt_out_is_text(lab: Lab) -> None:
    """A mask that hides padding hides every end-of-text token with it, where one pads with those. Nothing is padded."""
    found = lab.columns(lab.nll(lab.corpus(TEXTS), lab.toy()))
    assert_allclose(found["nll"], [toy_bits(text) * math.log(2) for text in TEXTS], rtol=1e-6)
    assert found["num_tokens"].tolist() == [len(text.encode()) for text in TEXTS]


def test_a_document_of_no_token_is_undefined_and_one_of_one_is_not(lab: Lab) -> None:
    """The first token is predicted from the separator, so 0 / 0 is left to an empty text: never kept, and counted."""
    corpus = lab.corpus(["", "a", "", "b", "abc"])
    a, b = (lab.nll(corpus, lab.toy(bit)) for bit in (0, 1))
    for by in BY:
        out = lab.top_k(TopK(by=by, keep=ALL), corpus=corpus, a=a, b=b)
        assert out.rows == [1, 3, 4]
        assert out.reasons == ["undefined", None, "undefined", None, None]
        assert out.account["pool"]["documents"] == 3


def test_one_document_alone(lab: Lab) -> None:
    (nll,) = lab.columns(lab.nll(lab.corpus(["abc"]), lab.toy()))["nll"]
    assert nll == pytest.approx(toy_bits("abc") * math.log(2))


def test_the_factor_never_overflows(lab: Lab) -> None:
    """Losses of a model gone astray: no float64 holds their factor, and still they are wanted most, or least."""
    corpus, tokens = lab.corpus(["abc"] * 6), [1] * 6
    a = lab.table(corpus, nll=[1.0, HUGE, 3.0, 0.0, 2.0, math.nan], num_tokens=tokens)
    b = lab.table(corpus, nll=[0.0, 0.0, 0.0, HUGE, 0.0, 1.0], num_tokens=tokens)
    for documents, best in ((1, [1]), (2, [1, 2]), (4, [0, 1, 2, 4]), (5, [0, 1, 2, 3, 4])):
        for by in BY:
            out = lab.top_k(TopK(by=by, keep=Budget(documents=documents)), corpus=corpus, a=a, b=b)
            assert out.rows == best and out.reasons[5] == "undefined"


def test_an_infinite_loss_is_undefined_in_either_model(lab: Lab) -> None:
    """Of the second model it would make a factor of exactly 0, which is a number."""
    corpus = lab.corpus(["abc"] * 5)
    a = lab.table(corpus, nll=[1.0, math.inf, 1.0, -math.inf, 1.0], num_tokens=[1] * 5)
    b = lab.table(corpus, nll=[1.0, 1.0, math.inf, 1.0, -math.inf], num_tokens=[1] * 5)
    for by in BY:
        out = lab.top_k(TopK(by=by, keep=ALL), corpus=corpus, a=a, b=b)
        assert out.rows == [0] and out.reasons[1:] == ["undefined"] * 4


def test_the_ratio_and_the_difference_keep_the_same(lab: Lab) -> None:
    """exp is monotone: top-k by ScalingFilter's ratio and by MiniPLM's difference are one selection."""
    corpus = lab.corpus([f"{i * i} cats, {i % 7} dogs; " * (1 + i % 4) for i in range(40)])
    a, b = (lab.nll(corpus, lab.toy(bit)) for bit in (1, 2))
    for share in (0.1, 0.5, 0.7):
        plugins = [TopK(by=by, keep=Budget(share=share)) for by in BY]
        difference, ratio = (lab.top_k(plugin, corpus=corpus, a=a, b=b) for plugin in plugins)
        assert difference.rows == ratio.rows and len(ratio.rows) == round(share * 40)
        assert ratio.account["cut"] == pytest.approx(math.exp(difference.account["cut"]))


def test_short_documents_are_at_both_ends(lab: Lab) -> None:
    """A mean over few tokens scatters more: of documents drawn alike, whatever their length, the extremes are short."""
    draw = Random(0)
    lengths = [size for size in (8, 512) for _ in range(24)]
    corpus = lab.corpus(["".join(draw.choices("@ABC", k=size)) for size in lengths])
    a, b = (lab.columns(lab.nll(corpus, lab.toy(bit))) for bit in (1, 0))
    order = np.argsort(quality_factor(a["nll"], a["num_tokens"], b["nll"], b["num_tokens"]))
    assert {lengths[row] for row in (*order[:6], *order[-6:])} == {8}


def test_the_paper_s_diversities_are_those_of_plain_cosines() -> None:
    """Published: 50.03 to 56.25 in 768 dimensions. Embeddings of mean cosine one half, the rest of them spread evenly
    over all other dimensions: 55.39 by plain cosines, 9.23 under the script's shift, which allows at most 55.43."""
    d = 768
    rest = np.vstack([np.eye(d - 1), -np.eye(d - 1)])
    embeddings = np.hstack([np.ones((len(rest), 1)), rest])
    assert semantic_diversity(embeddings) == pytest.approx(2 * math.sqrt(d - 1), rel=1e-9)
    shifted = math.exp(-0.75 * math.log(0.75) + 0.25 * math.log(4 * (d - 1)))
    assert semantic_diversity(embeddings, shift=True) == pytest.approx(shifted, rel=1e-9)
    assert shifted < 9.24 and 2 * math.sqrt(d) < 56.25


def at_right_angles(n: int) -> float:
    """The shifted diversity of n documents at right angles: one eigenvalue is (n + 1) / 2n, n - 1 are 1 / 2n."""
    one, rest = (n + 1) / (2 * n), 1 / (2 * n)
    return math.exp(-one * math.log(one) - (n - 1) * rest * math.log(rest))


def test_documents_at_right_angles_under_the_shift() -> None:
    assert at_right_angles(8) == pytest.approx(4.648990, abs=1e-6)
    assert at_right_angles(10_000) == pytest.approx(199.898, abs=1e-3)
    for n in (8, 300):
        assert semantic_diversity(np.eye(n), shift=True) == pytest.approx(at_right_angles(n), rel=1e-9)


def test_what_scoring_cost_in_the_paper() -> None:
    """124M and 774M parameters read 125B tokens: 1.15 times the training of 1.3B parameters on 25B."""
    small, large, target = (Cost(2 * parameters, 0) for parameters in (124e6, 774e6, 1.3e9))
    scoring, training = small.forward(125e9, 0) + large.forward(125e9, 0), target.training(25e9, 0)
    assert scoring == pytest.approx(2.245e20) and training == pytest.approx(1.95e20)
    assert scoring / training == pytest.approx(1.15, abs=0.005)
