"""A line chart as SVG text, for the pages: light background of its own, no script, no font but the reader's.

The same numbers give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 170, 48, 56  # room around the axes; names of lines stand on the right
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe and Ito 2008: for all eyes
INK, FAINT = "#222222", "#d8d8d8"
APART = 15.0  # pixels between two names


def line_chart(
    title: str,
    x: str,
    y: str,
    lines: Mapping[str, Sequence[Sequence[float]]],
    levels: Mapping[str, float],
) -> str:
    """The chart.

    lines    by name their points: x, y, and where known the low and the high end of y's interval
    levels   by name a height, drawn dashed from side to side
    x is on a scale of powers of two, with a tick at each point.
    """
    points = [point for line in lines.values() for point in line]
    heights = [value for point in points for value in point[1:]] + list(levels.values())
    places = sorted({point[0] for point in points})
    step = 0.1 if max(heights) - min(heights) > 0.25 else 0.05
    low, high = math.floor(min(heights) / step) * step, math.ceil(max(heights) / step) * step
    wide = math.log2(places[-1] / places[0]) or 1.0

    def across(value: float) -> float:
        return LEFT + 14 + (WIDTH - LEFT - RIGHT - 28) * math.log2(value / places[0]) / wide

    def down(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - low) / (high - low)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        _text(LEFT, 24, title, size=15),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, x, anchor="middle"),
        _text(16, TOP - 10, y),
    ]
    for tick in range(round((high - low) / step) + 1):
        value = low + tick * step
        parts += [_line(LEFT, down(value), WIDTH - RIGHT, down(value), FAINT)]
        parts += [_text(LEFT - 8, down(value) + 4, f"{value:.2f}", anchor="end")]
    parts += [_text(across(value), HEIGHT - BOTTOM + 20, _short(value), anchor="middle") for value in places]
    names = [(down(value), INK, name) for name, value in levels.items()]
    parts += [_line(LEFT, at, WIDTH - RIGHT, at, INK, dash="5 4") for at, _, _ in names]
    for (name, line), colour, aside in zip(lines.items(), COLOURS, _aside(len(lines)), strict=False):
        for place, _, *ends in line:
            if ends:
                parts.append(_line(across(place) + aside, down(ends[0]), across(place) + aside, down(ends[1]), colour))
        path = " ".join(f"{across(place) + aside:.1f},{down(value):.1f}" for place, value, *_ in line)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
        for place, value, *_ in line:
            parts.append(f'<circle cx="{across(place) + aside:.1f}" cy="{down(value):.1f}" r="4" fill="{colour}"/>')
        names.append((down(line[-1][1]), colour, name))
    parts += [_text(WIDTH - RIGHT + 10, at + 4, name, colour=colour) for at, colour, name in spread(names)]
    return "\n".join([*parts, "</svg>"]) + "\n"


def spread(names: Sequence[tuple[float, str, str]]) -> list[tuple[float, str, str]]:
    """The names in their order from the top, moved down where one would cover the one before."""
    placed: list[tuple[float, str, str]] = []
    for at, colour, name in sorted(names):
        placed.append((max(at, placed[-1][0] + APART) if placed else at, colour, name))
    return placed


def _aside(number: int) -> list[float]:
    """Points of several lines stand beside each other, so that their intervals do."""
    return [5.0 * (place - (number - 1) / 2) for place in range(number)]


def _short(value: float) -> str:
    return f"{value / 1e6:.2f}M" if value >= 1e5 else f"{value:,.0f}"


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, dash: str = "") -> str:
    more = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"{more}/>'


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 13, colour: str = INK) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}">{escape(text)}</text>'
    )
