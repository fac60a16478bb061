"""The losses of a rater by hand, and which judgments become labels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from vernier.train.labelled import soft_labels
from vernier.train.ratings import class_loss, pair_loss


def gradient(first: float, second: float, p: float, dtype: torch.dtype = torch.float64) -> list[float]:
    scores = torch.tensor([[[first], [second]]], dtype=dtype, requires_grad=True)
    pair_loss(scores, torch.tensor([[p]], dtype=dtype)).backward()
    assert scores.grad is not None
    return scores.grad.flatten().tolist()


@given(st.floats(-20, 20), st.floats(-20, 20), st.floats(0, 1))
def test_the_gradient_is_what_is_missing(first: float, second: float, p: float) -> None:
    """sigmoid(s_B - s_A) - p by s_B, and the opposite by s_A."""
    missing = 1 / (1 + math.exp(first - second)) - p
    assert_allclose(gradient(first, second, p), [-missing, missing], atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_sure_mistake_is_learnt_from(dtype: torch.dtype) -> None:
    """The trap: the official code takes the cross-entropy of a sigmoid, which rounds to 0 or 1 and teaches nothing."""
    assert gradient(200.0, 0.0, 1.0, dtype) == [1, -1]
    scores = torch.tensor([-200.0], dtype=dtype, requires_grad=True)
    theirs = torch.nn.functional.binary_cross_entropy(torch.sigmoid(scores).float(), torch.ones(1))
    theirs.backward()
    assert scores.grad is not None and scores.grad.tolist() == [0]


@pytest.mark.parametrize("w", [0.1, 0.5, 0.8])
def test_two_items_with_a_win_rate(w: float) -> None:
    """The likeliest scores differ by ln(w / (1 - w)), whether the rate is one label or ten verdicts."""
    for labels in ([w], [1.0] * round(10 * w) + [0.0] * round(10 - 10 * w)):
        scores = torch.zeros((1, 2, 1), dtype=torch.float64, requires_grad=True)
        wanted = torch.tensor(labels, dtype=torch.float64)[:, None]
        optimizer = torch.optim.LBFGS([scores], max_iter=100, tolerance_grad=1e-12, tolerance_change=1e-14)

        def loss(scores: torch.Tensor = scores, wanted: torch.Tensor = wanted) -> torch.Tensor:
            scores.grad = None
            out = pair_loss(scores.expand(len(wanted), 2, 1), wanted)
            out.backward()
            return out

        optimizer.step(loss)
        first, second = scores.detach().flatten().tolist()
        assert second - first == pytest.approx(math.log(w / (1 - w)), abs=1e-6)


def test_entries_that_are_missing_count_nothing() -> None:
    scores = torch.randn((2, 2, 3), generator=torch.Generator().manual_seed(0), requires_grad=True)
    wanted = torch.tensor([[1.0, math.nan, 0.0], [math.nan, math.nan, 0.75]])
    loss = pair_loss(scores, wanted)
    loss.backward()
    one_by_one = [
        pair_loss(scores[i : i + 1, :, c : c + 1], wanted[i : i + 1, c : c + 1]) for i, c in ((0, 0), (0, 2), (1, 2))
    ]
    assert float(loss.detach()) == pytest.approx(float(sum(one_by_one)))
    assert scores.grad is not None and not scores.grad[wanted.isnan()[:, None].expand(2, 2, 3)].any()
    assert torch.isfinite(scores.grad).all()


def test_classes() -> None:
    scores = torch.tensor([[[0.0, 0.0, math.log(2)]], [[5.0, 5.0, 5.0]]])
    assert float(class_loss(scores, torch.tensor([[2.0], [0.0]]))) == pytest.approx(math.log(2) + math.log(3))


def test_only_what_judges_were_sure_of() -> None:
    """Kept from 3/4 up and from 1/4 down; missing stays missing."""
    p = np.array([[0, 0.25, 0.26, 0.5], [0.74, 0.75, 1, math.nan]])
    nan = math.nan
    assert_allclose(soft_labels(p, confidence=0.5, temperature=1), [[0, 0.25, nan, nan], [nan, 0.75, 1, nan]])
    assert_allclose(soft_labels(p, confidence=0, temperature=1), p)
    assert_allclose(soft_labels(p, confidence=1, temperature=1), [[0, nan, nan, nan], [nan, nan, 1, nan]])


def test_the_temperature_of_labels() -> None:
    """sigmoid(logit(p) / T): odds of 9 become odds of 3 at T = 2; certainty stays certain; T = 1 changes nothing."""
    assert_allclose(soft_labels(np.array([0.9, 0, 1]), confidence=0, temperature=2), [0.75, 0, 1])
    p = np.linspace(0.01, 0.99, 50)
    assert_allclose(soft_labels(p, confidence=0, temperature=1), p)
