"""What the table of rules says that a rule throws out is what the bench measured."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from bench.rules import dropped

from vernier.core.rules import RULES

RESULT = Path(__file__).parents[2] / "bench" / "results" / "rules.json"
TOLD = 0.1  # a share from which the table must say so
GRAMS = re.compile("(top|dup)_[0-9]+gram")


@pytest.fixture(scope="module")
def measured() -> dict[str, dict[str, float]]:
    """Share dropped by rule and kind of text."""
    tables = json.loads(RESULT.read_text(encoding="utf-8"))["tables"]
    rows = tables["Each rule by itself: share dropped"]
    kinds = [row["kind"] for row in tables["Kinds of text that the rules were not made for: share dropped"]]
    return {row["rule"]: {kind: row[kind] for kind in kinds} for row in rows}


def test_each_share_is_told(measured: dict[str, dict[str, float]]) -> None:
    assert set(measured) == {name for name, rule in RULES.items() if rule.limits}
    for name, shares in measured.items():
        told = [int(number) for number in re.findall("[0-9]+", RULES[name].harms)]
        for kind, share in shares.items():
            if share < TOLD:
                continue
            near = [number for number in told if abs(number - 100 * share) <= 1]
            in_range = GRAMS.fullmatch(name) and min(told) <= 100 * share <= max(told) + 0.5
            assert near or in_range, f"{name} drops {100 * share:.1f} % of {kind}, and its entry says {told}"


def test_undefined_is_dropped_as_the_selection_does() -> None:
    values = {"few_words": np.array([60.0, 3.0, 60.0]), "short_words": np.array([5.0, 5.0, np.nan])}
    assert dropped(values, {"few_words": 50, "short_words": 3}).tolist() == [False, True, True]
