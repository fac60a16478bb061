"""From stages to nodes: arms and seeds unrolled, and what is equal between arms made one."""

from __future__ import annotations

import graphlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vernier.core.errors import RecipeError, nearest
from vernier.core.yaml import Marks

ArmName = str | None  # None: a recipe without arms has one, unnamed
Stages = Mapping[ArmName, Mapping[str, "Stage"]]


@dataclass(frozen=True)
class Stage:
    """One step of a recipe as one arm has it.

    do      the plugin by name
    inputs  input name -> `stage`, `stage@arm`, `stage@*`, or several of these
    on      where it runs, and with how much; never hashed
    """

    name: str
    do: str
    plugin: Any
    inputs: Mapping[str, str | tuple[str, ...]]
    on: Mapping[str, Any]
    marks: Marks = field(compare=False, repr=False)

    def references(self) -> Iterator[str]:
        for given in self.inputs.values():
            yield from (given,) if isinstance(given, str) else given


@dataclass(frozen=True)
class Seeds:
    """Which seeds to use, and the stages that repeat for each of them (with all downstream)."""

    values: tuple[int, ...]
    stages: tuple[str, ...]


@dataclass(frozen=True)
class Node:
    """One artifact to make.

    id        `stage`; `stage@arm` where arms differ; with `@seed` where it repeats per seed
    arm       the first arm that has it; None if every arm has it
    arms      the arms that share it
    seed      0 if it does not repeat per seed
    inputs    input name -> node id; those of a list are named `scores[0]`, `scores[1]` ...
    gathered  the ids among them that came by `stage@*`
    where     its place in the recipe
    """

    id: str
    stage: str
    arm: ArmName
    arms: tuple[str, ...]
    seed: int
    seeded: bool
    plugin: Any
    inputs: Mapping[str, str]
    on: Mapping[str, Any]
    gathered: frozenset[str] = field(default=frozenset(), repr=False)
    where: str = field(default="", compare=False, repr=False)


def split(reference: str) -> tuple[str, str | None]:
    """`stage@arm` -> (stage, arm); the arm is None if the reader's own is meant, "*" for all."""
    stage, at, arm = reference.partition("@")
    return stage, arm if at else None


def means(name: str, stage: str, arms: Collection[str], seed: int | None) -> bool:
    """Whether `stage`, `stage@arm`, `stage@seed` or `stage@arm@seed` means a node of these arms (of all that share
    it) and this seed (None if it does not repeat)."""
    wanted, *at = name.split("@")
    own = (*arms, *(() if seed is None else (str(seed),)))
    return wanted == stage and all(part in own for part in at)


def find_cycle(stages: Stages) -> list[str] | None:
    """The names of stages that wait for each other in a circle, the first one again at the end."""
    graph = {
        (arm, name): [source for ref in stage.references() for source in _reached(stages, arm, ref)]
        for arm, of_arm in stages.items()
        for name, stage in of_arm.items()
    }
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        circle: list[tuple[ArmName, str]] = error.args[1]
        names = [name for _, name in circle]
        return names if len({arm for arm, _ in circle}) == 1 else [f"{n}@{a}" for a, n in circle]
    return None


def _reached(stages: Stages, arm: ArmName, reference: str) -> list[tuple[ArmName, str]]:
    """The stages, each in its arm, that a reference in `arm` leads to."""
    name, at = split(reference)
    if at is None:
        return [(arm, name)]
    return [(a, name) for a in stages] if at == "*" else [(at, name)]


def expand(stages: Stages, seeds: Seeds | None) -> tuple[Node, ...]:
    """Every node of a recipe without cycles, each behind its inputs, else in the order of the recipe."""
    expansion = _Expansion(stages, seeds)
    for name in next(iter(stages.values())):
        for arm in stages:
            for seed in expansion.seeds_of(arm, name):
                expansion.find(arm, name, seed)
    return expansion.nodes()


@dataclass
class _Made:
    """A node before it has its name; inputs are numbers of nodes."""

    stage: Stage
    seed: int
    seeded: bool
    inputs: dict[str, int]
    gathered: set[int]
    arms: list[ArmName]


class _Expansion:
    def __init__(self, stages: Stages, seeds: Seeds | None) -> None:
        self.stages, self.seeds = stages, seeds
        self.made: list[_Made] = []
        self.found: dict[tuple[ArmName, str, int], int] = {}
        self.alike: dict[tuple[str, int], list[int]] = {}  # nodes of the same stage and seed, in other arms
        self.repeats: dict[tuple[ArmName, str], bool] = {}

    def seeded(self, arm: ArmName, name: str) -> bool:
        """Does the stage repeat per seed: named in `seeds.from`, or downstream of such a one?"""
        if self.seeds is None:
            return False
        if (arm, name) not in self.repeats:
            references = self.stages[arm][name].references()
            sources = [s for r in references if split(r)[1] != "*" for s in _reached(self.stages, arm, r)]
            self.repeats[arm, name] = name in self.seeds.stages or any(self.seeded(*s) for s in sources)
        return self.repeats[arm, name]

    def seeds_of(self, arm: ArmName, name: str) -> tuple[int, ...]:
        return self.seeds.values if self.seeds and self.seeded(arm, name) else (0,)

    def find(self, arm: ArmName, name: str, seed: int) -> int:
        """The number of the node that `arm` has for a stage; made if no other arm has the same one."""
        seeded = self.seeded(arm, name)
        seed = seed if seeded else 0
        if (arm, name, seed) in self.found:
            return self.found[arm, name, seed]
        stage, inputs, gathered = self.stages[arm][name], dict[str, int](), set[int]()
        for label, given in stage.inputs.items():
            sources: list[int] = []
            for reference in (given,) if isinstance(given, str) else given:
                reached = _reached(self.stages, arm, reference)
                if split(reference)[1] == "*":
                    every = [self.find(*at, s) for at in reached for s in self.seeds_of(*at)]
                    sources += list(dict.fromkeys(every))
                    gathered |= set(every)
                else:
                    sources.append(self.find(*reached[0], seed))
            if isinstance(given, str) and split(given)[1] != "*":
                inputs[label] = sources[0]
            else:
                inputs |= {f"{label}[{i}]": source for i, source in enumerate(sources)}
        number = self._same(stage, seed, inputs)
        if number is None:
            number = len(self.made)
            self.alike[name, seed].append(number)
            self.made.append(_Made(stage, seed, seeded, inputs, gathered, []))
        self.made[number].arms.append(arm)
        self.found[arm, name, seed] = number
        return number

    def _same(self, stage: Stage, seed: int, inputs: dict[str, int]) -> int | None:
        for number in self.alike.setdefault((stage.name, seed), []):
            if self.made[number].stage == stage and self.made[number].inputs == inputs:
                return number
        return None

    def nodes(self) -> tuple[Node, ...]:
        ids: list[str] = []
        for made in self.made:
            shared = len(made.arms) == len(self.stages)
            at = "" if shared else f"@{made.arms[0]}"
            ids.append(f"{made.stage.name}{at}" + (f"@{made.seed}" if made.seeded else ""))
        return tuple(
            Node(
                id=ids[number],
                stage=made.stage.name,
                arm=None if len(made.arms) == len(self.stages) else made.arms[0],
                arms=tuple(arm for arm in self.stages if arm is not None and arm in made.arms),
                seed=made.seed,
                seeded=made.seeded,
                plugin=made.stage.plugin,
                inputs={label: ids[source] for label, source in made.inputs.items()},
                on=made.stage.on,
                gathered=frozenset(ids[source] for source in made.gathered),
                where=made.stage.marks.root,
            )
            for number, made in enumerate(self.made)
        )


def choose(
    nodes: Sequence[Node], *, arm: str | None = None, seed: int | None = None, to: str | None = None
) -> tuple[Node, ...]:
    """The nodes that one arm, one seed, or one stage (`keep`, all its nodes; `keep@random`, `keep@random@0`) needs.

    A stage that gathers every arm and seed (`@*`) is left out when some of those are, and so is what follows it.
    Raises RecipeError if there is no node `to`, or nothing of it remains.
    """
    named = {n.id for n in nodes if to is None or means(to, n.stage, n.arms, n.seed if n.seeded else None)}
    if to is not None and not named:
        of_stage = [node.id for node in nodes if node.stage == split(to)[0]]
        if of_stage:
            raise RecipeError(f"the recipe has no node {to!r}", do=nearest(to, of_stage))
        raise RecipeError(f"the recipe has no stage {to!r}", do=nearest(to, {node.stage for node in nodes}))
    whole: set[str] = set()
    partial: set[str] = set()
    own: set[str] = set()
    for node in nodes:
        fits = (arm is None or arm in node.arms) and (seed is None or not node.seeded or node.seed == seed)
        if fits:
            own.add(node.id)
        if fits and node.gathered <= whole and not partial.intersection(node.inputs.values()):
            whole.add(node.id)
        elif fits:
            partial.add(node.id)
    wanted = named & whole
    if to is not None and named.isdisjoint(own):
        raise RecipeError(
            f"nothing named {to!r} is of this arm and seed",
            found=", ".join(node.id for node in nodes if node.id in named),
            do="leave out --arm and --seed",
        )
    if to is not None and not wanted:
        raise RecipeError(
            f"the stage {to!r} can not be made from one arm or seed",
            found="it needs, or comes after one that needs, every arm and seed (`@*`)",
            do="leave out --arm and --seed",
        )
    for node in reversed(nodes):
        if node.id in wanted:
            wanted.update(node.inputs.values())
    return tuple(node for node in nodes if node.id in wanted)
