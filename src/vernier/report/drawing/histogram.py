"""Histograms under each other on one axis: how a score is spread in each group of documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from vernier.report.drawing.axes import (
    CHARACTER,
    NARROW,
    Scale,
    grid_x,
    line,
    number,
    path,
    shorten,
    svg,
    text,
)

LEFT, RIGHT, STRIP = 116, NARROW - 12, 34  # where strips begin and end, and how tall each is


@dataclass(frozen=True)
class Strip:
    """One group: `counts` [bins]; `marked` ones are drawn otherwise, with a star before the name."""

    name: str
    counts: NDArray[np.int64]
    marked: bool = False


@dataclass(frozen=True)
class Cut:
    """An upright line through all strips, and its name."""

    name: str
    at: float


def strips(
    groups: Sequence[Strip], edges: NDArray[np.float64], cuts: Sequence[Cut], *, title: str, says: str
) -> Markup:
    """One strip for each group, as high as its fullest bin is full: the shapes compare, the numbers do not.

    edges   [bins + 1], rising
    cuts    named at the top, each name on its own line
    title   of the axis, with its unit
    """
    inside = [cut for cut in cuts if edges[0] <= cut.at <= edges[-1]]
    top = 18.0 * len(inside) + 6
    bottom = top + STRIP * len(groups)
    x = Scale(float(edges[0]), float(edges[-1]), LEFT, RIGHT)
    parts = grid_x(x, top, bottom, title=title, about=7)
    for index, group in enumerate(groups):
        parts += _strip(group, edges, x, top + STRIP * index)
    for index, cut in enumerate(sorted(inside, key=lambda cut: cut.at)):
        parts += _cut(cut, x, 18.0 * index + 12, bottom)
    return svg(bottom + 42, says, parts, width=NARROW)


def _strip(group: Strip, edges: NDArray[np.float64], x: Scale, top: float) -> list[Markup]:
    base, most = top + STRIP, max(1, int(group.counts.max()))
    points = [(x(edges[0]), base)]
    for count, start, end in zip(group.counts, edges[:-1], edges[1:], strict=True):
        y = base - (STRIP - 6) * int(count) / most
        points += [(x(start), y), (x(end), y)]
    points.append((x(edges[-1]), base))
    tint = "var(--c1)" if group.marked else "var(--c0)"
    style = f"fill:{tint};fill-opacity:.45;stroke:{tint}" + (";stroke-dasharray:3 2" if group.marked else "")
    name = f"★ {group.name}" if group.marked else group.name
    return [
        path(points, style=style, closed=True),
        line(LEFT, base, RIGHT, base, stroke="var(--muted)"),
        text(LEFT - 8, base - 6, shorten(name, LEFT - 18), kind="label", anchor="end", full=name),
    ]


def _cut(cut: Cut, x: Scale, y: float, bottom: float) -> list[Markup]:
    at = x(cut.at)
    name = f"{cut.name} {number(cut.at)}"
    before = at + 8 + CHARACTER * len(name) > NARROW
    return [
        line(at, y - 8, at, bottom, stroke="var(--ink);stroke-width:1.5", dashes="5 3"),
        text(at - 5 if before else at + 5, y, name, kind="label", anchor="end" if before else "start"),
    ]
