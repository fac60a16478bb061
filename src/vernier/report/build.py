"""A report from a run folder alone: no store, no model, no torch; also on another machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vernier.core.run import Run
from vernier.core.store import write_atomically
from vernier.report import (
    agreement,
    contamination,
    curves,
    documents,
    duplicates,
    kept,
    leaderboard,
    ledger,
    plan,
    rules,
    scores,
    tasks,
    verdict,
)
from vernier.report.page import page
from vernier.report.parts import Section

FILE = "report.html"
# In the order of the page: what was found, what it was found in, how it was made. Each gives None where the run has
# nothing of its kind.
SECTIONS: tuple[Callable[[Run], Section | None], ...] = (
    verdict.section,
    leaderboard.section,
    tasks.section,
    scores.section,
    rules.section,
    duplicates.section,
    contamination.section,
    kept.section,
    curves.section,
    agreement.section,
    ledger.section,
    documents.section,
    plan.section,
)


def build(run: Run) -> str:
    """The report as HTML. Raises ResumeError if a table that it shows is gone."""
    return page(run.name, [section for make in SECTIONS if (section := make(run)) is not None])


def write(run: Run, to: Path | None = None) -> Path:
    """Write the report: to `report.html` in the run folder, or elsewhere. Returns where."""
    path = to or run.folder / FILE
    write_atomically(path, build(run).encode())
    return path
