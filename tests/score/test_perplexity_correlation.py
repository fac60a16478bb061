"""Perplexity correlations: the double sum from the paper, exact sums over domains, and whole domains selected."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata
from tests.select.world import World

from vernier.core.errors import RecipeError
from vernier.core.shard import Inputs
from vernier.score.perplexity_correlation import PerplexityCorrelation, gamma
from vernier.select.budget import Budget
from vernier.select.top_k import TopK
from vernier.testing import cuts
from vernier.testing.make import run

ABILITIES = (1.0, 2.0, 3.0)


def inputs(
    world: World,
    domains: Sequence[str | None],
    losses: Sequence[Sequence[float | None]],
    sizes: Sequence[int] = (),
    counts: Sequence[int] | None = None,
) -> Inputs:
    """losses: of each document under each model, 10 bytes each."""
    made = {"corpus": world.corpus(len(domains), sizes, domain=domains)}
    if counts is not None:
        reason = [None if count else "outside" for count in counts]
        made["within"] = world.table("selection", {"count": counts, "reason": reason}, sizes)
    for model in range(len(ABILITIES)):
        nll = [row[model] for row in losses]
        size = [None if loss is None else 10 for loss in nll]
        made[f"scores[{model}]"] = world.table("scores", {"nll": nll, "num_bytes": size}, sizes)
    return Inputs(world.store.url, made)


def correlation(given: Inputs) -> list[float | None]:
    return pa.concat_tables(run(PerplexityCorrelation(abilities=ABILITIES), given)).column("correlation").to_pylist()


@given(data=st.data(), models=st.integers(2, 6))
def test_the_double_sum(data: st.DataObject, models: int) -> None:
    some = st.lists(st.integers(0, 4).map(float), min_size=models, max_size=models)
    losses, abilities = data.draw(some), data.draw(some)
    rank = rankdata([-loss for loss in losses])
    wanted = sum(
        np.sign(abilities[k] - abilities[j]) * (rank[k] - rank[j])
        for k in range(models)
        for j in range(models)
        if k != j
    )
    assert gamma(losses, abilities) == wanted


def test_each_document_has_what_its_domain_has(world: World) -> None:
    """Ordered: over the three pairs the ranks differ by 1, 1 and 2, each pair counted from both sides."""
    domains = ["good", "good", "bad", None, "bad", "good", "empty"]
    losses: list[tuple[float | None, ...]] = [
        (3, 2, 1),
        (1, 1, 3),  # by itself another order: what counts are the domain's sums, 13, 8 and 5
        (1, 2, 3),
        (5, 5, 5),
        (None, 1, 1),
        (9, 5, 1),
        (math.nan, 1, 1),
    ]
    found = correlation(inputs(world, domains, losses))
    assert found[:6] == [8, 8, -8, 0, None, 8]
    assert math.isnan(found[6] or 0)
    outside = correlation(inputs(world, domains, losses, counts=[0, 1, 1, 1, 1, 0, 1]))
    assert outside[:6] == [None, -6, -8, 0, None, None]  # 1, 1, 3: two models tie, and the ablest is worst


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(data=st.data())
def test_any_cut_gives_the_same(world: World, data: st.DataObject) -> None:
    """Two models whose sums differ by less than the rounding of a running sum: exact ones do not move with the cut."""
    size = 9
    losses = [(x, x, x) for x in data.draw(st.lists(st.floats(0, 1e3), min_size=size, max_size=size))]
    shuffled = data.draw(st.permutations(range(size)))
    losses = [
        (losses[i][0], losses[shuffled[i]][1], losses[i][2]) for i in range(size)
    ]  # the same sum in another order
    sizes = [length for _, length in data.draw(cuts(size))]
    assert correlation(inputs(world, ["d"] * size, losses, sizes)) == [0] * size


def test_top_k_takes_whole_domains_until_the_budget_is_full(world: World) -> None:
    domains = ["b", "a", "c", "a", "b", "a"]
    by_domain = {"a": (3, 2, 1), "b": (3, 1, 2), "c": (1, 2, 3)}
    given = inputs(world, domains, [by_domain[domain] for domain in domains])
    table = world.table("scores", {"correlation": correlation(given)}, ())
    kept = world.run(TopK(by="a.correlation", keep=Budget(documents=5)), corpus=given.artifacts["corpus"], a=table).kept
    assert [domains[row] for row in kept] == ["b", "a", "a", "b", "a"]
    plugin = PerplexityCorrelation(abilities=ABILITIES)
    assert plugin.told() == ("abilities of models", "domain")


def test_an_unknown_column_is_refused(world: World) -> None:
    plugin = PerplexityCorrelation(abilities=ABILITIES, group="domian")
    with pytest.raises(RecipeError, match="no column 'domian'") as caught:
        run(plugin, inputs(world, ["a"], [(1, 2, 3)]))
    assert caught.value.do == "did you mean 'domain'?"
