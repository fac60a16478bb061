"""The counts of many texts: room for the pass to work in, and its columns by name."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vernier.core.rules import DUPLICATE, SHORT_LINE, STOP_WORDS, TOP
from vernier.score.scan import kernel
from vernier.score.scan.kinds import kinds, phrases

# As the kernel compares them: the bytes of a word as one number.
STOPS = np.array([int.from_bytes(word.encode(), "little") for word in STOP_WORDS], np.uint64)
NAMES = (*kernel.COUNTED, *(f"top_{n}gram_chars" for n in TOP), *(f"dup_{n}gram_chars" for n in DUPLICATE))
assert max(map(len, STOP_WORDS)) <= 8, "a stop word is compared as one number"
assert (*TOP, *DUPLICATE) == tuple(range(TOP[0], DUPLICATE[-1] + 1)), "lengths are counted one by one"


def count(
    data: NDArray[np.uint8], bounds: NDArray[np.int64], *, repetition: bool, lines: bool, c4: bool
) -> dict[str, NDArray[np.int64]]:
    """The counts of each text by name, int64 [rows]; 0 where they were not asked for.

    data        UTF-8 of all texts, one behind the other
    bounds      where each begins and the last ends, int64 [rows + 1]
    repetition  also everything that comes twice
    lines       at least lines that come twice
    c4          also phrases, and what C4 keeps
    """
    out = np.zeros((len(bounds) - 1, len(NAMES)), np.int64)
    room = int(np.diff(bounds).max(initial=0)) // 2 + 2  # a word, line, sentence has a byte, and one stands between two
    units = np.zeros((3, room), np.uint64), np.zeros((3, room), np.int64)
    words = np.zeros(room, np.uint64), np.zeros(room, np.uint64), np.zeros(room + 1, np.int64)
    slots = 1 << max(4, (2 * room).bit_length())
    table = np.zeros(slots, np.uint64), *(np.zeros(slots, np.int64) for _ in range(3))
    asked = repetition, lines, c4, STOPS, SHORT_LINE, (TOP[0], TOP[-1]), DUPLICATE[-1]
    kernel.count(data, bounds, kinds(), *phrases(), *asked, *units, *words, *table, out)
    return {name: np.ascontiguousarray(out[:, place]) for place, name in enumerate(NAMES)}
