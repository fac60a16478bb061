"""Differences with their intervals, one arm a line, around the line of no difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from vernier.report.drawing.axes import CHARACTER, NARROW, Scale, box, colour, grid_x, line, place, shorten, svg, text

ROW = 40  # height of an arm
TOP = 30
CHECK = 7  # the colour of a check: grey


@dataclass(frozen=True)
class Estimate:
    """One arm's difference from the control.

    alone      ends of the interval of this one difference; None without enough seeds
    together   ends of the interval that holds for all arms at once
    check      a second lot of the control: no competitor
    look       number by which its colour goes
    """

    name: str
    difference: float
    alone: tuple[float, float] | None
    together: tuple[float, float] | None
    check: bool = False
    look: int = 0


def intervals(estimates: Sequence[Estimate], *, control: str, unit: str) -> Markup:
    """A thick bar for the interval alone, a thin one for that of all arms at once; better is to the left."""
    ends = [0.0, *(one.difference for one in estimates)]
    for one in estimates:
        ends += [end for pair in (one.alone, one.together) if pair is not None for end in pair]
    margin = 0.06 * (max(ends) - min(ends)) or 0.01
    names = [shorten(one.name, 130) for one in estimates]
    left = 14 + max(CHARACTER * 1.12 * len(name) for name in names)
    scale = Scale(min(ends) - margin, max(ends) + margin, left, NARROW - 12)
    bottom = TOP + ROW * len(estimates)
    zero = scale(0)
    parts = [
        box(scale.start, TOP, max(0, zero - scale.start), bottom - TOP, style="fill:var(--panel)"),
        *grid_x(scale, TOP, bottom, title=f"{unit}, arm minus {control}", about=6),
        line(zero, TOP - 6, zero, bottom, stroke="var(--ink);stroke-width:1.5"),
        *_sides(scale, zero, control),
    ]
    for number, (one, name) in enumerate(zip(estimates, names, strict=True)):
        y, index = TOP + ROW * (number + 0.5), CHECK if one.check else one.look % CHECK
        parts.append(text(0, y + 4, name, kind="label", full=one.name))
        for pair, width in ((one.together, 2), (one.alone, 7)):
            if pair is not None:
                style = f"{colour(index)};stroke-width:{width};stroke-linecap:round"
                parts.append(line(scale(pair[0]), y, scale(pair[1]), y, stroke=style))
        parts.append(_point(scale(one.difference), y, colour(index)))
    said = "; ".join(f"{one.name} {one.difference:+.4f}" for one in estimates)
    return svg(bottom + 42, f"Difference from {control} in {unit}: {said}", parts, width=NARROW)


def _point(x: float, y: float, stroke: str) -> Markup:
    return Markup('<circle cx="{}" cy="{}" r="5.5" style="fill:var(--paper);stroke:{};stroke-width:2.5"/>').format(
        place(x), place(y), stroke
    )


def _sides(scale: Scale, zero: float, control: str) -> list[Markup]:
    """Which side is better: the word stands where there is room for it."""
    out: list[Markup] = []
    better, worse = "← better", "worse →"
    if zero - scale.start > 9 * CHARACTER:
        out.append(text(zero - 8, TOP - 10, better, anchor="end"))
    if scale.end - zero > 8 * CHARACTER:
        out.append(text(zero + 8, TOP - 10, worse))
    return out
