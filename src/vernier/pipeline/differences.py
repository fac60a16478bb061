"""Where two texts differ first, in words: a short look that takes the same time however long they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import islice

WINDOW = 300  # words of each text that are matched at a time: difflib takes at worst their product
WINDOWS = 40  # looked at
BESIDE = 48  # characters of what both have, on both sides
ALONE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # kana, Han: languages that do not part words
_WORD = re.compile(rf"[{ALONE}]|[^\s{ALONE}]{{1,40}}")
_CUT_START, _CUT_END = re.compile(r"^\S*\s+"), re.compile(r"\s+\S*$")  # words of which a part is there


@dataclass(frozen=True)
class Difference:
    """Stretches of text, empty where there is none: what both have, what each of the two has then, what both have
    behind it."""

    before: str
    one: str
    other: str
    after: str


def differences(one: str, other: str, most: int = 3) -> Iterator[Difference]:
    """The first places where two texts differ in more than white space, at most so many."""
    a = b = 0
    left = most
    for _ in range(WINDOWS):
        same = _same(one, other, a, b)
        a, b = _word_start(one, a, a + same), _word_start(other, b, b + same)
        words = _words(one, a), _words(other, b)
        if not any(words):
            return
        ops = SequenceMatcher(None, *([m[0] for m in some] for some in words), autojunk=False).get_opcodes()
        ends = all(len(some) < WINDOW for some in words)
        if not ends and ops[-1][0] != "equal" and len(ops) > 2:
            ops.pop()  # it may go on behind the window
        for op in ops:
            if op[0] != "equal":
                yield _difference(one, other, words, op)
                left -= 1
                if not left:
                    return
        if ends or ops[-1][0] != "equal":
            return
        a, b = words[0][ops[-1][2] - 1].end(), words[1][ops[-1][4] - 1].end()


def _words(text: str, start: int) -> list[re.Match[str]]:
    return list(islice(_WORD.finditer(text, start), WINDOW))


def _same(one: str, other: str, a: int, b: int) -> int:
    """Characters that both have in common from `a` and `b` on."""
    low, high = 0, min(len(one) - a, len(other) - b)
    size = 1 << 10
    while low < high:  # ever larger pieces while they are equal, then halves of the one that is not
        end = min(high, low + size)
        if one[a + low : a + end] == other[b + low : b + end]:
            low, size = end, 2 * size
        elif end - low == 1:
            return low
        else:
            high, size = end, (end - low) // 2
    return low


def _word_start(text: str, least: int, at: int) -> int:
    """Where the word begins that holds the character at `at` or ends there, not before `least`."""
    start = max(least, at - 40)
    found = [match.start() for match in _WORD.finditer(text, start, at)]
    return found[-1] if found and not text[at - 1].isspace() else at


def _difference(
    one: str, other: str, words: tuple[list[re.Match[str]], list[re.Match[str]]], op: tuple[str, int, int, int, int]
) -> Difference:
    _, a, end_a, b, end_b = op
    start = words[0][a].start() if a < len(words[0]) else len(one)
    end = words[0][end_a - 1].end() if end_a > a else start
    before, after = one[max(0, start - BESIDE) : start], one[end : end + BESIDE]
    if start > BESIDE:
        before = _CUT_START.sub("", before)
    if end + BESIDE < len(one):
        after = _CUT_END.sub("", after)
    return Difference(before, _span(one, words[0][a:end_a]), _span(other, words[1][b:end_b]), after)


def _span(text: str, words: list[re.Match[str]]) -> str:
    return text[words[0].start() : words[-1].end()] if words else ""
