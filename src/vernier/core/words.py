"""Words as overlap compares them: what typography, case and spacing do not change.

A word is a longest run of letters and digits; everything else parts words and is dropped. Letters are small, without
accents and width (the compatibility decomposition of Unicode, where it leaves one letter), marks and invisible
characters are skipped. Scripts that write no spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese, Tibetan) have a word
for each character. GPT-3 (arXiv 2005.14165, appendix C) and lm-evaluation-harness delete punctuation and part words at
white space: there "well-known" is one word, and a dash without spaces joins two.
"""

from __future__ import annotations

import functools
import unicodedata

import numpy as np
from numpy.typing import NDArray

SKIPPED = -1  # a character that neither parts words nor belongs to one
# First and last code points of scripts without spaces between words.
_ALONE = (
    (0x0E00, 0x0FFF),  # Thai, Lao, Tibetan
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x2FDF),  # radicals
    (0x3005, 0x3007),
    (0x3040, 0x30FF),  # kana
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9D),  # kana of half width
    (0x20000, 0x3FFFF),
)


@functools.cache
def letters() -> NDArray[np.int32]:
    """What each code point is in a word, int32 [0x110000]: the letter that it is taken for; 0 parts words; SKIPPED; a
    number below that is a word by itself, that letter with a minus."""
    points = np.arange(0x110000, dtype=np.uint32)
    points[0xD800:0xE000] = 0  # surrogates are no characters
    known = np.flatnonzero(np.strings.isalnum(points.view("<U1")))
    out = np.zeros(len(points), np.int32)
    out[known] = known
    alone = np.zeros(len(points), bool)
    for first, last in _ALONE:
        alone[first : last + 1] = True
    for point in known[~alone[known]].tolist():
        out[point] = _letter(chr(point))
    for point in (*range(0x80, 0x20000), *range(0xE0000, 0xE0200)):
        if unicodedata.category(chr(point)) in ("Mn", "Mc", "Me", "Cf"):
            out[point] = SKIPPED
    out[alone & (out > 0)] *= -1
    return out


def _letter(character: str) -> int:
    """The letter that a character is taken for."""
    small = character.lower()
    plain = "".join(c for c in unicodedata.normalize("NFKD", small) if not unicodedata.combining(c)).lower()
    return next((ord(one) for one in (plain, small) if len(one) == 1 and one.isalnum()), ord(character))
