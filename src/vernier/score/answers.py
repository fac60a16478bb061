"""Read what a judge wrote, strictly: what is not in the form that was asked for is no rating. Nothing is defaulted."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

LINE = re.compile(r"[\s*_#>-]*([^:]+?)[\s*_]*:[\s*_]*([+-]?\d+)[\s*_.]*")
LABEL = re.compile(r"[\s*_.\[\]()\"']*([AB])[\s*_.\[\]()\"']*")


def ratings(text: str, scales: Mapping[str, tuple[int, int]]) -> dict[str, int] | None:
    """The rating of each criterion: a JSON object (alone, or in one code fence), else the last lines `Name: k`.

    None unless every criterion is there once, with a whole number on its scale.
    """
    found = _object(text)
    if found is None:
        found = _lines(text, len(scales))
    if set(found) != set(scales):
        return None
    out: dict[str, int] = {}
    for name, (low, high) in scales.items():
        value = found[name]
        if type(value) is not int or not low <= value <= high:
            return None
        out[name] = value
    return out


def label(text: str) -> str | None:
    """The one letter A or B that an answer consists of."""
    match = LABEL.fullmatch(text)
    return match.group(1) if match else None


def _object(text: str) -> dict[str, object] | None:
    body = re.sub(r"\A\s*```(?:json)?\s*\n(.*)\n\s*```\s*\Z", r"\1", text, flags=re.DOTALL)
    twice = False

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        nonlocal twice
        twice |= len({name for name, _ in pairs}) != len(pairs)
        return {_name(name): value for name, value in pairs}

    try:
        found = json.loads(body, object_pairs_hook=once)
    except (ValueError, RecursionError):
        return None
    return {} if twice or not isinstance(found, dict) else found


def _lines(text: str, number: int) -> dict[str, object]:
    """The last `number` lines that are not blank, if each is `Name: k`."""
    last = [line for line in text.split("\n") if line.strip()][-number:]
    matches = [LINE.fullmatch(line) for line in last]
    return {_name(m.group(1)): int(m.group(2)) for m in matches if m is not None}


def _name(written: str) -> str:
    return re.sub(r"[\s-]+", "_", written.strip().lower())
