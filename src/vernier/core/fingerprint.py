"""Keys: the identity of a piece of work, from what determines its output and nothing else.

A key is the SHA-256 of canonical JSON. What has no stable form (a callable, an object with a default repr) is
refused rather than hashed: a key that changes by itself recomputes everything, one that does not change serves
stale results.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any, cast

from vernier.core.errors import RecipeError

KEY_LENGTH = 32  # hex digits kept of SHA-256: 128 bits


def key_of(*parts: Any) -> str:
    """The key of some plain values (None, bool, int, float, str, lists, mappings, dataclasses).

    Returns 32 hex digits. Raises RecipeError for a value without a stable form.
    """
    text = json.dumps(canonical(list(parts)), separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]


def canonical(value: Any) -> Any:
    """`value` in plain JSON terms; equal values give equal text."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise RecipeError(f"a setting of {value} can not be part of a key", expected="a finite number")
        return value
    if isinstance(value, Mapping):
        return {str(k): canonical(v) for k, v in cast(Mapping[Any, Any], value).items()}
    if isinstance(value, Set):
        return sorted(canonical(v) for v in cast(Set[Any], value))
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [canonical(v) for v in cast(Sequence[Any], value)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {type(value).__name__: settings(value)}
    raise RecipeError(
        f"a value of type {type(value).__name__} has no stable form and can not be part of a key",
        found=repr(value)[:120],
        do="use numbers, strings, lists, mappings or frozen dataclasses as settings",
    )


def settings(plugin: Any) -> dict[str, Any]:
    """The settings of a plugin that are part of its key: those that differ from their defaults.

    A field with `metadata={"key": False}` never takes part: it may change how the work is done or how much bad
    input is tolerated, never what comes out.
    """
    out: dict[str, Any] = {}
    for field in dataclasses.fields(plugin):
        if not field.metadata.get("key", True):
            continue
        value = getattr(plugin, field.name)
        if field.default is not dataclasses.MISSING and value == field.default:
            continue
        if field.default_factory is not dataclasses.MISSING and value == field.default_factory():
            continue
        out[field.name] = canonical(value)
    return out


def file_sha256(path: str | Path) -> str:
    """SHA-256 (64 hex digits) of a local file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
