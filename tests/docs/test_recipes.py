"""The recipes that the project ships have no mistakes: every one is read, strictly, and unrolled into its stages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vernier.core.recipe import load

PROJECT = Path(__file__).parents[2]
RECIPES = sorted((PROJECT / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_without_mistakes(path: Path) -> None:
    made = load(path)
    assert made.nodes()
    said = re.search(rf"vernier run recipes/{path.name}|python (bench/\w+\.py)", path.read_text())
    assert said is not None, "its head says how it is run"
    assert said[1] is None or (PROJECT / said[1]).exists()
