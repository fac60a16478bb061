"""The bench of all selectors: growth, what is extrapolated, and what an earlier call's rows are good for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from bench.select_cost import MOST, ROUNDS, TASKS, before, demands, growth, left_out

from bench import select_cost
from vernier.core import plugin


def row(selector: str, rows: int, wall: float, peak: float) -> dict[str, Any]:
    spent = {name: {"median": value} for name, value in (("wall_s", wall), ("cpu_s", 2 * wall), ("peak_bytes", peak))}
    return {"selector": selector, "rows": rows, "wall_s_a_million": wall / rows * 1e6, **spent}


def test_growth_is_told_by_the_row() -> None:
    """Ten times the rows in twenty times the seconds, 30 bytes more for each; another selector of one size has none."""
    rows = [row("top_k", 10_000_000, 40.0, 290e6), row("top_k", 1_000_000, 2.0, 20e6), row("band", 1_000_000, 1.0, 1e6)]
    (step,) = growth(rows)
    assert (step["selector"], step["from"], step["to"]) == ("top_k", 1_000_000, 10_000_000)
    assert step["wall_over_linear"] == step["cpu_over_linear"] == pytest.approx(2)
    assert step["more_bytes_for_a_row_more"] == 30
    held = {demand["must"].split(": ")[1]: demand["holds"] for demand in demands(rows, [step])}
    assert held == {
        "seconds for a million rows of 10M": False,
        "bytes more for each row more": True,
        "wall time over linear": False,
    }


def test_what_was_not_run_is_said_and_marked() -> None:
    rows = [row("top_k", 10_000_000, 5.0, 1e6), row("facility_location", 1_000_000, 90.0, 1e6)]
    (one,) = left_out(rows)
    assert one["selector"] == "facility_location" and one["rows"] == MOST
    assert one["extrapolated_wall_s"] == 9000 and "measured" in one["why"]


def test_a_call_goes_on_at_its_own_commit_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(select_cost, "RESULTS", tmp_path)
    monkeypatch.setattr(select_cost, "commit", lambda: "this one")
    assert before(()) == []
    for commit, others, kept in (("another", (), 0), ("another", ("band",), 1), ("this one", (), 1)):
        found = {"commit": commit, "rows": [row("band", 1_000_000, 1.0, 1e6)]}
        (tmp_path / "select_cost.json").write_text(json.dumps(found))
        assert before(others) == [{"commit": commit, **one} for one in found["rows"]][:kept]


def test_every_selector_is_measured() -> None:
    """A new one without a row here fails. Rows of a task follow from its most."""
    named = {node["do"] for task in TASKS.values() for node in task.nodes.values()}
    assert {name for name in plugin.names() if name.startswith("select.")} <= named
    assert [TASKS["top_k"].most // part for part in ROUNDS] == [1_000_000, 10_000_000, 100_000_000]
    assert all(node["in"].items() >= {"corpus": "rows"}.items() for t in TASKS.values() for node in t.nodes.values())
