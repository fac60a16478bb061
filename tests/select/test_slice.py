"""Slices: whole groups, no overlap, nothing lost, the same whatever else is in the corpus."""

from __future__ import annotations

import hashlib
import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.select.world import World

from vernier.core.errors import RecipeError
from vernier.select.slice import Slice


def hashes(words: list[str]) -> list[bytes]:
    return [hashlib.blake2b(word.encode(), digest_size=16).digest() for word in words]


@given(
    words=st.lists(st.sampled_from("abcdefgh"), max_size=30),
    ends=st.lists(st.integers(1, 99), max_size=4, unique=True).map(sorted),
    sizes=st.lists(st.integers(0, 9), max_size=4),
    salt=st.sampled_from(["", "x"]),
)
@settings(max_examples=40, deadline=None)
def test_slices_that_meet_share_the_corpus_out(
    world: World, words: list[str], ends: list[int], sizes: list[int], salt: str
) -> None:
    corpus = world.corpus(len(words), sizes, text_hash=hashes(words))
    edges = [0.0, *(end / 100 for end in ends), 1.0]
    ranges = list(itertools.pairwise(edges))
    slices = [world.run(Slice(range=r, salt=salt), corpus=corpus) for r in ranges]
    for row, word in enumerate(words):
        assert sum(one.count[row] for one in slices) == 1
        for one in slices:
            assert one.count[row] == one.count[words.index(word)]  # copies stay together
            assert one.reason[row] == (None if one.count[row] else "other_slice")


def test_many_documents_and_not_one_in_two_slices_or_none(world: World) -> None:
    corpus = world.corpus(5000, [1700, 3000])
    slices = [world.run(Slice(range=r), corpus=corpus) for r in ((0.0, 0.3), (0.3, 0.32), (0.32, 1.0))]
    assert [sum(counts) for counts in zip(*(one.count for one in slices), strict=True)] == [1] * 5000
    assert 60 < sum(slices[1].count) < 140  # 100 expected, standard deviation 10


def test_a_document_stays_in_its_slice_when_the_corpus_grows(world: World) -> None:
    words = [str(i) for i in range(200)]
    few = world.run(Slice(range=(0.2, 0.6)), corpus=world.corpus(100, text_hash=hashes(words[:100])))
    many = world.run(Slice(range=(0.2, 0.6)), corpus=world.corpus(200, [33], text_hash=hashes(words)))
    assert many.count[:100] == few.count
    assert 55 < sum(many.count) < 105  # 80 expected, standard deviation 7


def test_a_group_is_never_cut_and_rows_without_one_stand_alone(world: World) -> None:
    size = 300
    domains = [None if i % 3 == 0 else f"book {i % 20}" for i in range(size)]
    corpus = world.corpus(size, [50, 100], domain=domains)
    by_book = world.run(Slice(range=(0, 0.5), group="domain"), corpus=corpus)
    by_text = world.run(Slice(range=(0, 0.5)), corpus=corpus)
    books = {name: {by_book.count[i] for i in range(size) if domains[i] == name} for name in set(domains) - {None}}
    assert all(len(counts) == 1 for counts in books.values())
    assert {tuple(c) for c in books.values()} == {(0,), (1,)}
    alone = [i for i in range(size) if domains[i] is None]
    assert [by_book.count[i] for i in alone] == [by_text.count[i] for i in alone]


def test_another_salt_is_another_scale(world: World) -> None:
    corpus = world.corpus(400)
    plain, salted = (set(world.run(Slice(range=(0, 0.5), salt=s), corpus=corpus).kept) for s in ("", "x"))
    assert 70 < len(plain & salted) < 130  # 100 expected if independent


def test_slices_compose_with_a_selection(world: World) -> None:
    corpus = world.corpus(100, [40])
    counts = [i % 3 for i in range(100)]
    within = world.table("selection", {"count": counts, "reason": [None if c else "below_cut" for c in counts]}, [40])
    plain = world.run(Slice(range=(0.3, 0.9)), corpus=corpus)
    out = world.run(Slice(range=(0.3, 0.9)), corpus=corpus, within=within)
    assert out.count == [a * b for a, b in zip(plain.count, counts, strict=True)]
    assert [r == "outside" for r in out.reason] == [c == 0 for c in counts]


@pytest.mark.parametrize("bounds", [(0.5, 0.5), (0.6, 0.5), (-0.1, 0.5), (0.5, 1.1)])
def test_a_range_that_is_none_is_refused(bounds: Any) -> None:
    with pytest.raises(RecipeError):
        Slice(range=bounds)


def test_an_unknown_group_names_the_nearest_column(world: World) -> None:
    with pytest.raises(RecipeError, match="no column 'domian'") as caught:
        world.run(Slice(range=(0, 1), group="domian"), corpus=world.corpus(3))
    assert "domain" in (caught.value.do or "")
