"""Rules under each other, each on an axis of its own: how what it measures is spread, and the side that is dropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from vernier.report.drawing.axes import NARROW, Scale, box, line, number, path, shorten, svg, text

LEFT, RIGHT, STRIP, HIGH = 142, NARROW - 52, 46, 24  # where strips begin and end, how tall a row and its strip are


@dataclass(frozen=True)
class Row:
    """One rule.

    edges, counts  of its histogram: [bins + 1] and [bins]; empty: nothing to draw
    cut            limit of what is kept
    above          whether what lies above the cut is kept
    says           what stands at the right
    """

    name: str
    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    cut: float
    above: bool
    says: str | None


def rows_of_rules(rows: Sequence[Row], *, says: str) -> Markup:
    """One strip for each rule, as high as its fullest bin is full, with its least and greatest value below it."""
    parts = [part for place, row in enumerate(rows) for part in _row(row, STRIP * place + 4.0)]
    return svg(STRIP * len(rows) + 8, says, parts, width=NARROW)


def _row(row: Row, top: float) -> list[Markup]:
    base = top + HIGH
    parts = [
        text(LEFT - 8, base - 6, shorten(row.name, LEFT - 12), kind="label", anchor="end", full=row.name),
        text(NARROW, base - 6, row.says or "", kind="label", anchor="end"),
        line(LEFT, base, RIGHT, base, stroke="var(--muted)"),
    ]
    if not len(row.counts):
        return parts
    x = Scale(float(row.edges[0]), float(row.edges[-1]), LEFT, RIGHT)
    most = max(1, int(row.counts.max()))
    points = [(x(row.edges[0]), base)]
    for count, start, end in zip(row.counts, row.edges[:-1], row.edges[1:], strict=True):
        y = base - HIGH * int(count) / most
        points += [(x(start), y), (x(end), y)]
    points.append((x(row.edges[-1]), base))
    parts.append(path(points, style="fill:var(--c0);fill-opacity:.45;stroke:var(--c0)", closed=True))
    parts += [
        text(LEFT, base + 13, number(float(row.edges[0]))),
        text(RIGHT, base + 13, number(float(row.edges[-1])), anchor="end"),
    ]
    if row.edges[0] <= row.cut <= row.edges[-1]:
        at = x(row.cut)
        start, end = (LEFT, at) if row.above else (at, RIGHT)
        parts += [
            box(start, top, end - start, HIGH, style="fill:var(--c1);fill-opacity:.15"),
            line(at, top, at, base + 3, stroke="var(--ink);stroke-width:1.5", dashes="5 3"),
            text(min(max(at, LEFT + 60), RIGHT - 60), base + 13, f"cut {number(row.cut)}", anchor="middle"),
        ]
    return parts
