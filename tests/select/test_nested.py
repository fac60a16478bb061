"""Quotas in quotas, as DataMan's multi_domain: by source, and in it by application; and ties that a seed breaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.select.world import World, doc_id

from vernier.core.errors import RecipeError
from vernier.select.budget import Budget, Group, label, share_out
from vernier.select.gumbel import Gumbel
from vernier.select.random import Random
from vernier.select.top_k import TopK

Doc = tuple[str | None, int | None, int, int]  # domain, application, rating, bytes
DOCS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", None]), st.sampled_from([0, 1, 2, None]), st.integers(1, 5), st.integers(0, 9)
    ),
    min_size=1,
    max_size=40,
)
CUTS = st.lists(st.integers(0, 12), max_size=4)
NESTED = ("domain", "a.application")


def tables(world: World, docs: Sequence[Doc], sizes: Sequence[int] = ()) -> dict[str, Any]:
    domains, applications, ratings, num_bytes = map(list, zip(*docs, strict=True))
    rated = {"v": [float(rating) for rating in ratings], "application": applications}
    return {
        "corpus": world.corpus(len(docs), sizes, domain=domains, num_bytes=num_bytes),
        "a": world.table("scores", rated, sizes),
    }


def group(doc: Doc) -> tuple[str | None, str | None]:
    return doc[0], None if doc[1] is None else str(doc[1])


@given(
    pool=st.dictionaries(
        st.tuples(st.sampled_from(["a", "b", None]), st.sampled_from(["0", "1", "2", None])),
        st.integers(0, 1000),
        min_size=1,
    ),
    share=st.fractions(0, 1),
)
def test_budgets_nearly_sum_to_the_whole(pool: dict[Group, int], share: Fraction) -> None:
    """At most the whole, less than a unit a bucket below it; each within a unit of its part of its domain's part."""
    total = int(share * sum(pool.values()))
    budgets = share_out(total, pool, "proportional", "tokens")
    assert 0 <= total - sum(budgets.values()) < len(pool)
    outer = Counter[str | None]()
    for name, held in pool.items():
        assert isinstance(name, tuple)
        outer[name[0]] += held
    for name, budget in budgets.items():
        assert isinstance(name, tuple)
        if outer[name[0]]:
            of_domain = Fraction(total * outer[name[0]], sum(pool.values()))
            assert 0 <= of_domain * Fraction(pool[name], outer[name[0]]) - budget < 1


@given(names=st.sets(st.tuples(st.sampled_from("abc"), st.sampled_from("0123")), min_size=1), total=st.integers(0, 999))
def test_equal_in_equal(names: set[Group], total: int) -> None:
    """Each domain the same, and in it each application that it has, however many others have."""
    budgets = share_out(total, dict.fromkeys(names, 1000), "equal", "tokens")
    assert 0 <= total - sum(budgets.values()) < len(names)
    domains = Counter(name[0] for name in names if isinstance(name, tuple))
    assert budgets == {n: total // len(domains) // domains[n[0]] for n in names if isinstance(n, tuple)}


@given(docs=DOCS, sizes=CUTS, share=st.integers(1, 100), quotas=st.sampled_from(["proportional", "equal"]))
@settings(max_examples=60, deadline=None)
def test_every_bucket_is_cut_for_itself(
    world: World, docs: list[Doc], sizes: list[int], share: int, quotas: Any
) -> None:
    """Against a plain sort of each bucket, in the order of rating and id, to its budget."""
    held = Counter[Group]()
    for doc in docs:
        held[group(doc)] += doc[3]
    total = int(Fraction(share, 100) * held.total())
    plugin = TopK(by="a.v", keep=Budget(share=share / 100, of="bytes"), quotas=quotas, quota_by=NESTED)
    try:
        budgets = share_out(total, held, quotas, "bytes")
    except RecipeError:
        with pytest.raises(RecipeError, match="can not fill the quota"):
            world.run(plugin, **tables(world, docs, sizes))
        return
    kept: list[int] = []
    for name, budget in budgets.items():
        reached = 0
        for row in sorted((r for r, d in enumerate(docs) if group(d) == name), key=lambda r: (-docs[r][2], doc_id(r))):
            reached += docs[row][3]
            if reached > budget:
                break
            kept.append(row)
    out = world.run(plugin, **tables(world, docs, sizes))
    assert out.kept == sorted(kept)
    assert set(out.account["groups"]) == {label(name, quotas) for name in held}
    assert sum(one["pool"]["bytes"] for one in out.account["groups"].values()) == held.total()


def test_groups_have_names_of_their_own() -> None:
    names: list[Group] = [("a/b", "c"), ("a", "b/c"), ("a / b", "c"), ("a", "b / c"), ("a", None)]
    assert len({label(name, "equal") for name in names}) == len(names)


def test_what_nested_quotas_can_not_be(world: World) -> None:
    keep = Budget(share=0.5)
    with pytest.raises(RecipeError, match="nested quotas are proportional or equal"):
        TopK(by="a.v", keep=keep, quotas={"a": 0.5}, quota_by=NESTED)
    given = tables(world, [("a", 1, 3, 1), ("b", 2, 4, 1)])
    for wrong in ("a.aplication", "source_", "a.v"):
        with pytest.raises(RecipeError, match=r"no column|is double"):
            world.run(TopK(by="a.v", keep=keep, quotas="equal", quota_by=("domain", wrong)), **given)
    one = world.run(TopK(by="a.v", keep=Budget(documents=2), quotas="equal", quota_by="a.application"), **given)
    assert one.kept == [0, 1] and set(one.account["groups"]) == {"1", "2"}
    told = [plugin(by="a.v", keep=keep, quotas="equal", quota_by=NESTED).told() for plugin in (TopK, _gumbel)]
    assert told == [("domain",)] * 2  # the application was read off the text
    with pytest.raises(RecipeError, match="no column"):
        corpus = {"corpus": given["corpus"]}
        world.run(Random(keep=keep, quotas="equal", quota_by="a.application"), **corpus)


def _gumbel(**settings: Any) -> Gumbel:
    return Gumbel(temperature=1e-3, **settings)


@given(docs=DOCS, sizes=CUTS, number=st.integers(1, 40), seeds=st.tuples(st.integers(0, 99), st.integers(0, 99)))
@settings(max_examples=40, deadline=None)
def test_a_seed_breaks_ties_and_nothing_else(
    world: World, docs: list[Doc], sizes: list[int], number: int, seeds: tuple[int, int]
) -> None:
    """DataMan's trap: whole ratings tie, and an unstable sort without a seed cuts them by where they are stored.

    A temperature far below the step between ratings leaves their order alone: its noise is at most 0.04, since no draw
    of 52 bits makes more than 36 of it. Whatever the seed and the shards, each rating is kept as often as by top-k.
    """
    keep = Budget(documents=min(number, len(docs)))
    best = world.run(TopK(by="a.v", keep=keep), **tables(world, docs))
    drawn = [world.run(_gumbel(by="a.v", keep=keep), seed=seed, **tables(world, docs, sizes)) for seed in seeds]
    whole = world.run(_gumbel(by="a.v", keep=keep), seed=seeds[0], **tables(world, docs))
    assert whole.kept == drawn[0].kept
    for one in drawn:
        assert Counter(docs[row][2] for row in one.kept) == Counter(docs[row][2] for row in best.kept)
        lowest = min(docs[row][2] for row in best.kept)
        assert {r for r in one.kept if docs[r][2] > lowest} == {r for r in best.kept if docs[r][2] > lowest}


def test_another_seed_breaks_ties_another_way(world: World) -> None:
    docs: list[Doc] = [("a", 0, 4 + (row % 3 == 0), 1) for row in range(60)]  # 20 fives, 40 fours
    kept = [
        set(world.run(_gumbel(by="a.v", keep=Budget(documents=30)), seed=seed, **tables(world, docs)).kept)
        for seed in range(20)
    ]
    fives = set(range(0, 60, 3))
    assert all(fives < one and len(one) == 30 for one in kept)
    assert len({frozenset(one) for one in kept}) == 20
    times = Counter(row for one in kept for row in one - fives)
    assert len(times) == 40 and max(times.values()) < 15  # each of the fours is sometimes among the ten
