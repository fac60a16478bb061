"""A matrix of shares: the number in each cell, the darker the larger."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from vernier.report.drawing.axes import WIDTH, box, shorten, svg, text

LEFT, ROW = 150, 34
WIDEST = 74  # of a cell


def matrix(names: Sequence[str], shares: Sequence[Sequence[float | None]], *, says: str) -> Markup:
    """shares: 0 to 1, [names, names]; None is drawn as a dash. Columns carry the numbers that stand before the rows'
    names; the diagonal has a frame."""
    wide = min(WIDEST, (WIDTH - LEFT - 2) / len(names))
    parts = [
        text(LEFT + wide * (index + 0.5), 14, str(index + 1), kind="label", anchor="middle")
        for index in range(len(names))
    ]
    for row, (name, values) in enumerate(zip(names, shares, strict=True)):
        y = 22.0 + ROW * row
        whole = f"{row + 1}  {name}"
        parts.append(text(0, y + ROW / 2 + 4, shorten(whole, LEFT - 6), kind="label", full=whole))
        for column, share in enumerate(values):
            x = LEFT + wide * column
            frame = "stroke:var(--ink)" if row == column else "stroke:var(--paper)"
            parts.append(
                box(
                    x + 1,
                    y + 1,
                    wide - 2,
                    ROW - 2,
                    style=f"fill:var(--c0);fill-opacity:{(share or 0) * 0.6:.2f};{frame}",
                )
            )
            shown = "–" if share is None else f"{100 * share:.0f} %" if wide > 40 else f"{100 * share:.0f}"  # noqa: RUF001
            parts.append(text(x + wide / 2, y + ROW / 2 + 4, shown, kind="label", anchor="middle"))
    return svg(22 + ROW * len(names) + 6, says, parts)
