"""Statistics of a comparison: intervals for arms over seeds, and the compute multiplier.

Model: y[arm, seed] = mean + arm + seed + noise, with one noise variance for all arms. A seed's share (its order of
data, its initialisation) is common to all arms and cancels in the paired differences to the control; what is left
over estimates the variance, pooled over all arms, with (arms - 1)(seeds - 1) degrees of freedom. So every arm lends
its residuals to the others, which matters: three pairs alone have two degrees of freedom.

Signs: a difference is arm minus control. For a loss, below zero is better than the control.

Sources: randomised complete blocks, Montgomery, Design and Analysis of Experiments, 4.1; many arms against one
control, Dunnett 1955 (JASA 50, 1096) and 1964 (Biometrics 20, 482).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vernier.core.errors import RecipeError

MIN_SEEDS = 2  # one seed has no spread to estimate a variance from


@dataclass(frozen=True)
class Interval:
    """low and high end of a confidence interval, in the unit of the values."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Difference:
    """One arm against the control.

    difference   mean over seeds of arm minus control
    alone        interval that covers this one difference with the asked confidence; None without enough seeds
    together     Dunnett's: all arms' intervals cover with that confidence at once; None likewise
    """

    difference: float
    alone: Interval | None
    together: Interval | None


@dataclass(frozen=True)
class Comparison:
    """All arms against the control.

    arms        by name, without the control
    seeds       that every arm has: only these are used
    left_out    seeds that some arm lacks
    df          degrees of freedom of the pooled variance
    noise       its square root: the standard deviation of one run; NaN without degrees of freedom
    confidence  of the intervals
    note        why there are no intervals; "" if there are
    """

    control: str
    arms: Mapping[str, Difference]
    seeds: tuple[int, ...]
    left_out: tuple[int, ...]
    df: int
    noise: float
    confidence: float
    note: str = ""

    def between(self, one: str, other: str) -> Difference:
        """One arm minus another, neither of them the control. Every arm has a run at every seed and the variance is
        pooled, so this interval is as wide as the others; it is for one question, and `together` is None."""
        ours, theirs = self.arms[one], self.arms[other]
        middle = ours.difference - theirs.difference
        if ours.alone is None:
            return Difference(middle, None, None)
        half = (ours.alone.high - ours.alone.low) / 2
        return Difference(middle, Interval(middle - half, middle + half), None)


def compare(results: Mapping[str, Mapping[int, float]], control: str, *, confidence: float = 0.95) -> Comparison:
    """Compare every arm with the control. results: arm -> seed -> value.

    Seeds that some arm lacks are left out and named: what remains is paired. Raises RecipeError if the control is
    missing, nothing else is there, or no seed is common to all arms.
    """
    if control not in results or len(results) < 2:
        raise RecipeError(
            "a comparison needs a control and another arm",
            found=", ".join(results) or "no arm",
            expected=f"{control!r} and at least one more",
        )
    every = sorted({seed for by_seed in results.values() for seed in by_seed})
    seeds = [seed for seed in every if all(seed in by_seed for by_seed in results.values())]
    if not seeds:
        raise RecipeError(
            "no seed is common to all arms",
            found="; ".join(f"{arm}: {sorted(by_seed)}" for arm, by_seed in results.items()),
            do="run the missing seeds, or leave arms out",
        )
    arms = [arm for arm in results if arm != control]
    values = np.array([[results[arm][seed] for seed in seeds] for arm in [control, *arms]], np.float64)
    differences = values[1:].mean(axis=1) - values[0].mean()
    variance, df = residual_variance(values)
    wide = {"alone": math.nan, "together": math.nan}
    if df > 0:
        error = math.sqrt(2 * variance / len(seeds))
        wide = {"alone": error * student(df, confidence), "together": error * dunnett(len(arms), df, confidence)}
    note = "" if df > 0 else f"no interval: {len(seeds)} seed; the spread between runs needs at least {MIN_SEEDS}"

    def interval(middle: float, kind: str) -> Interval | None:
        return Interval(middle - wide[kind], middle + wide[kind]) if df > 0 else None

    found = {
        arm: Difference(float(d), interval(float(d), "alone"), interval(float(d), "together"))
        for arm, d in zip(arms, differences, strict=True)
    }
    left_out = tuple(seed for seed in every if seed not in seeds)
    noise = math.sqrt(variance) if df > 0 else math.nan
    return Comparison(control, found, tuple(seeds), left_out, df, noise, confidence, note)


def residual_variance(values: NDArray[np.float64]) -> tuple[float, int]:
    """The variance that neither arm nor seed explains, and its degrees of freedom. values: [arms, seeds]."""
    arms, seeds = values.shape
    df = (arms - 1) * (seeds - 1)
    if df == 0:
        return math.nan, 0
    residual = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0, keepdims=True) + values.mean()
    return float(np.sum(residual**2)) / df, df


def student(df: int, confidence: float = 0.95) -> float:
    """The two-sided quantile of Student's t: |T| stays below it with the given probability."""
    from scipy.special import stdtrit

    return float(stdtrit(df, 0.5 + confidence / 2))


def binomial(right: float, number: int, confidence: float = 0.95) -> Interval:
    """The interval of a share of which `right` of `number` independent trials are known (Wilson 1927, JASA 22, 209).

    It stays inside [0, 1] and has a width at its ends too, where the usual one has none: 0 of 100 may be 3.7 %.
    """
    from scipy.special import ndtri

    z = float(ndtri(0.5 + confidence / 2))
    share, wide = right / number, z**2 / number
    middle = (share + wide / 2) / (1 + wide)
    half = math.sqrt(share * (1 - share) * wide + wide**2 / 4) / (1 + wide)
    return Interval(max(0.0, middle - half), min(1.0, middle + half))


@lru_cache
def dunnett(num_arms: int, df: int, confidence: float = 0.95) -> float:
    """The two-sided quantile of the largest |T| of `num_arms` differences to one control.

    With equal numbers of runs two differences share the control and so correlate by 1/2 (Dunnett 1955):
    T_i = (Z_i - Z_0) / (sqrt(2) S), so given Z_0 = z and S = s they are independent. Integrated by quadrature over
    z (Gauss-Hermite) and s (Gauss-Legendre), which is exact to six digits and needs no random numbers.
    """
    from scipy.optimize import brentq
    from scipy.special import ndtr
    from scipy.stats import chi

    z, z_weight = np.polynomial.hermite_e.hermegauss(64)
    low, high = (float(chi.ppf(p, df)) / math.sqrt(df) for p in (1e-13, 1 - 1e-13))
    node, node_weight = np.polynomial.legendre.leggauss(256)
    s = (high - low) / 2 * node + (high + low) / 2
    s_weight = (high - low) / 2 * node_weight * chi.pdf(s * math.sqrt(df), df) * math.sqrt(df)
    weight = np.outer(s_weight / s_weight.sum(), z_weight / z_weight.sum())

    def missing(quantile: float) -> float:
        reach = math.sqrt(2) * quantile * s[:, None]
        inside = ndtr(z + reach) - ndtr(z - reach)
        return float(np.sum(weight * inside**num_arms)) - confidence

    return float(brentq(missing, 0.0, 20 * student(df, confidence), xtol=1e-10))


# ---- the compute multiplier --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bounded:
    """A number, or a bound on it where the ladder ends: bound is "", ">" or "<"."""

    value: float
    bound: str = ""

    def __str__(self) -> str:
        return f"{self.bound and self.bound + ' '}{self.value:.3g}x"


def monotone(losses: Sequence[float]) -> NDArray[np.float64]:
    """The non-increasing sequence nearest to the losses of a ladder, in least squares (Ayer and others 1955)."""
    from scipy.optimize import isotonic_regression

    return np.asarray(isotonic_regression(np.asarray(losses, np.float64), increasing=False).x)


def cost_to_reach(costs: Sequence[float], losses: Sequence[float], loss: float) -> Bounded:
    """R(L): the compute at which the control's ladder reaches a loss, in the unit of `costs`.

    costs: rising; losses: of the control trained at each, made monotone here. Between two rungs the loss is linear
    in the logarithm of the compute; beyond the ends there is only a bound.
    """
    if len(costs) < 2 or any(b <= a for a, b in pairwise(costs)) or costs[0] <= 0:
        raise RecipeError("a ladder has at least two rungs of rising compute", found=str(list(costs)))
    rungs = monotone(losses)
    if loss > rungs[0]:
        return Bounded(costs[0], "<")
    if loss < rungs[-1]:
        return Bounded(costs[-1], ">")
    first = int(np.argmax(rungs <= loss))  # the first rung that is there already
    if rungs[first] == loss or first == 0:
        return Bounded(costs[first])
    share = (rungs[first - 1] - loss) / (rungs[first - 1] - rungs[first])
    below, above = math.log(costs[first - 1]), math.log(costs[first])
    return Bounded(math.exp(below + share * (above - below)))


def loss_at(costs: Sequence[float], losses: Sequence[float], cost: float) -> Bounded:
    """The loss that the control's ladder has at a compute: the inverse of `cost_to_reach`.

    Beyond the longest rung the control would lose at most as much as there, before the first at least.
    """
    if len(costs) < 2 or any(b <= a for a, b in pairwise(costs)) or costs[0] <= 0:
        raise RecipeError("a ladder has at least two rungs of rising compute", found=str(list(costs)))
    rungs = monotone(losses)
    if cost < costs[0]:
        return Bounded(float(rungs[0]), ">")
    if cost > costs[-1]:
        return Bounded(float(rungs[-1]), "<")
    return Bounded(float(np.interp(math.log(cost), np.log(costs), rungs)))


def training_multiplier(costs: Sequence[float], losses: Sequence[float], loss: float, target: float) -> Bounded:
    """How much more compute the control needs for the loss that an arm reached with `target`: R(L) / target."""
    return net_multiplier(costs, losses, loss, target, 0.0)


def net_multiplier(
    costs: Sequence[float], losses: Sequence[float], loss: float, target: float, overhead: float
) -> Bounded:
    """The same with everything that the arm spent before training counted: R(L) / (target + overhead)."""
    reached = cost_to_reach(costs, losses, loss)
    return Bounded(reached.value / (target + overhead), reached.bound)


def break_even(training: Bounded, target: float, overhead: float) -> Bounded | None:
    """How many times the target's compute must be trained before the overhead is paid back.

    If the training multiplier m holds at any scale, x targets save (m - 1) x target. Infinite if m is 1 or less; None
    (unknown) if m is only known to be above 1 or less.
    """
    turned = {"": "", ">": "<", "<": ">"}[training.bound]
    if training.value <= 1:
        return None if training.bound == ">" else Bounded(math.inf)
    return Bounded(overhead / ((training.value - 1) * target), turned)
