"""Fill a budget in order of preference: what `top_k`, `random` and `gumbel` have in common.

Whole documents are kept from the most wanted one on; the first that does not fit ends it. So what is kept
stays at or below the budget and within one document of it (in each domain, with quotas), and a larger
budget keeps all that a smaller one keeps. With `rank` one more round collects the keys of all kept rows: 24
bytes a kept row in the driver, and as much again while they are put together; of these 8 stay there and go to each
worker (`vernier.select.order`), more where scores tie.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vernier.core.shard import Shard
from vernier.select import cut
from vernier.select.budget import (
    UNITS,
    Budget,
    Group,
    QuotaBy,
    Quotas,
    check_lengths,
    check_quotas,
    label,
    share_out,
)
from vernier.select.cut import EVERYTHING, Goal, Part, Places, Words
from vernier.select.order import Keys, Order, packed
from vernier.select.pool import Pool, Scores, code, groups, nested_groups, read, score_of_key, selection

Score = Callable[[Shard], Scores]


@dataclass(frozen=True)
class Plan:
    """The settings that these plugins share. reason: why a row of the pool is not kept (without quotas)."""

    keep: Budget
    quotas: Quotas
    quota_by: QuotaBy
    rank: bool
    reason: str

    def __post_init__(self) -> None:
        check_quotas(self.quotas, self.quota_by)


@dataclass(frozen=True)
class State:
    """What is known after a round.

    goals      one for each group
    pool       what each group holds, in every unit
    requested  the whole budget
    order      that of all kept rows, if ranks are wanted and the cuts are known
    """

    goals: tuple[Goal, ...]
    pool: dict[Group, tuple[int, ...]]
    requested: int
    order: Order | None = None

    @property
    def settled(self) -> bool:
        return all(goal.settled for goal in self.goals)


def fold(plan: Plan, score: Score, shard: Shard, state: State | None) -> dict[Group, Part] | Keys:
    """What a shard has to say in this round: its part by group, or the keys of its kept rows."""
    check_lengths(plan.keep, shard)
    pool = read(shard, score)
    words = Words(shard, pool)
    members = dict(_members(plan, shard, pool))
    points = cut.POINTS // max(1, len(members))
    if state is None:
        return {g: cut.look(EVERYTHING, words, pool.amounts, places, points) for g, places in members.items()}
    if state.settled:
        kept = np.flatnonzero(_kept(state, words, members, len(pool.rows)))
        return packed(words.all(kept))
    return {
        goal.group: cut.look(goal, words, pool.amounts, members[goal.group], points)
        for goal in state.goals
        if not goal.settled and goal.group in members
    }


def merge(plan: Plan, parts: Sequence[Any], state: State | None) -> tuple[State, bool]:
    """The next state. Raises RecipeError if the pool does not hold what is asked for."""
    if state is not None and state.settled:
        return replace(state, order=Order.of(np.concatenate(parts))), True
    if state is None:
        state = _start(plan, parts)
    said = [[part.get(goal.group) for part in parts] for goal in state.goals]
    state = replace(state, goals=cut.narrow(state.goals, said))
    return state, state.settled and not plan.rank


def account(plan: Plan, state: State) -> dict[str, Any]:
    """The budget account (JSON values): requested, held by the pool, reached; and the best score not kept."""
    by_group: dict[str, dict[str, Any]] = {
        label(goal.group, plan.quotas): {
            "requested": goal.budget,
            "pool": _amounts(state.pool.get(goal.group, ())),
            "reached": _amounts(goal.reached[: len(state.pool.get(goal.group, ()))]),
            "cut": score_of_key(goal.fixed[0]) if goal.fixed else None,
        }
        for goal in state.goals
    }
    out: dict[str, Any] = {
        "unit": plan.keep.unit,
        "requested": state.requested,
        "pool": _sum([one["pool"] for one in by_group.values()]),
        "reached": _sum([one["reached"] for one in by_group.values()]),
    }
    if not plan.quotas:
        return {**out, "cut": _only(by_group)}
    by = plan.quota_by if isinstance(plan.quota_by, str) else list(plan.quota_by)
    return {**out, "quota_by": by, "groups": by_group}


def select(plan: Plan, score: Score, shard: Shard, state: State) -> Iterator[pa.Table]:
    """The selection of one shard, as one table."""
    pool = read(shard, score)
    words = Words(shard, pool)
    kept = _kept(state, words, dict(_members(plan, shard, pool)), len(pool.rows))
    pool.reason[pool.rows[~kept]] = code("over_quota" if plan.quotas else plan.reason)
    if state.order is None:
        yield selection(pool.count, pool.reason)
        return
    rank = np.zeros(shard.rows, dtype=np.int64)
    places = np.flatnonzero(kept)
    rank[pool.rows[places]] = state.order.rank(words.all(places))
    yield selection(pool.count, pool.reason, rank)


def _members(plan: Plan, shard: Shard, pool: Pool) -> Iterator[tuple[Group, Places]]:
    if plan.quotas is None:
        yield None, np.arange(len(pool.rows))
    elif not isinstance(plan.quota_by, str):
        yield from nested_groups(shard, pool, plan.quota_by)
    else:
        named = None if isinstance(plan.quotas, str) else frozenset(plan.quotas)
        yield from groups(shard, pool, plan.quota_by, named)


def _start(plan: Plan, parts: Sequence[dict[Group, Part]]) -> State:
    """Budgets and goals, from what the first round says of the pool."""
    unit = UNITS.index(plan.keep.unit)
    names = sorted({name for part in parts for name, said in part.items() if said}, key=_in_order)
    pool = {name: cut.total([part.get(name) for part in parts]) for name in names}
    held = {name: amounts[unit] for name, amounts in pool.items()}
    requested = plan.keep.amount(sum(held.values()))
    budgets = share_out(requested, held, plan.quotas, plan.keep.unit)
    goals = tuple(Goal(name, unit, budget) for name, budget in budgets.items() if name in pool)
    return State(goals, pool, requested)


def _in_order(group: Group) -> list[tuple[bool, str]]:
    """By the values, none last."""
    return [(value is None, value or "") for value in (group if isinstance(group, tuple) else (group,))]


def _kept(state: State, words: Words, members: dict[Group, Places], size: int) -> NDArray[np.bool_]:
    kept = np.zeros(size, dtype=bool)
    for goal in state.goals:
        if goal.group in members:
            for places in cut.blocks(members[goal.group]):
                kept[places] = words.before(goal.fixed, places)
    return kept


def _amounts(amounts: Sequence[int]) -> dict[str, int]:
    return dict(zip(UNITS, amounts, strict=False))


def _sum(many: Sequence[dict[str, int]]) -> dict[str, int]:
    return {unit: sum(one[unit] for one in many) for unit in UNITS if all(unit in one for one in many)}


def _only(by_group: dict[str, Any]) -> float | None:
    return next((one["cut"] for one in by_group.values()), None)
