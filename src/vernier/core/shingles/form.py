"""One form for texts that differ only in what does not matter: case, accents, punctuation, digits, white space.

What a character becomes does not depend on its neighbours, so it is a table. White space is always joined: words with
one space between them, none at the ends. Characters, their case and their classes are those of this Python's
`unicodedata`.
"""

from __future__ import annotations

import functools
import itertools
import unicodedata
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vernier.core.errors import RecipeError

Unit = Literal["text", "line", "paragraph"]
_MOST_BYTES = 7  # that a character can become
# Where characters are that may become others. Elsewhere are ideographs (CJK, Tangut), Hangul syllables, surrogates,
# what is for private use, and nothing.
_RANGES = (
    *(range(0x3400), range(0x4DC0, 0x4E00), range(0xA000, 0xAC00), range(0xD7A4, 0xD800), range(0xF900, 0x17000)),
    *(range(0x18D00, 0x20000), range(0x2F800, 0x2FA20), range(0xE0000, 0xE0200)),
)
_SPACE = (1 << 56) | 0x20


@dataclass(frozen=True, kw_only=True)
class Form:
    """What texts are compared by. As datatrove has it, FineWeb's code, but for digits: it puts a 0 for each number.

    unicode      none, nfc or nfkc: the normal form that comes first
    lower        letters in lower case, each by itself (a final sigma is no other letter)
    accents      drop: marks (category Mn) go, also those that are part of a character; keep
    punctuation  space: punctuation and symbols (P, S) part words; drop: they go; keep. Control and format characters
                 (Cc, Cf) go unless it is keep
    digits       keep; zero: each decimal digit is a 0
    """

    unicode: Literal["none", "nfc", "nfkc"] = "none"
    lower: bool = True
    accents: Literal["drop", "keep"] = "drop"
    punctuation: Literal["space", "drop", "keep"] = "space"
    digits: Literal["keep", "zero"] = "keep"

    def apply(self, text: str, unit: Unit = "text") -> str:
        """A text in this form: words with one space between; if `unit` is line or paragraph, each in a line of its
        own, those without a word left out. Paragraphs are parted by a line without a character but white space."""
        data, bounds = normalised(pa.array([text], pa.large_string()), self, unit)
        return data[bounds[0] : bounds[1]].tobytes().decode()


def becomes(character: str, form: Form) -> str:
    """What one character becomes; a space if it is white space, and for what parts words."""
    if character.isspace():
        return " "
    category = unicodedata.category(character)
    if form.punctuation != "keep":
        if category[0] in "PS":
            return " " if form.punctuation == "space" else ""
        if category in ("Cc", "Cf"):
            return ""
    if form.digits == "zero" and category == "Nd":
        return "0"
    out = character.lower() if form.lower else character
    if form.accents == "drop":
        parts = [part for part in unicodedata.normalize("NFD", out) if unicodedata.category(part) != "Mn"]
        bare = unicodedata.normalize("NFC", "".join(parts))
        if len(bare.encode()) <= _MOST_BYTES:  # longer only for some musical symbols, which stay
            out = bare
    return out


@functools.lru_cache(maxsize=8)
def table(form: Form) -> NDArray[np.uint64]:
    """What each code point becomes, uint64 [0x110000]: UTF-8, the first byte in the lowest place, and how many bytes it
    has in the highest place. Takes a tenth of a second."""
    out = _encoded().copy()
    for point in itertools.chain.from_iterable(_RANGES):
        character = chr(point)
        changed = becomes(character, form)
        if changed == " ":
            out[point] = _SPACE
        elif changed != character:
            data = changed.encode()
            out[point] = len(data) << 56 | int.from_bytes(data, "little")
    out.setflags(write=False)
    return out


@functools.cache
def _encoded() -> NDArray[np.uint64]:
    """Each code point in UTF-8, as in `table`."""
    out = np.arange(0x110000, dtype=np.uint64)
    for number, (first, last) in enumerate(((0, 0x80), (0x80, 0x800), (0x800, 0x10000), (0x10000, 0x110000)), 1):
        points = out[first:last]
        made = np.full(last - first, number << 56, np.uint64)
        for place in range(number):
            byte = points >> np.uint64(6 * (number - 1 - place))
            if place > 0:
                byte = byte & np.uint64(0x3F) | np.uint64(0x80)
            elif number > 1:
                byte = byte | np.uint64(0xF00 >> number & 0xFF)  # as many leading ones as bytes
            made |= byte << np.uint64(8 * place)
        out[first:last] = made
    out.setflags(write=False)
    return out


@functools.lru_cache(maxsize=8)
def growth(form: Form) -> float:
    """The most bytes that a byte of UTF-8 becomes."""
    return float(np.max((table(form) >> np.uint64(56)) / (_encoded() >> np.uint64(56))))


def normalised(texts: Any, form: Form, unit: Unit = "text") -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Texts in one form: UTF-8 of all, one behind the other, and where each begins and the last ends, int64 [rows + 1].

    texts: a large_string array or column, no nulls. unit: see `Form.apply`.
    Memory: at most twice the bytes of the texts for the result.
    """
    from vernier.core.shingles import kernel

    data, bounds = read(texts, form)
    room = int(growth(form) * int(bounds[-1] - bounds[0])) + len(bounds) + 8
    out, out_bounds = np.empty(room, np.uint8), np.zeros(len(bounds), np.int64)
    kind = {"text": kernel.TEXT, "line": kernel.LINES, "paragraph": kernel.PARAGRAPHS}[unit]
    kernel.normalise(data, bounds, table(form), kind, out, out_bounds)
    return out[: int(out_bounds[-1])], out_bounds


def read(texts: Any, form: Form) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The UTF-8 of texts in the form's normal form, and where each begins and the last ends, int64 [rows + 1].

    texts: a large_string array or column, no nulls. Not copied but for a normal form, or a column of several chunks.
    """
    array = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    if array.type != pa.large_string():
        raise RecipeError("texts are of the wrong type", found=str(array.type), expected="large_string")
    if form.unicode != "none":
        array = _unicode(array, "NFC" if form.unicode == "nfc" else "NFKC")
    if len(array) == 0:
        return np.empty(0, np.uint8), np.zeros(1, np.int64)
    _, ends, data = array.buffers()
    bounds = np.frombuffer(ends, np.int64)[array.offset : array.offset + len(array) + 1]
    return np.frombuffer(data if data is not None else b"", np.uint8), bounds


def _unicode(texts: Any, form: Literal["NFC", "NFKC"]) -> Any:
    """Texts in a Unicode normal form; those of ASCII alone are."""
    plain = pc.string_is_ascii(texts)
    if pc.all(plain).as_py() is not False:
        return texts
    others = [unicodedata.normalize(form, text) for text in texts.filter(pc.invert(plain)).to_pylist()]
    return pc.replace_with_mask(texts, pc.invert(plain), pa.array(others, pa.large_string()))
