"""A power law through points: published constants come back, and so do any others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vernier.core.errors import RecipeError
from vernier.core.scaling import PowerLaw, fit_power_law

# MiniPLM (arXiv 2410.17215): FLOPs of training on 1T tokens, A_c, alpha_c, L_inf, and the losses that the paper
# extrapolates to 1T and 10T tokens. One of them, marked None, does not follow from its constants (3.07, printed 3.06).
MINIPLM = [
    (1.26e21, 2.19e7, 0.41, 3.30, 3.35, 3.32),
    (1.26e21, 9.77e7, 0.44, 3.34, 3.39, 3.35),
    (1.26e21, 8.56e10, 0.59, 3.25, 3.28, 3.26),
    (3.14e21, 2.73e8, 0.45, 3.06, 3.12, 3.08),
    (3.14e21, 3.14e8, 0.45, 3.05, 3.12, 3.07),
    (3.14e21, 6.64e9, 0.52, 3.03, None, 3.04),
    (7.30e21, 1.88e8, 0.43, 2.91, 2.98, 2.94),
    (7.30e21, 1.10e10, 0.52, 2.90, 2.95, 2.91),
    (7.30e21, 4.29e8, 0.45, 2.86, 2.92, 2.88),
]


@pytest.mark.parametrize(("c_1t", "a", "alpha", "floor", "l_1t", "l_10t"), MINIPLM)
def test_miniplm_s_curves_and_its_extrapolations(
    c_1t: float, a: float, alpha: float, floor: float, l_1t: float | None, l_10t: float
) -> None:
    compute = np.geomspace(c_1t / 1000, c_1t / 20, 8)  # 1B to 50B tokens, as far as the paper trains
    found = fit_power_law(compute, floor + a / compute**alpha)
    assert found.exponent == pytest.approx(alpha, rel=1e-5)
    assert found.floor == pytest.approx(floor, rel=1e-6)
    assert found.coefficient == pytest.approx(a, rel=1e-3)
    if l_1t is not None:
        assert found.loss(c_1t) == pytest.approx(l_1t, abs=0.01)
    assert found.loss(10 * c_1t) == pytest.approx(l_10t, abs=0.01)


@given(
    exponent=st.floats(0.15, 1.2),
    floor=st.floats(0.5, 5.0),
    rise=st.floats(0.1, 3.0),  # above the floor at the first point
    start=st.floats(3.0, 20.0),  # its compute, as a power of ten
    points=st.integers(5, 12),
)
@settings(max_examples=60, deadline=None)
def test_exact_points_give_their_constants_back(
    exponent: float, floor: float, rise: float, start: float, points: int
) -> None:
    compute = np.geomspace(10**start, 10 ** (start + 3), points)
    law = PowerLaw(rise * float(compute[0]) ** exponent, exponent, floor)
    found = fit_power_law(compute, [law.loss(c) for c in compute])
    assert found.exponent == pytest.approx(exponent, rel=1e-3)
    assert found.floor == pytest.approx(floor, rel=1e-3)
    assert found.loss(compute[-1] * 10) == pytest.approx(law.loss(compute[-1] * 10), rel=1e-4)


def test_one_point_far_off_hardly_moves_the_curve() -> None:
    law, compute = PowerLaw(50.0, 0.3, 2.0), np.geomspace(1e3, 1e8, 12)
    losses = np.array([law.loss(c) for c in compute])
    losses[5] *= 1.3
    assert fit_power_law(compute, losses).loss(1e9) == pytest.approx(law.loss(1e9), rel=2e-3)


@pytest.mark.parametrize(
    ("compute", "losses"),
    [
        ([1.0, 2.0, 3.0], [3.0, 2.0, 1.5]),
        ([1.0, 2.0, 3.0, 3.0], [3.0, 2.0, 1.5, 1.5]),
        ([1.0, 2.0, 3.0, 4.0], [3.0, 2.0, 1.5]),
        ([1.0, 2.0, 3.0, 4.0], [3.0, 2.0, 1.5, float("nan")]),
        ([0.0, 2.0, 3.0, 4.0], [3.0, 2.0, 1.5, 1.2]),
    ],
)
def test_points_that_no_curve_goes_through(compute: list[float], losses: list[float]) -> None:
    with pytest.raises(RecipeError, match="power law"):
        fit_power_law(compute, losses)
