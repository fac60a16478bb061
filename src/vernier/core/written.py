"""The written form of a recipe: the shape of each part, checked with its place, and changes to it from outside."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from vernier.core.config import Bytes
from vernier.core.errors import RecipeError, nearest
from vernier.core.nodes import Seeds, split
from vernier.core.yaml import Change, Marks, Place, kind_of, read_text

KEYS = ("vernier", "name", "target", "seeds", "store", "plugins", "stages", "arms")
PARTS = ("do", "in", "with", "on")
TARGETS = ("domain", "tasks")
COMPARISON = "comparison"  # the node that a run makes by itself: its arms against each other
RESERVED = ("log", COMPARISON)  # what the run folder uses for itself
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_DEVICE = re.compile(r"cpu|cuda(:\d+)?")
_FOLDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, kw_only=True)
class On:
    """Where a stage runs: never hashed, so it never changes what comes out.

    workers  processes
    memory   bytes that each of them may hold
    device   on which models compute: `cpu` (the default), `cuda`, `cuda:1`
    ranks    processes that build one artifact together, on this machine; with `device: cuda` each on its own GPU
    """

    workers: int | None = None
    memory: Bytes | None = None
    device: str | None = None
    ranks: int | None = None

    def __post_init__(self) -> None:
        if self.device is not None and not _DEVICE.fullmatch(self.device):
            raise RecipeError("there is no such device", found=self.device, expected="cpu, cuda or cuda:N")
        for name in ("workers", "memory", "ranks"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise RecipeError(f"{name!r} is too small", found=str(value), expected="at least 1")
        if self.ranks is not None and self.workers is not None:
            raise RecipeError(
                "`ranks` and `workers` exclude each other",
                found=f"ranks: {self.ranks}, workers: {self.workers}",
                do="leave out `workers`: the ranks work on one thing together",
            )
        if self.ranks is not None and self.device is not None and self.device.startswith("cuda:"):
            raise RecipeError(
                "ranks do not share one GPU",
                found=f"ranks: {self.ranks}, device: {self.device}",
                expected="device: cuda, and rank N takes cuda:N",
            )


@dataclass(frozen=True)
class Entry:
    """A stage as it is written: `do`, `in`, `with`, `on`, each in plain form."""

    data: Mapping[str, Any]
    marks: Marks

    def over(self, base: Entry) -> Entry:
        """This entry of an arm on top of the recipe's: replaced whole if it has `do`, else merged."""
        if "do" in self.data:
            return self
        merged = {part: {**base.data.get(part, {}), **given} for part, given in self.data.items()}
        return Entry({**base.data, **merged}, self.marks.over(base.marks))


def unknown(what: str, marks: Marks, path: Place, known: Iterable[str]) -> RecipeError:
    """The error for a key that there is not."""
    return RecipeError(what, where=marks.at(path, key=True), do=nearest(str(path[-1]), known))


def mapping(value: Any, marks: Marks, path: Place, what: str) -> dict[str, Any]:
    """`value` if it is a mapping; RecipeError if not."""
    if isinstance(value, Mapping):
        return cast("dict[str, Any]", value)
    raise _shape(value, marks, path, what, "a mapping ({} for an empty one)")


def text(value: Any, marks: Marks, path: Place, what: str) -> str:
    """`value` if it is text, and not empty; RecipeError if not."""
    if isinstance(value, str) and value:
        return value
    raise _shape(value, marks, path, what, "text")


def texts(value: Any, marks: Marks, path: Place, what: str) -> list[str]:
    """`value` if it is a list of text; RecipeError if not."""
    if isinstance(value, list):
        items = cast("list[Any]", value)
        return [text(item, marks, (*path, index), f"each item of {what}") for index, item in enumerate(items)]
    raise _shape(value, marks, path, what, "a list of text")


def _shape(value: Any, marks: Marks, path: Place, what: str, expected: str) -> RecipeError:
    found = f"{value!r} ({kind_of(value)})" if isinstance(value, (bool, int, float, str)) else kind_of(value)
    return RecipeError(f"{what} has the wrong form", where=marks.at(path), found=found, expected=expected)


def recipe_name(value: Any, marks: Marks) -> str:
    """The name of a recipe, fit for a folder. Raises RecipeError."""
    return _name(value, _FOLDER_NAME, marks.at(("name",)), "a recipe", "letters, digits, `.`, `_` and `-`")


def part_name(value: str, marks: Marks, what: str) -> str:
    """The name of a stage or an arm. Raises RecipeError."""
    name = _name(value, _NAME, marks.root, what, "a letter, then letters, digits, `_` and `-`")
    if name in RESERVED:
        raise RecipeError(f"{what} can not be named {name!r}", where=marks.root, do="take another name")
    return name


def _name(value: Any, form: re.Pattern[str], where: str, what: str, expected: str) -> str:
    if isinstance(value, str) and form.fullmatch(value):
        return value
    found = "nothing" if value is None else repr(value)
    raise RecipeError(f"{what} needs a proper name", where=where, found=found, expected=expected)


def parts(data: Any, marks: Marks, what: str) -> dict[str, Any]:
    """The parts of a stage as written. Raises RecipeError for one that there is not, or of the wrong form."""
    out = mapping(data, marks, (), what)
    for part, value in out.items():
        if part not in PARTS:
            raise unknown(f"{what} has no part {part!r}", marks, (part,), PARTS)
        if part == "do":
            text(value, marks, (part,), f"`do` of {what}")
            continue
        for name, given in mapping(value, marks, (part,), f"`{part}` of {what}").items():
            if part == "in" and isinstance(given, list):
                texts(given, marks, (part, name), f"the input {name!r} of {what}")
            elif part == "in":
                text(given, marks, (part, name), f"the input {name!r} of {what}")
    return out


def target(data: Any, marks: Marks) -> dict[str, Any]:
    """What the user wants: `{domain: prose}`, or `{tasks: piqa}`; of either one or several, each counting the same."""
    out = mapping(data, marks, ("target",), "`target`")
    for key, value in out.items():
        place: Place = ("target", key)
        if key == "files":
            raise RecipeError(
                "a target can not be given by 'files' yet",
                where=marks.at(place, key=True),
                do="name a domain: `target: {domain: ...}`, one or a list, that the held-out documents have",
            )
        if key not in TARGETS:
            raise unknown(f"a target is not given by {key!r}", marks, place, TARGETS)
        named = texts(value, marks, place, f"`target: {key}`") if isinstance(value, list) else [value]
        text(named[0] if named else "", marks, place, f"`target: {key}`")
        if len(set(named)) < len(named):
            raise RecipeError("`target` names something twice", where=marks.at(place), found=", ".join(named))
    if len(out) > 1:
        raise RecipeError(
            "a target is domains or tasks, not both",
            where=marks.at(("target",)),
            found=", ".join(out),
            expected="one of them: no stage measures both",
        )
    if not out:
        raise RecipeError(
            "`target` names nothing",
            where=marks.at(("target",)),
            expected="`target: {domain: ...}`, or no `target` at all",
        )
    return out


def seeds(data: Any, marks: Marks) -> Seeds:
    """`{values: [0, 1, 2], from: [keep]}`."""
    given = mapping(data, marks, ("seeds",), "`seeds`")
    for key in given:
        if key not in ("values", "from"):
            raise unknown(f"`seeds` has no part {key!r}", marks, ("seeds", key), ("values", "from"))
    stages = texts(given.get("from"), marks, ("seeds", "from"), "`seeds: from`")
    values = cast("list[Any]", v) if isinstance(v := given.get("values"), list) else []
    proper = values and all(type(v) is int and v >= 0 for v in values) and len(set(values)) == len(values)
    if not (proper and stages):
        raise RecipeError(
            "`seeds` needs values, and the stages that they are for",
            where=marks.at(("seeds",)),
            found=f"values: {given.get('values')}, from: {stages}",
            expected="different whole numbers from 0, and one stage or more",
        )
    return Seeds(tuple(values), tuple(stages))


def import_package(name: str, where: str) -> None:
    """Import a package that the recipe lists under `plugins`. Raises RecipeError if that fails."""
    try:
        importlib.import_module(name)
    except ImportError as error:
        raise RecipeError(
            f"the package {name!r} of `plugins` can not be imported",
            where=where,
            found=str(error),
            do="install it into this Python, put it beside the recipe, or correct its name",
        ) from error


def override(data: Any, marks: Marks, change: str) -> Marks:
    """Change the plain form of a recipe as `change` says; returns the marks that go with it."""
    where = f"--set {change}"
    place, equals, value = change.partition("=")
    head, *keys = place.split(".")
    if not equals or len(keys) < 2 or keys[0] not in ("with", "on"):
        raise RecipeError(
            "--set is not understood",
            found=change,
            expected="stage.with.key=value, or stage.on.key=value (where it runs)",
            do="change other parts, such as the target, in the recipe itself",
        )
    data = mapping(data, marks, (), "the recipe")
    stages = mapping(data.get("stages", {}), marks, ("stages",), "`stages`")
    name, arm = split(head)
    if name not in stages:
        raise RecipeError(f"there is no stage {name!r}", where=where, do=nearest(name, stages))
    path: Place = ("stages", name)
    if arm is not None:
        arms = mapping(data.get("arms", {}), marks, ("arms",), "`arms`")
        if arm not in arms:
            raise RecipeError(f"there is no arm {arm!r}", where=where, do=nearest(arm, arms))
        path = ("arms", arm, name)
    path += tuple(keys)
    here: dict[str, Any] = cast("dict[str, Any]", data)
    for depth, key in enumerate(path[:-1]):
        here = here.setdefault(str(key), {})
        mapping(here, marks, path[: depth + 1], f"{'.'.join(map(str, path[: depth + 1]))}")
    last = str(path[-1])
    beside = len(keys) > 2 and bool(here) and last not in here
    here[last] = read_text(value, where)[0]
    whole = f"--set '{place.rpartition('.')[0]}={{{last}: {value}}}'" if beside else None
    return marks.replaced(path, Change(where, whole))
