"""Texts as sets of 64-bit hashes: shingles (n words in a row), and lines; and how much two sets share.

A shingle is a set's element whatever the number of times that it stands in the text; so is a line. A text with fewer
than n words has one shingle, all of it; a text without a word has none, and is like no other.

Words are what white space parts (after `Form`). Chinese, Japanese, Thai have no such spaces: what stands between two
punctuation marks is one word there, short texts have one shingle or a few, and one changed character makes five of
them others. `by: character` takes characters in a row instead, one space between two words among them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vernier.core.errors import RecipeError
from vernier.core.shingles.form import Form, normalised, read, table

Hashes = NDArray[np.uint64]


@dataclass(frozen=True, kw_only=True)
class Shingles:
    """What a text is made of, for the Jaccard index: n words in a row, or n characters.

    ngram  how many (5: FineWeb, arXiv 2406.17557)
    by     word or character
    form   what is normalised before
    """

    ngram: int = 5
    by: Literal["word", "character"] = "word"
    form: Form = field(default_factory=Form)

    def __post_init__(self) -> None:
        if self.ngram < 1:
            raise RecipeError("`ngram` is too small", found=str(self.ngram), expected="1 or more")


def shingles(text: str, how: Shingles) -> Hashes:
    """The different shingles of a text, uint64 [n], ascending."""
    return shingles_of(pa.array([text], pa.large_string()), how)[0]


def shingles_of(texts: Any, how: Shingles) -> tuple[Hashes, NDArray[np.int64]]:
    """The different shingles of each text, ascending within it, uint64; and where each text's begin, int64 [rows + 1].

    texts: a large_string array or column, no nulls. No other thread waits for it.
    Memory: at most 4 bytes for each byte of all texts, and of the longest one 4 for each byte and 40 for each word (by
    character: 10 for each byte, 8 and 40 for each character).
    """
    from vernier.core.shingles import kernel

    by_character = how.by == "character"
    data, bounds = normalised(texts, how.form) if by_character else read(texts, how.form)
    return kernel.shingle(data, bounds, table(how.form), how.ngram, by_character)


def jaccard(one: Hashes, other: Hashes) -> float:
    """What two sets share over what they have together; 0.0 if both are empty."""
    number = len(np.intersect1d(one, other, assume_unique=True))
    total = len(one) + len(other) - number
    return number / total if total else 0.0


@dataclass(frozen=True, kw_only=True)
class Lines:
    """What a text is made of, for the containment: its lines or paragraphs.

    unit  line: what stands between line feeds; paragraph: lines up to one of white space
    form  what is normalised before
    """

    unit: Literal["line", "paragraph"] = "line"
    form: Form = field(default_factory=lambda: Form(punctuation="drop", digits="zero"))


def lines(text: str, how: Lines) -> tuple[Hashes, NDArray[np.int32]]:
    """The different lines of a text: hashes, uint64 [n], ascending; and their characters after normalisation, int32."""
    return lines_of(pa.array([text], pa.large_string()), how)[:2]


def lines_of(texts: Any, how: Lines) -> tuple[Hashes, NDArray[np.int32], NDArray[np.int64]]:
    """The different lines of each text, ascending by hash within it; and where each text's begin, int64 [rows + 1]."""
    from vernier.core.shingles import kernel

    return kernel.lines(*normalised(texts, how.form, how.unit))


def containment(one: tuple[Hashes, NDArray[np.int32]], other: Hashes) -> float:
    """The share of a text's characters, each different line taken once, that stand in lines of another one; 0.0 if it
    has no line."""
    hashes, weights = one
    total = int(weights.sum())
    return int(weights[np.isin(hashes, other, assume_unique=True)].sum()) / total if total else 0.0
