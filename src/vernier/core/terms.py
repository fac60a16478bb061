"""Terms of a weighted sum of scores, as recipes write them and as fitted weights bring them along.

What fits weights (`mix.meta_rater`) leaves `weights.json` in its folder; what adds scores up (`score.combine`) reads
it. The two never meet otherwise.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vernier.core.errors import RecipeError
from vernier.core.measures import PER, Per, ratio, read_numbers
from vernier.core.shard import Shard

FILE = "weights.json"


@dataclass(frozen=True, kw_only=True)
class Term:
    """One score of a weighted sum.

    column  of a score table
    per     token or byte: divided by the number of them in the same table; as it is without
    of      which table of the list has it, counted from 0; needed where several have the column
    wanted  the end of the scale that is wanted, high or low: low turns the sign
    weight  in the sum
    """

    column: str
    per: Per = None
    of: int | None = None
    wanted: Literal["high", "low"] = "high"
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not math.isfinite(self.weight):
            raise RecipeError("a weight is a finite number", found=str(self.weight))
        if self.of is not None and self.of < 0:
            raise RecipeError("tables are counted from 0", found=f"of: {self.of}")

    @property
    def name(self) -> str:
        """What tells it from other terms, in words: `nll per byte of table 1`."""
        per = f" per {self.per}" if self.per else ""
        return f"{self.column}{per}" + ("" if self.of is None else f" of table {self.of}")

    def read(self, shard: Shard, tables: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Its value in each row, more = more wanted, without the weight; and which rows were scored.

        tables: the names of the score tables among the shard's inputs. Returns float64 [rows] (NaN where undefined; of
        no meaning where not scored) and bool [rows]. Raises RecipeError unless exactly one table is meant.
        """
        columns = [self.column, *([PER[self.per]] if self.per else [])]
        (values, scored), *counts = read_numbers(shard, self._table(shard, tables), columns)
        found = values.astype(np.float64)
        for count, counted in counts:
            found = ratio(found, count.astype(np.float64))
            scored = scored & counted
        found[~np.isfinite(found)] = math.nan
        return (-found if self.wanted == "low" else found), scored

    def _table(self, shard: Shard, tables: Sequence[str]) -> str:
        if self.of is not None:
            if self.of >= len(tables):
                raise RecipeError(
                    f"the term {self.name!r} asks for a table that there is not",
                    found=f"{len(tables)} in the list, the first being 0",
                )
            return tables[self.of]
        having = [table for table in tables if self.column in shard.columns(table)]
        if len(having) != 1:
            known = sorted({column for table in tables for column in shard.columns(table)})
            raise RecipeError(
                f"the column {self.column!r} is in {len(having) or 'none'} of the {len(tables)} score tables",
                found=", ".join(having) if having else f"columns: {', '.join(known)}",
                expected="exactly one",
                do="write `of: 0` for the first table of the list, `of: 1` for the second" if having else None,
            )
        return having[0]


def check_terms(terms: Sequence[Term]) -> None:
    """Raises RecipeError if a term comes twice."""
    names = [term.name for term in terms]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise RecipeError(f"the term {twice[0]!r} comes twice", do="add up its weights")


@dataclass(frozen=True)
class Fitted:
    """Terms whose weights were found by experiments.

    terms     with their weights
    accepted  whether the experiments say that the weights mean anything
    because   in words, with the numbers
    """

    terms: tuple[Term, ...]
    accepted: bool
    because: str

    @staticmethod
    def of(terms: Sequence[Term], weights: Sequence[float], *, accepted: bool, because: str) -> Fitted:
        together = zip(terms, weights, strict=True)
        return Fitted(tuple(replace(term, weight=weight) for term, weight in together), accepted, because)

    def save(self, folder: Path) -> None:
        (folder / FILE).write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @staticmethod
    def load(folder: Path) -> Fitted:
        """Raises RecipeError for a folder of other results."""
        path = folder / FILE
        if not path.exists():
            raise RecipeError(
                "these results hold no weights",
                found=", ".join(sorted(p.name for p in folder.iterdir())),
                expected=f"{FILE}, as mix.meta_rater writes it",
            )
        data = json.loads(path.read_text(encoding="utf-8"))
        return Fitted(tuple(Term(**term) for term in data["terms"]), data["accepted"], data["because"])
