"""The finished nodes of a recipe, and what each was made of, back to the readers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vernier.core.artifact import Artifact
from vernier.core.fingerprint import key_of
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


def finished(nodes: Iterable[Node], made: Mapping[str, Artifact], runs: Iterable[Run], store: Store) -> Lineage:
    """What there is of these nodes: those just made, and those of earlier runs that would be the same work today.

    An arm or a seed may have been run by itself, or in another folder: the others still stand beside it, as long as
    the recipe has not changed for them. Where two runs read other contents at one place, those of the first count.
    """
    earlier: dict[str, str] = {}
    for run in runs:
        for record in run.nodes.values():
            words = {part: value for part, value in record["stage"].items() if part != "units"}
            earlier.setdefault(key_of(words), record["key"])
    known: dict[str, Node] = {}
    artifacts: dict[str, Artifact] = {}
    for node in nodes:
        if not artifacts.keys() >= set(node.inputs.values()):
            continue
        artifact = made.get(node.id)
        if artifact is None:
            inputs = {label: artifacts[source].content for label, source in node.inputs.items()}
            key = earlier.get(key_of({**identity(node.plugin, node.seed), "inputs": inputs}))
            artifact = store.artifact(key) if key is not None else None
        if artifact is not None:
            known[node.id], artifacts[node.id] = node, artifact
    return Lineage(store, known, artifacts)
