"""Add up scores: a weighted sum of columns, each standardised over a pool.

    value(x) = sum over terms of weight * z(x),    z = (score - mean) / standard deviation

Mean and population standard deviation are those of the pool: the documents that `within` keeps and that have every
score, one that is wanted twice counting twice. They are exact sums (`vernier.core.exact`), so they do not depend on
shards, and a column that is the same everywhere has a deviation of exactly 0: that is an error, since it tells no two
documents apart.

QuRating (arXiv 2402.09739) standardises over the whole pool and samples at temperature 2: this, then `select.gumbel`
with `by: a.value, temperature: 2` (the published command gives a temperature and does not sample, which is a plain
top-k). It adds raw ratings before it standardises: `standardise: none`, then a second score.combine over `value`.
Meta-rater (arXiv 2504.14194) adds many scores with weights learned from small models (`mix.meta_rater`, `weights`).
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vernier.core import exact
from vernier.core.errors import DataError, RecipeError
from vernier.core.shard import Shard
from vernier.core.terms import Fitted, Term, check_terms

Array = NDArray[np.float64]
SCHEMA = pa.schema([("value", pa.float64())])


@dataclass(frozen=True)
class Part:
    """What one shard holds of the pool: documents; of each term the exact sum and the largest absolute value."""

    terms: tuple[Term, ...]
    num_documents: int
    totals: tuple[int, ...]
    largest: tuple[float, ...]


@dataclass(frozen=True)
class State:
    """Where the pool lies. Values are divided by 2^exponent first, which is exact: no square overflows or vanishes.

    means, deviations   of each term's values, so divided; () where not known yet
    """

    terms: tuple[Term, ...]
    num_documents: int
    exponents: tuple[int, ...]
    means: tuple[float, ...]
    deviations: tuple[float, ...] = ()

    def centred(self, columns: Sequence[Array]) -> list[Array]:
        """Each term's values, divided, minus their mean."""
        scales = zip(columns, self.exponents, self.means, strict=True)
        return [np.ldexp(values, -exponent) - mean for values, exponent, mean in scales]


@dataclass(frozen=True, kw_only=True)
class Combine:
    """Column `value` (unit 1): null where a score is null or `within` drops the row, NaN where a score is undefined.

    terms        what is added up; left out where the input `weights` brings terms
    standardise  zscore over the pool, or none: values as they are
    clip         cut each standardised value off at so many standard deviations; ties among those beyond
    accept       use `weights` although the experiments behind them say that they mean nothing
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {
        "corpus": "corpus",
        "within": "selection?",
        "scores": "scores*",
        "weights": "results?",
    }

    terms: tuple[Term, ...] = ()
    standardise: Literal["zscore", "none"] = "zscore"
    clip: float | None = None
    accept: bool = False

    def __post_init__(self) -> None:
        check_terms(self.terms)
        if self.clip is not None and not (self.standardise == "zscore" and 0 < self.clip < math.inf):
            raise RecipeError(
                "`clip` is a number of standard deviations above 0",
                found=f"clip: {self.clip}, standardise: {self.standardise}",
            )

    def check(self, given: Container[str]) -> None:
        """Raises RecipeError unless the terms come from one place."""
        if bool(self.terms) == ("weights" in given):
            raise RecipeError(
                "terms are written down, or come with the input `weights`",
                found="both" if self.terms else "neither",
                do="leave `terms` out" if self.terms else "write `terms: [{column: ...}]`",
            )

    def fold(self, shard: Shard, state: State | None) -> Part:
        among = self._terms(shard)
        columns, scored, kept = self._read(shard, among)
        count = np.where(scored & np.isfinite(columns).all(axis=0), kept, 0)
        pool = [np.repeat(values, count) for values in columns]
        if state is not None:
            pool = [values * values for values in state.centred(pool)]
        largest = tuple(float(np.abs(values).max(initial=0.0)) for values in pool)
        return Part(among, int(count.sum()), tuple(map(exact.total, pool)), largest)

    def merge(self, parts: Sequence[Part], state: State | None) -> tuple[State, bool]:
        """Two rounds: means, then deviations. Raises DataError for a score that is the same in the whole pool."""
        among, size = parts[0].terms, sum(part.num_documents for part in parts)
        totals = [sum(column) for column in zip(*(part.totals for part in parts), strict=True)]
        if state is None:
            exponents = [math.frexp(max(column))[1] for column in zip(*(part.largest for part in parts), strict=True)]
            found = zip(totals, exponents, strict=True)
            means = [math.ldexp(exact.mean(total, size), -exponent) if size else 0.0 for total, exponent in found]
            return State(among, size, tuple(exponents), tuple(means)), self.standardise == "none" or size == 0
        deviations = [math.sqrt(exact.mean(total, size)) for total in totals]
        for term, deviation in zip(among, deviations, strict=True):
            if deviation == 0:
                raise DataError(
                    f"the score {term.name!r} tells no two documents of the pool apart",
                    found=f"the same value in all {size} of them",
                    do="leave it out of the terms, or look at its table",
                )
        return replace(state, deviations=tuple(deviations)), True

    def account(self, state: State) -> dict[str, Any]:
        told = [{"term": term.name, "wanted": term.wanted, "weight": term.weight} for term in state.terms]
        for number, words in enumerate(told if state.num_documents else []):
            words["mean"] = math.ldexp(state.means[number], state.exponents[number])
            if state.deviations:
                words["standard_deviation"] = math.ldexp(state.deviations[number], state.exponents[number])
        return {"documents": state.num_documents, "terms": told}

    def map(self, shard: Shard, state: State) -> Iterator[pa.Table]:
        columns, scored, kept = self._read(shard, state.terms)
        if state.deviations:
            columns = [c / deviation for c, deviation in zip(state.centred(columns), state.deviations, strict=True)]
        if self.clip is not None:
            columns = [np.clip(values, -self.clip, self.clip) for values in columns]
        value = np.zeros(shard.rows)
        for term, values in zip(state.terms, columns, strict=True):
            value += term.weight * values
        value[~np.isfinite(value)] = math.nan
        yield pa.table([pa.array(value, mask=~(scored & (kept > 0)))], schema=SCHEMA)

    def _terms(self, shard: Shard) -> tuple[Term, ...]:
        """The terms with their weights. Raises RecipeError for weights that failed their test and are not accepted."""
        if "weights" not in shard:
            return self.terms
        fitted = Fitted.load(shard.inputs.folder("weights"))
        if not (fitted.accepted or self.accept):
            raise RecipeError(
                "the experiments behind these weights do not say that they mean anything",
                found=fitted.because,
                do="run more or longer experiments, or write `accept: true` to use them all the same",
            )
        return fitted.terms

    def _read(self, shard: Shard, among: Sequence[Term]) -> tuple[list[Array], NDArray[np.bool_], NDArray[np.int32]]:
        """Each term's values in all rows; which rows have every score; how often the pool has each row."""
        tables = shard.inputs.names("scores")
        read = [term.read(shard, tables) for term in among]
        kept = np.ones(shard.rows, np.int32)
        if "within" in shard:
            kept = shard.read("within", ["count"]).column("count").to_numpy()
        return [values for values, _ in read], np.logical_and.reduce([scored for _, scored in read]), kept
