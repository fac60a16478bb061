"""What comes twice in a document: hashes of 64 bits stand for lines, paragraphs, sentences and words in a row.

Two different ones have the same hash once in 2^64 pairs. The table is open addressing with linear probing; a slot
counts as filled if its stamp is that of the current question, so that nothing is cleared between questions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vernier.score.scan.compiled import FACTOR, HALF, compiled

Table = tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def table(most: int) -> Table:
    """Room for `most` different hashes: hash, stamp, where it came first, how often it came."""
    size = 1 << max(4, (2 * most).bit_length())
    return np.zeros(size, np.uint64), np.zeros(size, np.int64), np.zeros(size, np.int64), np.zeros(size, np.int64)


@compiled
def mask_of(most: int) -> int:
    """One less than the part of the table that a question about `most` hashes uses: a small document stays in cache."""
    size = 16
    while size < 2 * most:
        size *= 2
    return size - 1


@compiled
def slot_of(value: np.uint64, keys: Any, stamps: Any, stamp: int, mask: int) -> int:
    """The slot that holds a hash, or the empty one that it would take."""
    spread = value * FACTOR
    slot = np.int64(spread ^ (spread >> HALF)) & mask
    while stamps[slot] == stamp and keys[slot] != value:
        slot = (slot + 1) & mask
    return slot


@compiled
def repeated(hashes: Any, lengths: Any, number: int, keys: Any, stamps: Any, stamp: int) -> tuple[int, int]:
    """How many of the first `number` hashes came before, and the sum of their lengths."""
    mask = mask_of(number)
    times, size = 0, 0
    for i in range(number):
        slot = slot_of(hashes[i], keys, stamps, stamp, mask)
        if stamps[slot] == stamp:
            times += 1
            size += lengths[i]
        else:
            stamps[slot] = stamp
            keys[slot] = hashes[i]
    return times, size


@compiled
def longer(grams: Any, words: Any, number: int, n: int) -> None:
    """Hashes of n - 1 words in a row become those of n, of which there are `number`."""
    for i in range(number):
        grams[i] = grams[i] * FACTOR + words[i + n - 1]


@compiled
def commonest(
    grams: Any, before: Any, number: int, n: int, keys: Any, stamps: Any, firsts: Any, times: Any, stamp: int
) -> int:
    """Characters, spaces between the words included, of the commonest n words in a row, each time that it comes.

    Of equally common ones that which came first. before: characters before each word.
    """
    mask = mask_of(number)
    best, where = 0, 0
    for i in range(number):
        slot = slot_of(grams[i], keys, stamps, stamp, mask)
        if stamps[slot] == stamp:
            times[slot] += 1
        else:
            stamps[slot] = stamp
            keys[slot] = grams[i]
            firsts[slot] = i
            times[slot] = 1
        if times[slot] > best or (times[slot] == best and firsts[slot] < where):
            best, where = times[slot], firsts[slot]
    return best * (before[where + n] - before[where] + n - 1)


@compiled
def covered(grams: Any, before: Any, number: int, n: int, keys: Any, stamps: Any, stamp: int) -> int:
    """Characters of words, no spaces, in n words in a row that came before. What follows such a find is looked at only
    behind it, so that no word counts twice."""
    mask = mask_of(number)
    size, i = 0, 0
    while i < number:
        slot = slot_of(grams[i], keys, stamps, stamp, mask)
        if stamps[slot] == stamp:
            size += before[i + n] - before[i]
            i += n
        else:
            stamps[slot] = stamp
            keys[slot] = grams[i]
            i += 1
    return size
