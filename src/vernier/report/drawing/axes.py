"""Scales, ticks at round numbers, grid, legend: what every figure stands on.

A figure is at most `WIDTH` units wide and fills the page's width, so that its text of 12 units can be read on a
phone. Colours are the page's variables: `--c0 .. --c7`, `--ink`, `--muted`, `--grid`, `--more`, `--less`. Series
differ in dash and marker too: colour alone says nothing in print, and nothing to one reader in twelve.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

WIDTH = 560
TEXT = 12  # size of text
CHARACTER = 6.6  # about how wide one of that size is
DASHES = ("", "7 3", "2 2", "9 3 2 3", "4 2", "1 3", "12 3", "6 2 1 2 1 2")
SUFFIXES = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True)
class Scale:
    """From a value to a place: `low` is drawn at `start`, `high` at `end`; values beyond them lie beyond these.

    log   equal factors are equally far apart: `low` and `high` are above zero
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        part = (value - low) / (high - low) if high > low else 0.5
        return self.start + part * (self.end - self.start)

    def ticks(self, about: int = 5) -> list[float]:
        return log_ticks(self.low, self.high) if self.log else ticks(self.low, self.high, about)


def step(low: float, high: float, about: int) -> float:
    """The smallest of 1, 2, 5 times a power of ten that cuts the range into at most `about` parts."""
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9))


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers from `low` to `high`, about so many, evenly apart. The one value of an empty range."""
    if not high > low:
        return [low]
    apart = step(low, high, about)
    first, last = math.ceil(low / apart - 1e-9), math.floor(high / apart + 1e-9)
    digits = max(0, -math.floor(math.log10(apart)))
    return [round(i * apart, digits) + 0.0 for i in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten between two positive numbers; of a range of four decades or more only powers."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1,) if high / low >= 1e4 else (1, 2, 5)
    found = [m * 10.0**power for power in powers for m in factors]
    inside = [value for value in found if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)]
    return inside if len(inside) > 1 else ticks(low, high, 3)


def number(value: float) -> str:
    """A number as short as it can be read: 1500000 is 1.5M, 0.25 is 0.25."""
    for size, suffix in SUFFIXES:
        if abs(value) >= size and (size > 1e3 or abs(value) >= 1e4):
            return f"{value / size:.4g}{suffix}"
    return f"{value:.4g}".replace("-", "−")  # noqa: RUF001


def percent(share: float | None) -> str | None:
    """A share as text; None stays None."""
    return None if share is None else f"{100 * share:.1f} %"


def shorten(text: str, width: float) -> str:
    """A text that takes about so much place, its end cut off if need be."""
    fits = max(2, int(width / CHARACTER))
    return text if len(text) <= fits else text[: fits - 1] + "…"


def colour(index: int) -> str:
    return f"var(--c{index % 8})"


def dash(index: int) -> str:
    return DASHES[index % len(DASHES)]


def svg(height: float, says: str, parts: Iterable[Markup], *, width: float = WIDTH) -> Markup:
    """A figure. says: what it shows, for those who do not see it."""
    return Markup(
        '<svg role="img" aria-label="{}" viewBox="0 0 {} {}" width="100%" font-size="{}" '
        'style="max-width:{}px" xmlns="http://www.w3.org/2000/svg">{}</svg>'
    ).format(says, place(width), place(height), TEXT, place(1.5 * width), Markup("").join(parts))


def place(value: float) -> str:
    """A coordinate: a tenth of a unit is finer than any screen."""
    return f"{value:.1f}".removesuffix(".0")


def text(
    x: float, y: float, content: str, *, kind: str = "tick", anchor: str = "start", full: str = "", style: str = ""
) -> Markup:
    """Words in a figure. kind: `tick` or `label`; full: what stands there when one points at it, if it was cut."""
    title = Markup("<title>{}</title>").format(full) if full and full != content else Markup("")
    styled = Markup(' style="{}"').format(style) if style else Markup("")
    return Markup('<text class="{}" x="{}" y="{}" text-anchor="{}"{}>{}{}</text>').format(
        kind, place(x), place(y), anchor, styled, content, title
    )


def line(x1: float, y1: float, x2: float, y2: float, *, stroke: str = "var(--grid)", dashes: str = "") -> Markup:
    return Markup('<line x1="{}" y1="{}" x2="{}" y2="{}" style="stroke:{};{}"/>').format(
        *map(place, (x1, y1, x2, y2)), stroke, f"stroke-dasharray:{dashes}" if dashes else ""
    )


def box(x: float, y: float, width: float, height: float, *, style: str) -> Markup:
    return Markup('<rect x="{}" y="{}" width="{}" height="{}" style="{}"/>').format(
        *map(place, (x, y, width, height)), style
    )


def path(points: Sequence[tuple[float, float]], *, style: str, closed: bool = False) -> Markup:
    drawn = "M" + "L".join(f"{place(x)} {place(y)}" for x, y in points) + ("Z" if closed else "")
    return Markup('<path d="{}" style="{}"/>').format(drawn, style)


def marker(index: int, x: float, y: float, *, size: float = 4.5, hollow: bool = False) -> Markup:
    """One of eight shapes, in the colour of the series of that number."""
    s = size
    shapes = (
        None,
        ((-s, -s), (s, -s), (s, s), (-s, s)),
        ((0, -1.2 * s), (1.1 * s, s), (-1.1 * s, s)),
        ((0, -1.3 * s), (1.3 * s, 0), (0, 1.3 * s), (-1.3 * s, 0)),
        ((0, 1.2 * s), (1.1 * s, -s), (-1.1 * s, -s)),
        ((-1.2 * s, 0), (s, 1.1 * s), (s, -1.1 * s)),
        ((1.2 * s, 0), (-s, 1.1 * s), (-s, -1.1 * s)),
        ((-s, -s / 2), (0, -1.2 * s), (s, -s / 2), (s, s / 2), (0, 1.2 * s), (-s, s / 2)),
    )
    corners = shapes[index % len(shapes)]
    fill = "var(--paper)" if hollow else colour(index)
    style = f"fill:{fill};stroke:{colour(index)};stroke-width:1.5"
    if corners is None:
        return Markup('<circle cx="{}" cy="{}" r="{}" style="{}"/>').format(place(x), place(y), place(s), style)
    return path([(x + dx, y + dy) for dx, dy in corners], style=style, closed=True)


def grid_x(scale: Scale, top: float, bottom: float, *, title: str = "", about: int = 5) -> list[Markup]:
    """Upright lines at round numbers, the numbers below them, and what they count."""
    out: list[Markup] = []
    for value in scale.ticks(about):
        x = scale(value)
        out += [line(x, top, x, bottom), text(x, bottom + 15, number(value), anchor="middle")]
    if title:
        out.append(text((scale.start + scale.end) / 2, bottom + 32, title, kind="label", anchor="middle"))
    return out


def grid_y(scale: Scale, left: float, right: float, *, title: str = "", about: int = 5) -> list[Markup]:
    """Level lines at round numbers, the numbers beside them, and above them what they count."""
    out: list[Markup] = []
    for value in scale.ticks(about):
        y = scale(value)
        out += [line(left, y, right, y), text(left - 6, y + 4, number(value), anchor="end")]
    if title:
        out.append(text(0, min(scale.start, scale.end) - 12, title, kind="label"))
    return out


def legend(names: Sequence[str], top: float, *, left: float = 0, right: float = WIDTH) -> tuple[list[Markup], float]:
    """Names with the dash and the marker of their series, in as many lines as they need; and where they end."""
    out: list[Markup] = []
    x, y = left, top
    for index, name in enumerate(names):
        shown = shorten(name, right - left - 40)
        width = 34 + CHARACTER * len(shown) + 14
        if x > left and x + width > right:
            x, y = left, y + 18
        out.append(_key(index, x, y))
        out.append(text(x + 34, y + 4, shown, kind="label", full=name))
        x += width
    return out, y + 18


def _key(index: int, x: float, y: float) -> Markup:
    return line(x, y, x + 28, y, stroke=f"{colour(index)};stroke-width:2", dashes=dash(index)) + marker(
        index, x + 14, y, size=4
    )


def spread(wanted: Sequence[float], apart: float, low: float, high: float) -> list[float]:
    """Places as near as can be to those wanted, in the same order, each `apart` from the next, from `low` to `high`."""
    order = sorted(range(len(wanted)), key=lambda i: (wanted[i], i))
    out = [0.0] * len(wanted)
    at = low
    for i in order:
        out[i] = at = max(at, wanted[i])
        at += apart
    limit = high
    for i in reversed(order):
        out[i] = min(out[i], limit)
        limit = out[i] - apart
    return out
