"""Keep the documents whose column holds one of the named values: `among: [prose, docstring]`.

A selection that is told something: the domains that somebody trusts, a license, a language. The report says so of every
arm that builds on it, and a value that no document of the corpus has is an error, not an empty selection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from vernier.core.errors import RecipeError, nearest
from vernier.core.shard import Shard
from vernier.select.pool import KEPT, code, column_codes, selection, within

HINTS = 1000  # values of the column that are remembered, for the error


@dataclass(frozen=True)
class Found:
    """What a column holds.

    corpus  documents by wanted value
    kept    those among them that `within` keeps
    others  values of the column, the first HINTS of them in order
    """

    corpus: dict[str, int]
    kept: dict[str, int]
    others: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Where:
    """Keep what a column of the corpus says is wanted; no budget.

    column  a corpus column of strings; a document without a value is dropped
    among   the values that are wanted
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "selection"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "within": "selection?"}

    among: list[str]
    column: str = "domain"

    def __post_init__(self) -> None:
        if not self.among or len(set(self.among)) < len(self.among):
            raise RecipeError("`among` names different values, one at least", found=str(self.among))

    def told(self) -> tuple[str, ...]:
        """What of a document besides its text the selection was told: for the report."""
        return (f"{self.column}: {', '.join(sorted(self.among))}",)

    def fold(self, shard: Shard, state: Found | None) -> Found:
        codes, values = column_codes(shard, self.column)
        kept = codes[within(shard)[1] == KEPT]
        sizes, of_kept = (np.bincount(some, minlength=len(values) + 1) for some in (codes, kept))
        places = {value: place for place, value in enumerate(values) if value in self.among}
        return Found(
            {value: int(sizes[place]) for value, place in places.items()},
            {value: int(of_kept[place]) for value, place in places.items()},
            tuple(sorted(values)[:HINTS]),
        )

    def merge(self, parts: Sequence[Found], state: Found | None) -> tuple[Found, bool]:
        """Raises RecipeError for a wanted value that no document of the corpus has."""
        corpus, kept = (
            {value: sum(one.get(value, 0) for one in many) for value in sorted(self.among)}
            for many in ([part.corpus for part in parts], [part.kept for part in parts])
        )
        others = tuple(sorted({value for part in parts for value in part.others})[:HINTS])
        for value, number in corpus.items():
            if number == 0:
                raise RecipeError(
                    f"no document of the corpus has {value!r} in the column {self.column!r}",
                    do=nearest(value, others),
                )
        return Found(corpus, kept, others), True

    def account(self, state: Found) -> dict[str, Any]:
        return {"column": self.column, "corpus": state.corpus, "kept": state.kept}

    def map(self, shard: Shard, state: Found) -> Iterator[pa.Table]:
        count, reason = within(shard)
        codes, values = column_codes(shard, self.column)
        wanted = np.array([*(value in self.among for value in values), False])
        reason[(reason == KEPT) & ~wanted[codes]] = code("other_value")
        yield selection(count, reason)
