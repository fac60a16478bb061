"""How well the losses of several models on one document foretell how able the models are.

    S(x) = 2 / (M (M - 1)) * sum over pairs i < j of 1[loss_i(x) > loss_j(x)],  models in order of rising ability

after PreSelect (arXiv 2503.00808; its exact normaliser is unconfirmed): 1 where every abler model has the lower loss,
0 where every one has the higher, and two equal losses count one half. Losses are per byte, since the models need not
share a tokenizer. Two models of equal ability say nothing of a document and are not a pair.

PreSelect then trains a linear classifier on the documents of the highest and lowest strength and keeps the tenth that
it likes best; here the strength itself can be selected by: `by: predictive_strength`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vernier.core.measures import ratio
from vernier.core.shard import Shard
from vernier.score.abilities import check_abilities, read_losses

SCHEMA = pa.schema([("num_agreeing", pa.float64()), ("num_pairs", pa.int64())])


@dataclass(frozen=True, kw_only=True)
class PredictiveStrength:
    """Columns `num_agreeing` (pairs of models whose losses agree with their abilities, in steps of one half; NaN where
    a loss is undefined) and `num_pairs`; null where a table of `scores` is.

    abilities  one number for each table of `scores`, in their order, such as a benchmark result: larger = abler
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "scores": "scores*"}

    abilities: tuple[float, ...]

    def __post_init__(self) -> None:
        check_abilities(self.abilities)

    def told(self) -> tuple[str, ...]:
        """What the score was told besides the texts: for the report."""
        return ("abilities of models",)

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        nll, size, scored = read_losses(shard, len(self.abilities))
        agreeing, pairs = agreement(ratio(nll, size.astype(np.float64)), self.abilities)
        columns = [pa.array(agreeing, mask=~scored), pa.array(np.full(shard.rows, pairs), mask=~scored)]
        yield pa.table(columns, schema=SCHEMA)


def agreement(losses: NDArray[np.float64], abilities: Sequence[float]) -> tuple[NDArray[np.float64], int]:
    """Pairs that agree, ties one half, float64 [rows] (NaN where a loss is not finite), and the number of pairs.

    losses: float64 [models, rows], in the order of `abilities`.
    """
    pairs = [
        (weaker, abler) if abilities[weaker] < abilities[abler] else (abler, weaker)
        for weaker, abler in combinations(range(len(abilities)), 2)
        if abilities[weaker] != abilities[abler]
    ]
    agreeing = np.zeros(losses.shape[1])
    for weaker, abler in pairs:
        agreeing += (losses[weaker] > losses[abler]) + 0.5 * (losses[weaker] == losses[abler])
    agreeing[~np.isfinite(losses).all(axis=0)] = math.nan
    return agreeing, len(pairs)
