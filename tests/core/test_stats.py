"""Intervals: textbook answers, and how often they really cover. The multiplier: ladders with known answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from vernier.core.errors import RecipeError
from vernier.core.stats import (
    Bounded,
    break_even,
    compare,
    cost_to_reach,
    dunnett,
    loss_at,
    monotone,
    net_multiplier,
    residual_variance,
    student,
    training_multiplier,
)


def test_two_arms_are_the_paired_t_test() -> None:
    """Student's own sleep data (1908): mean difference 1.58, 95 % interval 0.70 to 2.46, 9 degrees of freedom."""
    one = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    two = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    found = compare({"one": dict(enumerate(one)), "two": dict(enumerate(two))}, "one")
    arm = found.arms["two"]
    assert found.df == 9 and arm.alone is not None and arm.together is not None
    assert arm.difference == pytest.approx(1.58)
    assert (arm.alone.low, arm.alone.high) == (pytest.approx(0.7001142, abs=1e-6), pytest.approx(2.4598858, abs=1e-6))
    assert arm.together.high == pytest.approx(arm.alone.high, abs=1e-5)  # one comparison is one comparison


def test_residual_variance_of_a_textbook_block_design() -> None:
    """Montgomery, Design and Analysis of Experiments, the vascular graft experiment: MS(E) = 7.33, 15 df."""
    grafts = [
        [90.3, 89.2, 98.2, 93.9, 87.4, 97.9],
        [92.5, 89.5, 90.6, 94.7, 87.0, 95.8],
        [85.5, 90.8, 89.6, 86.2, 88.0, 93.4],
        [82.5, 89.5, 85.6, 87.4, 78.9, 90.7],
    ]
    variance, df = residual_variance(np.array(grafts))
    assert df == 15 and variance == pytest.approx(7.33, abs=0.005)


@pytest.mark.parametrize(
    ("num_arms", "df", "table"),
    [
        *[(k, 5, q) for k, q in enumerate((2.57, 3.03, 3.29, 3.48, 3.62), 1)],
        *[(k, 10, q) for k, q in enumerate((2.23, 2.57, 2.76, 2.89, 2.99), 1)],
        *[(k, 20, q) for k, q in enumerate((2.09, 2.38, 2.54, 2.65, 2.73), 1)],
    ],
)
def test_dunnett_is_the_published_table(num_arms: int, df: int, table: float) -> None:
    assert dunnett(num_arms, df) == pytest.approx(table, abs=0.0051)


@pytest.mark.parametrize("df", [1, 2, 3, 10, 200])
def test_dunnett_for_one_arm_is_student(df: int) -> None:
    for confidence in (0.9, 0.95, 0.99):
        assert dunnett(1, df, confidence) == pytest.approx(student(df, confidence), rel=1e-5)


def test_dunnett_agrees_with_scipy() -> None:
    rng = np.random.default_rng(3)
    groups = [rng.normal(size=6) for _ in range(4)]
    theirs = scipy_stats.dunnett(*groups[1:], control=groups[0], rng=1).confidence_interval(0.95)
    pooled = math.sqrt(sum(((g - g.mean()) ** 2).sum() for g in groups) / 20 * 2 / 6)
    width = (theirs.high - theirs.low) / 2 / pooled
    assert width == pytest.approx(dunnett(3, 20), abs=0.01)


def coverage(arms: int, seeds: int, runs: int) -> tuple[float, float]:
    """How often one interval, and all together, hold the true differences; arms and seeds have effects."""
    rng = np.random.default_rng(arms * 100 + seeds)
    arm_effects = rng.normal(0, 3, (1, arms, 1)) * np.arange(arms)[None, :, None]
    seed_effects = rng.normal(0, 5, (runs, 1, seeds))
    values = 2 + arm_effects + seed_effects + rng.normal(0, 0.7, (runs, arms, seeds))
    quantiles = student((arms - 1) * (seeds - 1)), dunnett(arms - 1, (arms - 1) * (seeds - 1))
    found = [compare({str(a): dict(enumerate(v)) for a, v in enumerate(values[0])}, "0")]
    middle = values.mean(axis=2)[:, 1:] - values.mean(axis=2)[:, :1]
    rest = values - values.mean(axis=2, keepdims=True) - values.mean(axis=1, keepdims=True)
    rest += values.mean(axis=(1, 2), keepdims=True)
    error = np.sqrt((rest**2).sum(axis=(1, 2)) / ((arms - 1) * (seeds - 1)) * 2 / seeds)
    for number, arm in enumerate(found[0].arms.values()):  # these lines compute what `compare` does
        assert arm.alone is not None and arm.together is not None
        for interval, quantile in ((arm.alone, quantiles[0]), (arm.together, quantiles[1])):
            assert interval.low == pytest.approx(middle[0, number] - quantile * error[0])
            assert interval.high == pytest.approx(middle[0, number] + quantile * error[0])
    truth = arm_effects[0, 1:, 0] - arm_effects[0, 0, 0]
    off = np.abs(middle - truth) / error[:, None]
    return float((off <= quantiles[0]).mean()), float((off.max(axis=1) <= quantiles[1]).mean())


@pytest.mark.parametrize(("arms", "seeds"), [(2, 3), (3, 3), (5, 3), (10, 2), (4, 10)])
def test_intervals_cover_as_often_as_they_say(arms: int, seeds: int) -> None:
    alone, together = coverage(arms, seeds, 8000)
    assert 0.93 <= alone <= 0.97
    assert 0.93 <= together <= 0.97


def test_compare_itself_covers() -> None:
    """The same by calling `compare` alone, 3 seeds and 4 arms, 1500 times."""
    rng = np.random.default_rng(7)
    truth = np.array([0.0, -0.5, 0.0, 4.0])
    alone = together = 0
    for _ in range(1500):
        values = truth[:, None] + rng.normal(0, 5, 3) + rng.normal(0, 1, (4, 3))
        found = compare({str(a): dict(enumerate(v)) for a, v in enumerate(values)}, "0")
        arms = zip(truth[1:], found.arms.values(), strict=True)
        held = [(t in d.alone, t in d.together) for t, d in arms if d.alone and d.together]
        assert len(held) == 3
        alone += sum(one for one, _ in held)
        together += all(both for _, both in held)
    assert 0.93 <= alone / 4500 <= 0.97
    assert 0.93 <= together / 1500 <= 0.97


def test_a_seed_that_an_arm_lacks_is_left_out_and_named() -> None:
    results = {
        "random": {0: 1.0, 1: 2.0, 2: 9.0, 3: 3.0},
        "best": {0: 0.5, 1: 1.6, 3: 2.4},
        "other": {0: 1.0, 1: 2.5, 3: 3.0},
    }
    found = compare(results, "random")
    assert found.seeds == (0, 1, 3) and found.left_out == (2,)
    whole = compare({arm: {s: v for s, v in by_seed.items() if s != 2} for arm, by_seed in results.items()}, "random")
    assert found.arms == whole.arms


def test_one_seed_gives_a_difference_and_no_interval() -> None:
    found = compare({"random": {0: 1.0}, "best": {0: 0.5}, "worse": {0: 2.0}}, "random")
    assert found.arms["best"].difference == -0.5
    assert found.arms["best"].alone is None and found.arms["best"].together is None
    assert found.df == 0 and math.isnan(found.noise) and "needs at least 2" in found.note


def test_comparisons_without_partners_are_refused() -> None:
    with pytest.raises(RecipeError, match="needs a control"):
        compare({"best": {0: 1.0}, "other": {0: 1.0}}, "random")
    with pytest.raises(RecipeError, match="needs a control"):
        compare({"random": {0: 1.0}}, "random")
    with pytest.raises(RecipeError, match="no seed is common"):
        compare({"random": {0: 1.0}, "best": {1: 1.0}}, "random")


@given(st.lists(st.floats(-10, 10), min_size=4, max_size=4), st.floats(-100, 100))
def test_what_a_seed_adds_to_all_arms_changes_nothing(losses: list[float], shift: float) -> None:
    plain = {"random": {0: losses[0], 1: losses[1]}, "best": {0: losses[2], 1: losses[3]}}
    moved = {arm: {s: v + shift * s for s, v in by_seed.items()} for arm, by_seed in plain.items()}
    one, other = (compare(r, "random").arms["best"] for r in (plain, moved))
    assert one.alone is not None and other.alone is not None
    width = one.alone.high - one.alone.low
    assert other.difference == pytest.approx(one.difference, abs=1e-9)
    assert other.alone.high - other.alone.low == pytest.approx(width, abs=1e-6)


LADDER = [0.5, 1.0, 2.0, 4.0], [4.0, 3.5, 3.0, 2.5]  # half a nat for each doubling


@pytest.mark.parametrize(
    ("loss", "cost"), [(4.0, 0.5), (3.5, 1), (3.25, math.sqrt(2)), (3.0, 2), (2.75, 2**1.5), (2.5, 4)]
)
def test_the_ladder_is_read_in_doublings(loss: float, cost: float) -> None:
    found = cost_to_reach(*LADDER, loss)
    assert (found.value, found.bound) == (pytest.approx(cost), "")


def test_the_ladder_ends_in_bounds() -> None:
    assert str(training_multiplier(*LADDER, 2.0, 1.0)) == "> 4x"
    assert str(training_multiplier(*LADDER, 4.1, 1.0)) == "< 0.5x"
    assert str(training_multiplier(*LADDER, 3.0, 1.0)) == "2x"


def test_the_net_multiplier_counts_everything() -> None:
    assert net_multiplier(*LADDER, 3.0, 1.0, 0.6).value == pytest.approx(2 / 1.6)
    assert net_multiplier(*LADDER, 2.0, 1.0, 1.0) == Bounded(2.0, ">")
    exact = break_even(Bounded(2.0), 1.0, 0.6)
    assert exact is not None and exact.value == pytest.approx(0.6)
    paid_back = break_even(Bounded(4.0, ">"), 1.0, 0.6)
    assert paid_back is not None
    assert (paid_back.value, paid_back.bound) == (pytest.approx(0.2), "<")
    assert break_even(Bounded(0.9), 1.0, 0.6) == break_even(Bounded(0.9, "<"), 1.0, 0.6) == Bounded(math.inf)


def test_a_multiplier_above_one_or_less_tells_nothing_of_the_break_even() -> None:
    """It may be 0.9 or 100: neither never nor soon."""
    assert break_even(Bounded(0.9, ">"), 1.0, 0.6) is None and break_even(Bounded(1.0, ">"), 1.0, 0.6) is None


@given(st.lists(st.floats(0, 10), min_size=2, max_size=6), st.floats(-1, 11), st.floats(-1, 11))
def test_a_lower_loss_never_costs_less(losses: list[float], one: float, other: float) -> None:
    costs = [2.0**i for i in range(len(losses))]
    fitted = monotone(losses)
    assert (np.diff(fitted) <= 1e-12).all() and fitted.mean() == pytest.approx(np.mean(losses), abs=1e-9)
    low, high = sorted((one, other))
    assert cost_to_reach(costs, losses, low).value >= cost_to_reach(costs, losses, high).value


def test_a_ladder_that_goes_up_is_flattened() -> None:
    assert monotone([4.0, 3.0, 3.4, 2.0]).tolist() == [4.0, pytest.approx(3.2), pytest.approx(3.2), 2.0]
    assert cost_to_reach([1, 2, 4, 8], [4.0, 3.0, 3.4, 2.0], 3.2).value == pytest.approx(2.0)
    for costs in ([1.0], [2.0, 1.0], [0.0, 1.0]):
        with pytest.raises(RecipeError):
            cost_to_reach(costs, [1.0] * len(costs), 1.0)


def test_the_loss_of_the_ladder_at_a_compute_is_the_inverse_of_the_compute_of_a_loss() -> None:
    costs, losses = [1.0, 2.0, 4.0, 8.0], [4.0, 3.5, 3.25, 3.0]
    assert loss_at(costs, losses, 2.0) == Bounded(3.5)
    assert loss_at(costs, losses, math.sqrt(2)).value == pytest.approx(3.75)
    for loss in (3.9, 3.5, 3.1):
        reached = cost_to_reach(costs, losses, loss)
        assert loss_at(costs, losses, reached.value).value == pytest.approx(loss)
    assert loss_at(costs, losses, 0.5) == Bounded(4.0, ">")
    assert loss_at(costs, losses, 100) == Bounded(3.0, "<")
    with pytest.raises(RecipeError, match="two rungs"):
        loss_at([1.0], [4.0], 1.0)
