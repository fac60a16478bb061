"""Losses of several models whose abilities are known: what the scores that compare the two read."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vernier.core.errors import RecipeError
from vernier.core.measures import read_numbers
from vernier.core.shard import Shard


def check_abilities(abilities: Sequence[float]) -> None:
    """Raises RecipeError unless there is an order of models."""
    if not all(map(math.isfinite, abilities)) or len(set(abilities)) < 2:
        raise RecipeError("abilities are numbers, at least two of which differ", found=str(list(abilities)))


def read_losses(shard: Shard, models: int) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]:
    """nll (nat) and num_bytes of each table of `scores`, [models, rows], and which rows are scored in all of them.

    Raises RecipeError unless there is a table for each model.
    """
    tables = shard.inputs.names("scores")
    if len(tables) != models:
        raise RecipeError(
            "there is not one ability for each model",
            found=f"{models} abilities, {len(tables)} tables in `scores`",
        )
    nll, size = np.empty((models, shard.rows)), np.empty((models, shard.rows), np.int64)
    scored = np.ones(shard.rows, dtype=bool)
    for number, table in enumerate(tables):
        (nll[number], known), (size[number], counted) = read_numbers(shard, table, ["nll", "num_bytes"])
        scored &= known & counted
    return nll, size, scored
