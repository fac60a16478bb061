"""What one node of a recipe comes to: its key, its units of work, and which of them are finished already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from vernier.core.artifact import Artifact, ShardRef
from vernier.core.plugin import shape_of
from vernier.core.recipe import Node
from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.pipeline.keys import identity, map_key, reader_key, stage_key, states_key, whole_key
from vernier.pipeline.work import Task, finished_parts


@dataclass(frozen=True)
class Prepared:
    """A node with its inputs resolved.

    artifact   the finished stage, if the store has it
    tasks      every unit, in shard order
    done       for each unit its shards if it is finished, else None
    """

    node: Node
    shape: str
    key: str
    inputs: Inputs
    artifact: Artifact | None
    tasks: tuple[Task, ...]
    done: tuple[tuple[ShardRef, ...] | None, ...]

    @property
    def missing(self) -> list[int]:
        """Numbers of the units that are still to be done."""
        return [number for number, refs in enumerate(self.done) if refs is None]

    @property
    def claims(self) -> set[str]:
        """Keys of all that two nodes at work side by side could have in common: the work, its states, its rows."""
        shared = {task.inputs.states_of[0] for task in self.tasks if task.inputs.states_of}
        return {self.key, *shared, *(key for task in self.tasks for key in (task.key, task.base) if key)}

    def stage(self) -> dict[str, Any]:
        """The stage in words, for the manifest and the lock file."""
        contents = {name: artifact.content for name, artifact in self.inputs.artifacts.items()}
        words = {**identity(self.node.plugin, self.node.seed), "inputs": contents}
        if hasattr(self.node.plugin, "units"):
            words["units"] = {unit.name: unit.content for unit in self.inputs.units}
        return words


def prepare(node: Node, made: Mapping[str, Artifact], store: Store) -> Prepared:
    """Resolve a node against the artifacts of the nodes before it. Reads no data but what `units()` does."""
    plugin, shape = node.plugin, shape_of(node.plugin)
    units = tuple(plugin.units()) if hasattr(plugin, "units") else ()
    inputs = Inputs(store.url, {name: made[source] for name, source in node.inputs.items()}, node.seed, units)
    inputs.check_aligned(getattr(plugin, "apart", ()))
    key = stage_key(plugin, node.seed, inputs)
    artifact = store.artifact(key)
    tasks = _tasks(node, shape, key, inputs, store)
    if artifact is not None:
        done: tuple[tuple[ShardRef, ...] | None, ...] = tuple(() for _ in tasks)
    else:
        done = tuple(_finished(task, store) for task in tasks)
    return Prepared(node, shape, key, inputs, artifact, tasks, done)


def _tasks(node: Node, shape: str, key: str, inputs: Inputs, store: Store) -> tuple[Task, ...]:
    plugin, seed = node.plugin, node.seed

    def task(unit: str, unit_key: str, inputs: Inputs, **more: Any) -> Task:
        return Task(store.url, node.id, unit, plugin.makes, plugin, unit_key, inputs, **more)

    if shape == "reader":
        alone = replace(inputs, units=())  # a reader is handed its one unit
        return tuple(task(u.name, reader_key(plugin, seed, u), alone, source=u) for u in inputs.units)
    if shape == "build":
        shared = states_key(plugin, seed, inputs)
        inputs = replace(inputs, states_of=(shared, whole_key(key)) if shared else None)
        return (task("0", whole_key(key), inputs, ranks=node.on.get("ranks") or 1),)
    shards = range(inputs.num_shards)
    if shape == "fold":
        return tuple(task(str(i), whole_key(key, i), inputs.only(i)) for i in shards)
    masks = [mask for mask in getattr(plugin, "masks", ()) if mask in inputs]
    return tuple(
        task(
            str(i),
            map_key(plugin, seed, inputs, i),
            inputs.only(i),
            base=map_key(plugin, seed, inputs, i, without=masks) if masks else "",
        )
        for i in shards
    )


def _finished(task: Task, store: Store) -> tuple[ShardRef, ...] | None:
    if task.source is None:
        ref = store.unit(task.key)
        return None if ref is None else (ref,)
    parts = finished_parts(store, task.key)
    return tuple(parts) if parts and parts[-1].facts["last"] else None
