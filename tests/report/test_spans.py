"""Documents in coloured pieces: no character is lost, and every loss is in one piece."""

from __future__ import annotations

import math
import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.report.world import HOSTILE, token_losses

from vernier.report.spans import Losses, coloured, level, plain, spans


def cut(text: str, sizes: list[int]) -> Losses:
    """Tokens of so many bytes, the last ones cut short by the text's end; one that cuts a character ends behind it."""
    ends = [at for at, character in enumerate(text, 1) for _ in character.encode()]
    behind = [len(text[:at].encode()) for at in ends]
    out, at = [], 0
    for size in sizes:
        at += size
        if at > len(behind):
            break
        out.append(behind[at - 1])
    return Losses([1.0 + number for number in range(len(out))], out)


@given(st.text(max_size=60), st.lists(st.integers(1, 5), max_size=40), st.lists(st.integers(1, 5), max_size=40))
def test_pieces_join_to_the_text_and_losses_to_their_sums(text: str, a: list[int], b: list[int]) -> None:
    one, other = cut(text, a), cut(text, b)
    pieces = spans(text, one, other, 10_000)
    assert "".join(piece.text for piece in pieces) == text
    common = set(one.end) & set(other.end)
    last = max(common, default=0)
    read = [piece for piece in pieces if piece.a is not None]
    # Slow reference: every token by its end.
    assert math.fsum(piece.a or 0 for piece in read) == sum(
        loss for loss, end in zip(one.nll, one.end, strict=True) if end <= last
    )
    assert math.fsum(piece.b or 0 for piece in read) == sum(
        loss for loss, end in zip(other.nll, other.end, strict=True) if end <= last
    )
    assert len(read) == len(common)


@given(st.text(min_size=1, max_size=60), st.integers(1, 60))
def test_a_long_document_is_cut_at_a_character(text: str, most: int) -> None:
    losses = Losses(*token_losses(text, 0))
    assert "".join(piece.text for piece in spans(text, losses, losses, most)) == text[:most]


def test_tokens_that_cut_a_character_are_one_piece_with_their_sum() -> None:
    text = "a\u65e5b"
    one = Losses([1.0, 2.0, 4.0, 8.0, 16.0], [1, 4, 4, 4, 5])
    pieces = spans(text, one, one, 100)
    assert [(piece.text, piece.a) for piece in pieces] == [("a", 1.0), ("\u65e5", 14.0), ("b", 16.0)]


def test_what_a_model_did_not_read_has_no_loss() -> None:
    one = Losses([1.0], [2])
    assert [(piece.text, piece.b) for piece in spans("abcd", one, one, 100)] == [("ab", 1.0), ("cd", None)]


@pytest.mark.parametrize("text", HOSTILE)
def test_coloured_text_is_harmless(text: str) -> None:
    a, b = (Losses(*token_losses(text, bit)) for bit in (0, 1))
    drawn = str(coloured(spans(text, a, b, 300), ("<i>small", '"large')))
    assert set(re.findall("<(/?[a-z]+)", drawn)) <= {"span", "/span"}
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", drawn)
    assert unescape(re.sub("<[^>]*>", "", drawn)) == unescape(str(plain(text[:300])))


def test_colour_goes_by_the_difference_and_both_losses_are_told() -> None:
    assert [level(x) for x in (-9, -3, 0, 0.1, 3, 9)] == [-6, -6, 0, 0, 6, 6]
    drawn = coloured(spans("ab", Losses([3.0, 1.0], [1, 2]), Losses([0.5, 2.5], [1, 2]), 9), ("small", "large"))
    first, second = re.findall("<span.*?</span>", drawn)
    assert 'title="small 3.00 nat, large 0.50 nat"' in first
    assert "var(--more)" in first
    assert "var(--less)" in second
    assert "dotted" in second
