"""The compiled pass over words: which word n-grams of some passages a text has, and where they stand together.

A word is a hash of 64 bits of its letters (`vernier.core.words`), n words in a row are a polynomial in these, looked up
in a table (open addressing, linear probing) where their first words are known to a small filter of bits. Two different
n-grams have one hash once in 2^64 pairs.

Of each passage the n-grams met in the last so many words are a list, the latest last; one that comes again moves to the
end, those that are too old leave from the front. So the largest number of different n-grams within a window is exact,
each find costs the same, and memory does not grow with the text.

numba keeps compiled code beside this file and makes it anew when this file changes, and only then: so everything that
is compiled is here, and what other files decide comes as an argument. Where nothing can be written each process
compiles for itself (some seconds).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

SEED = np.uint64(0x243F6A8885A308D3)  # the first 64 bits of pi behind the point
FACTOR = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio, odd
HALF = np.uint64(32)
BIT = np.uint64(63)  # which bits of a hash say the bit of a word of 64
NONE = -1  # of a link or a position
SKIPPED = -1  # `vernier.core.words`
FIELDS = 5  # numbers of a find: row, passage, n-grams, first and last byte


def compiled(function: Callable[..., Any]) -> Any:
    try:
        return numba.njit(cache=True)(function)
    except RuntimeError:  # numba finds no folder that it may write to
        return numba.njit(function)


@compiled
def mixed(state: np.uint64, value: np.uint64) -> np.uint64:
    """The hash of a sequence, one value longer."""
    state = (state ^ value) * FACTOR
    return state ^ (state >> HALF)


@compiled
def words(text: Any, letters: Any, hashes: Any, starts: Any, ends: Any) -> int:
    """The words of a text in UTF-8: their hashes, and the bytes at which they start and end. Returns how many."""
    at, end, number, size, state = 0, len(text), 0, 0, SEED
    start, stop = 0, 0
    while at < end:
        byte = np.int64(text[at])
        if byte < 0x80:
            point, width = byte, 1
        elif byte < 0xE0:
            point, width = (byte & 0x1F) << 6 | (np.int64(text[at + 1]) & 0x3F), 2
        elif byte < 0xF0:
            point = (byte & 0x0F) << 12 | (np.int64(text[at + 1]) & 0x3F) << 6 | (np.int64(text[at + 2]) & 0x3F)
            width = 3
        else:
            point = (byte & 0x07) << 18 | (np.int64(text[at + 1]) & 0x3F) << 12
            point = point | (np.int64(text[at + 2]) & 0x3F) << 6 | (np.int64(text[at + 3]) & 0x3F)
            width = 4
        letter = np.int64(letters[point])
        if letter > 0:
            if size == 0:
                start = at
            state = mixed(state, np.uint64(letter))
            size += 1
            stop = at + width
        elif letter != SKIPPED and size > 0:
            hashes[number], starts[number], ends[number] = mixed(state, np.uint64(size)), start, stop
            number += 1
            size, state = 0, SEED
        if letter < SKIPPED:
            hashes[number] = mixed(mixed(SEED, np.uint64(-letter)), np.uint64(1))
            starts[number], ends[number] = at, at + width
            number += 1
        at += width
    if size > 0:
        hashes[number], starts[number], ends[number] = mixed(state, np.uint64(size)), start, stop
        number += 1
    return number


@compiled
def all_words(data: Any, bounds: Any, letters: Any, hashes: Any, starts: Any, ends: Any, counts: Any) -> None:
    """The words of many texts, one behind the other, and how many each has."""
    at = 0
    for row in range(len(counts)):
        text = data[bounds[row] : bounds[row + 1]]
        counts[row] = words(text, letters, hashes[at:], starts[at:], ends[at:])
        at += counts[row]


@compiled
def sums(hashes: Any, number: int, out: Any) -> None:
    """out[i] is the polynomial of the first i words."""
    out[0] = np.uint64(0)
    for i in range(number):
        out[i + 1] = out[i] * FACTOR + hashes[i]


@compiled
def gram(polynomials: Any, first: int, length: int, power: np.uint64) -> np.uint64:
    """The hash of `length` words from `first`; power: FACTOR to the power of the length."""
    value = polynomials[first + length] - polynomials[first] * power
    return mixed(mixed(SEED, value), np.uint64(length))


@compiled
def power_of(length: int) -> np.uint64:
    power = np.uint64(1)
    for _ in range(length):
        power = power * FACTOR
    return power


@compiled
def grams(hashes: Any, length: int, head: int, polynomials: Any, out: Any, heads: Any) -> None:
    """The hashes of all `length` words in a row, of which there is one at least, and of the first `head` of each."""
    sums(hashes, len(hashes), polynomials)
    power, head_power = power_of(length), power_of(head)
    for i in range(len(hashes) - length + 1):
        out[i] = gram(polynomials, i, length, power)
        heads[i] = gram(polynomials, i, head, head_power)


@compiled
def fill(known: Any, heads: Any, slots: Any, bits: Any) -> None:
    """Put the numbers of some hashes into an empty table, all NONE, and the bits of their heads into a filter, all 0.

    slots, bits   int32 and uint64, their lengths powers of 2
    """
    mask = np.uint64(len(slots) - 1)
    for number in range(len(known)):
        head = heads[number]
        bits[place_of(head, bits)] |= np.uint64(1) << (head & BIT)
        slot = np.int64(known[number] & mask)
        while slots[slot] != NONE:
            slot = (slot + 1) & np.int64(mask)
        slots[slot] = number


@compiled
def place_of(head: np.uint64, bits: Any) -> np.int64:
    return np.int64((head >> HALF) & np.uint64(len(bits) - 1))


@compiled
def may_begin(head: np.uint64, bits: Any) -> bool:
    """Whether an n-gram may begin with these words: always if one does, seldom if none does."""
    return bits[place_of(head, bits)] >> (head & BIT) & np.uint64(1) != 0


@compiled
def number_of(value: np.uint64, known: Any, slots: Any) -> Any:
    """The number of a hash among the known ones; NONE if it is none."""
    mask = len(slots) - 1
    slot = np.int64(value & np.uint64(mask))
    while slots[slot] != NONE:
        if known[slots[slot]] == value:
            return np.int64(slots[slot])
        slot = (slot + 1) & mask
    return NONE


@compiled
def spread(
    data: Any,
    bounds: Any,
    letters: Any,
    lengths: Any,
    known: Any,
    slots: Any,
    bits: Any,
    hashes: Any,
    starts: Any,
    ends: Any,
    polynomials: Any,
    last: Any,
    first_row: int,
    documents: Any,
) -> None:
    """Add to `documents` in how many texts each n-gram stands. last: the row where it was met last."""
    shortest = lengths[0]
    head_power = power_of(shortest)
    for row in range(len(bounds) - 1):
        number = words(data[bounds[row] : bounds[row + 1]], letters, hashes, starts, ends)
        sums(hashes, number, polynomials)
        for i in range(number - shortest + 1):
            if not may_begin(gram(polynomials, i, shortest, head_power), bits):
                continue
            for length in lengths:
                if i + length > number:
                    break
                found = number_of(gram(polynomials, i, length, power_of(length)), known, slots)
                if found != NONE and last[found] != first_row + row:
                    last[found] = first_row + row
                    documents[found] += 1


@compiled
def unlink(slot: int, passage: int, links: Any, ends_of: Any) -> None:
    """Take an n-gram out of its passage's list."""
    before, after = links[slot, 1], links[slot, 2]
    if before == NONE:
        ends_of[passage, 0] = after
    else:
        links[before, 2] = after
    if after == NONE:
        ends_of[passage, 1] = before
    else:
        links[after, 1] = before


@compiled
def find(
    data: Any,
    bounds: Any,
    letters: Any,
    lengths: Any,
    known: Any,
    slots: Any,
    bits: Any,
    post_at: Any,
    posts: Any,
    windows: Any,
    hashes: Any,
    starts: Any,
    ends: Any,
    polynomials: Any,
    links: Any,
    ends_of: Any,
    state: Any,
    touched: Any,
) -> Any:
    """Of each text and passage: the most different n-grams of the passage within its window, and where they stand.

    lengths          of n-grams, rising; one at least
    post_at, posts   CSR: the passages that have each n-gram
    windows          words of each passage's window, int64 [passages]
    links            position, link back, link on of each place in `posts`, all NONE, int32 [places, 3]
    ends_of          first and last place of each passage's list, all NONE, int32 [passages, 2]
    state            n-grams now, the most, and first and last word of the most, int64 [passages, 4], all 0
    touched          room for passages, int64 [passages]
    Returns int64 [finds, FIELDS], rows in order. What has to be NONE or 0 is so again afterwards.
    """
    out, size = np.empty((64, FIELDS), np.int64), 0
    shortest = lengths[0]
    head_power = power_of(shortest)
    for row in range(len(bounds) - 1):
        number = words(data[bounds[row] : bounds[row + 1]], letters, hashes, starts, ends)
        sums(hashes, number, polynomials)
        met = 0
        for i in range(number - shortest + 1):
            if not may_begin(gram(polynomials, i, shortest, head_power), bits):
                continue
            for length in lengths:
                if i + length > number:
                    break
                found = number_of(gram(polynomials, i, length, power_of(length)), known, slots)
                if found == NONE:
                    continue
                for slot in range(post_at[found], post_at[found + 1]):
                    passage = posts[slot]
                    if ends_of[passage, 0] == NONE and state[passage, 1] == 0:
                        touched[met] = passage
                        met += 1
                    if links[slot, 0] == NONE:
                        state[passage, 0] += 1
                    else:
                        unlink(slot, passage, links, ends_of)
                    before = ends_of[passage, 1]
                    links[slot, 0], links[slot, 1], links[slot, 2] = i, before, NONE
                    if before == NONE:
                        ends_of[passage, 0] = slot
                    else:
                        links[before, 2] = slot
                    ends_of[passage, 1] = slot
                    first = ends_of[passage, 0]
                    while links[first, 0] <= i - windows[passage]:
                        unlink(first, passage, links, ends_of)
                        links[first, 0] = NONE
                        state[passage, 0] -= 1
                        first = ends_of[passage, 0]
                    if state[passage, 0] > state[passage, 1]:
                        state[passage, 1] = state[passage, 0]
                        state[passage, 2], state[passage, 3] = links[first, 0], i + length - 1
        while size + met > len(out):
            larger = np.empty((2 * len(out), FIELDS), np.int64)
            larger[:size] = out[:size]
            out = larger
        for k in range(met):
            passage = touched[k]
            out[size, 0], out[size, 1], out[size, 2] = row, passage, state[passage, 1]
            out[size, 3], out[size, 4] = starts[state[passage, 2]], ends[state[passage, 3]]
            size += 1
            slot = ends_of[passage, 0]
            while slot != NONE:
                after = links[slot, 2]
                links[slot, 0] = NONE
                slot = after
            ends_of[passage, 0], ends_of[passage, 1] = NONE, NONE
            state[passage, 0], state[passage, 1] = 0, 0
    return out[:size].copy()
