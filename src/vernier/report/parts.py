"""What a report is made of: sections, figures, tables. All text is escaped here: documents are data, never markup."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

_NUMBER = r"[-+−<>]? ?[0-9][0-9.,]*(e[-+]?[0-9]+)?( ?(%|x|s|[kMGT]?B|[kMGTPE]))?"  # noqa: RUF001
_NUMBERS = re.compile(rf"{_NUMBER}( to {_NUMBER})?")


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
    text = text.replace(" %", "\N{NO-BREAK SPACE}%")
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))  # nothing but the names' tags is markup


def table(
    head: Sequence[str], rows: Iterable[Sequence[object]], *, says: str = "", faint: Container[int] = ()
) -> Markup:
    """A table; a column of numbers (int, float, or text that is one with its unit, or an interval) stands to the right.

    says    its caption; the first cell of each row is its heading
    faint   the numbers of rows in grey: what says nothing (their cells say why)
    """
    lines = [list(row) for row in rows]
    right = [_are_numbers([line[i] for line in lines if i < len(line)]) for i in range(len(head))]
    caption = Markup("<caption>{}</caption>").format(says) if says else Markup("")
    titles = zip(head, right, strict=True)
    top = Markup("").join(Markup('<th scope="col"{}>{}</th>').format(_kind(number), name) for name, number in titles)
    rows_of = (Markup('<tr class="faint">{}</tr>') if i in faint else Markup("<tr>{}</tr>") for i in range(len(lines)))
    body = Markup("").join(row.format(_row(line, right)) for row, line in zip(rows_of, lines, strict=True))
    return Markup(
        '<div class="scroll" tabindex="0"><table>{}<thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>'
    ).format(caption, top, body)


def filled(head: Sequence[str], rows: Sequence[Sequence[object]]) -> tuple[list[str], list[list[object]]]:
    """Head and rows without the columns that have nothing in any row."""
    known = [i for i in range(len(head)) if any(row[i] not in (None, "-") for row in rows)]
    return [head[i] for i in known], [[row[i] for i in known] for row in rows]


def figure(title: str, says: str, drawing: Markup, numbers: Markup) -> Markup:
    """A drawing that can be read without explanation, and its numbers in a table under it.

    title     what is drawn, with units
    says      how to read it, one or two sentences
    drawing   an SVG element
    numbers   `table(...)` of all that is drawn
    """
    return Markup(
        "<figure><figcaption><strong>{}</strong> {}</figcaption>"
        '<div class="drawing" tabindex="0">{}</div>'
        "<details><summary>The numbers</summary>{}</details></figure>"
    ).format(title, says, drawing, numbers)


def _row(cells: Sequence[object], right: Sequence[bool]) -> Markup:
    first, *others = cells
    return Markup('<th scope="row"{}>{}</th>').format(_kind(right[0]), _text(first)) + Markup("").join(
        Markup("<td{}>{}</td>").format(_kind(number), _text(cell))
        for cell, number in zip(others, right[1:], strict=True)
    )


def _kind(number: bool) -> Markup:
    return Markup(' class="number"') if number else Markup("")


def _are_numbers(cells: Sequence[object]) -> bool:
    """Whether a column holds numbers, and dashes where there is none."""
    known = [cell for cell in cells if cell is not None and cell not in ("-", "–", "never")]  # noqa: RUF001
    return bool(known) and all(_is_number(cell) for cell in known)


def _is_number(cell: object) -> bool:
    if isinstance(cell, (int, float)):
        return not isinstance(cell, bool)
    return isinstance(cell, str) and bool(_NUMBERS.fullmatch(cell))


def _text(cell: object) -> Markup:
    """A cell as text: an integer with thousands parted, nothing as a dash."""
    if isinstance(cell, int) and not isinstance(cell, bool):
        return Markup(f"{cell:,}")
    return escape("–" if cell is None or cell == "-" else cell)  # noqa: RUF001
