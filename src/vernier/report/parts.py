"""What a report is made of: sections, figures, tables. All text is escaped here: documents are data, never markup."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape


@dataclass(frozen=True)
class Section:
    """One part of the page.

    anchor   its name in an address, letters and dashes
    title    what it answers, as a heading
    body     HTML
    """

    anchor: str
    title: str
    body: Markup


def paragraph(text: str | Markup) -> Markup:
    return Markup("<p>{}</p>").format(text)


def quoted(text: str) -> Markup:
    """Text in which what stands in backticks is a name, and shown as such."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))  # nothing but the names' tags is markup


def table(head: Sequence[str], rows: Iterable[Sequence[object]], *, says: str = "") -> Markup:
    """A table; cells that hold numbers (int, float, or text that begins like one) stand to the right.

    says   its caption; the first cell of each row is its heading
    """
    caption = Markup("<caption>{}</caption>").format(says) if says else Markup("")
    top = Markup("").join(Markup('<th scope="col">{}</th>').format(name) for name in head)
    body = Markup("").join(Markup("<tr>{}</tr>").format(_row(row)) for row in rows)
    return Markup(
        '<div class="scroll" tabindex="0"><table>{}<thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>'
    ).format(caption, top, body)


def figure(title: str, says: str, drawing: Markup, numbers: Markup) -> Markup:
    """A drawing that can be read without explanation, and its numbers in a table under it.

    title     what is drawn, with units
    says      how to read it, one or two sentences
    drawing   an SVG element
    numbers   `table(...)` of all that is drawn
    """
    return Markup(
        "<figure><figcaption><strong>{}</strong> {}</figcaption>{}"
        "<details><summary>The numbers</summary>{}</details></figure>"
    ).format(title, says, drawing, numbers)


def _row(cells: Sequence[object]) -> Markup:
    first, *others = cells
    return Markup('<th scope="row">{}</th>').format(_text(first)) + Markup("").join(
        Markup('<td class="number">{}</td>' if _is_number(cell) else "<td>{}</td>").format(_text(cell))
        for cell in others
    )


def _is_number(cell: object) -> bool:
    if isinstance(cell, (int, float)):
        return True
    return isinstance(cell, str) and cell[:1] in "+-<>0123456789" and any(c.isdigit() for c in cell)


def _text(cell: object) -> Markup:
    """A cell as text: an integer with thousands parted, None as a dash."""
    if isinstance(cell, int) and not isinstance(cell, bool):
        return Markup(f"{cell:,}")
    return escape("–" if cell is None else cell)  # noqa: RUF001
