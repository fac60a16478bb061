from __future__ import annotations

import re
from pathlib import Path

from tests.core.recipe_plugins import Keep, Read

from vernier.core import reference
from vernier.core.measures import MEASURES
from vernier.core.plugin import find, names
from vernier.core.recipe import Recipe
from vernier.core.tables import REASONS
from vernier.core.yaml import read_text

PROJECT = Path(__file__).parents[2]


def test_the_committed_reference_is_current() -> None:
    written = (PROJECT / "docs" / "recipe.md").read_text()
    assert written == reference.reference(), "run: python -m vernier.core.reference > docs/recipe.md"


def test_every_plugin_and_setting_is_in_it() -> None:
    text = reference.reference()
    for name in names():
        part = text.partition(f"### {name}\n")[2].partition("\n### ")[0]
        assert f"Makes: {find(name).makes}" in part
        for setting in reference.setting_types(find(name)):
            assert f"| `{setting}` |" in part


def test_every_measure_and_reason_is_in_it() -> None:
    text = reference.reference()
    for name, measure in MEASURES.items():
        assert re.search(rf"^\| `{name}` .*\| {measure.unit} \| {re.escape(measure.doc)} \|$", text, re.MULTILINE)
    assert all(f"| `{reason}` | " in text for reason in REASONS)


def test_shared_types_are_explained_where_the_links_lead() -> None:
    text = reference.reference()
    headings = {line.lstrip("# ").lower().replace(".", "") for line in text.splitlines() if line.startswith("#")}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= headings
    assert "| `keep` | [Budget](#budget) | **required** |" in text
    assert "### Budget\n\nHow much to keep" in text
    assert "| `mask` | [corpus.mask](#corpusmask), or `null` | `null` |" in text  # a plugin within another
    assert "### Mask\n" not in text
    assert "| `quotas` | mapping of text to number, or `proportional` or `equal`, or `null` | `null` |" in text


def test_a_plugin_in_words() -> None:
    text = "\n".join(reference.plugin("x.keep", Keep))
    assert "`scores`: scores (optional) (one or several)" in text
    assert '| `by` | `excess_loss` or `low_loss` | `"excess_loss"` |' in text
    assert "```text\nby  which column\n```" in text
    shard = "| `shard` | [size](#types) | `1kB` |"
    lines = "\n".join(reference.plugin("x.read", Read))
    assert "| `paths` | list of text | **required** |" in lines
    assert shard in lines


def test_the_recipe_shown_is_one() -> None:
    shown = reference.PREFACE.partition("```yaml\n")[2].partition("```")[0]
    recipe = Recipe.from_data(*read_text(shown.replace("[my_package]", "[]"), "docs/recipe.md"))
    assert {node.id for node in recipe.nodes(seed=0)} == {"clean", "keep@base@0", "keep@half@0", "keep@all@0"}
