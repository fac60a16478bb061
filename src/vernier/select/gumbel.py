"""Sample documents without replacement, the higher their measure the more likely: Gumbel top-k.

Adding Gumbel noise to score / temperature and keeping the k largest draws k documents one after the other
with probability proportional to exp(score / temperature) among those that remain (Kool, van Hoof, Welling
2019, arXiv 1903.06059). QuRating (arXiv 2402.09739) selects so with temperature 2 on standardised ratings.
What is ranked here is score + temperature * noise: the same order, and temperature 0 is `top_k`.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa

from vernier.core import measures, rng
from vernier.core.errors import RecipeError
from vernier.core.shard import Shard
from vernier.select import budget, fill
from vernier.select.budget import Budget, QuotaBy, Quotas, check_lengths
from vernier.select.pool import Scores


@dataclass(frozen=True, kw_only=True)
class Gumbel:
    """Keep a sample that prefers documents with a high measure.

    by           a measure (`vernier.core.measures.MEASURES`), or a.COLUMN for a column of table `a`
    temperature  in the measure's unit: 0 is `top_k`, a large one `random`
    keep         the budget: {share: 0.5}, {share: 0.5, of: bytes}, {documents: N}, {bytes: N}, {tokens: N}
    per          token or byte: what losses, or a column of `a`, are divided by; losses without it: token
    quotas       {domain: share of the budget}, proportional or equal
    quota_by     the corpus column that quotas go by, or a.COLUMN; a list for quotas in quotas
    rank         also write the order of the draws (24 bytes of memory a kept row)
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
    draws: ClassVar[bool] = True

    by: str
    temperature: float
    keep: Budget
    per: measures.Per = None
    quotas: Quotas = None
    quota_by: QuotaBy = "domain"
    rank: bool = False

    def __post_init__(self) -> None:
        measures.check_settings(self.by, self.per)
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise RecipeError("a temperature is 0 or more", found=str(self.temperature))
        self._plan()

    def check(self, given: Container[str]) -> None:
        """Raises RecipeError if the inputs that a recipe gives do not fit the settings."""
        measures.check_given(self.by, given)
        check_lengths(self.keep, given)

    def told(self) -> tuple[str, ...]:
        """What of a document besides its text the selection was told: for the report."""
        return budget.told(self.quotas, self.quota_by)

    def _plan(self) -> fill.Plan:
        return fill.Plan(self.keep, self.quotas, self.quota_by, self.rank, "not_drawn")

    def _score(self, shard: Shard) -> Scores:
        values, scored = measures.evaluate(self.by, self.per, shard)
        return values + self.temperature * rng.gumbel(shard.doc_ids(), shard.seed, "select.gumbel"), scored

    def fold(self, shard: Shard, state: fill.State | None) -> Any:
        return fill.fold(self._plan(), self._score, shard, state)

    def merge(self, parts: Sequence[Any], state: fill.State | None) -> tuple[fill.State, bool]:
        return fill.merge(self._plan(), parts, state)

    def account(self, state: fill.State) -> dict[str, Any]:
        return {"by": self.by, "temperature": self.temperature, **fill.account(self._plan(), state)}

    def map(self, shard: Shard, state: fill.State) -> Iterator[pa.Table]:
        return fill.select(self._plan(), self._score, shard, state)
