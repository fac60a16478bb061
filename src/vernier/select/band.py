"""Keep the documents whose measure lies between two quantiles: `range: [0.15, 0.85]` drops both tails.

Perplexity gating, as ScalingFilter's paper (arXiv 2408.08310) uses it for a baseline, is `by: low_loss`
with that range. Bands that meet (0 to 0.3 and 0.3 to 1) never share a document and leave none out.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from vernier.core import measures
from vernier.core.errors import RecipeError
from vernier.core.shard import Shard
from vernier.select import cut
from vernier.select.cut import EVERYTHING, Goal, Part, Words
from vernier.select.pool import Pool, code, read, score_of_key, selection

Goals = tuple[Goal, ...]  # what comes before the upper end of the band, and what comes before its lower end


@dataclass(frozen=True, kw_only=True)
class Band:
    """Keep a band of the documents in order of a measure, ties by document id.

    by     a measure (`vernier.core.measures.MEASURES`), or a.COLUMN for a column of table `a`
    range  [low, high): quantiles among the documents that have the measure; 1 is the most wanted end
    per    token or byte: what losses, or a column of `a`, are divided by; losses without it: token
    """

    version: ClassVar[int] = 2
    makes: ClassVar[str] = "selection"
    takes: ClassVar[Mapping[str, str]] = {
        "corpus": "corpus",
        "within": "selection?",
        "a": "scores",
        "b": "scores?",
    }

    by: str
    range: tuple[float, float]
    per: measures.Per = None

    def __post_init__(self) -> None:
        measures.check_settings(self.by, self.per)
        low, high = self.range
        if not 0 <= low < high <= 1:
            raise RecipeError("a band is [low, high) with 0 <= low < high <= 1", found=str(list(self.range)))

    def check(self, given: Container[str]) -> None:
        """Raises RecipeError if the inputs that a recipe gives do not fit the settings."""
        measures.check_given(self.by, given)

    def fold(self, shard: Shard, state: Goals | None) -> list[Part]:
        pool = self._pool(shard)
        words, places = Words(shard, pool), np.arange(len(pool.rows))
        goals = (EVERYTHING,) if state is None else tuple(goal for goal in state if not goal.settled)
        return [cut.look(goal, words, pool.amounts, places, cut.POINTS) for goal in goals]

    def merge(self, parts: Sequence[list[Part]], state: Goals | None) -> tuple[Goals, bool]:
        if state is None:
            said = [part[0] for part in parts]
            size = cut.total(said)[0] if any(said) else 0
            low, high = (int(Fraction(str(end)) * size) for end in self.range)
            goals: Goals = tuple(Goal(None, 0, size - end) for end in (high, low))
            goals = cut.narrow(goals, [said] * 2)
        else:
            column = iter(zip(*parts, strict=True))
            goals = cut.narrow(state, [[] if goal.settled else list(next(column)) for goal in state])
        return goals, all(goal.settled for goal in goals)

    def account(self, state: Goals) -> dict[str, Any]:
        above, below = state
        return {
            "by": self.by,
            "range": list(self.range),
            "reached": {
                "documents": below.reached[0] - above.reached[0],
                "bytes": below.reached[1] - above.reached[1],
            },
            "from": score_of_key(below.fixed[0]) if below.fixed else None,
            "to": score_of_key(above.fixed[0]) if above.fixed else None,
        }

    def map(self, shard: Shard, state: Goals) -> Iterator[pa.Table]:
        pool = self._pool(shard)
        words, places = Words(shard, pool), np.arange(len(pool.rows))
        above, below = state
        pool.reason[pool.rows[words.before(above.fixed, places)]] = code("above_band")
        pool.reason[pool.rows[~words.before(below.fixed, places)]] = code("below_cut")
        yield selection(pool.count, pool.reason)

    def _pool(self, shard: Shard) -> Pool:
        return read(shard, lambda s: measures.evaluate(self.by, self.per, s))
