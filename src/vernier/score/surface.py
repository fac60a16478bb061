"""Cheap counts of a text's surface, with no model: the scores that every learned one must beat.

    num_bytes       length in UTF-8
    num_chars       Unicode code points
    num_words       longest runs of word characters: ASCII letters and digits, and every character beyond ASCII
    num_stop_words  words that are, in small letters, one of STOP_WORDS
    num_symbols     ASCII characters that are neither a word character nor white space (punctuation, controls)
    zlib_bytes      len(zlib.compress(text, 1)), as plain Python has it

`vernier.core.measures` makes ratios of them: how well a text compresses (Gailly and Adler's zlib, level 1: levels,
windows and raw streams were measured and none is faster by a tenth), the share of stop words and of symbols (after
Gopher's quality rules, arXiv 2112.11446, A.1). Compression takes four fifths of the time; `zlib: false` leaves it out.

The counts are taken over a megabyte of texts at once, not text by text: one table look-up classes every byte, sets
of bytes become bits, which are counted 64 at a time, and a short word is one 64-bit number that is looked up.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vernier.core.shard import Shard

# The commonest English function words. None may be longer than eight letters.
_ENGLISH = """
a about all also an and are as at be been but by can could do for from had has have he her his how i if in into is it
its like more my no not of on one or our out over she so some such than that the their them then there these they this
to up was we were what when where which who will with would you your
"""
STOP_WORDS = tuple(_ENGLISH.split())
BLOCK = 1 << 20  # bytes of text counted at once: what is made of them stays in the processor's cache
SPACE, SYMBOL = 0, 1  # classes of a byte; any other value is a word character, in small letters


@dataclass(frozen=True, kw_only=True)
class Surface:
    """Count what is on the surface of each text.

    zlib  also compress each text
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus"}

    zlib: bool = True

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        for batch in shard.batches("corpus", ["text"]):
            texts = batch.column("text").combine_chunks()
            columns = count(texts)
            if self.zlib:
                columns["zlib_bytes"] = compressed(texts)
            yield pa.table(columns)


def count(texts: pa.LargeStringArray) -> dict[str, NDArray[np.int64]]:
    """Every count of each text but its compressed size, int64 [rows]."""
    docs = _views(texts)
    sizes = np.fromiter(map(len, docs), np.int64, len(docs))
    blocks = np.flatnonzero(np.diff(np.cumsum(sizes) // BLOCK, prepend=-1)).tolist()
    counts = [_count(docs[start:end]) for start, end in pairwise([*blocks, len(docs)])]
    words, stop_words, symbols = np.concatenate(counts, axis=1) if counts else np.zeros((3, 0), np.int64)
    return {
        "num_bytes": sizes,
        "num_chars": pc.utf8_length(texts).to_numpy(),
        "num_words": words,
        "num_stop_words": stop_words,
        "num_symbols": symbols,
    }


def compressed(texts: pa.LargeStringArray) -> NDArray[np.int64]:
    """The size of each text after zlib at level 1, int64 [rows]."""
    docs = _views(texts)
    return np.fromiter((len(zlib.compress(doc, 1)) for doc in docs), np.int64, len(docs))


def _views(texts: pa.LargeStringArray) -> list[memoryview]:
    """The UTF-8 of each text, not copied."""
    if len(texts) == 0:
        return []
    _, ends, data = texts.buffers()
    at = np.frombuffer(ends, np.int64)[texts.offset : texts.offset + len(texts) + 1].tolist()
    view = memoryview(data if data is not None else b"")
    return [view[start:end] for start, end in pairwise(at)]


def _count(docs: Sequence[memoryview]) -> NDArray[np.int64]:
    """Words, stop words and symbols of some texts, int64 [3, texts]."""
    joined = b" ".join([b"", *docs, b" " * 8])  # white space before, between and behind the texts
    marks = joined.translate(_CLASSES)
    mark = np.frombuffer(marks, np.uint8)
    ends = np.cumsum([len(doc) + 1 for doc in docs])
    bounds = np.concatenate([[0], ends])  # of each text with the space before it
    in_word = mark > SYMBOL
    first = in_word[1:] > in_word[:-1]  # whether a word starts one byte further on
    return np.stack(
        [
            _by_text(first, bounds),
            np.diff(np.searchsorted(_stop_words(marks, in_word, first), bounds)),
            _by_text(mark == SYMBOL, bounds),
        ]
    )


def _by_text(bits: NDArray[np.bool_], bounds: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many of the bits from one bound to the next are set, int64 [bounds - 1]."""
    packed = np.packbits(bits, bitorder="little")
    words = np.zeros(len(packed) // 8 + 1, np.dtype("<u8"))
    words.view(np.uint8)[: len(packed)] = packed
    before = np.concatenate([[0], np.cumsum(np.bitwise_count(words), dtype=np.int64)])
    last, bit = bounds >> 6, (bounds & 63).astype(np.uint64)
    return np.diff(before[last] + np.bitwise_count(words[last] & ((np.uint64(1) << bit) - np.uint64(1))))


def _stop_words(marks: bytes, in_word: NDArray[np.bool_], first: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Where the stop words are, rising.

    The eight bytes from the start of a word are one number. Those behind the word's end are cleared: the lowest
    byte below 2 is where it ends (Hacker's Delight, 6-1, finds it with a subtraction).
    """
    size = len(marks) - 8
    too_long = in_word[2 : size + 2].copy()
    for letter in range(3, _LONGEST + 2):
        too_long &= in_word[letter : size + letter]
    starts = np.flatnonzero(first[:size] > too_long) + 1
    eight = np.ndarray(size + 1, np.dtype("<u8"), marks, strides=(1,))[starts]
    end = (eight - _TWOS) & ~eight & _HIGH_BITS
    words = eight & (((end & (~end + _ONE)) >> np.uint64(7)) - _ONE)
    return starts[_TABLE.take(_slot(words)) == words]


def _slot(words: NDArray[np.uint64]) -> NDArray[np.int64]:
    return ((words * _MULTIPLIER) >> np.uint64(64 - _SLOT_BITS)).view(np.int64)


def _classes() -> bytes:
    word = b"abcdefghijklmnopqrstuvwxyz0123456789"
    table = bytearray([SYMBOL] * 128 + [255] * 128)
    for byte in b" \t\n\r\v\f":
        table[byte] = SPACE
    for byte in word:
        table[byte] = table[ord(chr(byte).upper())] = byte
    return bytes(table)


def _table() -> NDArray[np.uint64]:
    words = np.array([int.from_bytes(word.encode(), "little") for word in STOP_WORDS], np.uint64)
    table = np.ones(1 << _SLOT_BITS, np.uint64)  # 1 is no word: a word's bytes are letters and digits
    table[_slot(words)] = words
    return table


_CLASSES = _classes()
_LONGEST = max(map(len, STOP_WORDS))
_ONE, _TWOS, _HIGH_BITS = np.uint64(1), np.uint64(0x0202020202020202), np.uint64(0x8080808080808080)
_SLOT_BITS = 10
_MULTIPLIER = np.uint64(0xE9AA5979A6401C4F)  # the sixth odd number drawn: it gives each stop word a slot of its own
_TABLE = _table()
