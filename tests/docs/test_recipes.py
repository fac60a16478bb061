"""The recipes that come along: without a mistake, and never with documents on two sides of a cut."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from pathlib import Path

import pytest

from vernier.core.recipe import load
from vernier.select.slice import Slice

PROJECT = Path(__file__).parents[2]
RECIPES = sorted((PROJECT / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_has_no_mistake_and_its_slices_share_nothing(path: Path) -> None:
    """The traps of two published pipelines: MiniPLM's scoring script points at what the reference was trained on, and
    its writer and its readers name other folders."""
    scales: dict[object, dict[str, tuple[float, float]]] = defaultdict(dict)
    for node in load(path).nodes():
        if isinstance(node.plugin, Slice):
            scale = (node.plugin.group, node.plugin.salt, str(node.inputs))
            scales[scale][node.id] = node.plugin.range
    for ranges in scales.values():
        for (one, (low, high)), (other, (start, end)) in itertools.combinations(ranges.items(), 2):
            assert high <= start or end <= low, f"{one} and {other} have documents in common"


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_head_of_a_recipe_says_how_it_is_run(path: Path) -> None:
    said = re.search(rf"vernier run recipes/{path.name}|python (bench/\w+\.py)", path.read_text())
    assert said is not None and (said[1] is None or (PROJECT / said[1]).exists())
