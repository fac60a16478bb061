"""Where the items of tasks come from: files of items, and tasks that lm-evaluation-harness knows by name."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence

from vernier.core import files
from vernier.core.contents import contents
from vernier.core.errors import DataError, RecipeError
from vernier.core.fingerprint import key_of
from vernier.core.plugin import Unit
from vernier.evaluate import harness
from vernier.evaluate.items import Item, read


def units(tasks: Sequence[str], *, generated: bool = False) -> list[Unit]:
    """The task files and the hashes of their bytes; of a task by name the commit of its data set, and which version of
    the harness words it.

    generated   take tasks too that ask for generated text, which have no likelihoods of answers
    Raises RecipeError for what is neither, DataError for a file that holds no items, SetupError if the hub can not be
    reached.
    """
    names = [name for name in tasks if _is_name(name)]
    paths = [path for path in tasks if path not in names]
    if not tasks:
        raise RecipeError("`tasks` names nothing", expected="a task file, or the name of a task")
    found = files.find(paths, None, (".jsonl",)) if paths else []
    for file in found:
        read(file, _bytes(file), generated=generated)
    known = contents([(file, 0, file.size) for file in found])
    made = [Unit(file.name, content, file.spec()) for file, content in zip(found, known, strict=True)]
    for name in sorted(set(names)):
        data, commit = harness.dataset_of(name, generated=generated)
        content = key_of("task", name, data, commit, harness.version())
        made.append(Unit(f"task {name}", content, {"name": name, "commit": commit}))
    return made


def items(unit: Unit, *, generated: bool = False) -> list[Item]:
    """The items of a unit. Raises DataError if a file changed since it was hashed."""
    if "commit" in unit.spec:
        return harness.named_items(unit.spec["name"], unit.spec["commit"])
    file = files.File.of(unit.spec)
    raw = _bytes(file)
    digest = hashlib.sha256(raw).hexdigest() if file.is_local else contents([(file, 0, file.size)])[0]
    if digest != unit.content:
        raise DataError("a task file changed while the recipe ran", where=file.url, do="run again when it is complete")
    return read(file, raw, generated=generated)


def _is_name(task: str) -> bool:
    """Whether an entry of `tasks` is the name of a task and no path."""
    return not (os.path.exists(task) or task.endswith(".jsonl") or any(c in task for c in "/*?[~"))


def _bytes(file: files.File) -> bytes:
    with files.opened(file) as source:
        return source.read()
