"""The loss that more compute would reach: a power law through measured points.

    L(C) = L_inf + A / C^alpha

Kaplan et al. 2020 (arXiv 2001.08361) with an irreducible part, as Hoffmann et al. 2022 (2203.15556, approach 3) fit it:
residuals of log L, Huber loss, many starts. MiniPLM (2410.17215) extrapolates its tables this way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vernier.core.errors import RecipeError

MIN_POINTS = 4  # one more than the parameters
HUBER = 1e-3  # residuals of log L above it count by their size, not their square (Hoffmann et al., appendix D.2)
EXPONENTS = np.linspace(0.05, 2.0, 40)  # where the search starts


class PowerLaw(NamedTuple):
    """L(C) = floor + coefficient / C^exponent.

    coefficient   A_c, in nat x FLOP^exponent where the loss is in nat
    exponent      alpha_c
    floor         L_inf, in the unit of the loss
    """

    coefficient: float
    exponent: float
    floor: float

    def loss(self, compute: float) -> float:
        """The loss at a compute, in the units of the points."""
        return self.floor + self.coefficient * compute**-self.exponent


def fit_power_law(compute: Sequence[float], losses: Sequence[float]) -> PowerLaw:
    """The power law through points: log residuals, Huber loss, the best of many starts.

    compute, losses   [N] each, positive; at least 4 different amounts of compute
    Raises RecipeError for fewer, and for values that are not positive and finite.
    """
    from scipy.optimize import least_squares

    c, loss = np.asarray(compute, np.float64), np.asarray(losses, np.float64)
    if c.shape != loss.shape or len(np.unique(c)) < MIN_POINTS:
        raise RecipeError(
            "a power law needs more points",
            found=f"{len(np.unique(c))} different amounts of compute, {loss.size} losses",
            expected=f"at least {MIN_POINTS}, one loss for each",
        )
    if not (np.isfinite(c).all() and np.isfinite(loss).all() and (c > 0).all() and (loss > 0).all()):
        raise RecipeError("a power law goes through positive, finite points", found=f"{list(c)}, {list(loss)}")
    middle = np.log(c).mean()
    x, y = np.log(c) - middle, np.log(loss)

    def residuals(at: NDArray[np.float64]) -> NDArray[np.float64]:
        log_a, log_alpha, log_floor = at
        return np.logaddexp(log_a - np.exp(log_alpha) * x, log_floor) - y

    def slopes(at: NDArray[np.float64]) -> NDArray[np.float64]:
        log_a, log_alpha, log_floor = at
        alpha = np.exp(log_alpha)
        share = np.exp(log_a - alpha * x - np.logaddexp(log_a - alpha * x, log_floor))  # of the falling part
        return np.stack([share, -share * alpha * x, 1 - share], axis=1)

    tight = {"xtol": 1e-15, "ftol": 1e-15, "gtol": 1e-15, "max_nfev": 2000}
    tries = [
        least_squares(residuals, start, jac=slopes, loss="huber", f_scale=HUBER, **tight) for start in _starts(x, loss)
    ]
    log_a, log_alpha, log_floor = min(tries, key=lambda found: float(found.cost)).x
    alpha = float(np.exp(log_alpha))
    return PowerLaw(float(np.exp(log_a + alpha * middle)), alpha, float(np.exp(log_floor)))


def _starts(x: NDArray[np.float64], loss: NDArray[np.float64], number: int = 5) -> list[NDArray[np.float64]]:
    """Where to search from: for a given exponent the law is a straight line, so the best few lines."""
    found: list[tuple[float, NDArray[np.float64]]] = []
    for alpha in EXPONENTS:
        columns = np.stack([np.exp(-alpha * x), np.ones_like(x)], axis=1)
        a, floor = np.linalg.lstsq(columns, loss, rcond=None)[0]
        a, floor = max(float(a), 1e-6 * loss.min()), max(float(floor), 1e-3 * loss.min())
        error = float(np.sum((columns @ [a, floor] - loss) ** 2))
        found.append((error, np.log([a, alpha, floor])))
    return [start for _, start in sorted(found, key=lambda one: one[0])[:number]]
