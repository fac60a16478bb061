"""What differs between two records of one stage: its own doing, apart from what came in.

A record is what `Artifact.stage` holds: plugin, version, settings, seed, content of the inputs, units of a reader.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Change:
    """One difference: what, and how it is in the one record and in the other."""

    what: str
    before: str
    after: str


def own_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Differences in plugin, version, seed, settings and what a reader found; none if only the inputs differ."""
    return [*_named(before, after), *_settings(before["settings"], after["settings"]), *_units(before, after)]


def _named(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for name in ("plugin", "version", "seed"):
        if before[name] != after[name]:
            yield Change(name, str(before[name]), str(after[name]))


def _settings(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for name in sorted({*before, *after}):
        old, new = (json.dumps(s[name], ensure_ascii=False) if name in s else "default" for s in (before, after))
        if old != new:
            yield Change(name, old, new)


def _units(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    """Pieces of input by name: each kind of change once, with the first names."""
    old, new = before.get("units", {}), after.get("units", {})
    changed = _few(name for name in new if name in old and new[name] != old[name])
    added, gone = _few(name for name in new if name not in old), _few(name for name in old if name not in new)
    for change in (Change("changed", changed, changed), Change("added", "-", added), Change("gone", gone, "-")):
        if change.before and change.after:
            yield change


def _few(names: Iterable[str]) -> str:
    every = list(names)
    return ", ".join(every[:3]) + (f" and {len(every) - 3} more" if len(every) > 3 else "")
