"""Copies: known answers, and a slow reference that compares sequences of words one by one."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from vernier.corpus.copies import SHARE, WORDS, Copies

LETTERS = [f"w{i}" for i in range(24)]  # 20 sequences of five words


def sequences(text: str) -> set[tuple[str, ...]]:
    """The reference; its texts are words with single spaces between them."""
    words = text.split()
    return {tuple(words[i : i + WORDS]) for i in range(max(1, len(words) - WORDS + 1))} if words else set()


def kept(texts: list[str]) -> list[int]:
    copies = Copies()
    return [i for i, t in enumerate(texts) if not (copies.exact(t, str(i)) or copies.near(t, str(i)))]


def test_four_fifths_of_the_sequences_make_a_copy() -> None:
    whole = " ".join(LETTERS)
    four, five = (" ".join([*LETTERS[:-n], *(f"x{i}" for i in range(n))]) for n in (4, 5))
    copies = Copies()
    assert copies.near(whole, "a") is None
    found = copies.near(four, "b")
    assert found is not None and (found.reason, found.detail[:4]) == ("near_duplicate", "80% ")
    assert found.detail.endswith("most in a")
    assert copies.near(five, "c") is None  # 15 of 20


def test_what_came_before_may_be_spread_over_documents() -> None:
    front, back = " ".join(LETTERS), " ".join(f"v{i}" for i in range(24))
    both = " ".join([*front.split()[8:], *back.split()[:16]])
    assert kept([front, back, both]) == [0, 1]  # 12 and 12 of 28: below four fifths of either, above it of both
    assert kept([front, both]) == [0, 1]


def test_case_and_punctuation_do_not_matter_words_do() -> None:
    text = "Redistribution and use, in source and binary forms: permitted!"
    assert kept([text, f"  # {text.upper()}\n"]) == [0]
    assert kept(["-" * 40, "=" * 40, "-" * 40]) == [0, 1]  # no words: only an exact copy is one
    assert kept(["a b c", "A, B, C", "a b c d", "a b"]) == [0, 2, 3]  # less than a sequence: as a whole


def test_an_exact_copy_names_the_first() -> None:
    copies = Copies()
    assert copies.exact("text", "first") is None
    found = copies.exact("text", "second")
    assert found is not None and (found.reason, found.detail) == ("exact_duplicate", "the text is that of first")


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=12).map(" ".join), max_size=12))
@settings(max_examples=200, deadline=None)
def test_as_the_slow_reference(texts: list[str]) -> None:
    seen, before, expected = set[str](), set[tuple[str, ...]](), list[int]()
    for i, text in enumerate(texts):
        own = sequences(text)
        if text not in seen and not (own and len(own & before) >= SHARE * len(own)):
            before |= own
            expected.append(i)
        seen.add(text)
    assert kept(texts) == expected
    sets = [sequences(texts[i]) for i in expected if texts[i]]
    assert all(len(a & b) < SHARE * len(a | b) for i, a in enumerate(sets) for b in sets[:i])  # Jaccard
