"""What of benchmarks was found in a pool and dropped: by task, of each selection that keeps it out."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from vernier.core.run import Run
from vernier.report.drawing.axes import percent
from vernier.report.parts import Section, paragraph, table
from vernier.report.words import facts

SELECTION, FACT = "select.uncontaminated", "contamination"


def section(run: Run) -> Section | None:
    """A table for each selection; None if the run has none."""
    nodes = [node for node, record in run.nodes.items() if record["stage"]["plugin"] == SELECTION]
    if not nodes:
        return None
    says = (
        "An item counts as found if a dropped document holds at least the share of its word n-grams that the stage is "
        "set to. What is reworded or translated is not found; items too short, or made of phrases, are not looked for."
    )
    return Section("contamination", "What was found of the benchmarks?", paragraph(says) + _tables(run, nodes))


def _tables(run: Run, nodes: list[str]) -> Markup:
    return Markup("").join(_table(run, node) for node in nodes)


def _table(run: Run, node: str) -> Markup:
    record = run.nodes[node]
    short: Mapping[str, int] = facts(run, record["inputs"]["benchmark"]).get("not_looked_for", {})
    rows = [
        [task, of["items"], short.get(task, 0), of["found"], percent(of["found"] / of["items"]), of["documents"]]
        for task, of in facts(run, node)[FACT].items()
    ]
    dropped = record["counts"].get("dropped.contaminated", 0)
    head = ["task", "items", "not looked for", "found", "share found", "documents dropped that hold some"]
    return table(head, rows, says=f"{node}: {dropped:,} of {record['rows']:,} documents dropped.")
