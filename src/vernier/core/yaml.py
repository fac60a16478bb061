"""Strict YAML 1.2: plain values, and where each of them stands in the file.

Scalars follow the core schema of YAML 1.2.2 (section 10.3.2): `on`, `no` and `2024-01-01` are text, `012` is
twelve. A recipe says each thing once and in full, so anchors, aliases, merge keys, tags and a second document
are refused, as are duplicate keys and keys that are not text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from vernier.core.errors import RecipeError

T = TypeVar("T")
_DIGITS = 18  # of a whole number: any such number fits 64 bits

Place = tuple[str | int, ...]  # the keys and indices that lead to a value

_NULL = re.compile(r"null|Null|NULL|~|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass(frozen=True)
class Change:
    """A value given from outside the file.

    where  the option that gave it
    whole  the option that would put it in place of all that stands beside it; None if nothing does
    """

    where: str
    whole: str | None = None


@dataclass(frozen=True)
class Marks:
    """Where values stand, as `file:line:column` (from 1).

    root     said of everything that has no place of its own
    keys     place of the key (of the item, in a list) by path
    values   place of the value by path
    changes  what was given from outside, by path
    """

    root: str
    keys: Mapping[Place, str] = field(default_factory=dict[Place, str])
    values: Mapping[Place, str] = field(default_factory=dict[Place, str])
    changes: Mapping[Place, Change] = field(default_factory=dict[Place, Change])

    def at(self, path: Place, *, key: bool = False, changes: Place | None = None) -> str:
        """Where `path` stands; for a path that is not in the file, where the nearest one above it stands.

        Changes from outside below it (below the path `changes`, if that is given) are named too, alone if nothing
        else is there.
        """
        here = self._nearest(path, key)
        below = [change.where for change in self._changed(path if changes is None else changes)]
        if not below or here in below:
            return here
        return ", ".join(below if path not in self.values and changes is None else [here, *below])

    def advice(self, path: Place) -> str | None:
        """How to write a change below `path` if it was to replace what it now stands beside."""
        whole = next((change.whole for change in self._changed(path) if change.whole is not None), None)
        return f"to replace what the recipe says there: {whole}" if whole else None

    def _changed(self, path: Place) -> list[Change]:
        return [change for p, change in self.changes.items() if p[: len(path)] == path]

    def _nearest(self, path: Place, key: bool) -> str:
        if key and path in self.keys:
            return self.keys[path]
        for end in range(len(path), 0, -1):
            if path[:end] in self.values:
                return self.values[path[:end]]
        return self.root

    def under(self, prefix: Place) -> Marks:
        """The marks of what stands at `prefix`, as if that were a file of its own."""
        cut = len(prefix)

        def below(marks: Mapping[Place, T]) -> dict[Place, T]:
            return {p[cut:]: m for p, m in marks.items() if len(p) > cut and p[:cut] == prefix}

        return Marks(self._nearest(prefix, True), below(self.keys), below(self.values), below(self.changes))

    def over(self, base: Marks) -> Marks:
        """These marks laid over those of `base`, where a mapping of mappings was merged one level deep."""

        def merged(ours: Mapping[Place, T], theirs: Mapping[Place, T]) -> dict[Place, T]:
            return {p: m for p, m in theirs.items() if len(p) < 2 or p[:2] not in self.keys} | dict(ours)

        return Marks(
            self.root,
            merged(self.keys, base.keys),
            merged(self.values, base.values),
            merged(self.changes, base.changes),
        )

    def replaced(self, path: Place, change: Change) -> Marks:
        """These marks after the value at `path` was given from outside instead."""

        def kept(marks: Mapping[Place, T], new: T) -> dict[Place, T]:
            return {p: m for p, m in marks.items() if p[: len(path)] != path} | {path: new}

        where = change.where
        return Marks(self.root, kept(self.keys, where), kept(self.values, where), kept(self.changes, change))


def read_file(path: str | Path) -> tuple[Any, Marks]:
    """The value of a YAML file and its marks. Raises RecipeError with file, line and column."""
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise RecipeError(
            "the recipe can not be read",
            where=str(path),
            found=error.strerror or str(error),
            do="check the path",
        ) from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - (raw.rfind(b"\n", 0, error.start) + 1) + 1
        raise RecipeError(
            "the recipe is not UTF-8",
            where=f"{path}:{line}:{column}",
            found=f"the byte 0x{raw[error.start]:02x}",
            expected="UTF-8 text",
            do="save the file as UTF-8",
        ) from error
    return read_text(text, str(path))


def read_text(text: str, name: str) -> tuple[Any, Marks]:
    """The value of a YAML text and its marks, which call the text `name`; an empty text is None."""
    builder = _Builder(name, _events(text, name))
    value = builder.document()
    return value, Marks(name, builder.keys, builder.values)


def _events(text: str, name: str) -> Iterator[Any]:
    """The events of the YAML parser; its complaints in our words."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError
    from ruamel.yaml.reader import ReaderError

    try:
        yield from YAML(typ="safe", pure=True).parse(text)  # pyright: ignore[reportUnknownMemberType]
    except MarkedYAMLError as error:
        told: Any = error  # its attributes carry no types
        mark = told.problem_mark or told.context_mark
        problem = str(told.problem or told.context)
        tab = "\\t" in problem
        raise RecipeError(
            "this is not valid YAML",
            where=f"{name}:{mark.line + 1}:{mark.column + 1}",
            found="a tab" if tab else problem,
            expected="spaces, since YAML does not allow tabs to indent" if tab else None,
            do="replace the tab by spaces" if tab else None,
        ) from error
    except ReaderError as error:
        told = error
        before = text[: told.position]
        raise RecipeError(
            "this is not valid YAML",
            where=f"{name}:{before.count(chr(10)) + 1}:{len(before) - (before.rfind(chr(10)) + 1) + 1}",
            found=f"the control character U+{ord(text[told.position]):04X}",
            expected="printable text",
            do="remove it, or write it as an escape in double quotes",
        ) from error


class _Builder:
    """Turns parser events into plain values and notes where each stands."""

    def __init__(self, name: str, events: Iterator[Any]) -> None:
        self.name, self.events = name, events
        self.keys: dict[Place, str] = {}
        self.values: dict[Place, str] = {}

    def document(self) -> Any:
        value, documents = None, 0
        for event in self.events:
            kind = type(event).__name__
            if kind == "DocumentStartEvent":
                documents += 1
                if documents > 1:
                    raise RecipeError(
                        "a file holds one recipe",
                        where=self.where(event),
                        found="a second document (after `---`)",
                        do="put it into a file of its own",
                    )
            elif kind in ("StreamStartEvent", "StreamEndEvent", "DocumentEndEvent"):
                continue
            else:
                value = self.value(event, ())
        return value

    def where(self, event: Any) -> str:
        return f"{self.name}:{event.start_mark.line + 1}:{event.start_mark.column + 1}"

    def value(self, event: Any, path: Place) -> Any:
        self.values[path] = self.where(event)
        kind = type(event).__name__
        if kind == "AliasEvent" or event.anchor is not None:
            raise RecipeError(
                "anchors and aliases are not part of a recipe",
                where=self.where(event),
                found=f"{'*' if kind == 'AliasEvent' else '&'}{event.anchor}",
                do="write the value out wherever it is needed; shared settings belong in Python",
            )
        if event.tag is not None:
            raise RecipeError(
                "tags are not part of a recipe",
                where=self.where(event),
                found=str(event.tag),
                do="remove the tag; quotes make a text of anything",
            )
        if kind == "MappingStartEvent":
            return self.mapping(path)
        if kind == "SequenceStartEvent":
            return self.sequence(path)
        return self.scalar(event)

    def mapping(self, path: Place) -> dict[str, Any]:
        out: dict[str, Any] = {}
        while type(event := next(self.events)).__name__ != "MappingEndEvent":
            if type(event).__name__ not in ("ScalarEvent", "AliasEvent"):
                raise RecipeError(
                    "a key must be text", where=self.where(event), found="a list or mapping", expected="text"
                )
            key = self.value(event, (*path, "<key>"))
            del self.values[(*path, "<key>")]
            if key == "<<" and event.style is None:
                raise RecipeError(
                    "merge keys are not part of a recipe",
                    where=self.where(event),
                    found="<<",
                    do="write the settings out wherever they are needed",
                )
            if not isinstance(key, str):
                raise RecipeError(
                    "a key must be text",
                    where=self.where(event),
                    found=f"{event.value or 'nothing'} ({kind_of(key)})",
                    expected="text",
                    do=f'put it in quotes: "{event.value}"',
                )
            if key in out:
                raise RecipeError(
                    f"the key {key!r} is written twice",
                    where=self.where(event),
                    found=f"the first one is at {self.keys[(*path, key)]}",
                    do="keep one of the two",
                )
            self.keys[(*path, key)] = self.where(event)
            out[key] = self.value(next(self.events), (*path, key))
        return out

    def sequence(self, path: Place) -> list[Any]:
        out: list[Any] = []
        while type(event := next(self.events)).__name__ != "SequenceEndEvent":
            self.keys[(*path, len(out))] = self.where(event)
            out.append(self.value(event, (*path, len(out))))
        return out

    def scalar(self, event: Any) -> Any:
        text: str = event.value
        if event.style is not None:  # quoted or a block: always text
            return text
        if _NULL.fullmatch(text):
            return None
        if _BOOL.fullmatch(text):
            return text.lower() == "true"
        if _INT.fullmatch(text) and len(text.lstrip("+-")) <= _DIGITS:
            return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
        if _FLOAT.fullmatch(text) and not _INT.fullmatch(text) and math.isfinite(number := float(text)):
            return number
        if _INT.fullmatch(text) or _FLOAT.fullmatch(text) or _NOT_FINITE.fullmatch(text):
            raise RecipeError(
                "a number must be finite and of sensible size",
                where=self.where(event),
                found=text[:40],
                expected=f"whole numbers of at most {_DIGITS} digits, others up to 1.8e308",
            )
        return text


def kind_of(value: Any) -> str:
    """What a plain value is, in the words of the messages."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a mapping" if isinstance(value, Mapping) else "a list"
