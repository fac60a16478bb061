"""What a run would do, and why: nothing is written, and of the data no more is read than a stage needs to say what it
will cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vernier.core.artifact import Artifact
from vernier.core.changes import Change, own_changes
from vernier.core.recipe import Node, Recipe
from vernier.core.run import Run, environment
from vernier.core.store import Store
from vernier.pipeline.prepare import Prepared, prepare
from vernier.pipeline.wave import placed


@dataclass(frozen=True)
class Step:
    """One node of the plan.

    action   "reuse", "run", or "later" (an input is not made yet, so its key is not known)
    units    how many in all and how many are still to do; None while not known
    why      in plain words
    flops    floating-point operations that the whole stage is planned to take; None where that is not known
    """

    node: Node
    action: str
    units: int | None
    to_do: int | None
    why: str
    key: str = ""
    flops: float | None = None


def plan(recipe: Recipe, run: Run, nodes: tuple[Node, ...]) -> list[Step]:
    """The steps of a run, in order. `run` is the folder of the last one (it may be new)."""
    store = Store(recipe.store)
    made: dict[str, Artifact] = {}
    steps: list[Step] = []
    for node in nodes:
        waits = sorted({source for source in node.inputs.values() if source not in made})
        if waits:
            steps.append(Step(node, "later", None, None, f"after {', '.join(waits)}"))
            continue
        prepared = prepare(node, made, store)
        before = run.nodes.get(node.id, {}).get("stage")
        if prepared.artifact is not None:
            made[node.id] = prepared.artifact
            why = "nothing changed" if before == prepared.stage() else "the store has it from another run"
            action, to_do = "reuse", 0
        else:
            action, to_do, why = "run", len(prepared.missing), difference(before, prepared)
        flops = node.plugin.flops(prepared.inputs, None) if hasattr(node.plugin, "flops") else None
        steps.append(Step(node, action, len(prepared.tasks), to_do, why, prepared.key, flops))
    return steps


def difference(before: Mapping[str, Any] | None, prepared: Prepared) -> str:
    """Why a node is not the one of the last run, in words."""
    now = prepared.stage()
    if before is None:
        return "new" if len(prepared.missing) == len(prepared.tasks) else "was not finished"
    if before == now:
        return "its artifact is gone from the store, or damaged"
    reasons = [_told(change) for change in own_changes(before, now)]
    for name in sorted({*before["inputs"], *now["inputs"]}):
        if before["inputs"].get(name) != now["inputs"].get(name):
            reasons.append(f"input {name} changed")
    return "; ".join(reasons)


def _told(change: Change) -> str:
    """`top_k: 5 -> 6`, `added: b.jsonl`."""
    if change.what in ("added", "gone", "changed"):
        return f"{change.what}: {change.after if change.what == 'added' else change.before}"
    return f"{change.what}: {change.before} -> {change.after}"


def foreign_versions(store: Store, steps: Sequence[Step]) -> dict[str, set[str]]:
    """Libraries of which another version, or devices of which another one, made work that will be reused."""
    libraries, out = environment(), dict[str, set[str]]()
    for step in steps:
        now = {"device": "cpu", **libraries, **placed(step.node)}
        made = store.made_with(step.key) if step.action == "reuse" else {}
        for name, version in ({"device": "cpu", **made} if made else {}).items():
            if now.get(name, version) != version:
                out.setdefault(name, set()).add(version)
    return out
