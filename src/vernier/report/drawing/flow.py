"""What is left after each step: bars on one scale, each cut into what was kept and what was dropped, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from vernier.report.drawing.axes import CHARACTER, box, line, shorten, svg

NARROW = 430  # fits a phone with its text still readable: few numbers need no more
ROW = 44  # height of a step
BAR = 16
KEPT = "fill:var(--c0)"
DROPPED = "fill:var(--muted);fill-opacity:.28"
LOST = "fill:var(--less)"


@dataclass(frozen=True)
class Step:
    """One step from the file to the model.

    name      of the stage
    kept      what goes on
    dropped   what stays behind, by reason
    lost      what could not be read
    indent    how many steps lie before it: a step takes what the one above with less indent left
    """

    name: str
    kept: float
    dropped: Mapping[str, float]
    lost: float = 0
    indent: int = 0


def flow(steps: Sequence[Step], *, unit: str, kept: str = "kept") -> Markup:
    """All steps, from the top; what they hold is as wide as it is many. kept: what is said of what goes on."""
    most = max((s.kept + s.lost + sum(s.dropped.values()) for s in steps), default=0) or 1
    deepest = max((step.indent for step in steps), default=0)
    inset = 14
    room = NARROW - inset * deepest - 4
    parts: list[Markup] = []
    for number, step in enumerate(steps):
        parts += _step(step, number * ROW, inset * step.indent, room / most, unit, kept)
    said = "; ".join(f"{step.name}: {step.kept:,.0f} {kept}" for step in steps)
    return svg(len(steps) * ROW + 2, f"What is left after each step, in {unit}: {said}", parts, width=NARROW)


def _step(step: Step, top: float, left: float, each: float, unit: str, kept: str) -> Iterator[Markup]:
    counts = f"{step.kept:,.0f} {unit}"
    if step.dropped and sum(step.dropped.values()):
        reasons = ", ".join(f"{n:,.0f} {why.replace('_', ' ')}" for why, n in step.dropped.items())
        counts = f"{step.kept:,.0f} {kept}; {reasons}"
    if step.lost:
        counts += f"; {step.lost:,.0f} quarantined"
    if left:
        yield line(left - 8, top - 4, left - 8, top + 22 + BAR / 2)
        yield line(left - 8, top + 22 + BAR / 2, left, top + 22 + BAR / 2)
    name = shorten(step.name, 210)
    room = NARROW - left - 1.15 * CHARACTER * len(name) - 12  # bold letters are wider
    yield Markup(
        '<text class="label" x="{}" y="{}"><title>{}: {}</title><tspan style="font-weight:600">{}</tspan>'
        '<tspan dx="8">{}</tspan></text>'
    ).format(left, top + 15, step.name, counts, name, shorten(counts, room))
    x = left
    for amount, style in ((step.kept, KEPT), *((n, DROPPED) for n in step.dropped.values()), (step.lost, LOST)):
        if amount:
            yield box(x, top + 22, max(1.0, amount * each - 1), BAR, style=style)
            x += amount * each
