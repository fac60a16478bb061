"""The exam's first part: what a plugin declares, seen without running it. One function, one check."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import json
import pickle
import re
from collections.abc import Callable, Mapping
from typing import Any

from vernier.core.fingerprint import key_of, settings
from vernier.core.plugin import KINDS, find, name_of, shape_of

# What a listing of plugins must not pay for: these belong inside the method that needs them.
HEAVY = (
    "torch",
    "transformers",
    "sentence_transformers",
    "huggingface_hub",
    "ray",
    "datasets",
    "scipy",
    "duckdb",
    "pandas",
    "polars",
    "sklearn",
    "lightgbm",
    "trl",
    "lm_eval",
    "trafilatura",
    "resiliparse",
)


@dataclasses.dataclass(frozen=True)
class Sitting:
    """A plugin at its exam: its name in a recipe, its class, and instances with the example settings."""

    name: str
    cls: type[Any]
    examples: tuple[Any, ...]


def has_its_name(at: Sitting) -> None:
    """The name leads to the class and back; Vernier's own classes are named like their files."""
    assert name_of(find(at.name)) == at.name
    if at.name.count(":") == 0:
        file = at.name.partition(".")[2]
        assert at.cls.__name__.lower() == file.replace("_", ""), f"{at.cls.__name__} is in {file}.py"


def is_frozen(at: Sitting) -> None:
    """A frozen dataclass whose settings are given by keyword."""
    assert at.cls.__dataclass_params__.frozen, "not frozen"
    loose = [field.name for field in dataclasses.fields(at.cls) if not field.kw_only]
    assert not loose, f"not keyword-only: {loose}"


def declares_itself(at: Sitting) -> None:
    """`version`, `makes`, `takes`, `draws`, `masks` and `rows` are of the right form."""
    version = at.cls.version
    assert type(version) is int and version >= 1, f"version {version!r} is not a whole number from 1"
    assert at.cls.makes in KINDS, f"makes {at.cls.makes!r}, which is not one of {KINDS}"
    assert isinstance(at.cls.takes, Mapping)
    for name, kind in at.cls.takes.items():
        assert name.isidentifier(), f"the input {name!r} is not a plain name"
        assert re.fullmatch(rf"({'|'.join(KINDS)})(\?|\*|\?\*|\*\?)?", kind), f"{name} takes {kind!r}"
    assert isinstance(getattr(at.cls, "draws", False), bool)
    assert getattr(at.cls, "rows", "same") in ("same", "new")
    for mask in getattr(at.cls, "masks", ()):
        assert at.cls.takes.get(mask, "").startswith("selection"), f"the mask {mask!r} is not a selection input"


def is_documented(at: Sitting) -> None:
    """The module and the class say what they do, and the class names each setting."""
    module = importlib.import_module(at.cls.__module__)
    assert module.__doc__, "the module has no docstring"
    own = at.cls.__dict__.get("__doc__") or ""
    assert own and not own.startswith(f"{at.cls.__name__}("), "the class has no docstring"
    unnamed = [f.name for f in dataclasses.fields(at.cls) if not re.search(rf"\b{f.name}\b", own)]
    assert not unnamed, f"settings that the docstring does not explain: {unnamed}"


def has_a_shape(at: Sitting) -> None:
    """It is a reader, a map, a fold or a build; a reader lets the user choose the size of a shard."""
    shape = shape_of(at.examples[0])
    if shape == "reader":
        assert isinstance(at.examples[0].shard, int), "a reader needs the setting `shard` (bytes of text)"
        assert at.cls.makes == "corpus"
    if shape == "build":
        assert at.cls.makes in ("windows", "model", "results"), f"a build makes a folder, not {at.cls.makes}"


def has_stable_keys(at: Sitting) -> None:
    """Equal settings have equal keys, other settings other keys; settings are plain JSON values."""
    for plugin in at.examples:
        again = dataclasses.replace(plugin)
        assert again == plugin
        assert key_of(settings(again)) == key_of(settings(plugin))
        assert json.loads(json.dumps(settings(plugin))) == settings(plugin)
    keys = [key_of(settings(plugin)) for plugin in at.examples]
    assert len(set(keys)) == len(keys), "two examples have the same key: they show nothing new"


def travels(at: Sitting) -> None:
    """It can be sent to a worker process and arrives equal."""
    for plugin in at.examples:
        arrived = pickle.loads(pickle.dumps(plugin))  # noqa: S301 (made on this line)
        assert arrived == plugin
        assert key_of(settings(arrived)) == key_of(settings(plugin))


def imports_lightly(at: Sitting) -> None:
    """Importing the file loads no heavy library: such imports stand inside the method that needs them."""
    tree = ast.parse(inspect.getsource(importlib.import_module(at.cls.__module__)))
    heavy = [name for name in _imported_at_once(tree) if name.partition(".")[0] in HEAVY]
    assert not heavy, f"imported at the top of the file: {heavy}"


def _imported_at_once(node: ast.AST) -> list[str]:
    """Modules that are imported when the file is: not those inside functions or under TYPE_CHECKING."""
    found: list[str] = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            found += [alias.name for alias in child.names]
        elif isinstance(child, ast.ImportFrom):
            found.append(child.module or "")
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        elif not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            found += _imported_at_once(child)
    return found


CHECKS: tuple[Callable[[Sitting], None], ...] = (
    has_its_name,
    is_frozen,
    declares_itself,
    is_documented,
    has_a_shape,
    has_stable_keys,
    travels,
    imports_lightly,
)
