"""RedStone's test for mathematics: each step at one unit either side, and the test data's kinds of text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import zstandard

from vernier.core.errors import RecipeError
from vernier.score.latex import COMMAND, Latex


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("a = b + c", 0),  # no command
        (r"\mathematicalx = 1", 0),  # too long for a command: none of its own kind
        (r"\foo \section \begin x = y", 0),  # commands, none known
        (r"the \alpha male", 0),  # one kind, no operator
        (r"\alpha \alpha \alpha", 0),  # still one
        (r"the \alpha = 1", 1),
        (r"one kind, and \alpha \leq is two", 1),
        (r"\varepsilon \Leftrightarrow", 1),  # longer than the expression sees
        (r"\alpha \beta", 1),  # two kinds need no operator
        (r"\alpha \beta \gamma \delta", 1),
        (r"\alpha \beta \gamma \delta \delta", 1),
        (r"\alpha \beta \gamma \delta \sum", 2),
        (r"C:\users\alpha", 0),
        ("", 0),
    ],
)
def test_levels(text: str, level: int) -> None:
    assert Latex().count(text)[3] == level


def test_the_expression_is_redstones() -> None:
    r"""`\\[A-Z]{0,9}[a-z]{2,9}`: two small letters at least, nine at most, up to nine capitals before."""
    assert COMMAND.findall(r"\a \ab \abcdefghi \Aa \Aab \ABCDEFGHIab") == [
        r"\ab",
        r"\abcdefghi",
        r"\Aab",
        r"\ABCDEFGHIab",
    ]
    assert COMMAND.findall(r"\abcdefghij") == [r"\abcdefghi"]
    assert COMMAND.findall(r"\ABCDEFGHIJab") == []


def test_counts() -> None:
    assert Latex().count(r"$\frac{a}{b} = \frac{c}{d}$, x - 1, well-known, \foo") == (3, 1, 2, 1)
    assert Latex(sure=2).count(r"\alpha \beta")[3] == 2
    with pytest.raises(RecipeError):
        Latex(sure=1)


def test_real_text(data: Path) -> None:
    """A book in LaTeX (with macros of its own for much) is mathematics; novels and specifications are not."""
    level: dict[str, list[int]] = {}
    for file in ("math_hott", "books_classic", "techspec_peps", "math_gsm8k_train", "web_c4"):
        with zstandard.open(data / "corpus" / f"{file}.jsonl.zst", "rt", encoding="utf-8", newline="\n") as lines:
            level[file] = [Latex().count(json.loads(line)["text"])[3] for line in lines]
    assert sum(one > 0 for one in level["math_hott"]) >= 0.95 * len(level["math_hott"])
    assert sum(one == 2 for one in level["math_hott"]) >= 0.5 * len(level["math_hott"])
    for file in ("books_classic", "techspec_peps", "math_gsm8k_train", "web_c4"):
        assert sum(one > 0 for one in level[file]) <= 0.02 * len(level[file]), file
