"""The compiled passes: texts in one form, and their words, shingles and lines as sets of hashes.

Hashes have 64 bits: two different words, shingles or lines have the same one once in 2^64 pairs. Everything goes
through UTF-8 once, byte by byte; a byte above 0x7F makes the pass decode a code point and look up what it becomes.

numba keeps compiled code beside this file and makes it anew when this file changes, and only then: so everything that
is compiled is here, and what other files decide comes as an argument. A compiled function elsewhere that calls one of
these keeps the old one until its own file changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

SEED = np.uint64(0x243F6A8885A308D3)  # the first 64 bits of pi behind the point
FACTOR = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio, odd
STEP = np.uint64(0xD1342543DE82EF95)  # of a row of words: a multiplier of Steele and Vigna (arXiv 2001.05304), odd
SPREAD = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)  # the last step of MurmurHash3, 64 bits
HALF, THIRD, LENGTH, BYTE = np.uint64(32), np.uint64(33), np.uint64(56), np.uint64(8)
ZERO, ONE, FULL, LOW = np.uint64(0), np.uint64(1), np.uint64(64), np.uint64(0xFF)
BITS, PLACE = np.uint64(3), np.uint64(63)  # in a byte, as a shift; the places that a shift may go
SPACE, NEWLINE = 0x20, 0x0A
TEXT, LINES, PARAGRAPHS = range(3)  # what line feeds mean: white space; the end of a line; two of them, of a paragraph


def compiled(function: Callable[..., Any]) -> Any:
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # numba finds no folder that it may write to
        return numba.njit(nogil=True)(function)


@compiled
def mixed(state: np.uint64, value: np.uint64) -> np.uint64:
    """The hash of a sequence, one value longer."""
    state = (state ^ value) * FACTOR
    return state ^ (state >> HALF)


@compiled
def spread(value: np.uint64) -> np.uint64:
    """A number one to one for another, each bit of it from all bits; never 0, which marks an empty slot."""
    value ^= value >> THIRD
    value *= SPREAD[0]
    value ^= value >> THIRD
    value *= SPREAD[1]
    value ^= value >> THIRD
    return value if value != ZERO else ONE


@compiled
def decoded(data: Any, at: int) -> tuple[int, int]:
    """The code point that begins here with a byte above 0x7F, and its bytes."""
    byte = int(data[at])
    if byte < 0xE0:
        return (byte & 0x1F) << 6 | (int(data[at + 1]) & 0x3F), 2
    if byte < 0xF0:
        point = (byte & 0x0F) << 12 | (int(data[at + 1]) & 0x3F) << 6
        return point | (int(data[at + 2]) & 0x3F), 3
    point = (byte & 0x07) << 18 | (int(data[at + 1]) & 0x3F) << 12
    point = point | (int(data[at + 2]) & 0x3F) << 6
    return point | (int(data[at + 3]) & 0x3F), 4


@compiled
def normalise(data: Any, bounds: Any, becomes: Any, unit: int, out: Any, out_bounds: Any) -> None:
    """Each text with its characters as `becomes` says: words with one space between, lines with one line feed.

    becomes  by code point: the bytes that it becomes, the first in the lowest place, and their number in the highest
    unit     TEXT; LINES or PARAGRAPHS, of which those with no word are left out
    """
    put = 0
    out_bounds[0] = 0
    for row in range(len(bounds) - 1):
        start, at, end = put, bounds[row], bounds[row + 1]
        gap = 1  # whether a space would follow a separator, or begin the text
        ended = -1  # where the output stood behind the last line feed
        while at < end:
            byte = np.int64(data[at])
            if byte < 0x80:
                at += 1
                if byte == NEWLINE and unit != TEXT:
                    if unit == LINES or put == ended:
                        if put > start and out[put - 1] == SPACE:
                            put -= 1
                        if put > start and out[put - 1] != NEWLINE:
                            out[put] = NEWLINE
                            put += 1
                    elif gap == 0:
                        out[put] = SPACE
                        put += 1
                    gap, ended = 1, put
                    continue
                entry = becomes[byte]
                letter = entry & LOW
                out[put] = letter
                length = np.int64(entry >> LENGTH)
                space = np.int64(letter == SPACE)
                put += length & ~(space & gap)
                gap = space | (gap & (length ^ 1))
                continue
            point, width = decoded(data, at)
            at += width
            entry = becomes[point]
            for _ in range(np.int64(entry >> LENGTH)):
                letter = entry & LOW
                entry >>= BYTE
                if letter == SPACE:
                    if gap == 0:
                        out[put] = SPACE
                        put += 1
                    gap = 1
                else:
                    out[put] = letter
                    put += 1
                    gap = 0
        if put > start and (out[put - 1] == SPACE or out[put - 1] == NEWLINE):
            put -= 1
        out_bounds[row + 1] = put


@compiled
def pieces(text: Any, start: int, end: int, separator: int, hashes: Any, sizes: Any) -> int:
    """Hashes of what stands between separators, and how many characters each has. Returns their number.

    A hash takes eight bytes at a time, the first in the lowest place; the number of bits of the last ones goes in.
    """
    number, size = 0, 0
    state, chunk, fill = SEED, ZERO, ZERO
    for at in range(start, end + 1):
        byte = np.uint64(text[at]) if at < end else np.uint64(separator)
        if byte == separator:
            if fill > ZERO:
                hashes[number] = mixed(state ^ fill, chunk)
                sizes[number] = size
                number += 1
            state, chunk, fill, size = SEED, ZERO, ZERO, 0
            continue
        if fill == FULL:
            state, chunk, fill = mixed(state, chunk), ZERO, ZERO
        chunk |= byte << fill
        fill += BYTE
        size += np.int64(byte & np.uint64(0xC0) != np.uint64(0x80))
    return number


@compiled
def words(data: Any, start: int, end: int, becomes: Any, hashes: Any) -> int:
    """Hashes of the words of a text as it was read: those that `pieces` makes of it normalised, in one go. Returns
    their number."""
    number, at = 0, start
    state, chunk, fill = SEED, ZERO, ZERO
    while at < end:
        if data[at] < 0x80:
            entry = becomes[data[at]]
            letter = entry & LOW
            at += 1
            if letter == SPACE:
                if fill > ZERO:
                    hashes[number] = mixed(state ^ fill, chunk)
                    number += 1
                    state, chunk, fill = SEED, ZERO, ZERO
                continue
            if fill == FULL and entry != ZERO:
                state, chunk, fill = mixed(state, chunk), ZERO, ZERO
            chunk |= letter << (fill & PLACE)  # nothing at all for a character that goes
            fill += entry >> LENGTH << BITS
            continue
        point, width = decoded(data, at)
        at += width
        entry = becomes[point]
        for _ in range(np.int64(entry >> LENGTH)):
            letter = entry & LOW
            entry >>= BYTE
            if letter == SPACE:
                if fill > ZERO:
                    hashes[number] = mixed(state ^ fill, chunk)
                    number += 1
                state, chunk, fill = SEED, ZERO, ZERO
                continue
            if fill == FULL:
                state, chunk, fill = mixed(state, chunk), ZERO, ZERO
            chunk |= letter << fill
            fill += BYTE
    if fill > ZERO:
        hashes[number] = mixed(state ^ fill, chunk)
        number += 1
    return number


@compiled
def characters(text: Any, start: int, end: int, hashes: Any) -> int:
    """Hashes of the characters of a text, the space between two words among them. Returns their number."""
    number = 0
    chunk, fill = ZERO, ZERO
    for at in range(start, end):
        byte = np.uint64(text[at])
        if fill > ZERO and byte & np.uint64(0xC0) != np.uint64(0x80):
            hashes[number] = mixed(SEED ^ fill, chunk)
            number += 1
            chunk, fill = ZERO, ZERO
        chunk |= byte << fill
        fill += BYTE
    if fill > ZERO:
        hashes[number] = mixed(SEED ^ fill, chunk)
        number += 1
    return number


@compiled
def grams(hashes: Any, number: int, n: int) -> int:
    """Hashes of words become those of n words in a row, of all in a row if there are fewer. Returns their number.

    A polynomial in STEP whose coefficients are the hashes, modulo 2^64: a word enters at its lowest power, moves up
    and leaves.
    """
    n = min(n, number)
    value, power = ZERO, ONE
    for i in range(n):
        value = value * STEP + hashes[i]
        power *= STEP
    for i in range(number - n):
        first = hashes[i]
        hashes[i] = spread(value)
        value = value * STEP + hashes[i + n] - first * power
    if number > 0:
        hashes[number - n] = spread(value)
    return number - n + 1 if number > 0 else 0


@compiled
def roomy(number: int) -> int:
    """The bits of a table for so many hashes: at most a quarter full, a large one half full."""
    bits = 4
    while (1 << bits) < (4 if number <= 1 << 16 else 2) * number:
        bits += 1
    return bits


@compiled
def distinct(hashes: Any, number: int, slots: Any) -> int:
    """The different ones of some hashes, in ascending order, to the front. Returns their number.

    A hash goes to the slot that its highest bits name, or to the next free one: so the table is in order but for
    what stands close together, and slots behind its end take what would go over. Slots are empty before and after.
    """
    bits = roomy(number)
    shift = np.uint64(64 - bits)
    last = 0
    for i in range(number):
        value = hashes[i]
        slot = np.int64(value >> shift)
        while slots[slot] != ZERO and slots[slot] != value:
            slot += 1
        slots[slot] = value
        last = max(last, slot)
    found = 0
    for slot in range(last + 1):  # without a branch, which nobody could foretell
        value = slots[slot]
        slots[slot] = ZERO
        hashes[found] = value
        found += int(value != ZERO)
    for i in range(1, found):
        value, place = hashes[i], i
        while place > 0 and hashes[place - 1] > value:
            hashes[place] = hashes[place - 1]
            place -= 1
        hashes[place] = value
    return found


@compiled
def shingle(data: Any, bounds: Any, becomes: Any, n: int, by_character: bool) -> tuple[Any, Any]:
    """The different shingles of each text in ascending order, uint64, and where each text's begin, int64.

    data: texts as they were read, of which `becomes` makes words; if `by_character`, normalised ones.
    """
    longest, most = 0, 0
    for row in range(len(bounds) - 1):
        size = bounds[row + 1] - bounds[row]
        number = size if by_character else (size + 1) // 2  # a word has a byte, and one stands between two
        longest = max(longest, number)
        most += number
    values, offsets = np.empty(most, np.uint64), np.zeros(len(bounds), np.int64)
    hashes = np.empty(longest + 1, np.uint64)  # one behind the last is written to as well
    slots = np.zeros(32, np.uint64)
    put = 0
    for row in range(len(bounds) - 1):
        if by_character:
            number = characters(data, bounds[row], bounds[row + 1], hashes)
        else:
            number = words(data, bounds[row], bounds[row + 1], becomes, hashes)
        number = grams(hashes, number, n)
        room = (1 << roomy(number)) + number
        if room > len(slots):
            slots = np.zeros(room, np.uint64)
        number = distinct(hashes, number, slots)
        values[put : put + number] = hashes[:number]
        put += number
        offsets[row + 1] = put
    return values[:put].copy(), offsets


@compiled
def lines(text: Any, bounds: Any) -> tuple[Any, Any, Any]:
    """The different lines of each normalised text in ascending order of their hashes: uint64, their characters, int32,
    and where each text's begin, int64."""
    longest, most = 0, 0
    for row in range(len(bounds) - 1):
        size = (bounds[row + 1] - bounds[row] + 1) // 2
        longest = max(longest, size)
        most += size
    values, weights, offsets = np.empty(most, np.uint64), np.empty(most, np.int32), np.zeros(len(bounds), np.int64)
    hashes, sizes = np.empty(longest, np.uint64), np.empty(longest, np.int64)
    put = 0
    for row in range(len(bounds) - 1):
        number = pieces(text, bounds[row], bounds[row + 1], NEWLINE, hashes, sizes)
        for i in range(number):
            hashes[i] = spread(hashes[i])
        before = ZERO
        for i in np.argsort(hashes[:number], kind="mergesort"):
            if hashes[i] != before:
                before = hashes[i]
                values[put], weights[put] = before, sizes[i]
                put += 1
        offsets[row + 1] = put
    return values[:put].copy(), weights[:put].copy(), offsets


@compiled
def heavy(values: Any, weights: Any, offsets: Any, least: int) -> tuple[Any, Any]:
    """Those elements of sets that weigh at least so much, and where each set's begin, int32."""
    out, bounds = np.empty(len(values), np.uint64), np.zeros(len(offsets), np.int32)
    put = 0
    for row in range(len(offsets) - 1):
        for i in range(offsets[row], offsets[row + 1]):
            if weights[i] >= least:
                out[put] = values[i]
                put += 1
        bounds[row + 1] = put
    return out[:put].copy(), bounds
