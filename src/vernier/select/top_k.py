"""Keep the documents with the highest measure, until a budget is full.

The selection step of ScalingFilter (arXiv 2408.08310), MiniPLM (2410.17215, there called difference
sampling) and CoLoR-Filter (2406.10670): `by: excess_loss` over two score tables. Any measure of one table
works the same way.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa

from vernier.core import measures
from vernier.core.shard import Shard
from vernier.select import budget, fill
from vernier.select.budget import Budget, QuotaBy, Quotas, check_lengths
from vernier.select.pool import Scores


@dataclass(frozen=True, kw_only=True)
class TopK:
    """Keep the most wanted documents, ties by document id.

    by        a measure (`vernier.core.measures.MEASURES`), or a.COLUMN for a column of table `a`
    keep      the budget: {share: 0.5}, {share: 0.5, of: bytes}, {documents: N}, {bytes: N}, {tokens: N}
    per       token or byte: what losses, or a column of `a`, are divided by; losses without it: token
    quotas    {domain: share of the budget}, proportional or equal
    quota_by  the corpus column that quotas go by, or a.COLUMN; a list for quotas in quotas
    rank      also write the order of preference (24 bytes of memory a kept row)
    """

    version: ClassVar[int] = 2
    makes: ClassVar[str] = "selection"
    takes: ClassVar[Mapping[str, str]] = {
        "corpus": "corpus",
        "within": "selection?",
        "a": "scores",
        "b": "scores?",
        "lengths": "scores?",
    }

    by: str
    keep: Budget
    per: measures.Per = None
    quotas: Quotas = None
    quota_by: QuotaBy = "domain"
    rank: bool = False

    def __post_init__(self) -> None:
        measures.check_settings(self.by, self.per)
        self._plan()

    def check(self, given: Container[str]) -> None:
        """Raises RecipeError if the inputs that a recipe gives do not fit the settings."""
        measures.check_given(self.by, given)
        check_lengths(self.keep, given)

    def told(self) -> tuple[str, ...]:
        """What of a document besides its text the selection was told: for the report."""
        return budget.told(self.quotas, self.quota_by)

    def _plan(self) -> fill.Plan:
        return fill.Plan(self.keep, self.quotas, self.quota_by, self.rank, "below_cut")

    def _score(self, shard: Shard) -> Scores:
        return measures.evaluate(self.by, self.per, shard)

    def fold(self, shard: Shard, state: fill.State | None) -> Any:
        return fill.fold(self._plan(), self._score, shard, state)

    def merge(self, parts: Sequence[Any], state: fill.State | None) -> tuple[fill.State, bool]:
        return fill.merge(self._plan(), parts, state)

    def account(self, state: fill.State) -> dict[str, Any]:
        return {"by": self.by, **fill.account(self._plan(), state)}

    def map(self, shard: Shard, state: fill.State) -> Iterator[pa.Table]:
        return fill.select(self._plan(), self._score, shard, state)
