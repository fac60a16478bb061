"""How numbers and tables look in the terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # what a terminal would obey


def line(text: str) -> str:
    """Text of a document for one line: white space as a space, without control characters."""
    return CONTROL.sub("\ufffd", " ".join(text.split()))


def count(number: int | None) -> str:
    """1234567 -> 1,234,567; None -> a dash."""
    return "-" if number is None else f"{number:,}"


def outline(values: Mapping[str, Any], indent: int = 2) -> str:
    """Names and values a line each: numbers with commas, mappings indented, long lists by their ends."""
    lines: list[str] = []
    width = max((len(name) for name in values), default=0)
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            lines += [f"{' ' * indent}{name}", outline(value, indent + 2)]
        else:
            lines.append(f"{' ' * indent}{name:<{width}}  {_plain(value)}")
    return "\n".join(lines)


def _plain(value: Any) -> str:
    if isinstance(value, list):
        items = [_plain(item) for item in value]
        shown = [*items[:3], "...", items[-1]] if len(items) > 8 else items
        return ", ".join(shown) + (f" ({len(items)} in all)" if len(items) > 8 else "") if items else "none"
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, float):
        return f"{value:.6g}"
    return f"{value:,}" if isinstance(value, int) else str(value or "none")


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A plain table: text to the left, numbers (int, float or from `count`) to the right."""
    cells = [["-" if c is None else f"{c:,}" if isinstance(c, int) else str(c) for c in row] for row in rows]
    width = [max(len(line[i]) for line in [list(head), *cells]) for i in range(len(head))]
    right = [bool(cells) and all(_is_number(c[i]) for c in cells) for i in range(len(head))]

    def row_of(row: Sequence[str]) -> str:
        return "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, width, right, strict=True)).rstrip()

    return "\n".join([row_of(head), row_of(["-" * w for w in width]), *(row_of(row) for row in cells)])


def _is_number(cell: str) -> bool:
    return (cell[:1].isdigit() or cell[:1] in "-+<>") and ";" not in cell
