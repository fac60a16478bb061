"""What the arms of a run chose, and the scores that they went by; read off the records of its nodes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vernier.core.measures import MEASURES, find
from vernier.core.run import Run
from vernier.core.written import COMPARISON

CONTROL = "random"


@dataclass(frozen=True)
class Choice:
    """A selection at one stage, of one arm or of several that share it.

    stage    of the recipe
    arms     that share it, in the recipe's order; none in a recipe without arms
    nodes    the selection at each seed, by rising seed (None: it does not repeat)
    """

    stage: str
    arms: tuple[str, ...]
    nodes: dict[int | None, str]

    @property
    def name(self) -> str:
        """The control's, else that of the first arm."""
        if not self.arms:
            return self.stage
        return CONTROL if CONTROL in self.arms else self.arms[0]

    @property
    def node(self) -> str:
        """The selection at the lowest seed."""
        return next(iter(self.nodes.values()))

    @property
    def also(self) -> tuple[str, ...]:
        """The other arms that share it."""
        return tuple(arm for arm in self.arms if arm != self.name)


@dataclass(frozen=True)
class Score:
    """A measure over score tables, as selections went by it.

    by, per         the measure and what a pair's losses are divided by, as in the selections' settings
    a, b            nodes of the score tables; b is None for a measure of one
    corpus, within  nodes of the documents and of the pool; within is None where all of the corpus is
    choices         that went by it at their lowest seed
    """

    by: str
    per: str | None
    a: str
    b: str | None
    corpus: str
    within: str | None
    choices: tuple[Choice, ...] = field(compare=False)

    @property
    def title(self) -> str:
        return f"{self.by}: {self.a} against {self.b}" if self.b else f"{self.by} of {self.a}"

    @property
    def unit(self) -> str:
        """Of the measure, with what it is counted per."""
        measure = find(self.by, self.per)
        unit = "ratio" if measure.unit == "1" else measure.unit
        if measure.has_per and measure.unit != "1":
            return f"{unit} per {self.per or 'token'}"
        return {"low_loss": "nat per token", "low_bits_per_byte": "bit per byte"}.get(self.by, unit)

    @property
    def doc(self) -> str:
        return find(self.by, self.per).doc


def choices(run: Run) -> list[Choice]:
    """The selections that arms differ in or that went by a score, stage by stage in the run's order.

    Without those of which only a mixture learned: there may be hundreds, and none is what an arm chose.
    """
    found: dict[str, dict[str | None, dict[int | None, str]]] = {}
    told = _told_of(run)
    for node, record in run.nodes.items():
        if record["kind"] == "selection" and node in told:
            for arm in record["arms"] or [None]:
                found.setdefault(record["of"], {}).setdefault(arm, {})[record["seed"]] = node
    order = arms(run)
    out: list[Choice] = []
    for stage, by_arm in found.items():
        shared: dict[tuple[tuple[int | None, str], ...], list[str]] = {}
        for arm in sorted(by_arm, key=lambda arm: order.index(arm) if arm else 0):
            seeds = by_arm[arm].keys() - {None} or {None}  # what an earlier recipe did not repeat is left out
            nodes = tuple((seed, by_arm[arm][seed]) for seed in sorted(seeds, key=lambda seed: seed or 0))
            shared.setdefault(nodes, []).extend([arm] if arm else [])
        here = [Choice(stage, tuple(names), dict(nodes)) for nodes, names in shared.items()]
        if len(here) > 1 or any(_goes_by(run, choice.node) for choice in here):
            out += here
    return out


def scores(run: Run) -> list[Score]:
    """The scores that selections of the run went by, each once."""
    found: dict[tuple[Any, ...], list[Choice]] = {}
    for choice in choices(run):
        if _goes_by(run, choice.node):
            record = run.nodes[choice.node]
            settings, inputs = record["stage"]["settings"], record["inputs"]
            names = (inputs["a"], inputs.get("b"), inputs["corpus"], inputs.get("within"))
            found.setdefault((settings["by"], settings.get("per"), *names), []).append(choice)
    return [Score(*key, choices=tuple(used)) for key, used in found.items()]


def arms(run: Run) -> list[str]:
    """The arms of the run, in the order of its recipe as far as shared nodes tell it."""
    longest = sorted((record["arms"] for record in run.nodes.values()), key=len, reverse=True)
    return list(dict.fromkeys(arm for names in longest for arm in names))


def _told_of(run: Run) -> set[str]:
    """Nodes that lead to an end of the run on a way that does not pass through a `mix` stage."""
    made = {name: record for name, record in run.nodes.items() if name != COMPARISON}
    used = {source for record in made.values() for source in record["inputs"].values()}
    found: set[str] = set()
    waiting = [name for name in made if name not in used]
    while waiting:
        name = waiting.pop()
        if name in made and name not in found:
            found.add(name)
            if not made[name]["stage"]["plugin"].startswith("mix."):
                waiting += made[name]["inputs"].values()
    return found


def _goes_by(run: Run, node: str) -> bool:
    """Whether a selection went by one of our measures, over tables that the run has."""
    record = run.nodes[node]
    by, inputs = record["stage"]["settings"].get("by"), record["inputs"]
    if not isinstance(by, str) or not (by in MEASURES or by.startswith("a.")):
        return False
    needed = ("corpus", "a", "b") if find(by).b else ("corpus", "a")
    return all(run.nodes.get(inputs.get(name, "")) is not None for name in needed)
