"""Which files of a Hugging Face folder make up the model: its configuration, safetensors and tokenizer.

Never chosen: pickled weights, weights in another framework's form, what training left (optimizer, logs), and Python
files unless their code is trusted. A folder of sentence-transformers names its parts in `modules.json`; of those in
folders of their own, these are taken too.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from vernier.core.errors import DataError
from vernier.models import terms

CONFIG = "config.json"
MODULES = "modules.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
SMALL = (".json", ".txt", ".model", ".jinja", ".tiktoken")  # configurations and every form of tokenizer
CODE = ".py"
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
NOT_THE_MODEL = ("trainer_state.json", terms.FILE)  # whoever takes the folder in sets terms of his own

Read = Callable[[str], bytes]


def files_of(names: Collection[str], read: Read, where: str, *, code: bool = False) -> list[str]:
    """The files of the model, sorted.

    names   of all files there, relative to the folder
    read    the bytes of one of them
    where   the folder, for errors
    code    with its Python files

    Raises DataError if there is no model, if its weights are missing, pickled or incomplete, or a list is damaged.
    """
    if MODULES not in names:
        parsed(names, read, CONFIG, where)
    parts = ["", *module_folders(names, read, where)]
    weights = [name for part in parts for name in weight_files(names, read, where, part)]
    lost = [name for name in weights if name not in names]
    if lost:
        raise DataError(
            "a part of the model's weights is missing",
            where=where,
            found=f"{len(lost)} of {len(weights)} files are not there, first: {lost[0]}",
            expected=f"every file that {INDEX} names",
        )
    if not weights:
        raise _no_weights(names, where)
    return sorted({*weights, *(name for part in parts for name in _small(names, part, code=code))})


def module_folders(names: Collection[str], read: Read, where: str) -> list[str]:
    """The folders that `modules.json` names below its own; none without one."""
    if MODULES not in names:
        return []
    modules = parsed(names, read, MODULES, where)
    if not isinstance(modules, list) or not all(isinstance(m, Mapping) and "type" in m for m in modules):
        raise DataError("a model's list of modules is damaged", where=f"{where}/{MODULES}", found=str(modules)[:200])
    return sorted({str(m["path"]).strip("/") for m in modules if m.get("path")})


def weight_files(names: Collection[str], read: Read, where: str, part: str = "") -> list[str]:
    """The files with the weights of the model in folder `part`, in the order in which transformers looks for them."""
    whole, index = posixpath.join(part, WEIGHTS), posixpath.join(part, INDEX)
    if whole in names:
        return [whole]
    if index not in names:
        return []
    listed = parsed(names, read, index, where)
    try:
        return [posixpath.join(part, name) for name in sorted({*listed["weight_map"].values()})]
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError("a model's list of weights is damaged", where=f"{where}/{index}", found=repr(error)) from error


def parsed(names: Collection[str], read: Read, name: str, where: str) -> Any:
    """A JSON file of the folder. Raises DataError if it is not there or damaged."""
    if name not in names:
        raise DataError(
            "this folder holds no model",
            where=where,
            found=f"no {name}",
            expected="a Hugging Face model folder: config.json, *.safetensors, tokenizer.json",
        )
    try:
        return json.loads(read(name))
    except ValueError as error:
        what = "a model's config is damaged" if name == CONFIG else "a model's file is damaged"
        raise DataError(what, where=f"{where}/{name}", found=str(error)) from error


def _small(names: Collection[str], part: str, *, code: bool) -> Iterator[str]:
    """The small files right in the folder `part`."""
    endings = (*SMALL, CODE) if code else SMALL
    for name in names:
        folder, base = posixpath.split(name)
        other_index = base.endswith(".index.json") and (
            base != INDEX or posixpath.join(part, WEIGHTS) in names  # not read when there is a whole file
        )
        if folder == part and base.endswith(endings) and not other_index and base not in NOT_THE_MODEL:
            yield name


def _no_weights(names: Collection[str], where: str) -> DataError:
    pickled = sorted(name for name in names if name.endswith(PICKLED))
    if pickled:
        return DataError(
            "the model's weights are pickled, and unpickling can run any code",
            where=f"{where}/{pickled[0]}",
            expected="*.safetensors",
            do="if you trust them: AutoModelForCausalLM.from_pretrained(FOLDER).save_pretrained(NEW)",
        )
    others = sorted(name for name in names if name.endswith(".safetensors"))
    return DataError(
        "the model folder has no weights",
        where=where,
        found=f"only {others[0]}, which is not the model's" if others else "no *.safetensors",
        expected=f"{WEIGHTS}, or the files that {INDEX} names",
    )
