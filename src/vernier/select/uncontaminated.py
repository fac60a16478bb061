"""Keep the documents that hold little enough of every item of a benchmark (`score.contamination`).

Overlap is the share of an item's n-grams that a document has together. GPT-3 (arXiv 2005.14165, appendix C),
lm-evaluation-harness and datatrove drop for a single n-gram (`at_least: 0`), which is right for n = 13; six words in a
row one clean document in twenty shares with some item. 0.2 serves n = 13 and n = 6: what they find, and what they drop
for nothing, stands in `evaluate.benchmark`. A dropped row has its overlap as `measured`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vernier.core import passages
from vernier.core.errors import RecipeError, nearest
from vernier.core.measures import read_numbers
from vernier.core.shard import Shard
from vernier.select.pool import KEPT, code, selection, within

LISTS = ("items", "found", "ngrams")


@dataclass(frozen=True)
class Tally:
    """What was found.

    tasks      names, sorted
    task_of    the task of each item, int64 [items]
    items      which were found in a dropped document, bool [items]
    documents  dropped ones that hold an item of each task, int64 [tasks]
    """

    tasks: list[str]
    task_of: NDArray[np.int64]
    items: NDArray[np.bool_]
    documents: NDArray[np.int64]


@dataclass(frozen=True)
class Judged:
    """A shard: the pool's counts and reasons, [rows]; the largest overlap of dropped rows, NaN elsewhere, [rows]; row
    and item of each overlap that is too large, [finds]."""

    count: NDArray[np.int32]
    reason: NDArray[np.int8]
    measured: NDArray[np.float64]
    row: NDArray[np.int64]
    item: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Uncontaminated:
    """Drop a document that has at least a share of an item's n-grams, with 0 any at all; no budget.

    at_least   the share, 0 to 1
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "selection"
    takes: ClassVar[Mapping[str, str]] = {
        "corpus": "corpus",
        "within": "selection?",
        "contamination": "scores",
        "benchmark": "model",
    }

    at_least: float = 0.2

    def __post_init__(self) -> None:
        if not 0 <= self.at_least <= 1:
            raise RecipeError("`at_least` is a share", found=str(self.at_least), expected="0 to 1")

    def fold(self, shard: Shard, state: Tally | None) -> Tally:
        names = [task for task, _ in passages.names(shard.inputs.folder("benchmark"))]
        tasks, task_of = np.unique(np.array(names, np.str_), return_inverse=True)
        judged, items = self._judge(shard), np.zeros(len(names), bool)
        items[judged.item] = True
        held = np.unique(judged.row * len(tasks) + task_of[judged.item]) % len(tasks)  # each row and task once
        return Tally(tasks.tolist(), task_of, items, np.bincount(held, minlength=len(tasks)))

    def merge(self, parts: Sequence[Tally], state: Tally | None) -> tuple[Tally, bool]:
        if not parts:
            return Tally([], *(np.zeros(0, kind) for kind in (np.int64, bool, np.int64))), True
        items = np.logical_or.reduce([part.items for part in parts])
        documents = np.add.reduce([part.documents for part in parts])
        return replace(parts[0], items=items, documents=documents), True

    def account(self, state: Tally) -> dict[str, Any]:
        """By task: its items, those that were found, and documents that were dropped for holding some."""
        of, found = (np.bincount(state.task_of, which, len(state.tasks)) for which in (None, state.items))
        rows = zip(state.tasks, of.tolist(), found.astype(np.int64).tolist(), state.documents.tolist(), strict=True)
        return {"contamination": {task: {"items": i, "found": f, "documents": d} for task, i, f, d in rows}}

    def map(self, shard: Shard, state: Tally) -> Iterator[pa.Table]:
        judged = self._judge(shard)
        yield selection(judged.count, judged.reason, measured=judged.measured)

    def _judge(self, shard: Shard) -> Judged:
        """Raises RecipeError for scores that are none of `score.contamination`."""
        here = shard.columns("contamination")
        for name in LISTS:
            if name not in here:
                raise RecipeError(
                    f"the table `contamination` has no column {name!r}",
                    expected="what `score.contamination` makes",
                    do=nearest(name, here),
                )
        count, reason = within(shard)
        _, scored = read_numbers(shard, "contamination", ["num_found"])[0]
        reason[(reason == KEPT) & ~scored] = code("not_scored")
        read = shard.read("contamination", LISTS)
        lengths = pc.fill_null(pc.list_value_length(read.column("items")), 0).to_numpy()
        row = np.repeat(np.arange(shard.rows), lengths)
        item, found, grams = (pc.list_flatten(read.column(name)).to_numpy() for name in LISTS)
        share = found / grams
        held = (share >= self.at_least) & (reason[row] == KEPT)
        measured = np.full(shard.rows, np.nan)
        np.fmax.at(measured, row[held], share[held])
        reason[row[held]] = code("contaminated")
        return Judged(count, reason, measured, row[held], item[held])
