"""The rules by which documents are thrown out on their surface: what each measures, its limits, where they come from.

A rule is one ratio (or count) of two columns of `score.signals` and a side. A document exactly at the limit is kept.
A preset is the rules that have a limit under its name; the order of RULES is the order in which they are tried.

Words are what `str.split` gives: longest runs without white space. So Chinese, Japanese and Thai have a "word" to a
clause and fall to `long_words` and `few_words`; the stop words are English. `harms` says what a rule did
on our labelled documents (`bench/rules.py`), alone, at its first limit.

Sources: Gopher, arXiv 2112.11446, appendix A.1 (quality rules in the text, repetition in table A1); C4, arXiv
1910.10683v4, 2.2, and the released `tensorflow_datasets/text/c4_utils.py`; FineWeb, arXiv 2406.17557, 3.6, and
the released `datatrove/pipeline/filters/fineweb_quality_filter.py`; RedStone, arXiv 2412.03398, its Gopher step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vernier.core.errors import RecipeError, nearest

GOPHER, REPETITION, C4, FINEWEB = FAMILIES = ("gopher", "gopher_repetition", "c4", "fineweb")
REDSTONE = "redstone_general"
PRESETS = (*FAMILIES, REDSTONE)
STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")  # Gopher, A.1.1
SHORT_LINE = 30  # characters; FineWeb, 3.6, and its released code
TOP = (2, 3, 4)  # Gopher, table A1
DUPLICATE = (5, 6, 7, 8, 9, 10)  # Gopher, table A1

# column of `score.signals` -> what it counts; characters are Unicode code points
SIGNALS: Mapping[str, str] = {
    "num_chars": "characters",
    "num_words": "words: longest runs without white space",
    "num_alnum_words": "words with a letter or digit",
    "num_alnum_word_chars": "characters of words with a letter or digit",
    "num_alpha_words": "words with a letter",
    "num_stop_word_kinds": f"different words among {', '.join(STOP_WORDS)}, as written",
    "num_hashes": "number signs #",
    "num_ellipses": "... and \u2026",
    "num_newlines": "line feeds",
    "num_line_chars": "characters without line feeds",
    "num_lines": "lines, empty ones too; no empty one behind the last line feed",
    "num_bullet_lines": "lines that start with \u2022 or -, white space aside",
    "num_ellipsis_lines": "lines that end in ... or \u2026, white space aside",
    "num_full_lines": "lines with more than white space",
    "num_punctuated_lines": "full lines that end in a terminator (Unicode's Sentence_Terminal), white space aside",
    "num_short_lines": f"full lines of at most {SHORT_LINE} characters",
    "num_dup_lines": "full lines that stood in the document before",
    "num_dup_line_chars": "characters of these",
    "num_paragraphs": "longest runs of full lines",
    "num_dup_paragraphs": "paragraphs that stood in the document before",
    "num_dup_paragraph_chars": "characters of these",
    "num_sentences": "pieces of lines up to a terminator with closing quotes; an ASCII one counts before white space",
    "num_dup_sentences": "sentences that stood in the document before",
    "num_dup_sentence_chars": "characters of these",
    **{
        f"top_{n}gram_chars": f"characters of the commonest {n} words in a row (the first such), each time" for n in TOP
    },
    **{
        f"dup_{n}gram_chars": f"characters of words in {n} words in a row that came before, none twice"
        for n in DUPLICATE
    },
    "num_curly_brackets": "opening curly brackets",
    "num_lorem_ipsum": "lorem ipsum, in any letters",
    "num_javascript_lines": "full lines with javascript, in any letters",
    "num_policy_lines": "full lines with a phrase on terms of use, privacy or cookies (C4's released list)",
    "num_c4_sentences": "sentences of the lines that C4 keeps",
    "num_bad_words": "words and phrases of the user's own list",
}
_LINES = ("num_full_lines", "num_dup_line_chars")
COLUMNS: Mapping[str, tuple[str, ...]] = {  # by family; `num_bad_words` comes with its list
    GOPHER: (
        *("num_words", "num_alnum_words", "num_alnum_word_chars", "num_alpha_words", "num_stop_word_kinds"),
        *("num_hashes", "num_ellipses", "num_lines", "num_bullet_lines", "num_ellipsis_lines"),
    ),
    REPETITION: (
        *("num_chars", *_LINES, "num_dup_lines", "num_paragraphs", "num_dup_paragraphs", "num_dup_paragraph_chars"),
        *("num_sentences", "num_dup_sentences", "num_dup_sentence_chars"),
        *(f"top_{n}gram_chars" for n in TOP),
        *(f"dup_{n}gram_chars" for n in DUPLICATE),
    ),
    C4: (
        *("num_curly_brackets", "num_lorem_ipsum", "num_full_lines", "num_javascript_lines", "num_policy_lines"),
        "num_c4_sentences",
    ),
    FINEWEB: (*(*_LINES, "num_words", "num_newlines", "num_line_chars", "num_punctuated_lines", "num_short_lines"),),
}

Side = Literal["at least", "at most"]


@dataclass(frozen=True)
class Rule:
    """One measured property and its limits.

    family  of signals that it needs
    says    what is measured, in words
    part    column of `score.signals`
    whole   column that it is divided by; None: the count itself
    wanted  the side of the limit that is kept; the limit itself is
    limits  by preset
    source  of the limits
    harms   what it throws out, alone, of kinds that it was not made for, as measured; "" where that is little
    """

    family: str
    says: str
    part: str
    whole: str | None
    wanted: Side
    limits: Mapping[str, float]
    source: str
    harms: str = ""

    def values(self, columns: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float64]:
        """What is measured, float64 [rows]; NaN where there is nothing to divide by."""
        part = columns[self.part].astype(np.float64)
        if self.whole is None:
            return part
        whole = columns[self.whole].astype(np.float64)
        return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)

    def drops(self, values: NDArray[np.float64], limit: float) -> NDArray[np.bool_]:
        """Which values are beyond the limit, bool [rows]; never an undefined one."""
        return values < limit if self.wanted == "at least" else values > limit

    def told(self, value: float, limit: float) -> str:
        """`gopher: mean word length 2.1, at least 3 is wanted`."""
        return f"{self.family}: {self.says} {value:.4g}, {self.wanted} {limit:g} is wanted"


_BOTH = "Gopher, A.1.1; RedStone, Gopher step"
_A1 = "Gopher, table A1; RedStone, Gopher step"


def _both(limit: float) -> dict[str, float]:
    return {GOPHER: limit, REDSTONE: limit}


def _a1(limit: float) -> dict[str, float]:
    return {REPETITION: limit, REDSTONE: limit}


def _share(says: str, part: str, whole: str, limits: Mapping[str, float], source: str, harms: str = "") -> Rule:
    family = next(name for name, columns in COLUMNS.items() if part in columns and whole in columns)
    return Rule(family, says, part, whole, "at most", limits, source, harms)


RULES: Mapping[str, Rule] = {
    "few_words": Rule(
        GOPHER,
        "number of words",
        "num_alnum_words",
        None,
        "at least",
        _both(50),
        _BOTH,
        harms="5 % of school mathematics in words, 13 % of source code files",
    ),
    "many_words": Rule(GOPHER, "number of words", "num_alnum_words", None, "at most", _both(100_000), _BOTH),
    "short_words": Rule(
        GOPHER, "mean word length", "num_alnum_word_chars", "num_alnum_words", "at least", _both(3), _BOTH
    ),
    "long_words": Rule(
        GOPHER,
        "mean word length",
        "num_alnum_word_chars",
        "num_alnum_words",
        "at most",
        _both(10),
        _BOTH,
        harms="11 % of short texts in other languages, 33 % of source code files",
    ),
    "hashes": _share(
        "number signs by word",
        "num_hashes",
        "num_words",
        _both(0.1),
        _BOTH,
        harms="9 % of source code files",
    ),
    "ellipses": _share("ellipses by word", "num_ellipses", "num_words", _both(0.1), _BOTH),
    "bullet_lines": _share("share of lines with a bullet", "num_bullet_lines", "num_lines", _both(0.9), _BOTH),
    "ellipsis_lines": _share(
        "share of lines that end in an ellipsis", "num_ellipsis_lines", "num_lines", _both(0.3), _BOTH
    ),
    "alpha_words": Rule(
        GOPHER,
        "share of words with a letter",
        "num_alpha_words",
        "num_words",
        "at least",
        _both(0.8),
        _BOTH,
        harms="40 % of school mathematics in words, 15 % of short texts in other languages, 23 % of source code files",
    ),
    "stop_words": Rule(
        GOPHER,
        "number of different stop words",
        "num_stop_word_kinds",
        None,
        "at least",
        _both(2),
        _BOTH,
        harms="99 % of texts in other languages than English, 7 % of school mathematics, 24 % of source code files",
    ),
    "dup_paragraphs": _share(
        "share of paragraphs that came before", "num_dup_paragraphs", "num_paragraphs", _a1(0.3), _A1
    ),
    "dup_paragraph_chars": _share(
        "share of characters in paragraphs that came before", "num_dup_paragraph_chars", "num_chars", _a1(0.2), _A1
    ),
    "dup_lines": _share(
        "share of lines that came before",
        "num_dup_lines",
        "num_full_lines",
        {REPETITION: 0.3},
        "Gopher, table A1",
        harms="9 % of source code files",
    ),
    "dup_line_chars": _share(
        "share of characters in lines that came before",
        "num_dup_line_chars",
        "num_chars",
        {REPETITION: 0.2},
        "Gopher, table A1",
        harms="3 % of short texts in other languages, 16 % of source code files",
    ),
    "dup_sentences": _share(
        "share of sentences that came before",
        "num_dup_sentences",
        "num_sentences",
        {REDSTONE: 0.3},
        "RedStone, Gopher step: sentences in the place of lines",
        harms="13 % of source code files",
    ),
    "dup_sentence_chars": _share(
        "share of characters in sentences that came before",
        "num_dup_sentence_chars",
        "num_chars",
        {REDSTONE: 0.2},
        "RedStone, Gopher step: sentences in the place of lines",
        harms="3 % of short texts in other languages, 9 % of source code files",
    ),
    **{
        f"top_{n}gram": _share(
            f"share of characters in the commonest {n} words in a row",
            f"top_{n}gram_chars",
            "num_chars",
            _a1(limit),
            _A1,
            "4 to 8 % of source code files",
        )
        for n, limit in zip(TOP, (0.20, 0.18, 0.16), strict=True)
    },
    **{
        f"dup_{n}gram": _share(
            f"share of characters in {n} words in a row that came before",
            f"dup_{n}gram_chars",
            "num_chars",
            _a1(limit),
            _A1,
            "2 to 12 % of short texts in other languages, 5 to 6 % of source code files",
        )
        for n, limit in zip(DUPLICATE, (0.15, 0.14, 0.13, 0.12, 0.11, 0.10), strict=True)
    },
    "curly_brackets": Rule(
        C4,
        "number of curly brackets",
        "num_curly_brackets",
        None,
        "at most",
        {C4: 0},
        "C4, 2.2: any page with one",
        harms="100 % of mathematics in LaTeX, 41 % of technical specifications, 57 % of source code files, 99 % of "
        "how-tos with commands",
    ),
    "lorem_ipsum": Rule(
        C4, "number of lorem ipsum", "num_lorem_ipsum", None, "at most", {C4: 0}, "C4, 2.2: any page with it"
    ),
    "c4_sentences": Rule(
        C4,
        "number of sentences on lines that C4 keeps",
        "num_c4_sentences",
        None,
        "at least",
        {C4: 3},
        "C4, 2.2 (v4: fewer than 3; its first version and datatrove: 5) and c4_utils.py",
        harms="15 % of short texts in other languages, 7 % of school mathematics, 41 % of source code files",
    ),
    "javascript_lines": _share(
        "share of lines with javascript",
        "num_javascript_lines",
        "num_full_lines",
        {},
        "C4, 2.2, takes out the line, never the document: no preset has a limit",
    ),
    "policy_lines": _share(
        "share of lines on terms of use, privacy or cookies",
        "num_policy_lines",
        "num_full_lines",
        {},
        "c4_utils.py takes out the line, never the document: no preset has a limit",
    ),
    "bad_words": Rule(
        C4,
        "number of words of the list",
        "num_bad_words",
        None,
        "at most",
        {},
        "C4, 2.2: any page with one. The list is the user's (`bad_words` of score.signals): no preset has a limit",
    ),
    "punctuated_lines": Rule(
        FINEWEB,
        "share of lines that end a sentence",
        "num_punctuated_lines",
        "num_full_lines",
        "at least",
        {FINEWEB: 0.12},
        "FineWeb, 3.6, and its released code",
        harms="20 % of technical specifications, 3 % of mathematics in LaTeX, 90 % of source code files",
    ),
    "short_lines": _share(
        f"share of lines of at most {SHORT_LINE} characters",
        "num_short_lines",
        "num_full_lines",
        {FINEWEB: 0.67},
        "FineWeb, 3.6, and its released code",
        harms="10 % of short texts in other languages, 10 % of source code files",
    ),
    "repeated_line_chars": _share(
        "share of characters in lines that came before, line feeds aside",
        "num_dup_line_chars",
        "num_line_chars",
        {FINEWEB: 0.1},
        "FineWeb, 3.6 (its released code has 0.01)",
        harms="13 % of short texts in other languages, 3 % of technical specifications, 38 % of source code files",
    ),
    "newlines": _share(
        "line feeds by word",
        "num_newlines",
        "num_words",
        {FINEWEB: 0.3},
        "FineWeb, released code; not in the paper",
        harms="71 % of short texts in other languages, 2 % of technical specifications, 66 % of source code files",
    ),
}
REASONS: Mapping[str, str] = {
    name: f"{rule.family}: {rule.says}, {rule.wanted} the limit is wanted" for name, rule in RULES.items()
}


def cuts(presets: Iterable[str], limits: Mapping[str, float | None] | None = None) -> dict[str, float]:
    """The limit of each rule, in the order in which rules are tried.

    limits  by rule: over those of the presets; None switches a rule off. Raises RecipeError for an unknown name.
    """
    limits = limits or {}
    for name in presets:
        if name not in PRESETS:
            raise RecipeError(f"there is no preset {name!r}", expected=", ".join(PRESETS), do=nearest(name, PRESETS))
    for name in limits:
        if name not in RULES:
            raise RecipeError(f"there is no rule {name!r}", do=nearest(name, RULES))
    found: dict[str, float] = {}
    for name, rule in RULES.items():
        of_presets = [rule.limits[preset] for preset in presets if preset in rule.limits]
        limit = limits.get(name, of_presets[0] if of_presets else None)
        if limit is not None:
            found[name] = float(limit)
    return found


def needed(names: Iterable[str]) -> list[str]:
    """The columns of `score.signals` that some rules read, each once."""
    columns = [column for name in names for column in (RULES[name].part, RULES[name].whole) if column is not None]
    return list(dict.fromkeys(columns))
