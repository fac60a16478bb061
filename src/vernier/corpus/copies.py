"""Finds documents that repeat what came before them: exact copies, and near ones by the sequences of words they share.

A near copy is a document of which at least 80 % of the distinct sequences of five words stand in documents that were
kept before it, in one or spread over several. Words are runs of letters, digits and underscores, in small letters.
Five words are the n-grams of Lee et al. (arXiv 2107.06499) and of FineWeb (2406.17557); the share of sequences that
came before, and 0.8 for it, is what DCLM drops web text by (2406.11794, there of 13 words).

The share is taken of the document alone, not of the union: a licence that begins with another copyright line is cut
into documents at other places, and each of them is a part of two. Two documents with a Jaccard index of 0.8 or more
always are copies by this measure, so no such pair is kept.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from hashlib import blake2b

WORDS = 5  # in a sequence
SHARE = 0.8  # of a document's sequences
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Copy:
    """Why a document is left out: a reason of the quarantine, and what it repeats, in words."""

    reason: str
    detail: str


class Copies:
    """What was kept so far. Memory: about 100 bytes for each text and each distinct sequence, of which text has one a
    word: some 15 times the text."""

    def __init__(self) -> None:
        self._texts: dict[bytes, str] = {}
        self._sequences: dict[bytes, int] = {}  # the number of the document that had it first
        self._names: list[str] = []

    def exact(self, text: str, name: str) -> Copy | None:
        """The copy that this text is of one seen before; a text that is none is remembered under `name`."""
        key = _hash(text)
        if key in self._texts:
            return Copy("exact_duplicate", f"the text is that of {self._texts[key]}")
        self._texts[key] = name
        return None

    def near(self, text: str, name: str) -> Copy | None:
        """The same, by sequences of words. A text without a word is no near copy of anything."""
        found = sequences(text)
        before = Counter(self._sequences[one] for one in found if one in self._sequences)
        if found and before.total() >= SHARE * len(found):
            most = self._names[min(before, key=lambda number: (-before[number], number))]
            share = before.total() / len(found)
            return Copy("near_duplicate", f"{share:.0%} of its sequences of {WORDS} words came before, most in {most}")
        for one in found:
            self._sequences.setdefault(one, len(self._names))
        self._names.append(name)
        return None


def sequences(text: str) -> set[bytes]:
    """Hashes of the distinct runs of five words; of all the words, where there are fewer."""
    words = _WORD.findall(text.lower())
    return {_hash(" ".join(words[i : i + WORDS])) for i in range(max(1, len(words) - WORDS + 1))} if words else set()


def _hash(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=8).digest()
