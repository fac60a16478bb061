"""What each Unicode character is: a table of bits by code point, and the phrases that are looked for.

White space, letters and digits are those of this Python's `str`; sentence terminators those of Unicode 16.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from vernier.score.scan.kernel import ALNUM, ALPHA, CLOSER, SPACE, TERMINAL, WIDE

# The property Sentence_Terminal of the Unicode Character Database (PropList.txt), code points in hexadecimal.
_TERMINAL = """
21 2e 3f 589 61d-61f 6d4 700-702 7f9 837 839 83d-83e 964-965 104a-104b 1362 1367-1368 166e 1735-1736 17d4-17d5 1803
1809 1944-1945 1aa8-1aab 1b4e-1b4f 1b5a-1b5b 1b5e-1b5f 1b7d-1b7f 1c3b-1c3c 1c7e-1c7f 2024 203c-203d 2047-2049
2cf9-2cfb 2e2e 2e3c 2e53-2e54 2e60-2e61 3002 a4ff a60e-a60f a6f3 a6f7 a876-a877 a8ce-a8cf a92f a9c8-a9c9 aa5d-aa5f
aaf0-aaf1 abeb fe12 fe15-fe16 fe52 fe56-fe57 ff01 ff0e ff1f ff61 10a56-10a57 10f55-10f59 10f86-10f89 11047-11048
110be-110c1 11141-11143 111c5-111c6 111cd 111de-111df 11238-11239 1123b-1123c 112a9 113d4-113d5 1144b-1144c 115c2-115c3
115c9-115d7 11641-11642 1173c-1173e 11944 11946 11a42-11a43 11a9b-11a9c 11c41-11c42 11ef7-11ef8 11f43-11f44 16a6e-16a6f
16af5 16b37-16b38 16b44 16d6e-16d6f 16e98 1bc9f 1da88
"""
CLOSERS = "\"')]\u00bb\u2019\u201d\u300d\u300f\uff09"  # may stand between a terminator and the end of its sentence
LOREM = "lorem ipsum"
JAVASCRIPT = "javascript"
# C4's released code, c4_utils.py
POLICY = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
PHRASES = (LOREM, JAVASCRIPT, *POLICY)


def terminators() -> list[int]:
    """The code points that end a sentence."""
    found: list[int] = []
    for part in _TERMINAL.split():
        first, _, last = part.partition("-")
        found += range(int(first, 16), int(last or first, 16) + 1)
    return found


@functools.cache
def kinds() -> NDArray[np.uint8]:
    """The bits of each code point, uint8 [0x110000]."""
    points = np.arange(0x110000, dtype=np.uint32)
    points[0xD800:0xE000] = 0  # surrogates are no characters
    as_text = points.view("<U1")
    out = np.zeros(len(points), np.uint8)
    for bit, which in ((SPACE, np.strings.isspace), (ALPHA, np.strings.isalpha), (ALNUM, np.strings.isalnum)):
        out[which(as_text)] |= bit
    out[terminators()] |= TERMINAL
    out[[point for point in terminators() if point > 0x7F]] |= WIDE
    out[[ord(character) for character in CLOSERS]] |= CLOSER
    return out


@functools.cache
def phrases() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The phrases in one array of bytes, and where each begins and the last ends."""
    data = "".join(PHRASES).encode()
    return np.frombuffer(data, np.uint8), np.cumsum([0, *map(len, PHRASES)])
