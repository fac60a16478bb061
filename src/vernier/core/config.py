"""From plain values to settings: strict decoding of a dataclass, quantities with units, many errors at once.

Types are those of the dataclass and nothing is coerced: `"3"` is not a number, `true` is not 1, 2.0 is not a
whole number; a whole number serves where a number is wanted, a list where a tuple is. Pydantic checks, in
strict JSON mode; the messages are ours.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import math
import types
import typing
from collections.abc import Generator, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin

from vernier.core.errors import RecipeError, nearest
from vernier.core.yaml import Marks, Place, kind_of

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Quantity:
    """Metadata of a whole-number setting that may be written with a unit: `50M`, `1.5k`, `256MB`."""

    what: str
    units: tuple[tuple[str, int], ...]  # hashable, as the parts of a type must be

    def parse(self, value: Any) -> Any:
        """The number that a text with a unit stands for; all else is left to the check of its type."""
        if isinstance(value, float) and value.is_integer():  # 5e7
            return int(value)
        if not isinstance(value, str):
            return value
        number = value.strip()
        unit = number.lstrip("0123456789.")
        number = number.removesuffix(unit)
        try:
            exact = Fraction(number) * dict(self.units)[unit.strip()]
        except (ValueError, KeyError):
            raise self.wrong() from None
        if exact.denominator != 1:
            raise self.wrong()
        return int(exact)

    def write(self, value: int) -> str:
        """`value` in the largest unit that leaves it whole."""
        unit, factor = max((u for u in self.units if value % u[1] == 0 and value >= u[1]), key=lambda u: u[1])
        return f"{value // factor}{unit}"

    def wrong(self) -> Exception:
        from pydantic_core import PydanticCustomError

        return PydanticCustomError("quantity", "{expected}", {"expected": str(self)})

    def __str__(self) -> str:
        units = [unit for unit, _ in self.units if unit]
        return f"{self.what} (like 50{units[1]}; units {', '.join(units)})"

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_before_validator_function(self.parse, handler(source))


COUNT = Quantity("a count", (("", 1), ("k", 10**3), ("M", 10**6), ("B", 10**9), ("T", 10**12)))
BYTES = Quantity(
    "a size",
    (
        *(("", 1), ("B", 1), ("kB", 10**3), ("MB", 10**6), ("GB", 10**9), ("TB", 10**12)),
        *(("KiB", 2**10), ("MiB", 2**20), ("GiB", 2**30), ("TiB", 2**40)),
    ),
)
Count = Annotated[int, COUNT]  # 1000, 1.5k, 50M, 2B
Bytes = Annotated[int, BYTES]  # 4096, 256MB, 4KiB


class Problems(RecipeError):
    """Several things wrong with one recipe."""

    def __init__(self, problems: Sequence[RecipeError]) -> None:
        told = "\n\n".join(str(problem) for problem in problems)
        super().__init__(f"there are {len(problems)} problems\n\n{told}")
        self.problems = tuple(problems)

    def __reduce__(self) -> tuple[Any, ...]:
        return Problems, (self.problems,)


class Gather:
    """Collects errors, so that one look at a recipe shows all of them.

    with gather.each(): ...   an error inside is kept for later
    gather.settle()           raises what was kept: the error itself if it is one, else Problems
    """

    def __init__(self) -> None:
        self.problems: list[RecipeError] = []

    @contextlib.contextmanager
    def each(self) -> Generator[None]:
        try:
            yield
        except RecipeError as error:
            self.add(error)

    def add(self, error: RecipeError) -> None:
        for problem in error.problems if isinstance(error, Problems) else (error,):
            if str(problem) not in map(str, self.problems):
                self.problems.append(problem)

    def settle(self) -> None:
        if len(self.problems) == 1:
            raise self.problems[0]
        if self.problems:
            raise Problems(self.problems)


def decode(cls: type[T], value: Any, marks: Marks, path: Place = (), *, label: str | None = None) -> T:
    """Build the dataclass `cls` from a mapping.

    marks  where the parts of `value` stand; `path` leads from there to `value`
    label  what the messages call it; by default the name of the class
    Raises RecipeError: an unknown or missing setting, a value of the wrong type, what the class refuses.
    """
    from pydantic import ValidationError

    label = label or cls.__name__
    if not isinstance(value, Mapping):
        raise RecipeError(
            f"the settings of {label} are not a mapping",
            where=marks.at(path),
            found=_show(value),
            expected="a mapping of settings to values, {} for none",
        )
    value = cast("Mapping[str, Any]", value)
    try:
        return cast(T, _adapter(cls).validate_json(json.dumps([value]), strict=True)[0])
    except ValidationError as error:
        gather = Gather()
        for problem in _explain(cls, value, error.errors(include_url=False), marks, path, label):
            gather.add(problem)
        gather.settle()
        raise
    except RecipeError as error:
        if error.where is None:
            error.where = marks.at(path, key=True)
            error.do = error.do or marks.advice(path)
        raise


def plain(value: Any) -> Any:
    """The plain form (what YAML holds) of a dataclass with all its settings, or of a value within.

    Raises RecipeError for a value that has none.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise RecipeError("a number must be finite", found=str(value))
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value) if f.init}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, (set, frozenset)):
        return sorted(plain(v) for v in cast("frozenset[Any]", value))
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [plain(v) for v in cast("Sequence[Any]", value)]
    raise RecipeError(
        f"a setting can not be a {type(value).__name__}",
        found=repr(value)[:120],
        expected="numbers, text, true or false, lists, mappings or dataclasses of these",
    )


def words(hint: Any) -> str:
    """A type as a reader of recipes says it: `list of text`, `a count: ...`, `{share: number, of: ...}`."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return next((str(extra) for extra in args[1:] if isinstance(extra, Quantity)), words(args[0]))
    if origin is Literal:
        return " or ".join(str(arg) for arg in args)
    if origin in (Union, types.UnionType):
        return " or ".join(words(arg) for arg in args if arg is not types.NoneType) + (
            " (optional)" if types.NoneType in args else ""
        )
    if dataclasses.is_dataclass(hint):
        inside = [f"{name}: {words(kind)}" for name, kind in setting_types(cast("type[Any]", hint)).items()]
        return "{" + ", ".join(inside) + "}"
    if origin is tuple and args and args[-1] is not Ellipsis:
        return "[" + ", ".join(words(arg) for arg in args) + "]"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"mapping of {words(args[0])} to {words(args[1])}"
    if isinstance(origin, type) and issubclass(origin, (Sequence, set, frozenset)):
        return f"list of {words(args[0])}"
    names: dict[Any, str] = {
        int: "whole number",
        float: "number",
        str: "text",
        bool: "true or false",
        Any: "anything",
    }
    return names.get(hint) or getattr(hint, "__name__", str(hint))


@functools.cache
def _adapter(cls: type[Any]) -> TypeAdapter[list[Any]]:
    """A list of one, since pydantic passes the configuration on to dataclasses only from outside."""
    from pydantic import ConfigDict, TypeAdapter

    hint: Any = types.GenericAlias(list, (cls,))
    return TypeAdapter(hint, config=ConfigDict(extra="forbid", strict=True))


def setting_types(cls: type[Any]) -> dict[str, Any]:
    """The types of the settings of a dataclass, by name."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return {f.name: hints[f.name] for f in dataclasses.fields(cls) if f.init}


def _explain(
    cls: type[Any], value: Any, errors: Sequence[Any], marks: Marks, path: Place, label: str
) -> Iterator[RecipeError]:
    """Pydantic's complaints, one error a place; of the branches of a union, those that fit furthest."""
    places: dict[Place, list[Any]] = {}
    for error in errors:
        places.setdefault(_place(value, error["loc"][1:], error["type"]), []).append(error)
    for place, told in places.items():
        if any(len(other) > len(place) and other[: len(place)] == place for other in places):
            continue
        where, dotted = path + place, ".".join(str(part) for part in place)
        known = {name: kind for error in told for name, kind in _around(cls, error["loc"][1:-1]).items()}
        kinds = {error["type"] for error in told}
        if kinds == {"unexpected_keyword_argument"}:
            yield RecipeError(
                f"{label} has no setting {dotted!r}",
                where=marks.at(where, key=True),
                do=nearest(str(place[-1]), known),
            )
        elif kinds == {"missing"}:
            yield RecipeError(
                f"{label} needs the setting {dotted!r}",
                where=marks.at(where[:-1], key=True),
                found="nothing",
                expected=words(known[str(place[-1])]) if place[-1] in known else None,
            )
        else:
            told = [error for error in told if error["type"] not in ("unexpected_keyword_argument", "missing")]
            choices = [option.strip("'") for e in told for option in e.get("ctx", {}).get("expected", "").split(" or ")]
            found = told[0]["input"]
            close = nearest(found, choices) if isinstance(found, str) and choices else ""
            yield RecipeError(
                f"the setting {dotted!r} of {label} has a wrong value" if place else f"{label} refuses its settings",
                where=marks.at(where),
                found=_show(found),
                expected=" or ".join(dict.fromkeys(_expected(error) for error in told)),
                do=close if close.startswith("did") else None,
            )


def _place(value: Any, loc: Sequence[str | int], kind: str) -> Place:
    """The path through the data that an error speaks of: pydantic's without its names for union branches."""
    place: Place = ()
    for index, part in enumerate(loc):
        last = index == len(loc) - 1
        if isinstance(value, Mapping) and part in value:
            value = cast("Mapping[Any, Any]", value)[part]
        elif isinstance(value, list) and isinstance(part, int) and part < len(cast("list[Any]", value)):
            value = cast("list[Any]", value)[part]
        elif not (last and kind == "missing"):
            continue
        place += (part,)
    return place


def _around(cls: Any, loc: Sequence[str | int]) -> dict[str, Any]:
    """The settings known where `loc` leads to within the type `cls`; none where that is not a dataclass."""
    here: list[Any] = _branches(cls)
    for part in loc:
        inside: list[Any] = []
        for kind in here:
            if dataclasses.is_dataclass(kind):
                fields = setting_types(cast("type[Any]", kind))
                if part in fields:
                    inside += _branches(fields[str(part)])
            elif args := get_args(kind):
                inside += _branches(args[-1] if args[-1] is not Ellipsis else args[0])
        named = [kind for kind in here if getattr(kind, "__name__", None) == part]  # a branch of a union
        here = inside or named or here
    return {
        name: kind
        for cls in here
        if dataclasses.is_dataclass(cls)
        for name, kind in setting_types(cast(Any, cls)).items()
    }


def _branches(hint: Any) -> list[Any]:
    """The types that a value may have, without `Annotated` and `Union`."""
    if get_origin(hint) is Annotated:
        return _branches(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        return [branch for arg in get_args(hint) for branch in _branches(arg)]
    return [hint]


_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "dataclass_type": "a mapping",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "none_required": "null",
}


def _expected(error: Mapping[str, Any]) -> str:
    if error["type"] == "literal_error":
        return str(error["ctx"]["expected"])
    message = str(error["msg"]).removeprefix("Input should be ").removeprefix("Value error, ")
    return _EXPECTED.get(error["type"], message)


def _show(value: Any) -> str:
    """A value as the user wrote it, and what it is."""
    if value is None or isinstance(value, (bool, int, float)):
        return f"{json.dumps(value)} ({kind_of(value)})"
    text = json.dumps(value, ensure_ascii=False)
    return f"{text if len(text) <= 80 else text[:77] + '...'} ({kind_of(value)})"
