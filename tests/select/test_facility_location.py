"""The selection by facility location against the same thing done in the plainest way, in any shards and groups."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.select.world import World, doc_id

from vernier.core import rng
from vernier.core.errors import DataError, RecipeError
from vernier.select import parts
from vernier.select.budget import Budget
from vernier.select.facility import cosines, lazy, taylor_softmax, value
from vernier.select.facility_location import FacilityLocation


@dataclass(frozen=True)
class Doc:
    embedding: tuple[float, ...] | None
    num_bytes: int = 1
    times: int = 1
    tokens: int | None = 1

    @property
    def in_pool(self) -> bool:
        there = self.embedding is not None and all(map(math.isfinite, self.embedding)) and any(self.embedding)
        return there and self.times > 0 and self.tokens is not None


def docs() -> st.SearchStrategy[list[Doc]]:
    numbers = st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0])
    embedding = st.one_of(
        st.tuples(numbers, numbers, numbers),
        st.tuples(numbers, numbers, numbers),
        st.sampled_from([None, (0.0, 0.0, 0.0), (math.nan, 1.0, 0.0), (1.0, math.inf, 0.0)]),
    )
    tokens = st.one_of(st.integers(0, 5), st.integers(1, 5), st.none())
    doc = st.builds(Doc, embedding, st.integers(1, 5), st.sampled_from([0, 1, 1, 1, 2]), tokens)
    return st.lists(doc, max_size=20)


def inputs(world: World, given: Sequence[Doc], sizes: Sequence[int]) -> dict[str, Any]:
    kept = [None if d.times else "outside" for d in given]
    return {
        "corpus": world.corpus(len(given), sizes, num_bytes=[d.num_bytes for d in given]),
        "within": world.table("selection", {"count": [d.times for d in given], "reason": kept}, sizes),
        "embeddings": world.table("scores", {"embedding": [d.embedding for d in given]}, sizes),
        "lengths": world.table("scores", {"num_tokens": [d.tokens for d in given]}, sizes),
    }


def expected(plugin: FacilityLocation, given: Sequence[Doc], seed: int) -> list[int]:
    """The rows kept: parts, greedy, draw and budget, one after the other."""
    pool = sorted((row for row, doc in enumerate(given) if doc.in_pool), key=doc_id)
    amounts = {"documents": lambda doc: 1, "bytes": lambda doc: doc.num_bytes, "tokens": lambda doc: doc.tokens}
    cost = {row: given[row].times * amounts[plugin.keep.unit](given[row]) for row in pool}
    whole = sum(cost.values())
    requested, number = plugin.keep.amount(whole), math.ceil(len(pool) / plugin.part)
    ids = {row: np.frombuffer(doc_id(row), np.uint64).reshape(1, 2) for row in pool}
    kept: list[int] = []
    for part in range(number):
        mine = [row for row in pool if int(parts.part_of(ids[row], seed, number)[0]) == part]
        if not mine:
            continue
        order, gains = lazy(cosines(np.array([given[row].embedding for row in mine], np.float32)))
        wanted = [mine[place] for place in order]
        if plugin.take == "sample":
            q = taylor_softmax(gains, plugin.temperature)
            noise = {row: float(rng.gumbel(ids[row], seed, "select.facility_location")[0]) for row in mine}
            lot = {row: math.log(p) + noise[row] for p, row in zip(q, wanted, strict=True)}
            wanted = sorted(wanted, key=lambda row: -lot[row])
        left = requested * sum(cost[row] for row in mine) // whole if whole else 0
        for row in wanted:
            left -= cost[row]
            if left < 0:
                break
            kept.append(row)
    return sorted(kept)


@settings(max_examples=40, deadline=None)
@given(
    docs=docs(),
    sizes=st.lists(st.integers(0, 9), max_size=4),
    keep=st.sampled_from([Budget(share=0.5), Budget(share=0.4, of="bytes"), Budget(share=0.7, of="tokens")]),
    take=st.sampled_from(["sample", "greedy"]),
    part=st.sampled_from([3, 8, 100]),
    group=st.sampled_from([1, 1 << 28]),
    seed=st.integers(0, 3),
)
def test_it_is_the_plain_selection(
    world: World, docs: list[Doc], sizes: list[int], keep: Budget, take: Any, part: int, group: int, seed: int
) -> None:
    plugin = FacilityLocation(keep=keep, take=take, part=part, temperature=0.5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "GROUP", group)
        patch.setattr(parts, "AT_ONCE", 1)
        made = world.run(plugin, seed=seed, **inputs(world, docs, sizes))
    assert made.kept == expected(plugin, docs, seed)
    assert made.rounds == 2
    for doc, count, reason in zip(docs, made.count, made.reason, strict=True):
        assert count in (0, doc.times) and (count > 0 or not doc.times or reason is not None)
        if not doc.in_pool:
            missing = doc.embedding is None or doc.tokens is None
            assert reason == ("outside" if not doc.times else "not_scored" if missing else "undefined")
    account = made.account
    assert account["pool"]["documents"] == sum(doc.times for doc in docs if doc.in_pool)
    assert account["reached"]["bytes"] == sum(docs[row].times * docs[row].num_bytes for row in made.kept)
    assert account["reached"][keep.unit] <= account["requested"]


@settings(max_examples=15, deadline=None)
@given(docs=docs(), sizes=st.lists(st.integers(0, 9), max_size=4), take=st.sampled_from(["sample", "greedy"]))
def test_stochastic_does_not_see_shards(world: World, docs: list[Doc], sizes: list[int], take: Any) -> None:
    plugin = FacilityLocation(keep=Budget(share=0.5), method="stochastic", take=take, part=7)
    cut, whole = (world.run(plugin, **inputs(world, docs, lengths)) for lengths in (sizes, []))
    assert (cut.count, cut.account) == (whole.count, whole.account)


def clusters(number: int = 4, size: int = 12) -> list[Doc]:
    """Documents around so many axes, the first cluster far larger than the others."""
    noise = np.random.default_rng(0)
    axes = [0] * (size * number) + [axis for axis in range(1, number) for _ in range(size)]
    return [Doc(tuple((np.eye(number)[axis] + 0.05 * noise.normal(size=number)).tolist())) for axis in axes]


def test_greedy_takes_one_of_each_kind_first(world: World) -> None:
    given = clusters()
    plugin = FacilityLocation(keep=Budget(documents=4), take="greedy")
    made = world.run(plugin, **inputs(world, given, [20]))
    vectors = np.array([doc.embedding for doc in given])
    assert set(np.argmax(vectors[made.kept], axis=1).tolist()) == {0, 1, 2, 3}
    similarity = cosines(vectors)
    assert made.account["coverage"] == pytest.approx(value(similarity, np.array(made.kept)) / len(given), rel=1e-6)
    assert made.account["coverage"] > 0.95


def test_a_cold_draw_prefers_gains_and_a_hot_one_does_not(world: World) -> None:
    given = inputs(world, clusters(), [])
    first = world.run(FacilityLocation(keep=Budget(documents=4), take="greedy"), **given).kept
    found: dict[float, list[list[int]]] = {}
    for temperature in (0.01, 1e6):
        plugin = FacilityLocation(keep=Budget(documents=20), temperature=temperature)
        found[temperature] = [world.run(plugin, seed=seed, **given).kept for seed in range(6)]
    together = {t: sum(len(set(first) & set(kept)) for kept in runs) / 24 for t, runs in found.items()}
    assert together[0.01] > 0.9 and together[1e6] < 0.5  # by chance 20 of 84
    assert len({tuple(kept) for kept in found[1e6]}) == 6


def test_more_parts_than_documents_to_keep(world: World) -> None:
    with pytest.raises(RecipeError, match="too small for so many parts"):
        world.run(FacilityLocation(keep=Budget(documents=3), part=5), **inputs(world, clusters(), []))


def test_a_token_budget_needs_lengths(world: World) -> None:
    given = inputs(world, clusters(), [])
    del given["lengths"]
    with pytest.raises(RecipeError, match="budget in tokens"):
        world.run(FacilityLocation(keep=Budget(tokens=3)), **given)


@pytest.mark.parametrize("sizes", [[], [1]])
def test_embeddings_of_two_lengths(world: World, sizes: list[int]) -> None:
    given = [Doc((1.0, 2.0)), Doc((1.0, 2.0, 3.0))]
    with pytest.raises(DataError, match="differ in their length"):
        world.run(FacilityLocation(keep=Budget(share=1)), **inputs(world, given, sizes))


def test_a_table_without_embeddings(world: World) -> None:
    given = inputs(world, clusters(), [])
    given["embeddings"] = given["lengths"]
    with pytest.raises(RecipeError, match="no column 'embedding'"):
        world.run(FacilityLocation(keep=Budget(share=1)), **given)


@pytest.mark.parametrize("wrong", [{"temperature": 0.0}, {"temperature": math.inf}, {"part": 0}])
def test_settings_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(RecipeError):
        FacilityLocation(keep=Budget(share=0.5), **wrong)
