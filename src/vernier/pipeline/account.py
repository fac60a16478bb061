"""What the arms of a run cost: floating-point operations, planned and real.

An arm's overhead is all that was made for its model and not for the control's: meta-models, scores, labels. Work that
both need (reading, the tokenizer) is nobody's. Operations are those of a run that finds nothing done before, so they
do not depend on what the store happened to hold. Seconds do, and on the machine: they are never part of an artifact.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from vernier.pipeline.lineage import Lineage

LOW, HIGH = 0.5, 2.0  # real over planned operations: outside, the plan was wrong


@dataclass(frozen=True)
class Spent:
    """Floating-point operations; None = unknown."""

    planned: float | None
    actual: float | None


@dataclass(frozen=True)
class Overhead:
    """What one arm needs beyond the control, at one seed.

    stages    the nodes that it is spent in, those that compute and those that do not
    unknown   those whose cost nobody knows
    """

    stages: tuple[str, ...]
    unknown: tuple[str, ...]
    spent: Spent


class Account:
    """The costs of a run's nodes; each is asked once."""

    def __init__(self, lineage: Lineage) -> None:
        self._lineage = lineage
        self._known: dict[str, Spent] = {}

    def of(self, name: str) -> Spent:
        """The cost of one node: what its plugin says, else what its artifact does.

        A plugin that says nothing costs nothing, unless it trains or reads a network: then it is unknown. A network is
        a model that tells its number of parameters, and of a plugin from elsewhere any model.
        """
        if name not in self._known:
            node, artifact = self._lineage.nodes[name], self._lineage.artifacts[name]
            plugin = node.plugin
            if hasattr(plugin, "flops"):
                inputs = self._lineage.inputs(name)
                spent = Spent(_number(plugin.flops(inputs, None)), _number(plugin.flops(inputs, artifact)))
            elif "flops" in artifact.facts:
                spent = Spent(None, _number(artifact.facts["flops"]))
            elif self._has_network(name):
                spent = Spent(None, None)
            else:
                spent = Spent(0.0, 0.0)
            self._known[name] = spent
        return self._known[name]

    def _has_network(self, name: str) -> bool:
        node, artifacts = self._lineage.nodes[name], self._lineage.artifacts
        models = [a for a in map(artifacts.__getitem__, [name, *node.inputs.values()]) if a.kind == "model"]
        own = type(node.plugin).__module__.startswith("vernier.")
        return any("parameters" in model.facts or not own for model in models)

    def training(self, model: str) -> Spent:
        """The cost of the training stage that made a model: never nothing, so without a word of it unknown."""
        spent = self.of(model)
        return Spent(spent.planned or None, spent.actual or None)

    def overhead(self, model: str, control: str) -> Overhead:
        """What was made for a model and not for the control's model, both left out."""
        common = {model, *self._lineage.behind([control])}
        stages = [name for name in self._lineage.behind([model]) if name not in common]
        unknown = [name for name in stages if self.of(name).actual is None]
        return Overhead(tuple(stages), tuple(unknown), total(self.of(name) for name in stages))

    def own_by_both(self, model: str, control: str) -> tuple[list[str], list[str]]:
        """Nodes of stages that cost something and that a model and the control's each had for themselves, such as the
        training that a tuning goes on from: the model's, and the control's."""
        of_arm, of_control = (set(self._lineage.behind([name])) - {name} for name in (model, control))
        own, others = ([n for n in one if self.of(n).actual != 0] for one in (of_arm - of_control, of_control - of_arm))
        stages = {self._lineage.nodes[n].stage for n in own} & {self._lineage.nodes[n].stage for n in others}
        each = [sorted(n for n in one if self._lineage.nodes[n].stage in stages) for one in (own, others)]
        return each[0], each[1]

    def defects(self, names: Iterable[str]) -> list[dict[str, Any]]:
        """Stages whose real cost is less than half or more than twice the planned one."""
        found: list[dict[str, Any]] = []
        for name in names:
            spent = self.of(name)
            if spent.planned and spent.actual and not LOW <= spent.actual / spent.planned <= HIGH:
                found.append({"stage": name, "planned": spent.planned, "actual": spent.actual})
        return found

    def unplanned(self, names: Iterable[str]) -> list[str]:
        """Stages of which something was counted and nothing planned: no defect of theirs can be seen."""
        stages = {n: self._lineage.nodes[n].stage for n in names if self.of(n).actual and not self.of(n).planned}
        return list(dict.fromkeys(stages.values()))


def total(costs: Iterable[Spent]) -> Spent:
    """The sum of some costs; unknown if one of them is."""
    every = list(costs)
    return Spent(_sum([one.planned for one in every]), _sum([one.actual for one in every]))


def mean(costs: Sequence[Spent]) -> Spent:
    """The mean of the costs of an arm's seeds; unknown if one of them is."""
    whole = total(costs)
    parts = [None if part is None else part / len(costs) for part in (whole.planned, whole.actual)]
    return Spent(*parts)


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) if len(known) == len(values) else None


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)
