"""The compiled pass: one look at each character of a text, then its lines, paragraphs, sentences and words in a row.

Hashes of 64 bits stand for these: two different ones have the same hash once in 2^64 pairs. The table that tells
whether one came before is open addressing with linear probing; a slot counts as filled if its stamp is that of the
current question, so that nothing is cleared between questions.

numba keeps compiled code beside this file and makes it anew when this file changes, and only then: so everything that
is compiled is here, and what other files decide comes as an argument. Where nothing can be written each process
compiles for itself (some ten seconds).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

SEED = np.uint64(0x243F6A8885A308D3)  # the first 64 bits of pi behind the point
FACTOR = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio, odd
HALF = np.uint64(32)
SPACE, ALPHA, ALNUM, TERMINAL, CLOSER, WIDE = (1 << bit for bit in range(6))  # what a character is; WIDE: beyond ASCII
LONG_WORD = 1000  # characters; a line with a longer word is none that C4 keeps: c4_utils.py
C4_WORDS = 5  # of a line that C4 keeps: C4, 2.2
NEWLINE, DOT, ELLIPSIS, HASH, BULLET, DASH, QUOTE = (ord(c) for c in '\n.\u2026#\u2022-"')
OPENING, QUESTION, EXCLAMATION = (ord(c) for c in "{?!")
LINE, PARAGRAPH, SENTENCE = range(3)  # rows of hashes and lengths
# What is counted, in this order, as `vernier.core.rules` names it; then the commonest words in a row, then those that
# came before, a column for each length.
COUNTED = (
    *("num_chars", "num_words", "num_alnum_words", "num_alnum_word_chars", "num_alpha_words", "num_stop_word_kinds"),
    *("num_hashes", "num_ellipses", "num_newlines", "num_line_chars", "num_lines", "num_bullet_lines"),
    *("num_ellipsis_lines", "num_full_lines", "num_punctuated_lines", "num_short_lines"),
    *("num_dup_lines", "num_dup_line_chars", "num_paragraphs", "num_dup_paragraphs", "num_dup_paragraph_chars"),
    *("num_sentences", "num_dup_sentences", "num_dup_sentence_chars"),
    *("num_curly_brackets", "num_lorem_ipsum", "num_javascript_lines", "num_policy_lines", "num_c4_sentences"),
)
CHARS, WORDS, ALNUM_WORDS, ALNUM_WORD_CHARS, ALPHA_WORDS, STOP_KINDS = range(6)
HASHES, ELLIPSES, NEWLINES, LINE_CHARS, LINES, BULLET_LINES = range(6, 12)
ELLIPSIS_LINES, FULL_LINES, PUNCTUATED_LINES, SHORT_LINES = range(12, 16)
DUP_LINES, PARAGRAPHS, SENTENCES = 16, 18, 21  # followed by repeated ones, and by their characters
CURLY, LOREM, JAVASCRIPT_LINES, POLICY_LINES, C4_SENTENCES, GRAMS = range(24, 30)


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
def mask_of(most: int) -> int:
    """One less than the part of the table that a question about `most` hashes uses: a small document stays in cache."""
    size = 16
    while size < 2 * most:
        size *= 2
    return size - 1


@compiled
def slot_of(value: np.uint64, keys: Any, stamps: Any, stamp: int, mask: int) -> np.int64:
    """The slot that holds a hash, or the empty one that it would take."""
    spread = value * FACTOR
    slot = np.int64(spread ^ (spread >> HALF)) & mask
    while stamps[slot] == stamp and keys[slot] != value:
        slot = (slot + 1) & mask
    return slot


@compiled
def repeated(hashes: Any, lengths: Any, number: int, keys: Any, stamps: Any, stamp: int) -> tuple[int, int]:
    """How many of the first `number` hashes came before, and the sum of their lengths."""
    mask = mask_of(number)
    times, size = 0, 0
    for i in range(number):
        slot = slot_of(hashes[i], keys, stamps, stamp, mask)
        if stamps[slot] == stamp:
            times += 1
            size += lengths[i]
        else:
            stamps[slot] = stamp
            keys[slot] = hashes[i]
    return times, size


@compiled
def longer(grams: Any, words: Any, number: int, n: int) -> None:
    """Hashes of n - 1 words in a row become those of n, of which there are `number`."""
    for i in range(number):
        grams[i] = grams[i] * FACTOR + words[i + n - 1]


@compiled
def commonest(
    grams: Any, before: Any, number: int, n: int, keys: Any, stamps: Any, firsts: Any, times: Any, stamp: int
) -> int:
    """Characters, spaces between the words included, of the commonest n words in a row, each time that it comes.

    Of equally common ones that which came first. before: characters before each word.
    """
    mask = mask_of(number)
    best, where = 0, 0
    for i in range(number):
        slot = slot_of(grams[i], keys, stamps, stamp, mask)
        if stamps[slot] == stamp:
            times[slot] += 1
        else:
            stamps[slot] = stamp
            keys[slot] = grams[i]
            firsts[slot] = i
            times[slot] = 1
        if times[slot] > best or (times[slot] == best and firsts[slot] < where):
            best, where = times[slot], firsts[slot]
    return best * (before[where + n] - before[where] + n - 1)


@compiled
def covered(grams: Any, before: Any, number: int, n: int, keys: Any, stamps: Any, stamp: int) -> int:
    """Characters of words, no spaces, in n words in a row that came before. What follows such a find is looked at only
    behind it, so that no word counts twice."""
    mask = mask_of(number)
    size, i = 0, 0
    while i < number:
        slot = slot_of(grams[i], keys, stamps, stamp, mask)
        if stamps[slot] == stamp:
            size += before[i + n] - before[i]
            i += n
        else:
            stamps[slot] = stamp
            keys[slot] = grams[i]
            i += 1
    return size


@compiled
def count(
    data: Any,
    bounds: Any,
    kinds_of: Any,
    phrase: Any,
    phrase_at: Any,
    repetition: bool,
    lines: bool,
    c4: bool,
    stops: Any,
    short_line: int,
    top: tuple[int, int],
    last: int,
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
        text = data[bounds[row] : bounds[row + 1]]
        walk(text, kinds_of, phrase, phrase_at, c4, stops, short_line, hashes, lengths, words, before, counts)
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
        for n in range(top[0], last + 1):
            runs = number - n + 1
            if runs <= 0:
                break
            longer(grams, words, runs, n)
            stamp += 1
            if n <= top[1]:
                size = commonest(grams, before, runs, n, keys, stamps, firsts, times, stamp)
            else:
                size = covered(grams, before, runs, n, keys, stamps, stamp)
            counts[GRAMS + n - top[0]] = size


@compiled
def walk(
    data: Any,
    kinds_of: Any,
    phrase: Any,
    phrase_at: Any,
    c4: bool,
    stops: Any,
    short_line: int,
    hashes: Any,
    lengths: Any,
    words: Any,
    before: Any,
    counts: Any,
) -> None:
    """Everything that one look at each character tells: counts, and hashes and lengths of words and units.

    The end of the text is taken for one more line feed, which counts for nothing by itself.
    """
    end, seen_stops, word_chars, word_bits, word_at = len(data), 0, 0, 0, 0
    word_hash, line_hash, paragraph_hash, sentence_hash = SEED, SEED, SEED, SEED
    paragraph_chars, sentence_chars, sentence_end_chars, ending = 0, 0, 0, 0
    sentence_end_hash = SEED
    line_at, line_chars, line_words, line_sentences, first, last, dots, tail = 0, 0, 0, 0, 0, 0, 0, 0
    long_word, javascript, policy = False, False, False
    at = 0
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
                if at - word_at <= 8:
                    packed = np.uint64(0)
                    for i in range(at - 1, word_at - 1, -1):
                        packed = packed << np.uint64(8) | np.uint64(data[i])
                    for i in range(len(stops)):
                        if stops[i] == packed:
                            seen_stops |= 1 << i
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
                if line_chars <= short_line:
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
                if letter == phrase[phrase_at[i]] and stands(data, at, end, phrase, phrase_at[i], phrase_at[i + 1]):
                    if i == 0:
                        counts[LOREM] += 1
                    elif i == 1:
                        javascript = True
                    else:
                        policy = True
        at += width
    counts[LINE_CHARS] = counts[CHARS] - counts[NEWLINES]
    for i in range(len(stops)):
        counts[STOP_KINDS] += seen_stops >> i & 1


@compiled
def stands(data: Any, at: int, end: int, phrase: Any, first: int, last: int) -> bool:
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
