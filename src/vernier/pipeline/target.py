"""Is the target among the documents that models are measured on? Asked as soon as these are known, before training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from vernier.core.artifact import Artifact
from vernier.core.errors import DataError, nearest
from vernier.core.nodes import Node
from vernier.core.recipe import Recipe
from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.pipeline.contest import CONTROL

HELD = ("corpus", "selection")  # inputs of an evaluation that say what is measured on


class Target:
    """The domains of a recipe's target, looked for once in all that its evaluations read."""

    def __init__(self, recipe: Recipe, nodes: Iterable[Node], store: Store) -> None:
        named = (recipe.target or {}).get("domain", [])
        self._domains: list[str] = [named] if isinstance(named, str) else list(named)
        self._store = store
        every = [node for node in nodes if node.plugin.makes == "results" and {"model", "corpus"} <= node.inputs.keys()]
        self._open = every if self._domains and CONTROL in recipe.arms else []

    def check(self, made: Mapping[str, Artifact]) -> None:
        """Raises DataError if the documents of all evaluations are known, and none of them is of a target's domain."""
        sources = {tuple(node.inputs[label] for label in HELD if label in node.inputs) for node in self._open}
        if not self._open or not all(name in made for names in sources for name in names):
            return
        first = self._open[0]
        self._open = []
        found = Counter[str | None]()
        for names in sources:
            given = dict(zip(HELD, (made[name] for name in names), strict=False))
            for shard in Inputs(self._store.url, given).shards():
                kept = shard.kept()
                found.update(shard.read("corpus", ["domain"]).column("domain").filter(kept).to_pylist())
        for domain in self._domains:
            if domain not in found:
                there = ", ".join(f"{name or '(none)'} {number:,}" for name, number in found.most_common())
                raise DataError(
                    f"no held-out document is of the target domain {domain!r}",
                    where=f"target; {first.where or first.id}",
                    found=f"{sum(found.values()):,} held-out documents: {there or 'none'}",
                    expected="documents of the target among those that models are measured on",
                    do=f"{nearest(domain, [name for name in found if name])}; or hold more documents out",
                )
