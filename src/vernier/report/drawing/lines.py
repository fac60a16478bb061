"""Lines with bands, and points among them, on two axes; each has its name at its right end or beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from vernier.report.drawing.axes import (
    WIDTH,
    Scale,
    colour,
    dash,
    grid_x,
    grid_y,
    legend,
    line,
    marker,
    path,
    shorten,
    spread,
    svg,
    text,
)

LEFT, TALL, TOP = 46, 260, 26  # where the plot begins, how tall it is, and what stands above it
MARKS = 6  # markers on a line that has many points: they tell it from others


@dataclass(frozen=True)
class Line:
    """A series: places, values, and the ends of its band (empty: it has none). `marked`: a marker at each point."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    marked: bool = False


@dataclass(frozen=True)
class Point:
    """One value, and its name."""

    name: str
    x: float
    y: float


@dataclass(frozen=True)
class Axis:
    """title: with its unit; low, high: its ends; log: equal factors are equally far apart."""

    title: str
    low: float
    high: float
    log: bool = False


def chart(lines: Sequence[Line], points: Sequence[Point], x: Axis, y: Axis, *, says: str, room: float = 110) -> Markup:
    """Lines and points, numbered in this order: colour, dash and marker go by the number. What lies above the upper
    axis is cut off there.

    room   for names at the right
    """
    right = WIDTH - room
    keys, top = legend([one.name for one in (*lines, *points)], 10)
    top += TOP
    across = Scale(x.low, x.high, LEFT, right, x.log)
    up = Scale(y.low, y.high, top + TALL, top, y.log)
    parts = keys + grid_y(up, LEFT, right, title=y.title) + grid_x(across, top, top + TALL, title=x.title)
    ends: list[tuple[float, float]] = []
    for index, one in enumerate(lines):
        parts += _line(index, one, across, up)
        ends.append((across(one.x[-1]), up(one.y[-1])))
    for index, one in enumerate(points, len(lines)):
        parts.append(marker(index, across(one.x), up(one.y)))
        ends.append((across(one.x), up(one.y)))
    parts += _names([one.name for one in (*lines, *points)], ends, right, top, room)
    return svg(top + TALL + 42, says, parts)


def _line(index: int, one: Line, across: Scale, up: Scale) -> list[Markup]:
    parts: list[Markup] = []
    tint = colour(index)
    if len(one.low):
        lower = _below(one.x, one.low, across, up)
        upper = _below(one.x, one.high, across, up)
        parts.append(path([*lower, *reversed(upper)], style=f"fill:{tint};fill-opacity:.16", closed=True))
    drawn = _visible(one.x, one.y, across, up)
    style = f"fill:none;stroke:{tint};stroke-width:2" + (f";stroke-dasharray:{dash(index)}" if dash(index) else "")
    if len(drawn) > 1:
        parts.append(path(drawn, style=style))
    every = 1 if one.marked else max(1, len(drawn) // MARKS)
    parts += [marker(index, *at, size=4.5 if one.marked else 3.5) for at in drawn[every - 1 :: every]]
    return parts


def _visible(xs: Sequence[float], ys: Sequence[float], across: Scale, up: Scale) -> list[tuple[float, float]]:
    """The points at or below the upper end, and where the line to the first of them crosses it."""
    at = [(across(x), up(y)) for x, y in zip(xs, ys, strict=True)]
    first = next((i for i, (_, y) in enumerate(at) if y >= up.end), len(at))
    shown = [(x, max(y, up.end)) for x, y in at[first:]]
    if 0 < first < len(at):
        (x1, y1), (x2, y2) = at[first - 1], at[first]
        shown.insert(0, (x1 + (x2 - x1) * (up.end - y1) / (y2 - y1), up.end))
    return shown


def _below(xs: Sequence[float], ys: Sequence[float], across: Scale, up: Scale) -> list[tuple[float, float]]:
    return [(across(x), max(up(y), up.end)) for x, y in zip(xs, ys, strict=True)]


def _names(
    names: Sequence[str], ends: Sequence[tuple[float, float]], right: float, top: float, room: float
) -> list[Markup]:
    """Each name beside the plot, as near to its end as the others leave place, with a thread to it."""
    parts: list[Markup] = []
    places = spread([y for _, y in ends], 15, top + 4, top + TALL)
    for index, (name, (x, y), at) in enumerate(zip(names, ends, places, strict=True)):
        shown = shorten(name, room - 22)
        parts.append(line(x + 6, y, right + 14, at, stroke=f"{colour(index)};stroke-opacity:.6"))
        parts.append(text(right + 18, at + 4, shown, kind="label", full=name))
    return parts
