from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.core.recipe_plugins import Mix

from vernier.core.recipe import Recipe


@dataclass(frozen=True)
class Story:
    """A recipe in which stage i reads some of the stages before it: reads[i] = [(stage, own arm | every arm)]."""

    reads: list[list[tuple[int, bool]]]
    arms: dict[str, dict[int, int]]  # arm -> stage -> its setting n
    values: list[int]
    seeded: list[int]

    def recipe(self) -> Recipe:
        seeds = {"values": self.values, "from": [f"s{i}" for i in self.seeded]} if self.seeded else None
        recipe = Recipe("story", seeds=seeds)
        for stage, reads in enumerate(self.reads):
            inputs: dict[str, Any] = {"results": [f"s{i}{'@*' if star else ''}" for i, star in reads]} if reads else {}
            recipe.add(f"s{stage}", Mix(), **inputs)
        for arm, changes in self.arms.items():
            recipe.arm(arm, **{f"s{stage}": {"with": {"n": n}} for stage, n in changes.items()})
        return recipe

    def repeats(self, stage: int) -> bool:
        return stage in self.seeded or any(self.repeats(i) for i, star in self.reads[stage] if not star)

    def made(self, arm: str, stage: int, seed: int) -> tuple[Any, ...]:
        """The slow, obvious way: everything that goes into a stage of an arm, written out to the bottom."""
        inputs: list[Any] = []
        for source, star in self.reads[stage]:
            if star:
                seeds = self.values if self.repeats(source) else [0]
                every = [self.made(a, source, s) for a in self.arms or [""] for s in seeds]
                inputs += list(dict.fromkeys(every))
            else:
                inputs.append(self.made(arm, source, seed))
        n = self.arms.get(arm, {}).get(stage, 0)
        return (stage, n, seed if self.repeats(stage) else 0, tuple(inputs))


@st.composite
def stories(draw: st.DrawFn) -> Story:
    count = draw(st.integers(1, 5))
    stages = st.integers(0, count - 1)
    reads = [
        draw(st.lists(st.tuples(st.integers(0, i - 1), st.booleans()), max_size=3, unique=True)) if i else []
        for i in range(count)
    ]
    names = draw(st.lists(st.sampled_from("abc"), max_size=3, unique=True))
    arms = {name: draw(st.dictionaries(stages, st.integers(0, 1), max_size=3)) for name in names}
    values = draw(st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True))
    return Story(reads, arms, values, draw(st.lists(stages, max_size=2, unique=True)))


@given(stories())
def test_nodes_are_what_differs_and_nothing_else(story: Story) -> None:
    """One node for each thing to make, shared by exactly the arms that come to it."""
    arms_of: dict[tuple[Any, ...], set[str]] = defaultdict(set)
    for stage in range(len(story.reads)):
        for arm in story.arms or [""]:
            for seed in story.values if story.repeats(stage) else [0]:
                arms_of[story.made(arm, stage, seed)].add(arm)
    expected = sorted((made[0], made[2], sorted(arms - {""})) for made, arms in arms_of.items())
    nodes = story.recipe().nodes()
    assert sorted((int(n.stage[1:]), n.seed, sorted(n.arms)) for n in nodes) == expected


@given(stories())
def test_every_node_stands_behind_its_inputs_under_a_name_of_its_own(story: Story) -> None:
    seen: set[str] = set()
    for node in story.recipe().nodes():
        assert node.id not in seen
        assert seen.issuperset(node.inputs.values())
        seen.add(node.id)


@given(stories(), st.data())
def test_a_choice_is_a_part_that_can_stand_alone(story: Story, data: st.DataObject) -> None:
    recipe = story.recipe()
    nodes = recipe.nodes()
    arm = data.draw(st.sampled_from([None, *story.arms]))
    seed = data.draw(st.sampled_from([None, *story.values] if story.seeded else [None]))
    part = recipe.nodes(arm=arm, seed=seed)
    ids = {node.id for node in part}
    assert list(part) == [node for node in nodes if node.id in ids]
    assert all(ids.issuperset(node.inputs.values()) for node in part)
    own = [n for n in nodes if (arm is None or arm in n.arms) and (seed is None or not n.seeded or n.seed == seed)]
    if not any(star for reads in story.reads for _, star in reads):
        assert list(part) == own
    assert ids.issubset(n.id for n in nodes)


@given(stories())
def test_the_plain_form_keeps_the_nodes(story: Story) -> None:
    recipe = story.recipe()
    assert Recipe.from_data(recipe.to_data()).nodes() == recipe.nodes()
