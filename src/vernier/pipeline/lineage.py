"""The finished nodes of a recipe, and what each was made of, back to the readers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vernier.core.artifact import Artifact
from vernier.core.recipe import Node
from vernier.core.run import Run
from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.pipeline.keys import identity


@dataclass(frozen=True)
class Lineage:
    """Nodes with their artifacts, each behind its inputs.

    nodes, artifacts   by node id; the same ids in both, and with a node all that it was made of
    """

    store: Store
    nodes: Mapping[str, Node]
    artifacts: Mapping[str, Artifact]

    def inputs(self, name: str) -> Inputs:
        """What a node was made of, as its plugin saw it."""
        node = self.nodes[name]
        given = {label: self.artifacts[source] for label, source in node.inputs.items()}
        return Inputs(self.store.url, given, node.seed)

    def device(self, name: str) -> str:
        """Where a node was made: what its stage's `on: {device: ...}` said then. No part of the artifact."""
        return self.store.made_with(self.artifacts[name].key).get("device") or "cpu"

    def behind(self, names: Iterable[str]) -> list[str]:
        """Nodes and all that they were made of, in the recipe's order."""
        found = set(names)
        for name in reversed(list(self.nodes)):
            if name in found:
                found.update(self.nodes[name].inputs.values())
        return [name for name in self.nodes if name in found]


def finished(nodes: Iterable[Node], made: Mapping[str, Artifact], run: Run, store: Store) -> Lineage:
    """What there is of these nodes: those just made, and those of earlier runs that would be the same work today.

    An arm or a seed may have been run by itself: the others still stand beside it, as long as the recipe has not
    changed for them.
    """
    known: dict[str, Node] = {}
    artifacts: dict[str, Artifact] = {}
    for node in nodes:
        if not artifacts.keys() >= set(node.inputs.values()):
            continue
        artifact = made.get(node.id) or _earlier(node, artifacts, run, store)
        if artifact is not None:
            known[node.id], artifacts[node.id] = node, artifact
    return Lineage(store, known, artifacts)


def _earlier(node: Node, artifacts: Mapping[str, Artifact], run: Run, store: Store) -> Artifact | None:
    record = run.nodes.get(node.id)
    if record is None:
        return None
    now = {
        **identity(node.plugin, node.seed),
        "inputs": {label: artifacts[source].content for label, source in node.inputs.items()},
    }
    before = {part: value for part, value in record["stage"].items() if part != "units"}
    return store.artifact(record["key"]) if before == now else None
