"""How well the losses of several models on a domain go with how able the models are: one number for each domain.

    gamma_j = sum over models k != l of sign(y_k - y_l) (rank_j(x_k) - rank_j(x_l))

after "perplexity correlations" (arXiv 2409.05816, unconfirmed in the details): y are abilities, x_k is minus the loss
per byte of model k on domain j, ranked among the models on that domain (ties share a rank). Positive where abler models
have the lower loss. Sums over a domain are exact, so they do not depend on shards.

The paper projects gamma onto weights of domains; its linear projection takes whole domains, the highest gamma first,
until the budget is full: `select.top_k` with `by: a.correlation`. Where domains tie, documents are taken by their ids.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vernier.core import exact
from vernier.core.errors import RecipeError, nearest
from vernier.core.shard import Shard
from vernier.score.abilities import check_abilities, read_losses

SCHEMA = pa.schema([("correlation", pa.float64())])
Sums = dict[str | None, NDArray[np.object_]]  # by domain: [models, 2] whole numbers, exact nll and bytes
State = dict[str | None, float]  # by domain: gamma


@dataclass(frozen=True, kw_only=True)
class PerplexityCorrelation:
    """Column `correlation`: gamma of the document's domain; null where a score is null or `within` drops the row.

    Documents whose loss under some model is undefined are left out of the sums; a domain of such alone is NaN.

    abilities  one number for each table of `scores`, in their order, such as a benchmark result: larger = abler
    group      the corpus column that names domains; documents without one are a domain of their own
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "within": "selection?", "scores": "scores*"}

    abilities: tuple[float, ...]
    group: str = "domain"

    def __post_init__(self) -> None:
        check_abilities(self.abilities)

    def told(self) -> tuple[str, ...]:
        """What the score was told besides the texts: for the report."""
        return ("abilities of models", self.group)

    def fold(self, shard: Shard, state: State | None) -> Sums:
        nll, size, scored = read_losses(shard, len(self.abilities))
        kept = _kept(shard)
        defined = scored & np.isfinite(nll).all(axis=0) & (size > 0).all(axis=0)
        rows = np.repeat(np.flatnonzero(defined), kept[defined])
        names, codes = self._domains(shard)
        rows = rows[np.argsort(codes[rows], kind="stable")]
        found, starts = np.unique(codes[rows], return_index=True)
        parts = zip(found.tolist(), np.split(rows, starts[1:]), strict=False)
        return {
            names[code]: np.array(
                [[exact.total(n[here]), int(b[here].sum())] for n, b in zip(nll, size, strict=True)], object
            )
            for code, here in parts
        }

    def merge(self, parts: Sequence[Sums], state: State | None) -> tuple[State, bool]:
        sums: Sums = {}
        for part in parts:
            for name, more in part.items():
                sums[name] = sums[name] + more if name in sums else more
        losses = {name: [exact.mean(nll, size) for nll, size in of_models] for name, of_models in sums.items()}
        return {name: gamma(found, self.abilities) for name, found in losses.items()}, True

    def account(self, state: State) -> dict[str, Any]:
        return {"domains": len(state), "models": len(self.abilities)}

    def map(self, shard: Shard, state: State) -> Iterator[pa.Table]:
        _, _, scored = read_losses(shard, len(self.abilities))
        names, codes = self._domains(shard)
        values = np.array([state.get(name, math.nan) for name in names], np.float64)
        yield pa.table([pa.array(values[codes], mask=~(scored & (_kept(shard) > 0)))], schema=SCHEMA)

    def _domains(self, shard: Shard) -> tuple[list[str | None], NDArray[np.int64]]:
        """The domains of a shard, and of each row its number among them, int64 [rows]."""
        here = shard.columns("corpus")
        if self.group not in here:
            raise RecipeError(f"the corpus has no column {self.group!r}", do=nearest(self.group, here))
        column = pc.cast(shard.read("corpus", [self.group]).column(self.group), pa.large_string())
        encoded = pc.dictionary_encode(column, null_encoding="encode").combine_chunks()
        return encoded.dictionary.to_pylist(), encoded.indices.to_numpy().astype(np.int64)


def _kept(shard: Shard) -> NDArray[np.int32]:
    """How often the pool has each row, int32 [rows]."""
    if "within" not in shard:
        return np.ones(shard.rows, np.int32)
    return shard.read("within", ["count"]).column("count").to_numpy()


def gamma(losses: Sequence[float], abilities: Sequence[float]) -> float:
    """The sum over ordered pairs of models, for one domain. losses per byte, in the order of `abilities`."""
    loss, ability = np.array(losses), np.array(abilities)
    rank = (loss[:, None] < loss).sum(axis=1) + 0.5 * (loss[:, None] == loss).sum(axis=1)  # of -loss, up to a constant
    return float(np.sum(np.sign(ability[:, None] - ability) * (rank[:, None] - rank)))
