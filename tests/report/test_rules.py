"""Spreads of rules: what each cut by itself would drop, in the pool that was chosen from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from vernier.cli.rules import drawn, histogram
from vernier.core.recipe import Recipe
from vernier.core.rules import RULES
from vernier.core.run import Run
from vernier.corpus.read_jsonl import ReadJsonl
from vernier.pipeline.run import run
from vernier.report.rules import Spread, section, spreads
from vernier.score.signals import Signals
from vernier.select.rules import Rules
from vernier.select.where import Where


@pytest.fixture
def done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Documents of 0 to 99 words, the odd ones in the domain `odd`."""
    monkeypatch.chdir(tmp_path)
    texts = [{"domain": "odd" if n % 2 else "even", "text": "word " * n} for n in range(100)]
    (tmp_path / "docs.jsonl").write_text("".join(json.dumps(one) + "\n" for one in texts))
    recipe = Recipe("words", store=".vernier")
    docs = recipe.add("docs", ReadJsonl(paths=["docs.jsonl"]))
    signals = recipe.add("signals", Signals(families=["gopher"]), corpus=docs)
    odd = recipe.add("odd", Where(among=["odd"]), corpus=docs)
    rules = Rules(rules=[], limits={"few_words": 20, "stop_words": 0, "hashes": 0.1})
    recipe.add("keep", rules, corpus=docs, signals=signals, within=odd)
    return run(recipe)


def test_each_cut_by_itself(done: Run) -> None:
    (alone,) = spreads(done, "signals")
    found = {one.rule: one for one in alone.rules}
    assert set(found) == {name for name, rule in RULES.items() if rule.family == "gopher"}
    assert (found["few_words"].dropped, found["few_words"].documents) == (50, 100)
    assert (found["short_words"].dropped, found["short_words"].undefined) == (0, 1)
    assert found["stop_words"].share == 1.0
    for one in alone.rules:
        assert one.counts.sum() + one.undefined == 100
    (chosen,) = spreads(done, "keep")
    assert {one.rule: (one.limit, one.dropped, one.documents) for one in chosen.rules} == {
        "few_words": (20, 10, 50),
        "hashes": (0.1, 0, 50),
        "stop_words": (0, 0, 50),
    }
    assert not list(spreads(done, "docs")) and not list(spreads(done, "odd"))


def test_the_page_has_one_figure_for_a_selection_and_none_for_its_signals(done: Run) -> None:
    found = section(done)
    assert found is not None
    assert found.body.count("<figure>") == 1 and "Cleaning rules of keep" in found.body
    assert "20.0 %" in found.body and "cut 20" in found.body
    assert "drop of 50 documents (limits as set" in drawn(next(spreads(done, "keep")))


def test_a_histogram_in_a_line() -> None:
    edges = np.array([0.0, 1.0, 2.0, 3.0])
    assert histogram(Spread("few_words", 1.0, edges, np.array([8, 0, 1]), 8, 0, 9)) == "█| ▂"
    assert histogram(Spread("few_words", 0.0, edges, np.array([800, 1, 0]), 0, 0, 801)) == "|█▁ "
    assert histogram(Spread("few_words", 9.0, edges, np.array([1, 1, 1]), 0, 0, 3)) == "███"
