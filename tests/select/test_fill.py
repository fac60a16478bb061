"""The budget, filled in order of preference: `top_k`, `random` and `gumbel` against a plain sort."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.select.world import World, doc_id, finite

from vernier.core import fingerprint
from vernier.core.errors import RecipeError
from vernier.select import cut
from vernier.select.budget import Budget
from vernier.select.gumbel import Gumbel
from vernier.select.random import Random
from vernier.select.top_k import TopK

# Buckets and candidates as shipped, and so few that a handful of documents takes many rounds.
FEW, NONE = {"POINTS": 2, "CANDIDATES": 2, "BLOCK": 1}, {"POINTS": 4, "CANDIDATES": 0, "BITS": 4, "BLOCK": 3}
SIZES = [{"BITS": 20}, FEW, NONE]


@dataclass(frozen=True)
class Doc:
    score: float | None
    num_bytes: int = 1
    tokens: int | None = 1
    domain: str | None = None
    times: int = 1


def docs(min_size: int = 0) -> st.SearchStrategy[list[Doc]]:
    scores = st.one_of(
        st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.0, math.nan, math.inf, -math.inf, None]),
        st.floats(allow_nan=False, width=32),
    )
    counts = st.integers(0, 5)
    domains = st.sampled_from(["a", "b", "c", None])
    doc = st.builds(Doc, scores, counts, st.one_of(st.none(), counts), domains, st.sampled_from([0, 1, 1, 1, 2]))
    return st.lists(doc, min_size=min_size, max_size=30)


def cuts() -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, 12), max_size=5)


def inputs(world: World, given: Sequence[Doc], sizes: Sequence[int]) -> dict[str, Any]:
    columns = {"num_bytes": [d.num_bytes for d in given], "domain": [d.domain for d in given]}
    kept = [None if d.times else "outside" for d in given]
    return {
        "corpus": world.corpus(len(given), sizes, **columns),
        "within": world.table("selection", {"count": [d.times for d in given], "reason": kept}, sizes),
        "a": world.table("scores", {"v": [d.score for d in given]}, sizes),
        "lengths": world.table("scores", {"num_tokens": [d.tokens for d in given]}, sizes),
    }


def amount(doc: Doc, unit: str) -> int:
    return doc.times * {"documents": 1, "bytes": doc.num_bytes, "tokens": doc.tokens or 0}[unit]


def in_order(given: Sequence[Doc], domains: Sequence[str | None] | None = None) -> list[int]:
    """The pool in order of preference, by a full sort. All documents, or those of some domains."""
    pool = [i for i, d in enumerate(given) if d.times and finite(d.score) and d.tokens is not None]
    if domains is not None:
        pool = [i for i in pool if given[i].domain in domains]
    return sorted(pool, key=lambda i: (-(given[i].score or 0.0), doc_id(i)))


def take(given: Sequence[Doc], order: Sequence[int], unit: str, budget: int) -> list[int]:
    kept, held = [], 0
    for i in order:
        held += amount(given[i], unit)
        if held > budget:
            break
        kept.append(i)
    return kept


@pytest.mark.parametrize("small", SIZES, ids=["shipped", "few", "none"])
@given(given_docs=docs(), sizes=cuts(), share=st.integers(1, 100), of=st.sampled_from(["documents", "bytes", "tokens"]))
@settings(max_examples=40, deadline=None)
def test_top_k_is_the_full_sort_cut_at_the_budget(
    world: World, small: dict[str, Any], given_docs: list[Doc], sizes: list[int], share: int, of: Any
) -> None:
    plugin = TopK(by="a.v", keep=Budget(share=share / 100, of=of), rank=True)
    with mock.patch.multiple(cut, **small):
        out = world.run(plugin, **inputs(world, given_docs, sizes))
    order = in_order(given_docs)
    pool = sum(amount(given_docs[i], of) for i in order)
    budget = int(Fraction(share, 100) * pool)
    expected = take(given_docs, order, of, budget)

    assert out.kept == sorted(expected)
    assert [out.count[i] for i in expected] == [given_docs[i].times for i in expected]
    assert [out.rank[i] for i in expected] == list(range(len(expected)))
    for i, doc in enumerate(given_docs):
        if i in expected:
            assert out.reason[i] is None
        elif not doc.times:
            assert out.reason[i] == "outside"
        elif doc.score is None or doc.tokens is None:
            assert out.reason[i] == "not_scored"
        elif not finite(doc.score):
            assert out.reason[i] == "undefined"
        else:
            assert out.reason[i] == "below_cut"
    assert out.account["requested"] == budget
    for unit in ("documents", "bytes", "tokens"):
        assert out.account["reached"][unit] == sum(amount(given_docs[i], unit) for i in expected)
        assert out.account["pool"][unit] == sum(amount(given_docs[i], unit) for i in order)
    following = order[len(expected) : len(expected) + 1]
    assert out.account["cut"] == (given_docs[following[0]].score if following else None)
    assert all(out.account["reached"][of] + amount(given_docs[i], of) > budget for i in following)


@pytest.mark.parametrize("small", SIZES, ids=["shipped", "few", "none"])
@given(given_docs=docs(1), sizes=cuts(), share=st.integers(1, 100), quotas=st.sampled_from(["proportional", "a"]))
@settings(max_examples=30, deadline=None)
def test_quotas_cut_every_domain_for_itself(
    world: World, small: dict[str, Any], given_docs: list[Doc], sizes: list[int], share: int, quotas: str
) -> None:
    wanted: Any = {"a": 0.25} if quotas == "a" else quotas
    plugin = TopK(by="a.v", keep=Budget(share=share / 100, of="bytes"), quotas=wanted)
    held: dict[str | None, int] = dict.fromkeys(("a", "b", "c", None), 0)
    for i in in_order(given_docs):
        held[given_docs[i].domain] += amount(given_docs[i], "bytes")
    total = int(Fraction(share, 100) * sum(held.values()))
    if quotas == "proportional":
        budgets = {(name,): total * size // max(1, sum(held.values())) for name, size in held.items()}
    else:
        budgets = {("a",): total // 4, ("b", "c", None): int(total * Fraction(3, 4))}
    missing = [names for names, budget in budgets.items() if sum(held[n] for n in names) < budget]
    if quotas == "a" and not any(given_docs[i].domain == "a" for i in in_order(given_docs)):
        missing.append(("a",))
    with mock.patch.multiple(cut, **small):
        if missing:
            with pytest.raises(RecipeError, match="can not fill the quota"):
                world.run(plugin, **inputs(world, given_docs, sizes))
            return
        out = world.run(plugin, **inputs(world, given_docs, sizes))
    expected = [i for names, b in budgets.items() for i in take(given_docs, in_order(given_docs, names), "bytes", b)]
    assert out.kept == sorted(expected)
    assert {out.reason[i] for i in in_order(given_docs)} <= {None, "over_quota"}
    assert out.account["reached"]["bytes"] == sum(amount(given_docs[i], "bytes") for i in expected)


@given(
    given_docs=docs(), sizes=cuts(), shares=st.tuples(st.integers(1, 100), st.integers(1, 100)), seed=st.integers(0, 3)
)
@settings(max_examples=15, deadline=None)
def test_a_larger_budget_keeps_all_that_a_smaller_one_keeps(
    world: World, given_docs: list[Doc], sizes: list[int], shares: tuple[int, int], seed: int
) -> None:
    tables = inputs(world, given_docs, sizes)
    small, large = (Budget(share=share / 100, of="tokens") for share in sorted(shares))
    settings_of: list[tuple[Any, dict[str, Any]]] = [
        (TopK, {}),
        (TopK, {"quotas": "proportional"}),
        (Gumbel, {"temperature": 1.0}),
    ]
    for plugin, more in settings_of:
        kept = [
            set(world.run(plugin(by="a.v", keep=keep, **more), seed=seed, **tables).kept) for keep in (small, large)
        ]
        assert kept[0] <= kept[1]


@given(given_docs=docs(), sizes=st.tuples(cuts(), cuts()), seed=st.integers(0, 5))
@settings(max_examples=15, deadline=None)
def test_draws_do_not_depend_on_the_shards(
    world: World, given_docs: list[Doc], sizes: tuple[list[int], list[int]], seed: int
) -> None:
    one, other = (inputs(world, given_docs, s) for s in sizes)
    gumbel = Gumbel(by="a.v", temperature=2.0, keep=Budget(share=0.5), rank=True)
    assert world.run(gumbel, seed=seed, **one) == world.run(gumbel, seed=seed, **other)
    one, other = ({name: table for name, table in all_.items() if name != "a"} for all_ in (one, other))
    random = Random(keep=Budget(share=0.5, of="tokens"), rank=True)
    first, second = world.run(random, seed=seed, **one), world.run(random, seed=seed, **other)
    assert (first.count, first.reason, first.rank) == (second.count, second.reason, second.rank)


@given(given_docs=docs(), sizes=cuts(), seed=st.integers(0, 5))
@settings(max_examples=15, deadline=None)
def test_gumbel_without_temperature_is_top_k(world: World, given_docs: list[Doc], sizes: list[int], seed: int) -> None:
    tables = inputs(world, given_docs, sizes)
    keep = Budget(share=0.4, of="bytes")
    cold = world.run(Gumbel(by="a.v", temperature=0.0, keep=keep, rank=True), seed=seed, **tables)
    top = world.run(TopK(by="a.v", keep=keep, rank=True), **tables)
    assert (cold.count, cold.rank) == (top.count, top.rank)


def test_random_is_uniform_and_seeds_are_independent(world: World) -> None:
    size, seeds = 100, 40
    corpus = world.corpus(size, [30, 30])
    samples = [world.run(Random(keep=Budget(share=0.25)), seed=s, corpus=corpus).kept for s in range(seeds)]
    assert all(len(sample) == 25 for sample in samples)
    times = [sum(row in sample for sample in samples) for row in range(size)]
    chi2 = sum((t - seeds / 4) ** 2 for t in times) / (seeds * 0.25 * 0.75)
    assert 60 < chi2 < 150  # 99 degrees of freedom: outside with probability below 1 in 1000
    assert len({tuple(sample) for sample in samples}) == seeds


def test_gumbel_draws_in_proportion_to_the_exponential(world: World) -> None:
    """One document of two: the better one wins with probability 1 / (1 + exp(-difference / temperature))."""
    pairs = 1000
    corpus = world.corpus(2 * pairs, [500], domain=[str(i // 2) for i in range(2 * pairs)])
    a = world.table("scores", {"v": [1.0, 3.0] * pairs}, [500])
    plugin = Gumbel(by="a.v", temperature=2.0, keep=Budget(documents=pairs), quotas="equal")
    kept = world.run(plugin, corpus=corpus, a=a).kept
    wins = sum(row % 2 for row in kept)
    assert abs(wins / pairs - 1 / (1 + math.exp(-1))) < 0.045  # 3.2 standard errors
    assert kept != world.run(plugin, seed=1, corpus=corpus, a=a).kept


def test_the_first_that_gumbel_draws_follows_the_softmax(world: World) -> None:
    """One document of four, 600 times: chi-squared against exp(score / temperature) / sum."""
    scores, groups, temperature = [0.0, 1.0, 2.0, 4.0], 600, 2.0
    corpus = world.corpus(4 * groups, domain=[str(i // 4) for i in range(4 * groups)])
    a = world.table("scores", {"v": scores * groups}, ())
    plugin = Gumbel(by="a.v", temperature=temperature, keep=Budget(documents=groups), quotas="equal")
    kept = world.run(plugin, corpus=corpus, a=a).kept
    wanted = [math.exp(score / temperature) for score in scores]
    times = [sum(row % 4 == place for row in kept) for place in range(4)]
    expected = [groups * weight / sum(wanted) for weight in wanted]
    assert sum((t - e) ** 2 / e for t, e in zip(times, expected, strict=True)) < 16.27  # 3 degrees of freedom, p = 0.001


def test_gumbel_at_a_high_temperature_does_not_see_the_score(world: World) -> None:
    """What is drawn is the same whichever way round the scores are; what is undefined stays out."""
    scores = [math.nan, math.inf, *map(float, range(200))]
    tables = [inputs(world, [Doc(score) for score in some], [70]) for some in (scores, scores[:2] + scores[:1:-1])]
    plugin = Gumbel(by="a.v", temperature=1e9, keep=Budget(share=0.5))
    one, other = (world.run(plugin, **some).kept for some in tables)
    assert one == other and len(one) == 100 and not {0, 1} & set(one)
    assert 80 < sum(scores[row] for row in one) / 100 < 120


def test_a_score_of_many_ties_takes_the_lowest_ids(world: World) -> None:
    """Identical models give an excess loss of exactly 0 everywhere."""
    size = 200
    corpus = world.corpus(size, [7, 90])
    a = world.table("scores", {"v": [0.0, -0.0] * (size // 2)}, [7, 90])
    with mock.patch.multiple(cut, POINTS=4, CANDIDATES=8):
        out = world.run(TopK(by="a.v", keep=Budget(documents=50)), corpus=corpus, a=a)
    assert out.kept == sorted(sorted(range(size), key=doc_id)[:50])


def test_a_budget_above_the_pool_names_both_numbers(world: World) -> None:
    given_docs = [Doc(1.0, 10, 3), Doc(2.0, 20, 4), Doc(math.nan, 40, 5)]
    tables = inputs(world, given_docs, [1])
    for keep, wanted, held in (
        (Budget(documents=3), "3", "2"),
        (Budget(bytes=31), "31", "30"),
        (Budget(tokens=8), "8", "7"),
    ):
        with pytest.raises(RecipeError) as caught:
            world.run(TopK(by="a.v", keep=keep), **tables)
        assert wanted in (caught.value.found or "") and held in (caught.value.found or "")
    assert world.run(TopK(by="a.v", keep=Budget(bytes=30)), **tables).kept == [0, 1]
    assert world.run(TopK(by="a.v", keep=Budget(share=1.0)), **tables).kept == [0, 1]


def test_a_token_budget_needs_lengths(world: World) -> None:
    with pytest.raises(RecipeError, match="needs their number"):
        world.run(Random(keep=Budget(tokens=1)), corpus=world.corpus(3))


def test_quotas_by_name_share_the_budget(world: World) -> None:
    given_docs = [Doc(float(i), domain="abcc"[i % 4]) for i in range(40)]
    tables = inputs(world, given_docs, [11, 11])
    out = world.run(TopK(by="a.v", keep=Budget(documents=16), quotas={"a": 0.5, "b": 0.25}), **tables)
    assert [sum(given_docs[i].domain == d for i in out.kept) for d in "abc"] == [8, 4, 4]
    equal = world.run(TopK(by="a.v", keep=Budget(documents=15), quotas="equal"), **tables)
    assert [sum(given_docs[i].domain == d for i in equal.kept) for d in "abc"] == [5, 5, 5]
    counts = [int(d.domain != "b" or i < 8) for i, d in enumerate(given_docs)]
    few = world.table("selection", {"count": counts, "reason": [None] * 40}, [11, 11])
    with pytest.raises(RecipeError, match="the domain 'b' can not fill the quota") as caught:
        world.run(TopK(by="a.v", keep=Budget(documents=30), quotas="equal"), **{**tables, "within": few})
    assert "10 documents wanted, 2 documents in the pool" in (caught.value.found or "")
    with pytest.raises(RecipeError, match="'d'"):
        world.run(TopK(by="a.v", keep=Budget(documents=4), quotas={"d": 0.01}), **tables)
    with pytest.raises(RecipeError, match="no column 'domian'"):
        world.run(TopK(by="a.v", keep=Budget(documents=4), quotas="equal", quota_by="domian"), **tables)


def test_settings_are_checked_when_they_are_made() -> None:
    bad: list[Any] = [
        lambda: Budget(),
        lambda: Budget(share=0.5, documents=3),
        lambda: Budget(share=0.0),
        lambda: Budget(share=1.5),
        lambda: Budget(documents=0),
        lambda: Budget(documents=5, of="bytes"),
        lambda: TopK(by="exces_loss", keep=Budget(share=0.5)),
        lambda: TopK(by="length", per="byte", keep=Budget(share=0.5)),
        lambda: TopK(by="length", keep=Budget(share=0.5), quotas={"a": 0.7, "b": 0.7}),
        lambda: TopK(by="length", keep=Budget(share=0.5), quotas={"a": -0.1}),
        lambda: Gumbel(by="length", temperature=-1.0, keep=Budget(share=0.5)),
        lambda: Gumbel(by="length", temperature=math.nan, keep=Budget(share=0.5)),
    ]
    for make in bad:
        with pytest.raises(RecipeError):
            make()
    third = round(1 / 3, 12)
    TopK(by="length", keep=Budget(share=0.5), quotas={"a": third, "b": third, "c": third})


def test_another_lot_is_independent_and_the_first_is_the_plain_one(world: World) -> None:
    corpus, half = world.corpus(400, [150]), Budget(share=0.5)
    lots = (Random(keep=half), Random(keep=half, draw=0), Random(keep=half, draw=1))
    plain, same, other = (world.run(lot, corpus=corpus) for lot in lots)
    assert same.kept == plain.kept and fingerprint.settings(lots[1]).keys() == {"keep"}
    assert 70 < len(set(plain.kept) & set(other.kept)) < 130  # 100 expected if independent
    with pytest.raises(RecipeError, match="numbered from 0"):
        Random(keep=half, draw=-1)
