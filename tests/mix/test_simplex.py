"""Weights drawn evenly from the simplex, by name."""

from __future__ import annotations

import numpy as np
import pytest

from vernier.mix.simplex import draw


def test_weights_are_on_the_simplex_and_even_over_it() -> None:
    """Of three weights even over the simplex each has mean 1 / 3, and exceeds 1 / 2 in a quarter of the draws."""
    drawn = draw(["a", "b", "c"], 20_000, 0, "test")
    assert drawn.min() > 0
    np.testing.assert_allclose(drawn.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(drawn.mean(axis=0), 1 / 3, atol=0.01)
    np.testing.assert_allclose((drawn > 0.5).mean(axis=0), 0.25, atol=0.01)


def test_a_name_has_its_weights_wherever_it_stands() -> None:
    one, other = draw(["a", "b", "c"], 50, 3, "test"), draw(["c", "a", "b"], 50, 3, "test")
    assert (one == other[:, [1, 2, 0]]).all()


@pytest.mark.parametrize(("seed", "purpose"), [(1, "test"), (0, "other")])
def test_seed_and_purpose_matter_and_more_draws_begin_with_the_same(seed: int, purpose: str) -> None:
    assert (draw(["a", "b"], 5, seed, purpose) != draw(["a", "b"], 5, 0, "test")).all()
    assert (draw(["a", "b"], 5, seed, purpose) == draw(["a", "b"], 9, seed, purpose)[:5]).all()
