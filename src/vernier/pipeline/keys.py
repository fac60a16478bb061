"""Keys of stages and of their units: what determines an output, and nothing else.

stage   plugin, version, settings off their defaults, seed if the plugin draws, content of all inputs and of what the
        plugin takes from the outside world
unit    of a reader: the same settings, and name, content and part of what it reads
        of a map: the same settings, and the content of this shard of each table, of each model as a whole, of all
        that comes from outside
        of a fold or a build: the stage and the shard's number, since every input takes part in each
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vernier.core.fingerprint import key_of, settings
from vernier.core.plugin import Unit, name_of
from vernier.core.shard import Inputs


def identity(plugin: Any, seed: int) -> dict[str, Any]:
    """The plugin's part of a key, in words; also what the manifest and the lock file show."""
    return {
        "plugin": name_of(type(plugin)),
        "version": plugin.version,
        "settings": settings(plugin),
        "seed": seed if getattr(plugin, "draws", False) else None,
    }


def stage_key(plugin: Any, seed: int, inputs: Inputs) -> str:
    contents = {name: artifact.content for name, artifact in inputs.artifacts.items()}
    return key_of("stage", identity(plugin, seed), contents, _outside(inputs))


def reader_key(plugin: Any, seed: int, unit: Unit) -> str:
    return key_of("read", identity(plugin, seed), unit.name, unit.content, unit.part)


def part_key(unit_key: str, part: int) -> str:
    """A reader's unit is committed as many shards: the key of one of them."""
    return key_of("part", unit_key, part)


def map_key(plugin: Any, seed: int, inputs: Inputs, index: int, *, without: Sequence[str] = ()) -> str:
    """The key of one shard of a map; `without` leaves masks out (the same work under any mask)."""
    contents = {
        name: artifact.shards[index].content if artifact.aligned else artifact.content
        for name, artifact in inputs.artifacts.items()
        if name not in without
    }
    outside = [_outside(inputs)] if inputs.units else []
    return key_of("map", identity(plugin, seed), contents, *outside)


def whole_key(stage: str, index: int = 0) -> str:
    """The key of one shard of a fold, or of a build."""
    return key_of("whole", stage, index)


def states_key(plugin: Any, seed: int, inputs: Inputs) -> str:
    """The key of the states of a plugin that `resumes`; "" for one that does not."""
    if getattr(plugin, "resumes", None) is None:
        return ""
    words = identity(plugin, seed)
    words["settings"] = {name: value for name, value in words["settings"].items() if name not in plugin.resumes}
    contents = {name: artifact.content for name, artifact in inputs.artifacts.items()}
    return key_of("states", words, contents, _outside(inputs))


def _outside(inputs: Inputs) -> list[list[Any]]:
    return [[u.name, u.content, u.part] for u in inputs.units]
