"""The comparison with random at the end of a run, from records with known losses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vernier.cli.verdict import verdict
from vernier.core.artifact import Artifact
from vernier.core.run import Run

RANDOM = {0: 2.0, 1: 2.2, 2: 2.1}
BETTER = {0: 1.90, 1: 2.101, 2: 2.0}
SAME = {0: 2.001, 1: 2.199, 2: 2.1}


def make(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arms: dict[str, dict[int | None, float]], **recipe: Any
) -> Run:
    """A run that measured `code` at the given losses, and twice them as macro."""
    run = Run(tmp_path)
    (tmp_path / "recipe.json").write_text(json.dumps({"target": None, "seeds": None, **recipe}))
    facts: dict[str, Any] = {}
    for arm, by_seed in arms.items():
        for seed, loss in by_seed.items():
            name = f"test@{arm}@{seed}"
            run.nodes[name] = {"of": "test", "arms": [arm], "seed": seed, "kind": "results"}
            facts[name] = {"bits_per_byte": {"macro": 2 * loss, "code": loss}}
    monkeypatch.setattr(Run, "artifact", lambda _, name: Artifact("results", "k", "", (), {}, facts[name]))
    return run


def test_arms_against_random_on_the_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arms = {"random": RANDOM, "better": BETTER, "same": SAME}
    seeds = {"values": [0, 1, 2], "from": ["keep"]}
    said = verdict(make(tmp_path, monkeypatch, arms, target={"domain": "code"}, seeds=seeds))
    lines = said.split("\n")
    assert "on the target 'code'" in lines[0]
    better = next(line for line in lines if line.startswith("better"))
    assert "-0.0997" in better and better.endswith("better than random")
    same = next(line for line in lines if line.startswith("same"))
    assert same.endswith("no difference shown")
    assert "4 degrees of freedom" in said and "seed of keep and all after" in said


def test_worse_than_random(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = verdict(make(tmp_path, monkeypatch, {"random": BETTER, "bad": RANDOM}, target={"domain": "code"}))
    assert "worse than random" in said


def test_without_a_target_there_is_no_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = verdict(make(tmp_path, monkeypatch, {"random": RANDOM, "better": BETTER}))
    assert "-0.1993" in said and "mean over domains" in said  # of macro, which is twice the loss
    assert "no verdict: no target named" in said and "better than random" not in said


def test_a_target_that_was_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = verdict(make(tmp_path, monkeypatch, {"random": RANDOM, "x": SAME}, target={"domain": "poems"}))
    assert said == "test: no verdict: no held-out document of the target domain 'poems' was measured in every arm"


def test_one_seed_shows_nothing_and_an_odd_one_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arms = {"random": {0: 2.0, 1: 2.1}, "x": {0: 1.0}}
    said = verdict(make(tmp_path, monkeypatch, arms, target={"domain": "code"}))
    assert "one seed shows nothing" in said and "left out, as some arm lacks them: seeds 1" in said
    apart = {"random": {0: 2.0}, "x": {1: 1.0}}
    assert "no seed is finished in every arm" in verdict(make(tmp_path, monkeypatch, apart))


@pytest.mark.parametrize(
    "arms", [{"random": RANDOM}, {"a": RANDOM, "b": SAME}, {"random": {None: 2.0}, "x": {None: 1.0}}]
)
def test_nothing_to_compare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arms: dict[str, Any]) -> None:
    assert verdict(make(tmp_path, monkeypatch, arms)) == ""
