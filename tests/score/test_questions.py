"""Pages of questions: markers, ways of options, and each limit of a page at one unit either side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import zstandard

from vernier.core.errors import RecipeError
from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.score.questions import COLUMNS, Page, Questions
from vernier.testing.make import corpus_table, make_artifact, run


def count(text: str, url: str = "") -> dict[str, int]:
    return dict(zip(COLUMNS, Questions().count(text, url), strict=True))


@pytest.mark.parametrize(
    ("text", "questions", "answers"),
    [
        ("Question: why?\nAnswer: because.", 1, 1),
        ("Q1. Why?\nA1. So.\nQ2. How?\nA2. Thus.", 2, 2),
        ("**Question 12:** why?\n**Ans** - so", 1, 1),
        ("Problem #3) find x\nSolution: 4", 1, 1),
        ("Question No. 4: why?\nThe correct answer: so", 1, 1),
        ("A question: why? The answer: because.", 0, 0),  # not where a line begins
        ("Questions are good.\nAnswering is better.", 0, 0),
        ("A cat sat.\nQuick.", 0, 0),
    ],
)
def test_markers(text: str, questions: int, answers: int) -> None:
    found = count(text)
    assert (found["num_questions"], found["num_answers"]) == (questions, answers)


@pytest.mark.parametrize("way", ["{}.", "{})", "({})", "{}:", "[{}]", "{} -"])
@pytest.mark.parametrize("letters", ["ABCD", "abcd"])
@pytest.mark.parametrize("between", ["\n", "  "])
def test_each_way_of_options(way: str, letters: str, between: str) -> None:
    written = [
        f"{way.format(letter)} some {word}" for letter, word in zip(letters, ("cat", "dog", "cow", "hen"), strict=True)
    ]
    assert count("Which?\n" + between.join(written))["num_options"] == 1
    assert count("Which?\n" + between.join(written[:3]))["num_options"] == 0
    assert count("Which?\n" + between.join([written[1], written[0], *written[2:]]))["num_options"] == 0


def test_choice_needs_a_mention_and_options() -> None:
    options = "Which?\nA. one\nB. two\nC. three\nD. four"
    assert count(options)["is_choice"] == 0
    assert count("A multiple-choice test")["is_choice"] == 0
    assert count(f"Multiple choice questions\n{options}")["is_choice"] == 1
    assert count(options, "https://a.b/mcq/12")["is_choice"] == 1
    assert count(options, "https://a.b/multiple_choice-test")["num_choice"] == 1
    assert count("Fill in: a ____ sat on the ___.\nAnswer: yes, it did\nAns. False")["num_blanks"] == 2
    assert count("Answer: yes, it did\nAns. False\nAnswer: yesterday")["num_yes_no"] == 2


def page(chars: int, lines: int, longest: int) -> str:
    """A page of exactly so many characters and lines (one for each but the last two letters), the longest so long."""
    sizes = [longest] + [0] * (lines - 1)
    left = chars - longest - (lines - 1)
    for i in range(1, lines):
        sizes[i] = min(longest, left - (lines - 1 - i))
        left -= sizes[i]
    assert left == 0 and sum(sizes) + lines - 1 == chars
    return "\n".join("x" * size for size in sizes)


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        (page(255, 4, 129), False),
        (page(256, 4, 129), True),
        (page(16_384, 40, 600), True),
        (page(16_385, 40, 600), False),
        (page(600, 3, 300), False),
        (page(600, 4, 300), True),
        (page(16_000, 256, 129), True),
        (page(16_000, 257, 129), False),
        (page(500, 4, 128), False),
        (page(500, 4, 129), True),
        (page(4000, 4, 2048), True),
        (page(4000, 4, 2049), False),
    ],
)
def test_sizes_at_one_unit(text: str, fits: bool) -> None:
    assert Page(short_share=1).fits(text) == fits


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        # 67 of 100 lines are short, and one more; 32 characters are short, 33 are not.
        ("\n".join(["x" * 200] * 33 + ["x" * 32] * 67), True),
        ("\n".join(["x" * 200] * 32 + ["x" * 32] * 68), False),
        ("\n".join(["x" * 200] * 32 + ["x" * 33] + ["x" * 32] * 67), True),
        # 1000 characters: 329 and 330 of them white space, 99 and 100 of them one mark.
        ("\n".join(["x" * 250 + " " * 108 + "x"] * 3 + ["x" * 2]), None),
    ],
)
def test_short_lines(text: str, fits: bool | None) -> None:
    if fits is not None:
        assert Page().fits(text) == fits


@pytest.mark.parametrize(("spaces", "fits"), [(329, True), (330, False)])
def test_white_space_at_one_unit(spaces: int, fits: bool) -> None:
    """Of 1000 characters, three of them line breaks."""
    letters, blanks = 1000 - spaces, spaces - 3
    parts = [
        "a" + " " * (blanks // 4 + (i < blanks % 4)) + "b" * (letters // 4 + (i < letters % 4) - 1) for i in range(4)
    ]
    text = "\n".join(parts)
    assert len(text) == 1000 and sum(c.isspace() for c in text) == spaces
    assert Page().fits(text) == fits


@pytest.mark.parametrize(("marks", "fits"), [(99, True), (100, False)])
def test_one_mark_at_one_unit(marks: int, fits: bool) -> None:
    """Of 1000 characters so many commas; as many full stops beside them change nothing."""
    rest = 1000 - 3 - marks - 99
    text = (
        "," * marks
        + "." * 99
        + "x" * 100
        + "\n"
        + "\n".join(["x" * (rest // 3)] * 2 + ["x" * (rest - 100 - rest // 3 * 2)])
    )
    assert len(text) == 1000
    assert Page().fits(text) == fits


def test_a_page_that_fits_with_question_and_answer() -> None:
    long = "x" * 200
    assert count(f"Question: {long}\nAnswer: {long}\nmore {long}\nand {long}")["is_open"] == 1
    assert count(f"Question: {long}\nmore {long}\nand {long}\n{long}")["is_open"] == 0
    assert count("Question: x?\nAnswer: y.")["is_open"] == 0


@pytest.mark.parametrize("wrong", [{"chars": (5, 4)}, {"lines": (-1, 4)}])
def test_no_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match="is a range"):
        Page(**wrong)


def test_urls_come_from_a_column(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    corpus = make_artifact(
        store, "corpus", [corpus_table(["A. a\nB. b\nC. c\nD. d", ""], domains=["https://x/mcqs", None])]
    )
    inputs = Inputs(store.url, {"corpus": corpus})
    (made,) = run(Questions(url="domain"), inputs)
    assert made.column("is_choice").to_pylist() == [1, 0]
    with pytest.raises(RecipeError, match="no column 'url'"):
        run(Questions(url="url"), inputs)


def test_real_text(data: Path) -> None:
    """Forum questions with their answers are found far oftener than in novels."""
    share: dict[str, float] = {}
    for file in ("mixed_qa_science", "books_classic", "webarticle_digitalgov"):
        with zstandard.open(data / "corpus" / f"{file}.jsonl.zst", "rt", encoding="utf-8", newline="\n") as lines:
            found = [count(json.loads(line)["text"]) for line in lines]
        share[file] = sum(one["num_questions"] > 0 and one["num_answers"] > 0 for one in found) / len(found)
    assert share["mixed_qa_science"] > 0.5
    assert share["books_classic"] < 0.01 and share["webarticle_digitalgov"] < 0.02
