"""MiniPLM (arXiv 2410.17215): difference sampling, the loss of a reference model minus that of its teacher."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from tests.methods.lab import Lab

from vernier.models.build import Shape
from vernier.models.flops import Cost
from vernier.select.budget import Budget
from vernier.select.top_k import TopK
from vernier.testing.toy import toy_bits
from vernier.train.pretrain import Pretrain

REFERENCE, TEACHER = 1, 0  # the bits by which two bigram models predict


def known(text: str) -> float:
    """Its score in bits: every loss is whole bits, so the ranking is known before a model is asked."""
    return (toy_bits(text, bit=REFERENCE) - toy_bits(text, bit=TEACHER)) / len(text)


# Bytes that go through both bits in every way; no two of the texts have one score.
DRAWN = ("".join(Random(i).choices("@ABC", k=20 + i % 50)) for i in range(400))
TEXTS = list({known(text): text for text in DRAWN}.values())[:40]


def best(number: int) -> TopK:
    return TopK(by="excess_loss", keep=Budget(documents=number))


def test_bigram_models_with_known_probabilities(lab: Lab) -> None:
    corpus = lab.corpus(TEXTS)
    inputs = {"corpus": corpus, "a": lab.nll(corpus, lab.toy(REFERENCE)), "b": lab.nll(corpus, lab.toy(TEACHER))}
    order = sorted(range(40), key=lambda row: -known(TEXTS[row]))
    for number in (1, 10, 39):
        out = lab.top_k(best(number), **inputs)
        assert out.rows == sorted(order[:number])
        assert out.account["cut"] == pytest.approx(known(TEXTS[order[number]]) * math.log(2), abs=1e-5)


def test_the_same_model_twice_keeps_the_lowest_ids(lab: Lab) -> None:
    corpus, model = lab.corpus(TEXTS), lab.toy()
    inputs = {"corpus": corpus, "a": lab.nll(corpus, model), "b": lab.nll(corpus, model)}
    for number in (1, 13, 40):
        out = lab.top_k(best(number), **inputs)
        assert out.rows == lab.lowest_ids(corpus, range(40), number)
    assert out.account["cut"] is None and len(out.rows) == 40  # a difference of 0 is no missing value
    assert lab.top_k(best(13), **inputs).account["cut"] == 0


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 4000), st.integers(1, 99)), min_size=8, max_size=20),
    shift=st.integers(0, 64),
    number=st.integers(1, 8),
)
def test_a_constant_more_per_token_changes_no_selection(
    lab: Lab, rows: list[tuple[int, int, int]], shift: int, number: int
) -> None:
    """In whole and half nats a token, where sums are exact: a rounding could part two that tie."""
    a, b, n = (np.array(column, np.float64) for column in zip(*rows, strict=True))
    corpus = lab.corpus([str(row) for row in range(len(rows))])
    tables = [lab.table(corpus, nll=nll * n, num_tokens=n.astype(np.int64)) for nll in (a, b, a + shift / 2)]
    plain, moved = (lab.top_k(best(number), corpus=corpus, a=table, b=tables[1]) for table in (tables[0], tables[2]))
    assert plain.rows == moved.rows


@pytest.mark.parametrize(
    ("share", "pool", "kept"),
    [(0.5, 41, 20), (0.25, 41, 10), (0.3, 10, 3), (0.29, 100, 29), (0.7, 10, 7), (1 / 3, 39, 13), (0.5, 1, 0)],
)
def test_a_share_is_rounded_down(lab: Lab, share: float, pool: int, kept: int) -> None:
    """`int(alpha N)`, in exact arithmetic: in floating point 0.29 x 100 is 28.999999999999996."""
    corpus = lab.corpus([str(row) for row in range(pool)])
    a = lab.table(corpus, nll=np.arange(pool, dtype=np.float64), num_tokens=np.ones(pool, np.int64))
    b = lab.table(corpus, nll=np.zeros(pool), num_tokens=np.ones(pool, np.int64))
    out = lab.top_k(TopK(by="excess_loss", keep=Budget(share=share)), corpus=corpus, a=a, b=b)
    assert out.rows == list(range(pool - kept, pool))
    assert out.account["requested"] == kept


def test_the_difference_not_the_ratio_of_logarithms(lab: Lab) -> None:
    """The official README divides log p by log p_ref: of (1, 3) and (10, 11) that keeps the second."""
    corpus = lab.corpus(["first", "second"])
    teacher, reference = [1.0, 10.0], [3.0, 11.0]
    assert teacher[1] / reference[1] > teacher[0] / reference[0]
    a, b = (lab.table(corpus, nll=nll, num_tokens=[1, 1]) for nll in (reference, teacher))
    assert lab.top_k(best(1), corpus=corpus, a=a, b=b).rows == [0]


def test_the_paper_s_examples(lab: Lab) -> None:
    """-log p and -log p_ref by token of three of its texts: 2.94 is kept, 0.04 dropped."""
    corpus, tokens = lab.corpus(["kept", "dropped"]), np.array([1000, 1000])
    teacher, reference = np.array([1.26, 1.24]), np.array([4.20, 1.28])
    a, b = (lab.table(corpus, nll=nll * tokens, num_tokens=tokens) for nll in (reference, teacher))
    out = lab.top_k(best(1), corpus=corpus, a=a, b=b)
    assert out.rows == [0] and out.account["cut"] == pytest.approx(0.04)
    assert lab.top_k(best(2), corpus=corpus, a=a, b=b).account["cut"] is None
    out = lab.top_k(TopK(by="excess_loss", keep=Budget(share=0.5)), corpus=corpus, a=b, b=a)
    assert out.account["cut"] == pytest.approx(-2.94)


def test_sum_and_mean_agree_at_one_length_and_not_at_several(lab: Lab) -> None:
    """The paper ranks by a sum and says that all its chunks are of one length; the code, as we do, by a mean."""

    def ranked(texts: list[str]) -> tuple[list[int], list[int]]:
        """The best half by our mean, and by the sum."""
        corpus = lab.corpus(texts)
        a, b = (lab.nll(corpus, lab.toy(bit)) for bit in (REFERENCE, TEACHER))
        sums = lab.columns(a)["nll"] - lab.columns(b)["nll"]
        assert len(set(np.round(sums, 3))) == len(texts)
        half = len(texts) // 2
        return lab.top_k(best(half), corpus=corpus, a=a, b=b).rows, sorted(np.argsort(-sums)[:half].tolist())

    # From "@" to "B" and back the reference pays a bit more than the teacher each time, from "@" to "@" not.
    by_mean, by_sum = ranked(["@" * (24 - 2 * k) + "B@" * k for k in range(12)])
    assert by_mean == by_sum == list(range(6, 12))
    by_mean, by_sum = ranked(["B@" * 3, "@" * 60 + "B@" * 4])
    assert by_mean == [0] and by_sum == [1]


def test_what_the_reference_was_trained_on_is_never_scored_or_kept(lab: Lab) -> None:
    """Its loss there is too low. `selection` leaves it out of the scoring, `within` out of what may be kept."""
    corpus = lab.corpus(TEXTS)
    trained_on = set(range(0, 40, 4))
    pool = lab.selection(corpus, [int(row not in trained_on) for row in range(40)])
    a, b = (lab.nll(corpus, lab.toy(bit), pool) for bit in (REFERENCE, TEACHER))
    assert {row for row, loss in enumerate(lab.columns(a)["nll"]) if math.isnan(loss)} == trained_on
    half = TopK(by="excess_loss", keep=Budget(share=0.5))
    inside = lab.top_k(half, corpus=corpus, within=pool, a=a, b=b)
    assert not trained_on & set(inside.rows) and len(inside.rows) == 15  # half of D without D_ref, not of D
    assert {row for row, why in enumerate(inside.reasons) if why == "outside"} == trained_on
    without = lab.top_k(half, corpus=corpus, a=a, b=b)
    assert without.rows == inside.rows
    assert {row for row, why in enumerate(without.reasons) if why == "not_scored"} == trained_on


def test_what_scoring_cost_in_the_paper() -> None:
    """The training of 200M parameters (with the head 0.21B) on 50B tokens is 6.3e19; the paper's scoring was 2e20."""
    training = Cost(2 * 0.21e9, 0).training(50e9, 0)
    assert training == pytest.approx(6.3e19)
    assert_allclose(2e20 / training, 3.17, atol=0.01)


def test_what_a_teacher_at_work_costs(lab: Lab) -> None:
    """Vanilla distillation at equal compute has 3 N_s / (3 N_s + N_t) of the 100,000 steps: by the paper 25, 45 and 65
    thousand (by its equation 67) for three students of a teacher of 1.8B; its script for the smallest has 20,000."""
    teacher = Cost(2 * 1.8e9, 0).forward(1, 0)
    for parameters, steps in ((0.2e9, 25_000), (0.5e9, 45_455), (1.2e9, 66_667)):
        alone = Cost(2 * parameters, 0).training(1, 0)
        assert 100_000 * alone / (alone + teacher) == pytest.approx(steps, abs=1)
    corpus, tokenizer = lab.corpus(TEXTS), lab.bytes()
    large, small = (Pretrain(model=Shape(hidden=h, layers=1), tokens=640, context=32, batch=4) for h in (32, 16))
    first = lab.train(large, corpus=corpus, tokenizer=tokenizer)
    costs = [
        lab.train(small, corpus=corpus, tokenizer=tokenizer, **more).facts["flops"] for more in ({}, {"teacher": first})
    ]
    assert costs[1] - costs[0] == pytest.approx(first.facts["flops"] / 3)
