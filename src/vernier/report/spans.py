"""A document's text in pieces, each with the losses of two models: what is coloured, token by token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

LEVELS = 6  # of a colour's strength
STRONG = 3.0  # nat: a difference so large, or larger, has the strongest colour
# What a browser does not show, or takes for something else, has a picture of its own (U+2400); line ends and tabs stay.
_PICTURES = {code: 0x2400 + code for code in range(32) if code not in (9, 10)} | {127: 0x2421}
_PICTURES |= dict.fromkeys([*range(0x80, 0xA0), 0xFFFE, 0xFFFF, 0xFEFF], 0xFFFD)


@dataclass(frozen=True)
class Span:
    """A piece of text, and its loss under two models in nat; None where they did not read it."""

    text: str
    a: float | None
    b: float | None


@dataclass(frozen=True)
class Losses:
    """A document's row of a `score.token_nll` table: `nll` in nat, `end` in bytes, an entry for each token."""

    nll: Sequence[float]
    end: Sequence[int]


def spans(text: str, a: Losses, b: Losses, most: int) -> list[Span]:
    """The first `most` characters of a text, cut wherever a token of both models ends, and the unread rest.

    Models of one tokenizer are cut token by token. Tokens that end at one place (they cut a character) are one span,
    and so are those between two places where both end. The spans' texts joined are the text up to `most`.
    """
    data = text.encode()
    shown = len(text[:most].encode())
    ends = np.intersect1d(np.asarray(a.end, dtype=np.int64), np.asarray(b.end, dtype=np.int64))
    starts = np.append((np.frombuffer(data, np.uint8) & 0xC0) != 0x80, True)  # bytes at which a character starts
    ends = ends[(ends > 0) & (ends <= len(data))]
    ends = ends[starts[ends]]
    out: list[Span] = []
    start = 0
    for end, one, other in zip(ends.tolist(), _between(a, ends), _between(b, ends), strict=True):
        out.append(Span(data[start : min(end, shown)].decode(), one, other))
        start = end
        if start >= shown:
            break
    if start < shown:
        out.append(Span(data[start:shown].decode(), None, None))
    return out


def _between(losses: Losses, ends: NDArray[np.int64]) -> list[float]:
    """The summed loss of the tokens that end behind one of `ends` and not behind the next."""
    sums = np.concatenate([[0.0], np.cumsum(np.asarray(losses.nll, dtype=np.float64))])
    # Ends never fall: all tokens that end at or before a place are its first so many.
    return np.diff(sums[np.searchsorted(np.asarray(losses.end), ends, side="right")], prepend=0.0).tolist()


def coloured(pieces: Sequence[Span], names: tuple[str, str]) -> Markup:
    """The spans as HTML: blue where the second model's loss is lower, orange and dotted where the first's is."""
    return Markup("").join(_coloured(piece, names) for piece in pieces)


def plain(text: str) -> Markup:
    """Text as HTML: escaped, with a picture for each character that can not be seen."""
    return escape(text.translate(_PICTURES))


def level(difference: float) -> int:
    """How strong the colour of a loss difference is: from -LEVELS to LEVELS, 0 is none."""
    return round(max(-1.0, min(1.0, difference / STRONG)) * LEVELS)


def style(strength: int) -> str:
    """What a strength looks like; a difference for the first model is underlined too, so that it needs no colour."""
    name = "more" if strength > 0 else "less"
    tint = f"background:color-mix(in srgb,var(--{name}) {round(70 * abs(strength) / LEVELS)}%,transparent)"
    return tint if strength > 0 else f"{tint};border-bottom:2px dotted var(--less)"


def _coloured(piece: Span, names: tuple[str, str]) -> Markup:
    text = plain(piece.text)
    if piece.a is None or piece.b is None:
        return Markup('<span style="color:var(--muted)">{}</span>').format(text)
    title = f"{names[0]} {piece.a:.2f} nat, {names[1]} {piece.b:.2f} nat"
    strength = level(piece.a - piece.b)
    if not strength:
        return Markup('<span title="{}">{}</span>').format(title, text)
    return Markup('<span title="{}" style="{}">{}</span>').format(title, style(strength), text)
