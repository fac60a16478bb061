"""Bars in columns: a row for each group, a column for each arm, every bar with its number beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from vernier.report.drawing.axes import NARROW, box, line, path, shorten, svg, text

LEFT, ROW = 118, 19  # where columns begin, and how tall a row is
NUMBER = 34  # place for a number beside the longest bar
WIDEST, NARROWEST = 140, 66  # of a column


@dataclass(frozen=True)
class Column:
    """An arm: its shares (0 to 1) row by row, None where there was nothing; `second` are marked by a stroke.

    whole   share over all rows: an upright line
    """

    name: str
    shares: Sequence[float | None]
    second: Sequence[float | None]
    whole: float


def columns(names: Sequence[str], arms: Sequence[Column], *, marked: frozenset[str], says: str) -> Markup:
    """Shares by group and arm. Arms that do not fit beside each other stand below, under the same names.

    names    of the rows
    marked   rows that have a star before their name and bars of another kind
    """
    fit = max(1, int((NARROW - LEFT) // NARROWEST))
    bands = -(-len(arms) // fit)
    beside = -(-len(arms) // bands)
    wide = min(WIDEST, (NARROW - LEFT) / beside)
    tall = 24 + ROW * len(names) + 12
    parts: list[Markup] = []
    for start in range(0, len(arms), beside):
        top = 14.0 + tall * (start // beside)
        parts += [
            text(
                LEFT - 8,
                top + 24 + ROW * index,
                shorten(_starred(name, marked), LEFT - 18),
                kind="label",
                anchor="end",
                full=_starred(name, marked),
            )
            for index, name in enumerate(names)
        ]
        for index, arm in enumerate(arms[start : start + beside]):
            parts += _column(arm, names, marked, LEFT + wide * index, top, wide)
    return svg(14 + tall * bands, says, parts, width=NARROW)


def _column(
    arm: Column, names: Sequence[str], marked: frozenset[str], left: float, top: float, wide: float
) -> list[Markup]:
    longest = wide - NUMBER - 6
    bottom = top + 12 + ROW * len(names)
    parts = [
        text(left, top, shorten(arm.name, wide - 4), kind="label", full=arm.name, style="font-weight:600"),
        line(left, top + 8, left, bottom, stroke="var(--muted)"),
    ]
    for index, (name, share, second) in enumerate(zip(names, arm.shares, arm.second, strict=True)):
        y = top + 13 + ROW * index
        if share is None:
            parts.append(text(left + 4, y + 11, "–"))  # noqa: RUF001
            continue
        tint = "var(--c1)" if name in marked else "var(--c0)"
        style = f"fill:{tint};fill-opacity:.55;stroke:{tint}" + (";stroke-dasharray:3 2" if name in marked else "")
        parts.append(box(left, y, longest * min(1.0, share), ROW - 6, style=style))
        if second is not None:
            x = left + longest * min(1.0, second)
            parts.append(path([(x, y - 2), (x, y + ROW - 4)], style="stroke:var(--ink);stroke-width:2"))
        furthest = longest * min(1.0, max(share, second or 0))
        parts.append(text(left + furthest + 5, y + 11, f"{100 * share:.0f} %"))
    x = left + longest * min(1.0, arm.whole)
    parts.append(line(x, top + 8, x, bottom, stroke="var(--muted)", dashes="2 3"))
    return parts


def _starred(name: str, marked: frozenset[str]) -> str:
    return f"★ {name}" if name in marked else name
