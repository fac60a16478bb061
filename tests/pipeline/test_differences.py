"""Where two texts differ first: known answers, the same as all of difflib on short texts, an end on long ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vernier.pipeline.differences import WINDOW, WINDOWS, differences


def told(one: str, other: str) -> list[tuple[str, str]]:
    return [(found.one, found.other) for found in differences(one, other)]


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        ("the cat sat", "the cat sat", []),
        ("the cat sat", "the  cat\nsat ", []),
        ("", "", []),
        ("", "the cat", [("", "the cat")]),
        ("the cat sat", "the cats sat", [("cat", "cats")]),
        ("the cat sat", "the cat sat on a mat", [("", "on a mat")]),
        ("the old cat sat", "the cat sat", [("old", "")]),
        ("a b c d e f g", "a x c d y f z", [("b", "x"), ("e", "y"), ("g", "z")]),
        ("a b c d e f g h i", "a x c y e z g w i", [("b", "x"), ("d", "y"), ("f", "z")]),
        ("猫は座った。", "犬は座った。", [("猫", "犬")]),
        ("w " * 5000 + "end", "w " * 5000 + "END", [("end", "END")]),
        ("w \n" * 1000 + "end", "w " * 1000 + "END", [("end", "END")]),
        ("a" * 10**6 + "b", "a" * 10**6 + "c", [("a" * 39 + "b", "a" * 39 + "c")]),
    ],
)
def test_known_differences(one: str, other: str, found: list[tuple[str, str]]) -> None:
    if len(one) == 10**6 + 1:  # words are cut at 40 characters, wherever one begins to look
        ((here, there),) = told(one, other)
        assert here.rstrip("a") == "b" and there.rstrip("a") == "c"
    else:
        assert told(one, other) == found


def test_what_stands_beside_it() -> None:
    before, after = "It was so, " * 20, " and so on." * 20
    (found,) = differences(f"{before}old{after}", f"{before}new one{after}")
    assert (found.one, found.other) == ("old", "new one")
    assert found.before == "It was so, " * 4
    assert found.after == " and so on." * 4


@given(st.lists(st.sampled_from("abcd"), max_size=40), st.lists(st.sampled_from("abcd"), max_size=40))
def test_none_if_and_only_if_the_words_are_the_same(one: list[str], other: list[str]) -> None:
    found = told(" ".join(one), "\n".join(other))
    assert (found == []) == (one == other)
    assert all(here != there for here, there in found) and len(found) <= 3


def test_long_texts_take_no_longer() -> None:
    """The worst for difflib: few words, in other orders; and windows that say nothing, up to the last one."""
    words = WINDOW * WINDOWS * 3
    assert len(told("a b " * words, "b a a " * words)) == 3
    assert told("a \n" * words, "a " * words + "b") == []  # beyond what is looked at
    assert told("a b " * 10**6 + "x", "a b " * 10**6 + "y") == [("x", "y")]
