"""Noise made from real text, marked as such: what a selection should leave out, whatever else it does.

    kind                 of the document that it is made from
    words_shuffled       its words in another order, the white space between them as it was
    characters_shuffled  its characters in another order
    base64               its bytes in base64, lines of 76 characters as in mail (RFC 2045)
    binary               random bytes read as Latin-1: a binary file that went through for text
    repeated_line        one of its lines, at most a fifth of the document, again and again

Noise is at most as long as its document, in bytes. What is drawn depends on the document's id alone.
"""

from __future__ import annotations

import base64
import re

import numpy as np
from numpy.typing import NDArray

from vernier.core import rng

KINDS = ("words_shuffled", "characters_shuffled", "base64", "binary", "repeated_line")
_SPACE = re.compile(r"(\s+)")


def kind_of(doc_id: bytes, share: float) -> str | None:
    """The kind of noise that is made from a document; None for the 1 - share of them that make none."""
    ids = np.frombuffer(doc_id, np.uint64).reshape(1, 2)
    if rng.uniform(ids, 0, "corpus.plant")[0] >= share:
        return None
    return KINDS[int(rng.bits(ids, 0, "corpus.plant.kind")[0] % np.uint64(len(KINDS)))]


def noise(kind: str, text: str, doc_id: bytes) -> str:
    """Noise of a kind, of at most as many bytes as `text` has."""
    size = len(text.encode())
    if kind == "words_shuffled":
        parts = _SPACE.split(text)
        places = [i for i, part in enumerate(parts) if part.strip()]
        shuffled = {place: parts[places[i]] for place, i in zip(places, _order(len(places), doc_id), strict=True)}
        return "".join(shuffled.get(i, part) for i, part in enumerate(parts))
    if kind == "characters_shuffled":
        return "".join(text[i] for i in _order(len(text), doc_id))
    if kind == "base64":
        return _cut(base64.encodebytes(text.encode()).decode(), size)
    if kind == "binary":
        return _cut((_lots(size, doc_id) >> np.uint64(56)).astype(np.uint8).tobytes().decode("latin-1"), size)
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    line = lines[int(_lots(1, doc_id)[0] % np.uint64(len(lines)))]
    line = _cut(line, size // 5) + "\n"  # so it comes four times at least
    return line * (size // len(line.encode()))


def _order(number: int, doc_id: bytes) -> NDArray[np.int64]:
    return np.argsort(_lots(number, doc_id), kind="stable")


def _lots(number: int, doc_id: bytes) -> NDArray[np.uint64]:
    """64 random bits for each of `number` places of a document, uint64 [number]."""
    ids = np.empty((number, 2), np.uint64)
    ids[:, 0] = np.frombuffer(doc_id, np.uint64)[0]
    ids[:, 1] = np.arange(number)
    return rng.bits(ids, 0, "corpus.plant.noise")


def _cut(text: str, size: int) -> str:
    """The whole characters in the first `size` bytes."""
    return text.encode()[:size].decode(errors="ignore")
