"""The order of preference of all kept rows, in little memory: the rank of a row is how many keys come before its own.

A key is three 64-bit words (`vernier.select.cut`): the score's, then the document id's. Scores rarely tie, so the first
words of all keys say nearly everything; whole keys are kept only where rows share their first word.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.bytes_]  # three words as 24 bytes: as byte strings they are in the order of the words
Words = NDArray[np.uint64]


@dataclass(frozen=True)
class Order:
    """first: the first word of every key, uint64 [n], rising; tied: the keys that share it with another, rising."""

    first: Words
    tied: Keys

    @staticmethod
    def of(keys: Keys) -> Order:
        """The order of some keys, which are sorted in place."""
        keys.sort()
        first = _first(keys)
        shared = np.zeros(len(first), dtype=bool)
        same = first[1:] == first[:-1]
        shared[1:] |= same
        shared[:-1] |= same
        return Order(first, keys[shared])

    def rank(self, words: Words) -> NDArray[np.int64]:
        """How many keys come before each of these. uint64 [m, 3] -> int64 [m]."""
        before = np.searchsorted(self.first, words[:, 0])
        if len(self.tied):
            before += np.searchsorted(self.tied, packed(words)) - np.searchsorted(_first(self.tied), words[:, 0])
        return before.astype(np.int64, copy=False)


def packed(words: Words) -> Keys:
    """Keys of rows, from their words. uint64 [n, 3] -> [n]."""
    return np.ascontiguousarray(words.byteswap()).view("S24").reshape(-1)


def _first(keys: Keys) -> Words:
    return keys.view(">u8")[::3].astype(np.uint64)
