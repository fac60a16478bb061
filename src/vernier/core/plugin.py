"""Plugins: one file, one frozen dataclass; the folder is the registry.

`score.surface` is the dataclass in `vernier/score/surface.py`. A third party writes `package.module:Class`. The
fields of the dataclass are the settings (`with:` in a recipe); class variables say what the stage takes and makes:

    @dataclass(frozen=True, kw_only=True)
    class Surface:
        version: ClassVar[int] = 1                       # same version, same output for the same input
        makes: ClassVar[str] = "scores"
        takes: ClassVar[dict[str, str]] = {"corpus": "corpus"}
        ...

The methods that a plugin has give its shape:

    Reader   units, read             reads the outside world into a corpus
    Map      map                     shard by shard
    Fold     fold, merge, map        all shards to one small state, in rounds, then shard by shard
    Build    build                   everything into one folder (a model, a table of results)

Five methods are for whoever needs them:

    check(given)         raises RecipeError if the names of the inputs that a recipe gives do not fit the settings
    facts(inputs)        of a map: JSON values for the manifest
    units()              of a map, fold or build: what it takes from the outside world, as that of a reader does. The
                         contents are part of the key, and the plugin finds the units again as `inputs.units`. What it
                         then takes must be what was hashed
    flops(inputs, out)   floating-point operations of the stage (float): with `out` None what is planned, from the
                         settings and the inputs alone, before it runs; with the finished artifact what it really took,
                         all its rows counted, wherever they came from; None where that can not be known. A stage that
                         computes with a model needs it (`vernier.models.flops` has the arithmetic): without it a
                         comparison of arms counts 0 for a stage that reads or selects, and calls the cost of one that
                         trains or reads a network unknown
    told()               of a selection: what of a document besides its text it was told (texts such as "domain" or
                         "domain: docstring, prose"), for the report: an arm that was told the domains wins on them by
                         construction. Without it a selection was told nothing
"""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from vernier.core.errors import RecipeError, nearest

if TYPE_CHECKING:
    import pyarrow as pa

    from vernier.core.shard import Inputs, Shard

DOMAINS = ("corpus", "score", "select", "mix", "train", "align", "evaluate", "report")
KINDS = ("corpus", "scores", "selection", "windows", "model", "results")


class Plugin(Protocol):
    """What every plugin declares.

    takes   input name -> kind, with `?` behind an optional one and `*` behind one that may be a list
    draws   the output depends on the stage's seed
    masks   inputs of kind selection that only say which rows are wanted: rows that an earlier run scored
            under another mask are copied, not scored again
    apart   of a build: inputs that may be about other rows than the rest, an earlier corpus and its tables
    rows    "same": the output aligns row by row to the corpus it takes; "new": it makes new rows
    ranks   of a Build: several processes can make it together (`on: {ranks: N}`). Each calls `build` with the same
            inputs and finds in its environment who it is (`vernier.models.ranks`). What rank 0 writes and returns
            counts; the others get a folder that is thrown away. The bytes do not depend on how many there were, or
            the plugin says by how much they may differ.
    drops   of a reader: reasons of the quarantine by which a record is left out though nothing is wrong with it (a copy
            of another); of a map with `max_bad`: reasons of `Shard.failed` that are no fault. `max_bad` does not count
            them
    resumes of a build that keeps states on the way (`Inputs.states`): the settings that a state does not depend on,
            so that stages which differ in these alone go on from each other's states
    """

    version: ClassVar[int]
    makes: ClassVar[str]
    takes: ClassVar[Mapping[str, str]]
    draws: ClassVar[bool] = False
    masks: ClassVar[tuple[str, ...]] = ()
    apart: ClassVar[tuple[str, ...]] = ()
    rows: ClassVar[str] = "same"
    ranks: ClassVar[bool] = False
    drops: ClassVar[tuple[str, ...]] = ()
    resumes: ClassVar[tuple[str, ...] | None] = None


@dataclasses.dataclass(frozen=True)
class Unit:
    """A piece of the outside world, of a reader a piece of its work: a file, a range of one, a handful of small ones.

    name      readable, unique within the stage, independent of where the data is mounted
    content   hash of the bytes that will be read (or the object store's own checksum)
    spec      what it takes to find them (JSON values; not part of the key)
    part      what of `content` is read (JSON values; part of the key)
    """

    name: str
    content: str
    spec: Mapping[str, Any]
    part: Mapping[str, Any] = dataclasses.field(default_factory=dict[str, Any])


@dataclasses.dataclass(frozen=True)
class Piece:
    """At most 4 MB of text from a reader, and where to go on after it.

    rows        a corpus table (`tables.corpus_schema`), possibly empty
    bad         quarantined records (`tables.QUARANTINE`), possibly empty
    next        position in the unit (the reader's own measure) behind the last record of this piece
    """

    rows: pa.Table
    bad: pa.Table
    next: int


@runtime_checkable
class Sourced(Protocol):
    """Takes something from the outside world. Raises what is wrong with it before any work is done."""

    def units(self) -> Sequence[Unit]: ...


@runtime_checkable
class Reader(Protocol):
    """Reads the outside world into a corpus."""

    def units(self) -> Sequence[Unit]: ...
    def read(self, unit: Unit, start: int) -> Iterator[Piece]: ...


@runtime_checkable
class Map(Protocol):
    """Yields tables which together have one row for each row of the shard, in order."""

    def map(self, shard: Shard) -> Iterator[pa.Table]: ...


@runtime_checkable
class Fold(Protocol):
    """First all shards to one small state, then shard by shard.

    `fold` sees a shard and the state (None in the first round) and returns its small, picklable part. `merge`
    sees the parts in shard order and returns the next state and whether it is settled; if not, another round of
    `fold` follows. `account` puts the settled state into words for the manifest (JSON values).
    """

    def fold(self, shard: Shard, state: Any) -> Any: ...
    def merge(self, parts: Sequence[Any], state: Any) -> tuple[Any, bool]: ...
    def account(self, state: Any) -> dict[str, Any]: ...
    def map(self, shard: Shard, state: Any) -> Iterator[pa.Table]: ...


@runtime_checkable
class Build(Protocol):
    """Writes files into the empty folder `out`; returns facts for the manifest (JSON values, deterministic)."""

    def build(self, inputs: Inputs, out: Path) -> dict[str, Any]: ...


def names() -> list[str]:
    """Every plugin in Vernier's own folders, as written in a recipe (`score.surface`)."""
    found: list[str] = []
    for domain in DOMAINS:
        try:
            package = importlib.import_module(f"vernier.{domain}")
        except ModuleNotFoundError as error:
            if error.name != f"vernier.{domain}":
                raise
            continue
        for module in pkgutil.iter_modules(package.__path__):
            if _class_in(f"vernier.{domain}.{module.name}") is not None:
                found.append(f"{domain}.{module.name}")
    return sorted(found)


def find(name: str) -> type[Any]:
    """The class of a plugin by its name in a recipe. Raises RecipeError with the nearest name."""
    if ":" in name:
        return _third_party(name)
    domain, _, module = name.partition(".")
    if domain in DOMAINS and module.isidentifier():
        path = f"vernier.{domain}.{module}"
        try:
            cls = _class_in(path)
        except ModuleNotFoundError as error:
            if error.name not in (path, f"vernier.{domain}"):
                raise
            cls = None
        if cls is not None:
            return cls
    raise RecipeError(f"there is no plugin {name!r}", do=nearest(name, names()))


def name_of(cls: type[Any]) -> str:
    """The name by which a recipe calls this class: the inverse of `find`."""
    parts = cls.__module__.split(".")
    if parts[0] == "vernier" and len(parts) == 3 and parts[1] in DOMAINS:
        return f"{parts[1]}.{parts[2]}"
    if cls.__module__ == "__main__":
        raise RecipeError(
            f"the plugin {cls.__name__} is defined in the main script, where worker processes can not import it",
            do="move it to a module of its own",
        )
    return f"{cls.__module__}:{cls.__qualname__}"


def lazy(package: str) -> tuple[Callable[[str], type[Any]], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` (PEP 562) for a domain: `vernier.score.Surface` imports surface.py and no more.

    The file of a class is its name in small letters with underscores, so none is imported in order to look.
    """

    def modules() -> list[str]:
        return [m.name for m in pkgutil.iter_modules(importlib.import_module(package).__path__)]

    def getattr_(name: str) -> type[Any]:
        for module in modules():
            if module.replace("_", "") == name.lower():
                cls = _class_in(f"{package}.{module}")
                if cls is not None and cls.__name__ == name:
                    return cls
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def dir_() -> list[str]:
        classes = (_class_in(f"{package}.{module}") for module in modules())
        return sorted(cls.__name__ for cls in classes if cls is not None)

    return getattr_, dir_


def shape_of(plugin: Any) -> str:
    """ "reader", "fold", "map" or "build", by the methods that the plugin has."""
    for shape, protocol in (("reader", Reader), ("fold", Fold), ("map", Map), ("build", Build)):
        if isinstance(plugin, protocol):
            return shape
    raise RecipeError(
        f"{type(plugin).__name__} is not a plugin",
        expected="the methods of a Reader, Map, Fold or Build (see vernier.core.plugin)",
    )


def _class_in(path: str) -> type[Any] | None:
    """The one plugin class defined in a module; None for a module that holds none."""
    module = importlib.import_module(path)
    classes = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and value.__module__ == path
        and dataclasses.is_dataclass(value)
        and hasattr(value, "makes")
    ]
    assert len(classes) <= 1, f"{path} defines {len(classes)} plugins; one file, one plugin"
    return classes[0] if classes else None


def _third_party(name: str) -> type[Any]:
    path, _, attribute = name.partition(":")
    try:
        cls = getattr(importlib.import_module(path), attribute)
    except (ImportError, AttributeError) as error:
        raise RecipeError(
            f"the plugin {name!r} can not be imported",
            found=str(error),
            expected="package.module:Class, importable by this Python",
        ) from error
    if not (isinstance(cls, type) and dataclasses.is_dataclass(cls) and hasattr(cls, "makes")):
        raise RecipeError(f"{name!r} is not a plugin", expected="a frozen dataclass with `makes` and `takes`")
    return cls
