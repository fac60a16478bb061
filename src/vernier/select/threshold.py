"""Keep the documents whose measure is at least a given value."""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from vernier.core import measures
from vernier.core.errors import RecipeError
from vernier.core.shard import Shard
from vernier.select.pool import KEPT, code, selection, within


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """Keep what reaches a value; no budget.

    by        a measure (`vernier.core.measures.MEASURES`), or a.COLUMN for a column of table `a`
    at_least  in the measure's unit; larger = more wanted
    per       token or byte: what losses, or a column of `a`, are divided by; losses without it: token
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
    at_least: float
    per: measures.Per = None

    def __post_init__(self) -> None:
        measures.check_settings(self.by, self.per)
        if not math.isfinite(self.at_least):
            raise RecipeError("a threshold is a number", found=str(self.at_least))

    def check(self, given: Container[str]) -> None:
        """Raises RecipeError if the inputs that a recipe gives do not fit the settings."""
        measures.check_given(self.by, given)

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        count, reason = within(shard)
        values, scored = measures.evaluate(self.by, self.per, shard)
        defined = np.isfinite(values)
        for rows, why in (
            (~scored, "not_scored"),
            (scored & ~defined, "undefined"),
            (scored & defined & (values < self.at_least), "below_cut"),
        ):
            reason[rows & (reason == KEPT)] = code(why)
        yield selection(count, reason)
