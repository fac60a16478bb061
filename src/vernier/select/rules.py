"""Keep the documents that break no rule: the thresholds of Gopher, C4, FineWeb and RedStone over measured signals.

The rules, their limits and sources are one table, `vernier.core.rules.RULES`. They are tried in its order: a dropped
row has the name of the first rule that it breaks as its reason, and what that rule measured (`measured`). `vernier
show` draws every rule with its cut, of the signals alone too, before anything is dropped.

The presets were made for English web pages. On our labelled documents (`bench/rules.py`) they drop the good ones of
other kinds. Mathematics in LaTeX: c4 100 % (a curly bracket), fineweb 4 %. School mathematics in words: gopher 45 %
(`alpha_words`, numbers), redstone_general 49 %. Technical specifications: c4 41 %, fineweb 22 %. Source code: gopher
60 %, c4 84 %, fineweb 94 %. Other languages than English: gopher, c4 and redstone_general 99 %, fineweb 71 %. Switch
those rules off (`limits: {curly_brackets: null}`) for such text, or give it a selection of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vernier.core.errors import RecipeError, nearest
from vernier.core.measures import read_numbers
from vernier.core.rules import COLUMNS, RULES, cuts, needed
from vernier.core.shard import Shard
from vernier.select.pool import KEPT, code, column_codes, selection, within

Tally = Counter[tuple[str, str]]  # rows by domain and reason; "" is kept
NO_DOMAIN = "(no domain)"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Keep what no rule drops; no budget. A rule that is undefined for a document (no words, no lines) drops it.

    rules   presets: gopher, gopher_repetition, c4, fineweb, redstone_general; one, or a list of them
    limits  by rule, over those of the presets; null switches a rule off. The rules: `vernier.core.rules.RULES`
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "selection"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "within": "selection?", "signals": "scores"}

    rules: str | list[str]
    limits: dict[str, float | None] = field(default_factory=dict[str, float | None])

    def __post_init__(self) -> None:
        if not self.cuts:
            raise RecipeError("no rule has a limit", found=f"rules {self.rules}, limits {self.limits}")

    @property
    def cuts(self) -> dict[str, float]:
        """The limit of each rule that is on, in the order in which they are tried."""
        return cuts([self.rules] if isinstance(self.rules, str) else self.rules, self.limits)

    def fold(self, shard: Shard, state: Tally | None) -> Tally:
        count, reason, _ = self._judge(shard)
        inside = np.flatnonzero(count > 0)
        domains, names = column_codes(shard, "domain")
        size = len(names) + 1
        numbers = np.bincount((reason[inside].astype(np.int64) + 1) * size + domains[inside])
        reasons = {KEPT: "", **{code(name): name for name in ("not_scored", "undefined", *self.cuts)}}
        return Counter(
            {
                ([*names, NO_DOMAIN][place % size], reasons[place // size - 1]): int(number)
                for place, number in enumerate(numbers)
                if number
            }
        )

    def merge(self, parts: Sequence[Tally], state: Tally | None) -> tuple[Tally, bool]:
        return sum(parts, Tally()), True

    def account(self, state: Tally) -> dict[str, Any]:
        documents, kept, dropped = Counter[str](), Counter[str](), Counter[str]()
        for (domain, reason), number in state.items():
            documents[domain] += number
            (dropped if reason else kept)[reason or domain] += number
        return {
            "limits": self.cuts,
            "dropped": {name: dropped[name] for name in ("not_scored", "undefined", *self.cuts) if dropped[name]},
            "documents": {domain: documents[domain] for domain in sorted(documents)},
            "kept": {domain: kept[domain] for domain in sorted(documents)},
        }

    def map(self, shard: Shard, state: Tally) -> Iterator[pa.Table]:
        count, reason, measured = self._judge(shard)
        yield selection(count, reason, measured=measured)

    def _judge(self, shard: Shard) -> tuple[NDArray[np.int32], NDArray[np.int8], NDArray[np.float64]]:
        """How often each row is wanted by `within`, why it is dropped, and what the rule that drops it measured."""
        count, reason = within(shard)
        measured = np.full(shard.rows, np.nan)
        names = needed(self.cuts)
        here = shard.columns("signals")
        for name in names:
            if name not in here:
                family = next((one for one, columns in COLUMNS.items() if name in columns), None)
                raise RecipeError(
                    f"the table `signals` has no column {name!r}, which a rule needs",
                    expected=f"what `score.signals` makes with `families: [{family}]`"
                    if family
                    else "what `score.signals` makes with `bad_words`",
                    do=nearest(name, here),
                )
        read = dict(zip(names, read_numbers(shard, "signals", names), strict=True))
        scored = np.logical_and.reduce([valid for _, valid in read.values()])
        reason[(reason == KEPT) & ~scored] = code("not_scored")
        columns = {name: values for name, (values, _) in read.items()}
        for name, limit in self.cuts.items():
            values = RULES[name].values(columns)
            open_ = reason == KEPT
            reason[open_ & np.isnan(values)] = code("undefined")
            broken = open_ & RULES[name].drops(values, limit)
            reason[broken] = code(name)
            measured[broken] = values[broken]
        return count, reason, measured
