"""Keep documents that stand for all others: greedy facility location part by part, and a draw by its gains.

The selection step of INGENIOUS (arXiv 2305.06677) without its periodic refresh. Documents fall into parts by a keyed
lot; within a part all are put in the order of greedy facility location (`vernier.select.facility`), and drawn without
replacement with probabilities that grow with their gains. Each part keeps its share of the budget: whole documents, the
first that does not fit ends it, so at most one document in each part is missing.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vernier.core import rng
from vernier.core.errors import RecipeError
from vernier.core.shard import Shard
from vernier.select import facility, parts
from vernier.select.budget import UNITS, Budget, check_lengths
from vernier.select.parts import Groups, Part, Seen
from vernier.select.pool import code, selection


@dataclass(frozen=True)
class Kept:
    """What a worker found of one part.

    rows     int32 [n, 2]: place of the shard in `Groups.shards`, row
    reached  what the kept rows hold, in every unit
    value    f of them, of at most `size`
    """

    number: int
    rows: NDArray[np.int32]
    reached: tuple[int, ...]
    value: float
    size: int


@dataclass(frozen=True)
class State:
    """After the first round how the pool is divided and the whole budget; after the second what each part keeps."""

    groups: Groups
    requested: int
    parts: tuple[Kept, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class FacilityLocation:
    """Keep documents whose embeddings are close to those of many others, and not to each other's.

    keep         the budget: {share: 0.25}, {share: 0.25, of: bytes}, {documents: N}, {bytes: N}, {tokens: N}
    method       lazy: exact greedy; stochastic: the best of a few at each step, as the released code has it
    take         sample: draw by the Taylor softmax of the gains; greedy: the first in greedy's order
    temperature  of the draw, in gains, whose mean is 1: a large one draws uniformly
    part         documents in a part, about: a worker holds 4 bytes for each pair of them, and takes time for each
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "selection"
    takes: ClassVar[Mapping[str, str]] = {
        "corpus": "corpus",
        "within": "selection?",
        "embeddings": "scores",
        "lengths": "scores?",
    }
    draws: ClassVar[bool] = True

    keep: Budget
    method: Literal["lazy", "stochastic"] = "lazy"
    take: Literal["sample", "greedy"] = "sample"
    temperature: float = 1.0
    part: int = 4096

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature > 0):
            raise RecipeError("a temperature is above 0", found=str(self.temperature), do="or write `take: greedy`")
        if self.part < 1:
            raise RecipeError("a part has 1 document or more", found=f"part: {self.part}")

    def check(self, given: Container[str]) -> None:
        """Raises RecipeError if the inputs that a recipe gives do not fit the settings."""
        check_lengths(self.keep, given)

    def told(self) -> tuple[str, ...]:
        """What of a document besides its text the selection was told: nothing."""
        return ()

    def fold(self, shard: Shard, state: State | None) -> Seen | list[Kept]:
        check_lengths(self.keep, shard)
        if state is None:
            return parts.see(shard)
        return [
            self._choose(part, state, shard.seed)
            for group in state.groups.mine(shard)
            for part in parts.gather(state.groups, group)
        ]

    def merge(self, said: Sequence[Any], state: State | None) -> tuple[State, bool]:
        """Raises RecipeError if the pool does not hold what is asked for, or the parts can not share it out."""
        if state is not None:
            kept = sorted((one for some in said for one in some), key=lambda one: one.number)
            return replace(state, parts=tuple(kept)), True
        groups = Groups.of(said, self.part)
        unit = UNITS.index(self.keep.unit)
        requested = self.keep.amount(groups.amounts[unit])
        if self.keep.unit == "documents" and 0 < requested < groups.parts:
            raise RecipeError(
                "the budget is too small for so many parts",
                found=f"{requested} documents for {groups.parts} parts",
                expected="one document or more in each part",
                do=f"make `part` larger than {self.part}, or `keep`",
            )
        return State(groups, requested), False

    def account(self, state: State) -> dict[str, Any]:
        """The budget account (JSON values), and `coverage`: the mean over the pool of the largest cosine to a kept
        document of the same part, f divided by the size of the part."""
        kept = state.parts or ()
        reached = [sum(one.reached[i] for one in kept) for i in range(len(state.groups.amounts))]
        size = sum(one.size for one in kept)
        return {
            "unit": self.keep.unit,
            "requested": state.requested,
            "pool": dict(zip(UNITS, state.groups.amounts, strict=False)),
            "reached": dict(zip(UNITS, reached, strict=False)),
            "parts": len(kept),
            "coverage": math.fsum(one.value for one in kept) / size if size else None,
        }

    def map(self, shard: Shard, state: State) -> Iterator[pa.Table]:
        pool = parts.pool_of(shard)
        kept = np.zeros(shard.rows, dtype=bool)
        for place, inputs in enumerate(state.groups.shards):
            if parts.name(inputs.shard(0)) == parts.name(shard):
                for one in state.parts or ():
                    kept[one.rows[one.rows[:, 0] == place, 1]] = True
        pool.reason[pool.rows[~kept[pool.rows]]] = code("below_cut" if self.take == "greedy" else "not_drawn")
        yield selection(pool.count, pool.reason)

    def _choose(self, part: Part, state: State, seed: int) -> Kept:
        """What a part keeps."""
        similarity = facility.cosines(part.vectors)
        size = len(similarity)
        if self.method == "lazy":
            order, gains = facility.lazy(similarity)
        else:
            looks = facility.sample_size(size, size)
            steps = np.stack(np.divmod(np.arange(size * looks), looks), axis=1).astype(np.uint64)
            lots = rng.bits(steps, seed, f"select.facility_location.step {part.number}").reshape(size, looks)
            order, gains = facility.stochastic(similarity, lots)
        if self.take == "sample":
            noise = rng.gumbel(part.ids[order], seed, "select.facility_location")
            order = order[facility.drawn(facility.taylor_softmax(gains, self.temperature), noise)]
        unit = UNITS.index(self.keep.unit)
        costs = part.amounts[unit, order]
        share = state.requested * int(costs.sum()) // max(1, state.groups.amounts[unit])
        chosen = order[: int(np.searchsorted(np.cumsum(costs), share, side="right"))]
        return Kept(
            number=part.number,
            rows=np.stack([part.shard[chosen], part.row[chosen]], axis=1).astype(np.int32),
            reached=tuple(int(x) for x in part.amounts[:, chosen].sum(axis=1)),
            value=facility.value(similarity, chosen),
            size=size,
        )
