"""Remove lines that are no text: menus, counters, notices. The rules are in `vernier.core.lines`.

The rows stay as they are, ids and order too, so scores and selections of the corpus before still fit. What was removed
is counted by rule, in lines and in words. Whether a document lost too much is for a selection to say, by the counts of
`score.lines` with the same rules: the editing stage makes a corpus, whose columns are texts, and a selection wants
numbers; and the corpus before and its counts stay there for whoever wants another limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import pyarrow as pa

from vernier.core.lines import Judge, Limits, names
from vernier.core.shard import Shard
from vernier.corpus.edit import Edit, edited


@dataclass(frozen=True, kw_only=True)
class Lines:
    """The same documents without the lines that a rule removes; counted as `lines.RULE` and `words.RULE`.

    rules   presets (`c4`, `redstone`) and single rules
    limits  where the rules draw their lines
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "corpus"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus"}

    rules: list[str]
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        names(self.rules)

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        return edited(shard, [self.edit()])

    def edit(self) -> Edit:
        """What is done to a text, and counted of it."""
        judge = Judge(self.rules, self.limits)

        def without_lines(text: str) -> tuple[str, dict[str, int]]:
            judged = judge.judge(text)
            lines = {f"lines.{name}": n for name, n in judged.lines.items()}
            return judged.text, lines | {f"words.{name}": n for name, n in judged.words.items()}

        return without_lines
