"""Line rules: each limit at one unit either side, a plain reference beside the judge, and the released filter's bug."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from vernier.core.errors import RecipeError
from vernier.core.lines import PRESETS, RULES, Judge, Limits, names

C4, REDSTONE = Judge(["c4"], Limits()), Judge(["redstone"], Limits())


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("One two three four five.", None),
        ("One two three four.", "few_words"),
        ("  One two three four five!  ", None),
        ("One two three four five?", None),
        ('"One two three four five"', None),
        ("\u201cOne two three four five\u201d", None),
        ("One two three four five", "no_terminal"),
        ("One two three four five,", "no_terminal"),
        ("One two three four five...", "no_terminal"),
        ("Please turn on JavaScript in your browser.", "javascript"),
        ("We tell you in our Privacy Policy what we do.", "policy"),
        ("one two three four " + "x" * 999 + ".", None),
        ("one two three four " + "x" * 1000 + ".", "long_word"),
        (" \t ", None),
        ("", None),
    ],
)
def test_c4(line: str, reason: str | None) -> None:
    assert C4.reason(line) == reason


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("SIX OF TEN", "upper_case"),  # 8 of 10
        ("ABCDEF bcd", None),  # 6 of 10 is not more than 0.6
        ("ABCDEFG bc", "upper_case"),  # 7 of 10
        ("\u00c4\u00d6\u00dc \u00c9\u00c8", "upper_case"),
        ("2024", "numeric"),
        ("1,234.50  17", "numeric"),
        ("2024 was", None),
        ("3 likes", "counter"),
        ("1.2k views", "counter"),
        ("1 Comment", "counter"),
        ("3 likes and a dislike", None),
        ("likes", "single_word"),
        ("two words", None),
        ("Sign in to see it", "pattern"),
        ("sign-up", "pattern"),
        ("Please sign in", None),  # of those that begin a line
        ("Signing in Paris", None),
        ("The story goes on, read more...", "pattern"),
        ("The story goes on, read more", "pattern"),
        ("Read more books this year", None),  # of those that end it
        ("You have 3 items in cart now", "pattern"),
        ("sign in 3 4 5 6 7 8 9 10", "pattern"),  # ten words
        ("sign in 3 4 5 6 7 8 9 10 11", None),
    ],
)
def test_redstone(line: str, reason: str | None) -> None:
    assert REDSTONE.reason(line) == reason


def test_a_pattern_fires_on_every_line_of_every_document() -> None:
    """The released filter rebinds its patterns to a generator, which the first line uses up."""
    judge = Judge(["pattern"], Limits())
    for _ in range(2):
        judged = judge.judge("A line to keep.\nsign in\nAnother one.\nsign up\nread more...\n2 items in cart")
        assert judged.text == "A line to keep.\nAnother one."
        assert judged.lines == {"pattern": 4} and judged.words == {"pattern": 10}


def test_limits_of_ones_own() -> None:
    judge = Judge(["few_words", "upper_case", "pattern"], Limits(min_words=3, upper_share=0.25, patterns=["^tags:"]))
    assert judge.reason("two words") == "few_words"
    assert judge.reason("three short words") is None
    assert judge.reason("One Two Xe") == "upper_case"  # 3 of 10
    assert judge.reason("one Two Xe") is None
    assert judge.reason("Tags: a b c") == "pattern"


def test_what_is_left() -> None:
    judged = REDSTONE.judge("HOME\n\nIt was a fine day.\n\n42\n")
    assert judged.text == "\nIt was a fine day.\n\n"
    assert (judged.num_lines, judged.num_words) == (3, 7)
    assert judged.lines == judged.words == {"upper_case": 1, "numeric": 1}
    assert REDSTONE.judge("HOME\n\n42\n").text == ""
    assert REDSTONE.judge(" \n\n").text == " \n\n"


def test_names() -> None:
    assert names(["c4", "redstone"]) == set(RULES)
    assert names(["redstone", "policy"]) == {*PRESETS["redstone"], "policy"}
    with pytest.raises(RecipeError, match="no line rule 'redston'"):
        names(["redston"])
    with pytest.raises(RecipeError, match="no line rule is named"):
        names([])


@pytest.mark.parametrize("wrong", [{"upper_share": 1.1}, {"min_words": 0}, {"patterns": ["("]}])
def test_limits_that_are_none(wrong: dict[str, object]) -> None:
    with pytest.raises(RecipeError):
        Limits(**wrong)  # type: ignore[arg-type]


def reference(text: str, rules: Sequence[str]) -> list[str]:
    """The lines that stay, each rule written out once more."""
    kept: list[str] = []
    for line in text.split("\n"):
        stripped, words = line.strip(), line.split()
        lower = stripped.lower()
        fires = {
            "javascript": "javascript" in lower,
            "policy": re.search("terms of use|(privacy|cookie) policy|(uses|use|use of) cookies", lower) is not None,
            "long_word": any(len(word) >= 1001 for word in words),
            "numeric": stripped[:1].isdecimal() and not stripped.strip("0123456789").strip(" ,.0123456789"),
            "counter": len(words) == 2 and words[0].isdecimal() and words[1] in ("likes", "views"),
            "pattern": len(words) < 11 and (lower.startswith("sign in") or lower.endswith("read more...")),
            "upper_case": len([c for c in stripped if c.isupper()]) * 10 > 6 * len(stripped),
            "single_word": len(words) == 1,
            "few_words": len(words) <= 4,
            "no_terminal": stripped[-1:] not in (".", "!", "?", '"') or stripped[-3:] == "...",
        }
        if not words or not any(fires[name] for name in rules):
            kept.append(line)
    return kept


LINE = st.one_of(
    st.sampled_from(["", "  ", "3 likes", "12 views", "sign in", "We use cookies here a lot.", "JAVASCRIPT", "a b c"]),
    st.lists(
        st.sampled_from(["the", "cat", "SAT", "12", "3,4", "sign in", "read more...", "likes", "end.", "JavaScript"]),
        max_size=12,
    ).map(" ".join),
)


@given(lines=st.lists(LINE, max_size=8), rules=st.sets(st.sampled_from(RULES), min_size=1).map(sorted))
def test_the_judge_is_the_reference(lines: list[str], rules: list[str]) -> None:
    text = "\n".join(lines)
    judge = Judge(rules, Limits())
    judged, kept = judge.judge(text), reference(text, rules)
    assert judged.text == ("\n".join(kept) if any(line.split() for line in kept) or len(kept) == len(lines) else "")
    assert judged.num_words - judged.words.total() == len(judged.text.split())
    assert judged.num_lines - judged.lines.total() == sum(bool(line.split()) for line in judged.text.split("\n"))
    again = judge.judge(judged.text)
    assert again.text == judged.text and not again.lines


def test_real_pages(data: Path) -> None:
    """Menus lose more of their words than the main text of pages does, by either preset."""
    share: dict[tuple[str, str], float] = {}
    for file in ("web_main", "web_boilerplate"):
        with zstandard.open(data / "corpus" / f"{file}.jsonl.zst", "rt", encoding="utf-8", newline="\n") as lines:
            texts = [json.loads(line)["text"] for line in lines]
        for name, judge in (("c4", C4), ("redstone", REDSTONE)):
            judged = [judge.judge(text) for text in texts]
            share[name, file] = sum(one.words.total() for one in judged) / sum(one.num_words for one in judged)
    for name in ("c4", "redstone"):
        assert share[name, "web_boilerplate"] > 1.5 * share[name, "web_main"]
