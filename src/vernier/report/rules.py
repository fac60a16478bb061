"""What each cleaning rule measures in a pool, and what share of it each cut would drop by itself.

Of a table of signals alone, with the limits of the presets that it has the columns for; of `select.rules`, with the
limits that are set and in the pool that it chose from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from vernier.core.rules import PRESETS, RULES, cuts
from vernier.core.run import Run
from vernier.report import pool, read
from vernier.report.drawing.axes import number, percent
from vernier.report.drawing.rules import Row, rows_of_rules
from vernier.report.parts import Section, figure, paragraph, table
from vernier.report.pool import Scored
from vernier.report.scores import bins

TAIL = 0.005  # share of the values that may lie beyond each end of a rule's axis
FAR = 2  # times the range of the values: a cut that lies further off does not stretch the axis
SIGNALS, SELECTION = "score.signals", "select.rules"


@dataclass(frozen=True)
class Spread:
    """One rule in a pool.

    rule       its name
    limit      its cut
    edges      float64 [bins + 1], rising; the cut is among the values that they span, unless it lies far off
    counts     int64 [bins], what lies beyond the ends in the outermost ones; empty if it is defined for no document
    dropped    documents that the cut would drop by itself
    undefined  documents for which nothing is measured
    documents  in the pool
    """

    rule: str
    limit: float
    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    dropped: int
    undefined: int
    documents: int

    @property
    def share(self) -> float:
        return self.dropped / self.documents if self.documents else 0.0


@dataclass(frozen=True)
class Spreads:
    """The rules of one stage. node: of the run; says: whose limits they are."""

    node: str
    says: str
    rules: list[Spread]


def spreads(run: Run, node: str) -> Iterator[Spreads]:
    """The rules of a stage that makes signals or goes by rules; of any other stage nothing."""
    record = run.nodes[node]
    plugin, inputs = record["stage"]["plugin"], record["inputs"]
    if plugin == SIGNALS and read.shards(run, node):
        here = read.columns(read.shards(run, node)[0])
        known = {name: limit for name, limit in cuts(PRESETS).items() if _read_by(name) <= set(here)}
        yield Spreads(node, "limits of the presets", [_spread(run, node, None, *one) for one in known.items()])
    elif plugin == SELECTION and inputs.get("signals") in run.nodes:
        limits: dict[str, float] = record["facts"]["limits"]
        rules = [_spread(run, inputs["signals"], inputs.get("within"), *one) for one in limits.items()]
        yield Spreads(node, "limits as set", rules)


def section(run: Run) -> Section | None:
    """A figure for each selection by rules, and for each table of signals that none went by; None without any."""
    chosen = [node for node, record in run.nodes.items() if record["stage"]["plugin"] == SELECTION]
    used = {run.nodes[node]["inputs"].get("signals") for node in chosen}
    alone = [n for n, record in run.nodes.items() if record["stage"]["plugin"] == SIGNALS and n not in used]
    figures = [_figure(found) for node in [*chosen, *alone] for found in spreads(run, node)]
    if not figures:
        return None
    says = (
        "Each rule by itself, before any other: the share in its line is what its cut alone would drop, so the shares "
        "do not add up to what was dropped. A rule whose bulk lies at its cut chooses a kind of text, not its quality."
    )
    return Section("rules", "What do the cleaning rules measure?", paragraph(says) + Markup("").join(figures))


def _read_by(name: str) -> set[str]:
    return {column for column in (RULES[name].part, RULES[name].whole) if column is not None}


def _parts(run: Run, node: str, within: str | None, name: str) -> Iterator[Scored]:
    """What a rule measures in its pool, shard by shard."""
    rule = RULES[name]
    for place, shard in enumerate(read.shards(run, node)):
        columns = read.read(shard, sorted(_read_by(name)))
        valid = np.logical_and.reduce([columns.column(one).is_valid().to_numpy() for one in columns.column_names])
        values = rule.values({one: pool.counted(shard, one) for one in columns.column_names})
        rows = np.flatnonzero(pool.wanted(run, within, place, len(values)))
        yield Scored(place, rows, np.zeros(len(rows), np.int64), values[rows], valid[rows])


def _spread(run: Run, node: str, within: str | None, name: str, limit: float) -> Spread:
    ends = pool.range_of(_parts(run, node, within, name), TAIL)
    edges = bins(*_axis(*ends, limit)) if ends else np.zeros(0)
    counts = np.zeros(max(0, len(edges) - 1), np.int64)
    dropped = undefined = documents = 0
    for part in _parts(run, node, within, name):
        values = part.values[part.defined]
        documents, undefined = documents + len(part.rows), undefined + len(part.rows) - len(values)
        dropped += int(RULES[name].drops(values, limit).sum())
        if len(edges):
            counts += np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0]
    return Spread(name, limit, edges, counts, dropped, undefined, documents)


def _axis(low: float, high: float, limit: float) -> tuple[float, float]:
    if low == high == limit:
        return low, low + 1
    near = low - FAR * (high - low) <= limit <= high + FAR * (high - low) or low == high
    return (min(low, limit), max(high, limit)) if near else (low, high)


def _figure(found: Spreads) -> Markup:
    drawn = [
        Row(one.rule, one.edges, one.counts, one.limit, RULES[one.rule].wanted == "at least", percent(one.share))
        for one in found.rules
    ]
    says = (
        f"{found.rules[0].documents:,} documents, {found.says}. Each strip has an axis of its own, as high as its "
        "fullest bin; the dashed line is the cut, the shaded side is dropped; at the right, how much that is."
    )
    numbers = table(
        ["rule", "measures", "wanted", "would drop", "documents", "undefined", "limits from"],
        [
            [
                one.rule,
                f"{RULES[one.rule].family}: {RULES[one.rule].says}",
                f"{RULES[one.rule].wanted} {number(one.limit)}",
                percent(one.share),
                one.dropped,
                one.undefined,
                RULES[one.rule].source,
            ]
            for one in found.rules
        ],
    )
    drawing = rows_of_rules(drawn, says="What each rule measures, and its cut; the numbers are in the table below")
    return figure(f"Cleaning rules of {found.node}", says, drawing, numbers)
