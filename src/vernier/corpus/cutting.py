"""Where a stream of documents is cut into chunks: the rule of MiniPLM (arXiv 2410.17215, its released code).

The tokens of documents run into a buffer, an end-of-text token behind each. While it holds `size` tokens, a place to
cut is looked for from the `size`-th token back: behind an end-of-text token, a token with a newline in it, or one that
ends a sentence before a space. What is before it is a chunk, the rest stays. Without such a place the chunk has `size`
tokens. A document that has given `MOST` chunks is given up: the rest of the buffer is thrown away with it.

Ours, since the code itself was not at hand: which characters end a sentence, and what becomes of a buffer without a
place to cut.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST = 2000  # chunks of one document
NEWLINE, SPACE = b"\n "
SENTENCE_ENDS = np.frombuffer(b".!?", np.uint8)


@dataclass(frozen=True)
class Cut:
    """Tokens `start .. end - 1` of the stream. is_chunk: False for a rest that is thrown away."""

    start: int
    end: int
    is_chunk: bool = True


def places(text: bytes, ends: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Behind which tokens of a document a chunk may end, bool [T].

    text   in UTF-8, one byte or more
    ends   int64 [T], the byte behind each token
    """
    if not len(ends):
        return np.zeros(0, dtype=bool)
    data = np.frombuffer(text, np.uint8)
    newlines = np.concatenate(([0], np.cumsum(data == NEWLINE)))
    starts = np.concatenate(([0], ends[:-1]))
    last, following = data[np.maximum(ends, 1) - 1], np.append(data, 0)[ends]
    sentence = np.isin(last, SENTENCE_ENDS) & (following == SPACE) & (ends > starts)
    return (newlines[ends] > newlines[starts]) | sentence


def cut(lengths: Sequence[int], allowed: Sequence[int], size: int) -> Iterator[Cut]:
    """The stream's cuts: together they are all of it, in order. One at its end is shorter than `size`.

    lengths   tokens of each document, its end-of-text token counted
    allowed   how many tokens stand before each place to cut, rising
    size      most tokens in a chunk
    """
    at = stop = 0
    for length in lengths:
        stop, taken = stop + length, 0
        while stop - at >= size:
            if taken == MOST:
                yield Cut(at, stop, is_chunk=False)
                at = stop
                break
            place = bisect_right(allowed, at + size)
            end = allowed[place - 1] if place and allowed[place - 1] > at else at + size
            yield Cut(at, end)
            at, taken = end, taken + 1
    if stop > at:
        yield Cut(at, stop)
