"""Scales and ticks of figures."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vernier.report.drawing import axes
from vernier.report.drawing.lines import Axis, Line, Point, chart

RANGES = st.tuples(
    st.floats(-1e6, 1e6, allow_nan=False),
    st.floats(1e-6, 1e6),
)


@given(RANGES, st.integers(2, 10))
def test_ticks_are_round_evenly_apart_and_inside(ends: tuple[float, float], about: int) -> None:
    low, high = ends[0], ends[0] + ends[1]
    found = axes.ticks(low, high, about)
    apart = axes.step(low, high, about)
    lead = apart / 10.0 ** math.floor(math.log10(apart) + 1e-9)
    assert any(math.isclose(lead, m, rel_tol=1e-6) for m in (1, 2, 5))
    assert len(found) <= about + 1
    for value in found:
        assert low - 1e-6 * apart <= value <= high + 1e-6 * apart
        assert math.isclose(value / apart, round(value / apart), abs_tol=1e-3)
    for one, two in pairwise(found):
        assert math.isclose(two - one, apart, rel_tol=1e-3)


def test_ticks_have_known_answers() -> None:
    assert axes.ticks(0, 1, 5) == [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert axes.ticks(-0.13, 0.31, 5) == [-0.1, 0.0, 0.1, 0.2, 0.3]
    assert axes.ticks(3, 3) == [3]
    assert axes.log_ticks(0.9, 6) == [1, 2, 5]
    assert axes.log_ticks(1, 1e5) == [1, 10, 100, 1e3, 1e4, 1e5]


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.25, "0.25"), (1500, "1500"), (15000, "15k"), (2e12, "2T"), (-3, "−3"), (0, "0")],
)
def test_numbers_are_short(value: float, said: str) -> None:
    assert axes.number(value) == said


def test_scales_meet_their_ends() -> None:
    even, log = axes.Scale(2, 4, 100, 0), axes.Scale(1, 100, 0, 10, log=True)
    assert [even(2), even(3), even(4)] == [100, 50, 0]
    assert [log(1), log(10), log(100)] == pytest.approx([0, 5, 10])
    assert axes.Scale(1, 1, 0, 10)(1) == 5


@given(st.lists(st.floats(0, 100), min_size=1, max_size=6))
def test_names_keep_apart_and_in_order(wanted: list[float]) -> None:
    found = axes.spread(wanted, 15, 0, 100)
    places = sorted(found)
    assert all(b - a >= 15 - 1e-9 for a, b in pairwise(places))
    assert max(found) <= 100
    assert all((a <= b) == (found[i] <= found[j]) for i, a in enumerate(wanted) for j, b in enumerate(wanted) if a != b)


def test_names_in_figures_are_text() -> None:
    evil = "<script>alert(1)</script>"
    drawn = chart(
        [Line(evil, [0.0, 1.0], [2.0, 1.0])],
        [Point(evil, 0.5, 1.5)],
        Axis(evil, 0, 1),
        Axis(evil, 0, 2),
        says=f'"{evil}',
    )
    assert "<script" not in drawn
    assert 'aria-label="&#34;&lt;script' in drawn
