"""Measures: known answers, and the pairs that make no sense."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from tests.select.world import World

from vernier.core import measures
from vernier.core.errors import RecipeError
from vernier.core.measures import MEASURES, evaluate, excess_loss, quality_factor
from vernier.core.shard import Inputs


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(str(tmp_path))


def column(*values: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array(values, np.float64)


def test_a_uniform_model_against_a_coin_gives_half_the_vocabulary() -> None:
    """Small: uniform over V tokens; large: probability 1/2 for the right one. d = V / 2 (ScalingFilter)."""
    vocabulary, n = 512, column(7, 1)
    small, large = n * math.log(vocabulary), n * math.log(2)
    assert_allclose(quality_factor(small, n, large, n), vocabulary / 2)
    assert_allclose(excess_loss(small, n, large, n), math.log(vocabulary / 2))


def test_identical_models_differ_by_exactly_nothing() -> None:
    nll, n = column(0.1, 12.3, 7e5), column(3, 7, 11)
    assert excess_loss(nll, n, nll, n).tolist() == [0, 0, 0]
    assert quality_factor(nll, n, nll, n).tolist() == [1, 1, 1]


def test_the_difference_of_means_not_the_ratio_of_logs() -> None:
    """MiniPLM's own example: differences 2 and 1 keep the first pair, a ratio of losses would keep the second."""
    one = column(1, 1)
    assert excess_loss(column(3, 11), one, column(1, 10), one).tolist() == [2, 1]


def test_each_loss_is_divided_by_its_own_count() -> None:
    """The same text is 3 tokens or bytes to one model and 5 to the other: 12 / 3 - 10 / 5."""
    given = column(12), column(3), column(10), column(5)
    assert excess_loss(*given).tolist() == [2]
    assert_allclose(quality_factor(*given), math.exp(2))


def test_documents_without_tokens_are_undefined() -> None:
    zero = column(0, 4)
    for name, measure in MEASURES.items():
        given = [zero] * (len(measure.a) + len(measure.b))
        value = measure.function(*given)
        if name == "length":
            assert value.tolist() == [0, 4]
        else:
            assert math.isnan(value[0]) and math.isfinite(value[1])


def test_bits_per_byte() -> None:
    assert_allclose(MEASURES["low_bits_per_byte"].function(column(math.log(2) * 12), column(4)), -3)
    assert_allclose(MEASURES["low_loss"].function(column(12), column(4)), -3)


def test_larger_is_more_wanted() -> None:
    assert np.all(np.diff(MEASURES["zlib_ratio"].function(column(10, 50), column(100, 100))) > 0)
    assert np.all(np.diff(MEASURES["low_symbol_share"].function(column(50, 10), column(100, 100))) > 0)
    assert np.all(np.diff(MEASURES["stop_word_share"].function(column(10, 50), column(100, 100))) > 0)


@given(
    nll=st.lists(st.tuples(*[st.floats(0, 1e4)] * 2, *[st.integers(1, 1000)] * 2), min_size=2, max_size=20),
    shift=st.floats(0, 5),
)
def test_a_constant_more_per_token_changes_no_order(nll: list[tuple[float, ...]], shift: float) -> None:
    a, b, na, nb = np.array(nll, np.float64).T
    plain, moved = excess_loss(a, na, b, nb), excess_loss(a + shift * na, na, b, nb)
    assert_allclose(moved - plain, shift, atol=1e-6)
    assert_allclose(quality_factor(a / 1e4, na, b / 1e4, nb), np.exp(plain / 1e4))


def pair(world: World, tokenizers: tuple[str | None, str | None] = ("t", "t")) -> Inputs:
    corpus = world.corpus(4)
    tables = {
        name: world.table("scores", columns, (), **({"tokenizer": tokenizer} if tokenizer else {}))
        for name, columns, tokenizer in (
            (
                "a",
                {"nll": [8.0, 6.0, None, 0.0], "num_tokens": [2, 3, None, 0], "num_bytes": [4, 6, None, 0]},
                tokenizers[0],
            ),
            (
                "b",
                {"nll": [2.0, None, 1.0, 1.0], "num_tokens": [2, None, 1, 1], "num_bytes": [4, None, 4, 4]},
                tokenizers[1],
            ),
        )
    }
    return Inputs(world.store.url, {"corpus": corpus, **tables})


def test_a_row_is_scored_if_both_tables_have_it(world: World) -> None:
    inputs = pair(world)
    values, scored = evaluate("excess_loss", None, inputs.shard(0))
    assert scored.tolist() == [True, False, False, True]
    assert values[0] == 3 and math.isnan(values[3])
    values, _ = evaluate("excess_loss", "byte", inputs.shard(0))
    assert values[0] == 1.5


@pytest.mark.parametrize("tokenizers", [("t", "u"), ("t", None), (None, None)])
def test_per_token_across_tokenizers_is_refused(world: World, tokenizers: tuple[str | None, str | None]) -> None:
    inputs = pair(world, tokenizers)
    for per in (None, "token"):
        with pytest.raises(RecipeError, match="one tokenizer") as caught:
            evaluate("quality_factor", per, inputs.shard(0))
        assert caught.value.do == "write `per: byte`"
    evaluate("quality_factor", "byte", inputs.shard(0))


def test_a_column_by_its_own_name(world: World) -> None:
    inputs = pair(world)
    one = Inputs(inputs.store, {k: v for k, v in inputs.artifacts.items() if k != "b"})
    values, scored = evaluate("a.nll", None, one.shard(0))
    assert values.tolist() == [8, 6, 0, 0] and scored.tolist() == [True, True, False, True]
    with pytest.raises(RecipeError, match="no column 'nl'"):
        evaluate("a.nl", None, one.shard(0))
    with pytest.raises(RecipeError, match="compares two"):
        evaluate("excess_loss", None, one.shard(0))
    with pytest.raises(RecipeError, match="reads one"):
        evaluate("low_loss", None, inputs.shard(0))


def test_settings_that_make_no_sense_are_refused() -> None:
    for by, per in (("exces_loss", None), ("length", "byte"), ("excess_loss", "word"), ("a.", None)):
        with pytest.raises(RecipeError):
            measures.check_settings(by, per)
    with pytest.raises(RecipeError) as caught:
        measures.find("exces_loss")
    assert caught.value.do == "did you mean 'excess_loss'?"


def test_a_column_may_be_a_mean(world: World) -> None:
    """A rater's sums of rating x tokens: the mean rating by token, by byte, and the sum as it is."""
    inputs = pair(world)
    one = Inputs(inputs.store, {k: v for k, v in inputs.artifacts.items() if k != "b"})
    for per, wanted in (("token", [4, 2]), ("byte", [2, 1])):
        measures.check_settings("a.nll", per)
        values, scored = evaluate("a.nll", per, one.shard(0))
        assert values[:2].tolist() == wanted
        assert math.isnan(values[3]) and scored.tolist() == [True, True, False, True]
    row = {"a": {"nll": 8.0, "num_tokens": 2, "num_bytes": 4}}
    assert [measures.value_of("a.nll", per, row) for per in (None, "token", "byte")] == [8, 4, 2]
    with pytest.raises(RecipeError, match="counted per 'word'"):
        measures.check_settings("a.nll", "word")
