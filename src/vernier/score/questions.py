"""Find pages of questions and answers, after RedStone's two kinds (arXiv 2412.03398).

    num_questions, num_answers   lines that begin as a question or an answer is marked (`Question 3:`, `Ans.`)
    num_options                  of the twelve ways to write the options A to D those that the page uses
    num_choice                   mentions of choice questions, in the text and in the column `url`
    num_blanks                   gaps to fill in (`____`)
    num_yes_no                   answers that begin with yes, no, true or false
    fits                         1 if the page keeps every limit of `page`, else 0
    is_open                      1 if it fits and has a question and an answer: RedStone's open questions
    is_choice                    1 if it mentions choice questions and uses a way of options: multiple choice

Which words and ways the released filters look for is unconfirmed: these are ours; the limits are RedStone's. Its models
behind them are not released: `recipes/redstone_qa.yaml` puts a `train.classifier` there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import pyarrow as pa

from vernier.core.errors import RecipeError, nearest
from vernier.core.shard import Shard

# Behind at most eight signs, such as asterisks: the word, a number, and a sign that ends the mark.
_MARK = r"^[^\w\n]{{0,8}}(?:{words})[ *]*(?:no\.?\s*)?#?\d{{0,4}}[ *]*[.:)\u2013-]"
QUESTION = re.compile(_MARK.format(words="question|ques|q|problem|exercise"), re.IGNORECASE | re.MULTILINE)
ANSWER = re.compile(
    _MARK.format(words="(?:the |correct |best )*answer(?: key)?|ans|a|solution|sol"), re.IGNORECASE | re.MULTILINE
)
YES_NO = re.compile(_MARK.format(words="(?:the |correct )*answer|ans|a") + r"\s*(?:yes|no|true|false)\b", re.I | re.M)
BLANK = re.compile(r"_{3,}")
CHOICE = re.compile(r"\b(?:multiple[\s-]?choice|choice[\s-]questions?|mcqs?)\b", re.IGNORECASE)
URL_CHOICE = re.compile(r"multiple[-_+]?choice|choice[-_+]?question|mcq", re.IGNORECASE)
# Twelve ways: A, B, C and D one behind the other, large or small, each at the beginning of a line or behind a space.
_WAYS = (r"({})\.", r"({})\)", r"\(({})\)", r"({}):", r"\[({})\]", r"({}) -")
OPTIONS = tuple(
    (re.compile(r"(?:^|(?<=\s))" + way.format(f"[{letters}]") + r"(?=\s|\w)"), letters)
    for way in _WAYS
    for letters in ("ABCD", "abcd")
)
PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
COLUMNS = (
    "num_questions",
    "num_answers",
    "num_options",
    "num_choice",
    "num_blanks",
    "num_yes_no",
    "fits",
    "is_open",
    "is_choice",
)


@dataclass(frozen=True, kw_only=True)
class Page:
    """RedStone's limits of a page of open questions. White space around the page is left off; empty lines count.

    chars        fewest and most characters
    lines        fewest and most lines
    longest      fewest and most characters of the longest line
    short        characters up to which a line is short
    short_share  most short lines over lines, at most
    space_share  white space over characters, less than
    mark_share   any one ASCII punctuation mark over characters, less than
    """

    chars: tuple[int, int] = (256, 16_384)
    lines: tuple[int, int] = (4, 256)
    longest: tuple[int, int] = (129, 2048)
    short: int = 32
    short_share: float = 0.67
    space_share: float = 0.33
    mark_share: float = 0.1

    def __post_init__(self) -> None:
        for name in ("chars", "lines", "longest"):
            low, high = getattr(self, name)
            if not 0 <= low <= high:
                raise RecipeError(f"`{name}` is a range", found=f"[{low}, {high}]", expected="[least, most]")

    def fits(self, text: str) -> bool:
        """Whether a page keeps every limit."""
        text = text.strip()
        sizes = [len(line) for line in text.split("\n")]
        seen = Counter(text)
        space = sum(number for character, number in seen.items() if character.isspace())
        marks = max((number for character, number in seen.items() if character in PUNCTUATION), default=0)
        return (
            self.chars[0] <= len(text) <= self.chars[1]
            and self.lines[0] <= len(sizes) <= self.lines[1]
            and self.longest[0] <= max(sizes) <= self.longest[1]
            and sum(size <= self.short for size in sizes) <= self.short_share * len(sizes)
            and space < self.space_share * len(text)
            and marks < self.mark_share * len(text)
        )


@dataclass(frozen=True, kw_only=True)
class Questions:
    """The columns named above, all counts.

    url   the corpus column with a page's address; null where there is none
    page  limits of a page of open questions
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus"}

    url: str | None = None
    page: Page = field(default_factory=Page)

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        """Raises RecipeError if the corpus has no column `url` names."""
        here = shard.columns("corpus")
        if self.url is not None and self.url not in here:
            raise RecipeError(f"the corpus has no column {self.url!r}", do=nearest(self.url, here))
        for batch in shard.batches("corpus", ["text", *([self.url] if self.url is not None else [])]):
            texts = batch.column("text").to_pylist()
            urls = batch.column(self.url).to_pylist() if self.url is not None else [None] * len(texts)
            rows = [self.count(text, url or "") for text, url in zip(texts, urls, strict=True)]
            columns = zip(*rows, strict=True) if rows else [()] * len(COLUMNS)
            yield pa.table({n: pa.array(v, pa.int64()) for n, v in zip(COLUMNS, columns, strict=True)})

    def count(self, text: str, url: str = "") -> tuple[int, ...]:
        """The columns of one page."""
        questions, answers, blanks, yes_no, choice = (
            sum(1 for _ in pattern.finditer(text)) for pattern in (QUESTION, ANSWER, BLANK, YES_NO, CHOICE)
        )
        choice += sum(1 for _ in URL_CHOICE.finditer(url))
        options = sum(letters in "".join(pattern.findall(text)) for pattern, letters in OPTIONS)
        fits = self.page.fits(text)
        is_open, is_choice = fits and questions > 0 and answers > 0, choice > 0 and options > 0
        return questions, answers, options, choice, blanks, yes_no, int(fits), int(is_open), int(is_choice)
