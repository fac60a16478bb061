"""Predictive strength: known answers, and the definition pair by pair."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.select.world import World

from vernier.core.errors import RecipeError
from vernier.core.measures import evaluate
from vernier.core.shard import Inputs
from vernier.score.predictive_strength import PredictiveStrength, agreement
from vernier.select.budget import Budget
from vernier.select.top_k import TopK
from vernier.testing.make import run

ABILITIES = (0.2, 0.5, 0.3)  # the second model is the ablest, the first the least able


def strength(world: World, *losses: tuple[float | None, float | None, float | None]) -> pa.Table:
    """Of documents of 10 bytes with these losses under the three models."""
    made = {"corpus": world.corpus(len(losses))}
    for model in range(3):
        nll = [row[model] for row in losses]
        size = [None if loss is None else 10 for loss in nll]
        made[f"scores[{model}]"] = world.table("scores", {"nll": nll, "num_bytes": size}, ())
    return pa.concat_tables(run(PredictiveStrength(abilities=ABILITIES), Inputs(world.store.url, made)))


def test_losses_in_the_order_of_abilities_are_1_reversed_0_and_ties_a_half(world: World) -> None:
    table = strength(world, (3, 1, 2), (1, 3, 2), (2, 2, 2), (3, 1, 1), (None, 1, 1), (math.nan, 1, 1))
    assert table.column("num_agreeing").to_pylist()[:5] == [3, 0, 1.5, 2.5, None]
    assert math.isnan(table.column("num_agreeing")[5].as_py())
    assert table.column("num_pairs").to_pylist() == [3, 3, 3, 3, None, 3]


def test_it_is_a_measure(world: World) -> None:
    corpus = world.corpus(4)
    table = strength(world, (3, 1, 2), (1, 3, 2), (2, 2, 2), (math.nan, 1, 2))
    scores = world.table("scores", table.to_pydict(), ())
    values, scored = evaluate("predictive_strength", None, Inputs(world.store.url, {"a": scores}).shard(0))
    assert values[:3].tolist() == [1, 0, 0.5] and scored.all()
    kept = world.run(TopK(by="predictive_strength", keep=Budget(documents=2)), corpus=corpus, a=scores)
    assert kept.kept == [0, 2] and kept.reason[3] == "undefined"


def test_losses_are_per_byte(world: World) -> None:
    """One model read more of the text than the other: its sum is larger, its loss is not."""
    made = {
        "corpus": world.corpus(1),
        "scores[0]": world.table("scores", {"nll": [30.0], "num_bytes": [10]}, ()),
        "scores[1]": world.table("scores", {"nll": [40.0], "num_bytes": [20]}, ()),
    }
    table = run(PredictiveStrength(abilities=(1.0, 2.0)), Inputs(world.store.url, made))[0]
    assert table.to_pylist() == [{"num_agreeing": 1.0, "num_pairs": 1}]


@given(data=st.data(), models=st.integers(2, 6))
def test_pair_by_pair(data: st.DataObject, models: int) -> None:
    level = st.integers(0, 3).map(float)
    abilities = data.draw(st.lists(level, min_size=models, max_size=models))
    losses = data.draw(st.lists(level, min_size=models, max_size=models))
    pairs = [(i, j) for i, j in combinations(range(models), 2) if abilities[i] != abilities[j]]
    wanted = 0.0
    for i, j in pairs:
        signs = (losses[i] - losses[j]) * (abilities[j] - abilities[i])
        wanted += 1 if signs > 0 else 0.5 if signs == 0 else 0
    found, number = agreement(np.array(losses)[:, None], abilities)
    assert (found.tolist(), number) == ([wanted], len(pairs))


def test_what_makes_no_order_is_refused(world: World) -> None:
    for abilities in ((1.0,), (1.0, 1.0), (1.0, math.inf)):
        with pytest.raises(RecipeError, match="abilities"):
            PredictiveStrength(abilities=abilities)
    made = {"corpus": world.corpus(1), "scores": world.table("scores", {"nll": [1.0], "num_bytes": [1]}, ())}
    with pytest.raises(RecipeError, match="not one ability for each model"):
        run(PredictiveStrength(abilities=(1.0, 2.0)), Inputs(world.store.url, made))
