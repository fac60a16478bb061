"""Generated pages are what their sources say now."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parent.parent.parent


def make_results() -> Any:
    spec = importlib.util.spec_from_file_location("make_results", PROJECT / "bench" / "make_results.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_results_page_is_current() -> None:
    script = make_results()
    assert script.PAGE.read_text(encoding="utf-8") == script.page(script.results()), "run `make docs`"


def test_charts_are_current() -> None:
    script = make_results()
    drawn = {path.name: path.read_text(encoding="utf-8") for path in script.CHARTS.glob("*.svg")}
    assert drawn == script.drawings(script.results()), "run `make docs`"


def test_tables_have_headings_and_intervals_one_cell() -> None:
    chart = {
        "file": "a.svg",
        "title": "A",
        "x": "tokens",
        "y": "AUC",
        "lines": {"s": [[1, 0.5], [2, 0.6]]},
        "levels": {},
    }
    one = {
        "name": "auc",
        "question": "Which?",
        "command": "python bench/auc.py",
        "commit": "0" * 40,
        "machine": {"cores": 2},
        "date": "2026-01-31",
        "rows": [],
        "tables": {"Apart?": [{"score": "a", "auc": {"value": 0.7189, "low": 0.7, "high": 0.7331}}]},
        "charts": [chart],
        "verdict": [],
    }
    assert make_results().section(one).partition("cores 2\n\n")[2] == (
        "### Apart?\n\n| score | auc |\n| --- | --- |\n| a | 0.719 (0.700 to 0.733) |\n\n![A](charts/a.svg)\n"
    )
    assert list(make_results().drawings([one])) == ["a.svg"]


def test_a_result_is_rendered_whole() -> None:
    one = {
        "name": "reading",
        "question": "What does reading cost?",
        "command": "python bench/reading.py",
        "commit": "0123456789abcdef0123456789abcdef01234567 with changes",
        "machine": {"cores": 2, "memory_bytes": 8_000_000_000},
        "date": "2026-01-31",
        "seeds": [0, 1],
        "rows": [{"tool": "ours", "cpu_s": {"median": 1.23456}}, {"tool": "a|b", "same": True}],
        "verdict": [{"must": "at most 2 s", "found": 1.5, "holds": True}, {"must": "at most 1 s", "holds": False}],
    }
    assert make_results().section(one) == (
        "## reading\n\nWhat does reading cost?\n\n"
        "* made by `python bench/reading.py` on 2026-01-31, commit `0123456789ab` with changes\n"
        "* machine: cores 2, memory_bytes 8,000,000,000\n"
        "* seeds: 0, 1\n\n"
        "| tool | cpu_s.median | same |\n| --- | --- | --- |\n| ours | 1.235 |  |\n| a\\|b |  | yes |\n\n"
        "* holds: at most 2 s (found 1.5)\n* **does not hold**: at most 1 s\n"
    )
