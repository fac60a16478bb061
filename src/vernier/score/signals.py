"""What cleaning rules need to know of a text, counted in one pass: the signals of Gopher, C4, FineWeb and RedStone.

Counts, never ratios: `vernier.core.rules` divides them, `select.rules` cuts, and `vernier show` draws each rule with
what its cut would drop before anything is dropped. Characters are Unicode code points. Words are longest runs
without white space, as `str.split` gives them; Gopher's paper does not say, datatrove takes spaCy's, which parts
punctuation from words. Text is not altered: in C4 lines go first, here `num_c4_sentences` counts what would be left.

The pass is compiled (numba). A line, a sentence, some words in a row are 64-bit hashes, so that "it came before" is a
look into a table. Memory: at most 100 bytes for each byte of the longest document, beside the row group.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vernier.core.errors import RecipeError
from vernier.core.rules import C4, COLUMNS, FAMILIES, FINEWEB, REPETITION, SIGNALS
from vernier.core.shard import Shard
from vernier.core.tables import utf8

Family = Literal["gopher", "gopher_repetition", "c4", "fineweb"]
BAD_WORDS = "num_bad_words"


@dataclass(frozen=True, kw_only=True)
class Signals:
    """Count what the rules of some families measure: the columns of `vernier.core.rules.COLUMNS`.

    families   gopher, gopher_repetition, c4, fineweb; redstone_general needs the first two
    bad_words  words and phrases to count as well (`num_bad_words`), in any letters, where no letter, digit or _ touches
               them; no list comes with Vernier
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus"}

    families: list[Family] = field(default_factory=lambda: list[Family](FAMILIES))
    bad_words: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        if not self.families or len(set(self.families)) < len(self.families):
            raise RecipeError("`families` names different families, one at least", found=str(self.families))
        if not all(word.strip() for word in self.bad_words):
            raise RecipeError("`bad_words` are words", found=str(self.bad_words))

    @property
    def columns(self) -> list[str]:
        """The columns that are made, in the order of SIGNALS."""
        wanted = {column for family in self.families for column in COLUMNS[family]}
        return [name for name in SIGNALS if name in wanted or (name == BAD_WORDS and self.bad_words)]

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        for batch in shard.batches("corpus", ["text"]):
            yield pa.table(self.count(batch.column("text").combine_chunks()))

    def count(self, texts: pa.LargeStringArray) -> dict[str, NDArray[np.int64]]:
        """Every column of each text, int64 [rows]."""
        from vernier.score.scan.texts import count

        asked = {
            "repetition": REPETITION in self.families,
            "lines": FINEWEB in self.families,
            "c4": C4 in self.families,
        }
        columns = count(*utf8(texts), **asked)
        if self.bad_words:
            columns[BAD_WORDS] = self._bad(texts)
        return {name: columns[name] for name in self.columns}

    def _bad(self, texts: pa.LargeStringArray) -> NDArray[np.int64]:
        words = "|".join(re.escape(word) for word in sorted(self.bad_words, key=lambda word: (-len(word), word)))
        pattern = re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE)
        found = (sum(1 for _ in pattern.finditer(text)) for text in texts.to_pylist())
        return np.fromiter(found, np.int64, len(texts))
