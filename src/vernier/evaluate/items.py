"""The items of zero-shot tasks: which continuations of which contexts a model is asked for, and which one is right.

A task file is JSON Lines with `{id, task, kind, context, choices, label, target}`. By kind the model is asked for

    multiple_choice   each of `choices` after `context`
    minimal_pair      each of `choices` with nothing before it: whole sentences of which one is acceptable
    partial_context   `target` after each of `choices`, which are contexts (Trinh and Le 2018, arXiv 1806.02847)
    cloze             `target` after `context`; right if it is what greedy decoding would write
    generation        nothing: such a task is read only where no model is asked, as what to keep out of a pool; its
                      answer is `solution`, if it has one, then `target`

A continuation is taken as it is written, the space before its first word included: a choice without one is other text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from json import JSONDecodeError
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from vernier.core import files, rng
from vernier.core.errors import DataError, nearest

KINDS = ("multiple_choice", "minimal_pair", "partial_context", "cloze")
GENERATION = "generation"


@dataclass(frozen=True)
class Item:
    """One question.

    asked   (context, continuation) of each choice; of a cloze the only one
    label   which of them is right
    """

    task: str
    id: str
    asked: tuple[tuple[str, str], ...]
    label: int

    @property
    def is_cloze(self) -> bool:
        return len(self.asked) == 1

    @property
    def chance(self) -> float:
        """The share of such items that a lot gets right; no lot finds the word of a cloze."""
        return 0.0 if self.is_cloze else 1 / len(self.asked)


def read(file: files.File, raw: bytes, *, generated: bool = False) -> list[Item]:
    """The items of a task file with these bytes; generated: those of kind `generation` too. Raises DataError for a line
    that is none."""
    items: list[Item] = []
    for number, line in enumerate(raw.split(b"\n"), 1):
        if line.strip():
            items.append(_item(line, f"{file.url}:{number}", PurePosixPath(file.name).stem, generated))
    if not items:
        raise DataError("a task has no items", where=file.url, expected="JSON Lines, an item a line")
    return items


def by_task(items: Sequence[Item], limit: int | None) -> dict[str, list[Item]]:
    """The items of each task, tasks by name; of each at most `limit`.

    Task files are often sorted (by topic, by kind of error), so their first items are no sample: the items whose ids
    have the smallest hashes are taken, in the file's order. Those of a smaller limit are among those of a larger one.
    Raises DataError if two items of a task have the same id.
    """
    found: dict[str, list[Item]] = {}
    for item in items:
        found.setdefault(item.task, []).append(item)
    for task, some in found.items():
        ids = [item.id for item in some]
        if len(set(ids)) < len(ids):
            twice = next(i for i in ids if ids.count(i) > 1)
            raise DataError(
                f"the task {task!r} has two items with one id", found=repr(twice), do="name each task file once"
            )
    return {task: _sample(some, limit) for task, some in sorted(found.items())}


def _sample(items: list[Item], limit: int | None) -> list[Item]:
    if limit is None or limit >= len(items):
        return items
    ids = np.frombuffer(b"".join(rng.id_of(item.id) for item in items), np.uint64).reshape(-1, 2)
    drawn = np.argsort(rng.bits(ids, 0, "evaluate.tasks"), kind="stable")[:limit]
    return [items[i] for i in sorted(drawn)]


def _item(line: bytes, where: str, name: str, generated: bool) -> Item:
    try:
        record = json.loads(line)
    except (JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError("an item of a task is not JSON", where=where, found=str(error)) from error
    if not isinstance(record, Mapping):
        raise DataError("an item of a task is not an object", where=where, found=type(record).__name__)
    kind = record.get("kind")
    if kind == GENERATION and not generated:
        raise DataError(
            "a task asks for generated text, which is not measured here",
            where=where,
            found="kind: generation",
            expected=f"a task of likelihoods: {', '.join(KINDS)}",
            do="leave this file out; bits per byte on its solutions (evaluate.loss) say more of a small model anyway",
        )
    if kind not in (*KINDS, GENERATION):
        raise DataError("a task has no such kind", where=where, found=repr(kind), do=nearest(str(kind), KINDS))
    task = _text(record, "task", where) if record.get("task") is not None else name
    id = _text(record, "id", where)
    if kind == GENERATION:
        context, answer = (_text(record, name, where) for name in ("context", "target"))
        if record.get("solution") is not None:
            answer = f"{_text(record, 'solution', where)}\n{answer}"
        return Item(task, id, ((context, answer),), 0)
    if kind == "cloze":
        return Item(task, id, ((_text(record, "context", where), _text(record, "target", where)),), 0)
    choices, label = record.get("choices"), record.get("label")
    if not (isinstance(choices, list) and len(choices) > 1 and all(isinstance(c, str) and c for c in choices)):
        raise DataError("an item needs two choices or more", where=where, found=f"choices: {choices!r}")
    if type(label) is not int or not 0 <= label < len(choices):
        raise DataError(
            "an item's `label` is none of its choices",
            where=where,
            found=f"label: {label!r}",
            expected=f"0 to {len(choices) - 1}",
        )
    context = record.get("context") or ""
    if kind == "partial_context":
        target = _text(record, "target", where)
        return Item(task, id, tuple((context + choice, target) for choice in choices), label)
    if kind == "multiple_choice":
        context = _text(record, "context", where)
    elif context:
        raise DataError("a minimal pair has no context", where=where, found=f"context: {context[:40]!r}")
    return Item(task, id, tuple((context, choice) for choice in choices), label)


def _text(record: Mapping[str, Any], name: str, where: str) -> str:
    value = record.get(name)
    if isinstance(value, str) and value:
        return value
    raise DataError(f"an item needs `{name}`", where=where, found=f"{name}: {value!r}", expected="text")
