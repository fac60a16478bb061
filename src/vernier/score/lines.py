"""Count what the line rules of `corpus.lines` leave of a document, without editing it.

    num_lines, num_words             lines that hold a word, and words (between white space)
    num_kept_lines, num_kept_words   those that no rule removes

RefinedWeb (arXiv 2306.01116, G.2) and RedStone (arXiv 2412.03398) drop a document whose removed lines held more than
5 % of its words: `select.threshold` by `kept_word_share`, at least 0.95.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import pyarrow as pa

from vernier.core.lines import Judge, Limits, names
from vernier.core.shard import Shard

COLUMNS = ("num_lines", "num_words", "num_kept_lines", "num_kept_words")


@dataclass(frozen=True, kw_only=True)
class Lines:
    """Columns `num_lines`, `num_words`, `num_kept_lines`, `num_kept_words`.

    rules   presets (`c4`, `redstone`) and single rules
    limits  where the rules draw their lines
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus"}

    rules: list[str]
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        names(self.rules)

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        judge = Judge(self.rules, self.limits)
        for batch in shard.batches("corpus", ["text"]):
            judged = [judge.judge(text) for text in batch.column("text").to_pylist()]
            counts = [
                (one.num_lines, one.num_words, one.num_lines - one.lines.total(), one.num_words - one.words.total())
                for one in judged
            ]
            columns = zip(*counts, strict=True) if counts else [()] * len(COLUMNS)
            yield pa.table({n: pa.array(v, pa.int64()) for n, v in zip(COLUMNS, columns, strict=True)})
