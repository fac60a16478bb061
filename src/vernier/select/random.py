"""Keep documents by chance, until a budget is full: the control arm of every comparison.

Each document's draw depends on its id and the seed alone, so the sample is the same for any shard cut, and
a larger budget keeps all that a smaller one with the same seed keeps.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from vernier.core import rng
from vernier.core.errors import RecipeError
from vernier.core.shard import Shard
from vernier.select import budget, fill
from vernier.select.budget import Budget, Quotas, check_lengths
from vernier.select.pool import Scores


@dataclass(frozen=True, kw_only=True)
class Random:
    """Keep a uniform sample without replacement.

    draw      number of the lot: another number is another, independent lot under the same seed

    keep      the budget: {share: 0.5}, {share: 0.5, of: bytes}, {documents: N}, {bytes: N}, {tokens: N}
    quotas    {domain: share of the budget}, proportional or equal
    quota_by  the corpus column that quotas go by
    rank      also write the order of the draws (24 bytes of memory a kept row)
    """

    version: ClassVar[int] = 2
    makes: ClassVar[str] = "selection"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "within": "selection?", "lengths": "scores?"}
    draws: ClassVar[bool] = True

    keep: Budget
    quotas: Quotas = None
    quota_by: str = "domain"
    rank: bool = False
    draw: int = 0

    def __post_init__(self) -> None:
        if self.draw < 0:
            raise RecipeError("lots are numbered from 0", found=f"draw: {self.draw}", expected="0 or more")
        self._plan()

    def check(self, given: Container[str]) -> None:
        """Raises RecipeError if the inputs that a recipe gives do not fit the settings."""
        check_lengths(self.keep, given)

    def told(self) -> tuple[str, ...]:
        """What of a document besides its text the selection was told: for the report."""
        return budget.told(self.quotas, self.quota_by)

    def _plan(self) -> fill.Plan:
        return fill.Plan(self.keep, self.quotas, self.quota_by, self.rank, "not_drawn")

    def _score(self, shard: Shard) -> Scores:
        purpose = f"select.random:{self.draw}" if self.draw else "select.random"
        return rng.uniform(shard.doc_ids(), shard.seed, purpose), np.ones(shard.rows, dtype=bool)

    def fold(self, shard: Shard, state: fill.State | None) -> Any:
        return fill.fold(self._plan(), self._score, shard, state)

    def merge(self, parts: Sequence[Any], state: fill.State | None) -> tuple[fill.State, bool]:
        return fill.merge(self._plan(), parts, state)

    def account(self, state: fill.State) -> dict[str, Any]:
        return fill.account(self._plan(), state)

    def map(self, shard: Shard, state: fill.State) -> Iterator[pa.Table]:
        return fill.select(self._plan(), self._score, shard, state)
