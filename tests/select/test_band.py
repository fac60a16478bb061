"""Bands and thresholds: quantiles by a full sort, values by comparison."""

from __future__ import annotations

import math
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.select.world import World, doc_id, finite

from vernier.core.errors import RecipeError
from vernier.select import cut
from vernier.select.band import Band
from vernier.select.threshold import Threshold

SCORES = st.one_of(st.sampled_from([0.0, -0.0, 1.0, math.nan, math.inf, None]), st.floats(-5, 5))


def inputs(world: World, scores: list[float | None], sizes: list[int]) -> dict[str, Any]:
    return {"corpus": world.corpus(len(scores), sizes), "a": world.table("scores", {"v": scores}, sizes)}


@pytest.mark.parametrize("small", [{"BITS": 20}, {"POINTS": 2, "CANDIDATES": 0, "BITS": 3}], ids=["shipped", "none"])
@given(
    scores=st.lists(SCORES, max_size=30),
    sizes=st.lists(st.integers(0, 9), max_size=4),
    ends=st.tuples(st.integers(0, 100), st.integers(0, 100)).filter(lambda e: e[0] != e[1]).map(sorted),
)
@settings(max_examples=30, deadline=None)
def test_a_band_is_a_piece_of_the_full_sort(
    world: World, small: dict[str, Any], scores: list[float | None], sizes: list[int], ends: list[int]
) -> None:
    with mock.patch.multiple(cut, **small):
        out = world.run(Band(by="a.v", range=(ends[0] / 100, ends[1] / 100)), **inputs(world, scores, sizes))
    order = [i for i, score in enumerate(scores) if finite(score)]
    order.sort(key=lambda i: (-(scores[i] or 0.0), doc_id(i)), reverse=True)  # from the least wanted on
    low, high = (len(order) * end // 100 for end in ends)
    assert out.kept == sorted(order[low:high])
    assert all(out.reason[i] == "below_cut" for i in order[:low])
    assert all(out.reason[i] == "above_band" for i in order[high:])
    assert out.account["reached"]["documents"] == high - low


@given(scores=st.lists(SCORES, max_size=30), sizes=st.lists(st.integers(0, 9), max_size=4))
@settings(max_examples=30, deadline=None)
def test_bands_that_meet_share_the_pool_out(world: World, scores: list[float | None], sizes: list[int]) -> None:
    tables = inputs(world, scores, sizes)
    kept = [world.run(Band(by="a.v", range=r), **tables).kept for r in ((0, 0.15), (0.15, 0.85), (0.85, 1))]
    assert sorted(row for rows in kept for row in rows) == [i for i, score in enumerate(scores) if finite(score)]


@given(scores=st.lists(SCORES, max_size=30), sizes=st.lists(st.integers(0, 9), max_size=4), value=st.floats(-5, 5))
@settings(max_examples=30, deadline=None)
def test_a_threshold_keeps_what_reaches_it(
    world: World, scores: list[float | None], sizes: list[int], value: float
) -> None:
    out = world.run(Threshold(by="a.v", at_least=value), **inputs(world, scores, sizes))
    for score, count, reason in zip(scores, out.count, out.reason, strict=True):
        if score is None:
            assert (count, reason) == (0, "not_scored")
        elif not math.isfinite(score):
            assert (count, reason) == (0, "undefined")
        else:
            assert (count, reason) == ((1, None) if score >= value else (0, "below_cut"))


def test_a_threshold_keeps_the_counts_of_within(world: World) -> None:
    tables = inputs(world, [1.0, 2.0, 3.0, 4.0], [2])
    within = world.table("selection", {"count": [2, 0, 2, 1], "reason": [None, "outside", None, None]}, [2])
    out = world.run(Threshold(by="a.v", at_least=3), within=within, **tables)
    assert out.count == [0, 0, 2, 1]
    assert out.reason == ["below_cut", "outside", None, None]


@pytest.mark.parametrize("bounds", [(0.5, 0.5), (0.9, 0.1), (-0.1, 0.5), (0.5, 1.1)])
def test_a_range_that_is_none_is_refused(bounds: Any) -> None:
    with pytest.raises(RecipeError):
        Band(by="length", range=bounds)
    with pytest.raises(RecipeError):
        Threshold(by="length", at_least=math.nan)
