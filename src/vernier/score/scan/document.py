"""The pass over one document: every count of `vernier.core.rules.SIGNALS` but that of bad words."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vernier.core.rules import DUPLICATE, SHORT_LINE, SIGNALS, STOP_WORDS, TOP
from vernier.score.scan.compiled import SEED, compiled, mixed
from vernier.score.scan.kinds import ALNUM, ALPHA, CLOSER, SPACE, TERMINAL, WIDE, kinds, phrases
from vernier.score.scan.repeats import commonest, covered, longer, repeated, table

LONG_WORD = 1000  # characters; a line with a longer word is none that C4 keeps: c4_utils.py
C4_WORDS = 5  # of a line that C4 keeps: C4, 2.2
_PLACE = {name: place for place, name in enumerate(SIGNALS)}
CHARS, WORDS, ALNUM_WORDS, ALNUM_WORD_CHARS, ALPHA_WORDS = (
    _PLACE[f"num_{name}"] for name in ("chars", "words", "alnum_words", "alnum_word_chars", "alpha_words")
)
STOP_KINDS, HASHES, ELLIPSES = (_PLACE[f"num_{name}"] for name in ("stop_word_kinds", "hashes", "ellipses"))
NEWLINES, LINE_CHARS, LINES = (_PLACE[f"num_{name}"] for name in ("newlines", "line_chars", "lines"))
BULLET_LINES, ELLIPSIS_LINES, FULL_LINES = (_PLACE[f"num_{n}_lines"] for n in ("bullet", "ellipsis", "full"))
PUNCTUATED_LINES, SHORT_LINES = (_PLACE[f"num_{name}_lines"] for name in ("punctuated", "short"))
# a count of units is followed by that of repeated ones and that of their characters
DUP_LINES, PARAGRAPHS, SENTENCES = (_PLACE[f"num_{name}"] for name in ("dup_lines", "paragraphs", "sentences"))
TOP_CHARS, DUP_CHARS = _PLACE[f"top_{TOP[0]}gram_chars"], _PLACE[f"dup_{DUPLICATE[0]}gram_chars"]
CURLY, LOREM = _PLACE["num_curly_brackets"], _PLACE["num_lorem_ipsum"]
JAVASCRIPT_LINES, POLICY_LINES, C4_SENTENCES = (
    _PLACE[f"num_{name}"] for name in ("javascript_lines", "policy_lines", "c4_sentences")
)
LAST_TOP, FIRST_DUPLICATE, LAST_DUPLICATE, FIRST_TOP = TOP[-1], DUPLICATE[0], DUPLICATE[-1], TOP[0]
STOPS = np.array([int.from_bytes(word.encode(), "little") for word in STOP_WORDS], np.uint64)
LONGEST_STOP = max(map(len, STOP_WORDS))
NEWLINE, DOT, ELLIPSIS, HASH, BULLET, DASH, QUOTE = (ord(c) for c in '\n.\u2026#\u2022-"')
OPENING, QUESTION, EXCLAMATION = (ord(c) for c in "{?!")
LINE, PARAGRAPH, SENTENCE = range(3)  # rows of `units`


def count(
    data: NDArray[np.uint8], bounds: NDArray[np.int64], *, repetition: bool, lines: bool, c4: bool
) -> NDArray[np.int64]:
    """The counts of each text, int64 [rows, signals]; 0 where they were not asked for.

    data        UTF-8 of all texts, one behind the other
    bounds      where each begins and the last ends, int64 [rows + 1]
    repetition  also everything that comes twice
    lines       at least lines that come twice
    c4          also phrases, and what C4 keeps
    """
    out = np.zeros((len(bounds) - 1, len(SIGNALS)), np.int64)
    longest = int(np.diff(bounds).max(initial=0))
    room = longest // 2 + 2  # words, lines, sentences and paragraphs have a byte, and one stands between them
    units = np.zeros((3, room), np.uint64), np.zeros((3, room), np.int64)
    words = np.zeros(room, np.uint64), np.zeros(room, np.uint64), np.zeros(room + 1, np.int64)
    _count(data, bounds, kinds(), *phrases(), repetition, lines, c4, *units, *words, *table(room), out)
    return out


@compiled
def _count(
    data: Any,
    bounds: Any,
    kinds_of: Any,
    phrase: Any,
    phrase_at: Any,
    repetition: bool,
    lines: bool,
    c4: bool,
    hashes: Any,
    lengths: Any,
    words: Any,
    grams: Any,
    before: Any,
    keys: Any,
    stamps: Any,
    firsts: Any,
    times: Any,
    out: Any,
) -> None:
    stamp = 0
    for row in range(len(bounds) - 1):
        counts = out[row]
        _walk(
            data, bounds[row], bounds[row + 1], kinds_of, phrase, phrase_at, c4, hashes, lengths, words, before, counts
        )
        if lines or repetition:
            stamp += 1
            found = repeated(hashes[LINE], lengths[LINE], counts[FULL_LINES], keys, stamps, stamp)
            counts[DUP_LINES], counts[DUP_LINES + 1] = found
        if not repetition:
            continue
        for kind, place in ((PARAGRAPH, PARAGRAPHS), (SENTENCE, SENTENCES)):
            stamp += 1
            found = repeated(hashes[kind], lengths[kind], counts[place], keys, stamps, stamp)
            counts[place + 1], counts[place + 2] = found
        number = counts[WORDS]
        grams[:number] = words[:number]
        for n in range(FIRST_TOP, LAST_DUPLICATE + 1):
            runs = number - n + 1
            if runs <= 0:
                break
            longer(grams, words, runs, n)
            stamp += 1
            if n <= LAST_TOP:
                size = commonest(grams, before, runs, n, keys, stamps, firsts, times, stamp)
                counts[TOP_CHARS + n - FIRST_TOP] = size
            else:
                counts[DUP_CHARS + n - FIRST_DUPLICATE] = covered(grams, before, runs, n, keys, stamps, stamp)


@compiled
def _walk(
    data: Any,
    start: int,
    end: int,
    kinds_of: Any,
    phrase: Any,
    phrase_at: Any,
    c4: bool,
    hashes: Any,
    lengths: Any,
    words: Any,
    before: Any,
    counts: Any,
) -> None:
    """Everything that one look at each character tells: counts, and hashes and lengths of words and units.

    The end of the text is taken for one more line feed, which counts for nothing by itself.
    """
    stops, word_chars, word_bits, word_at = 0, 0, 0, start
    word_hash, line_hash, paragraph_hash, sentence_hash = SEED, SEED, SEED, SEED
    paragraph_chars, sentence_chars, sentence_end_chars, ending = 0, 0, 0, 0
    sentence_end_hash = SEED
    line_at, line_chars, line_words, line_sentences, first, last, dots, tail = start, 0, 0, 0, 0, 0, 0, 0
    long_word, javascript, policy = False, False, False
    at = start
    before[0] = 0
    while True:
        over = at >= end
        if over:
            point, width = NEWLINE, 0
        elif data[at] < 0x80:
            point, width = np.int64(data[at]), 1
        elif data[at] < 0xE0:
            point, width = (np.int64(data[at]) & 0x1F) << 6 | (np.int64(data[at + 1]) & 0x3F), 2
        elif data[at] < 0xF0:
            point = (np.int64(data[at]) & 0x0F) << 12 | (np.int64(data[at + 1]) & 0x3F) << 6
            point, width = point | (np.int64(data[at + 2]) & 0x3F), 3
        else:
            point = (np.int64(data[at]) & 0x07) << 18 | (np.int64(data[at + 1]) & 0x3F) << 12
            point = point | (np.int64(data[at + 2]) & 0x3F) << 6
            point, width = point | (np.int64(data[at + 3]) & 0x3F), 4
        kind = np.int64(kinds_of[point])
        if not over:
            counts[CHARS] += 1
        if kind & SPACE:
            if word_chars > 0:
                number = counts[WORDS]
                words[number] = mixed(word_hash, np.uint64(word_chars))
                before[number + 1] = before[number] + word_chars
                counts[WORDS] = number + 1
                line_words += 1
                if word_bits & ALNUM:
                    counts[ALNUM_WORDS] += 1
                    counts[ALNUM_WORD_CHARS] += word_chars
                if word_bits & ALPHA:
                    counts[ALPHA_WORDS] += 1
                if word_chars > LONG_WORD:
                    long_word = True
                if at - word_at <= LONGEST_STOP:
                    packed = np.uint64(0)
                    for i in range(at - 1, word_at - 1, -1):
                        packed = packed << np.uint64(8) | np.uint64(data[i])
                    for i in range(len(STOPS)):
                        if STOPS[i] == packed:
                            stops |= 1 << i
                word_chars, word_bits, word_hash = 0, 0, SEED
            dots = 0
            if sentence_chars > 0 and (ending > 0 or point == NEWLINE):
                number = counts[SENTENCES]
                hashes[SENTENCE, number], lengths[SENTENCE, number] = sentence_end_hash, sentence_end_chars
                counts[SENTENCES] = number + 1
                line_sentences += 1
                sentence_chars, sentence_hash = 0, SEED
            ending = 0
            if point != NEWLINE:
                line_chars += 1
                line_hash = mixed(line_hash, np.uint64(point))
                if sentence_chars > 0:
                    sentence_chars += 1
                    sentence_hash = mixed(sentence_hash, np.uint64(point))
                at += width
                continue
            if not over:
                counts[NEWLINES] += 1
            if not over or at > line_at:
                counts[LINES] += 1
            if first > 0:
                number = counts[FULL_LINES]
                hashes[LINE, number], lengths[LINE, number] = line_hash, line_chars
                counts[FULL_LINES] = number + 1
                if paragraph_chars > 0:
                    paragraph_chars += 1
                paragraph_chars += line_chars
                paragraph_hash = mixed(paragraph_hash, line_hash)
                dotted = tail >= 3
                if first in (BULLET, DASH):
                    counts[BULLET_LINES] += 1
                if dotted or last == ELLIPSIS:
                    counts[ELLIPSIS_LINES] += 1
                if np.int64(kinds_of[last]) & TERMINAL:
                    counts[PUNCTUATED_LINES] += 1
                if line_chars <= SHORT_LINE:
                    counts[SHORT_LINES] += 1
                if javascript:
                    counts[JAVASCRIPT_LINES] += 1
                if policy:
                    counts[POLICY_LINES] += 1
                marked = last in (DOT, QUESTION, EXCLAMATION, QUOTE)
                if marked and not (dotted or javascript or policy or long_word) and line_words >= C4_WORDS:
                    counts[C4_SENTENCES] += line_sentences
            if paragraph_chars > 0 and (first == 0 or over):
                number = counts[PARAGRAPHS]
                hashes[PARAGRAPH, number], lengths[PARAGRAPH, number] = paragraph_hash, paragraph_chars
                counts[PARAGRAPHS] = number + 1
                paragraph_chars, paragraph_hash = 0, SEED
            if over:
                break
            at += width
            line_at, line_chars, line_words, line_sentences, line_hash = at, 0, 0, 0, SEED
            first, last, tail, long_word, javascript, policy = 0, 0, 0, False, False, False
            continue
        if word_chars == 0:
            word_at = at
        word_chars += 1
        word_bits |= kind
        value = np.uint64(point)
        word_hash = mixed(word_hash, value)
        line_chars += 1
        line_hash = mixed(line_hash, value)
        if ending == WIDE and not kind & (TERMINAL | CLOSER):
            number = counts[SENTENCES]
            hashes[SENTENCE, number], lengths[SENTENCE, number] = sentence_end_hash, sentence_end_chars
            counts[SENTENCES] = number + 1
            line_sentences += 1
            sentence_chars, sentence_hash = 0, SEED
        sentence_hash = mixed(sentence_hash, value)
        sentence_chars += 1
        sentence_end_hash, sentence_end_chars = sentence_hash, sentence_chars
        if kind & TERMINAL:
            ending = WIDE if kind & WIDE or ending == WIDE else TERMINAL
        elif not kind & CLOSER:
            ending = 0
        if first == 0:
            first = max(point, 1)
        last = point
        if point == DOT:
            dots += 1
            if dots % 3 == 0:
                counts[ELLIPSES] += 1
        else:
            dots = 0
            if point == ELLIPSIS:
                counts[ELLIPSES] += 1
            elif point == HASH:
                counts[HASHES] += 1
            elif point == OPENING:
                counts[CURLY] += 1
        tail = dots
        if c4:
            letter = point | 0x20
            for i in range(len(phrase_at) - 1):
                if letter == phrase[phrase_at[i]] and _stands(data, at, end, phrase, phrase_at[i], phrase_at[i + 1]):
                    if i == 0:
                        counts[LOREM] += 1
                    elif i == 1:
                        javascript = True
                    else:
                        policy = True
        at += width
    counts[LINE_CHARS] = counts[CHARS] - counts[NEWLINES]
    for i in range(len(STOPS)):
        counts[STOP_KINDS] += stops >> i & 1


@compiled
def _stands(data: Any, at: int, end: int, phrase: Any, first: int, last: int) -> bool:
    """Whether a phrase stands here, in capital or small letters."""
    if at + last - first > end:
        return False
    for i in range(last - first):
        letter = data[at + i]
        if 65 <= letter <= 90:
            letter |= 0x20
        if letter != phrase[first + i]:
            return False
    return True
