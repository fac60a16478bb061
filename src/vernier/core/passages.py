"""Passages, such as the items of a benchmark, and how much of them other texts hold: overlap of word n-grams.

GPT-3 (arXiv 2005.14165, appendix C), lm-evaluation-harness and NeMo Curator look for common runs of 13 words, of fewer
(8 at least) where an item is shorter, and let runs pass that more than 10 documents have. Here, of each item,

    the question         without the words that all questions of its task begin or end with ("Question: ... Answer:"),
                         which are the harness', and no evidence
    question and answer  the right one; a question shorter than n words also with the words between them

are passages. The n-grams of a passage are all its runs of n words, or the whole passage if it is shorter; below
`shortest` words it is not looked for. What is measured is the largest number of different n-grams of a passage that a
text has within a window of 1.25 times the passage's length, and how many the passage has. An n-gram that stands in many
items is a phrase and no evidence; it counts neither as found nor as missing. `Passages.without` leaves out more.

A folder has them as `passages.json`, `items.parquet` (a row for each item, its number elsewhere) and arrays in .npy.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vernier.core.errors import DataError
from vernier.core.tables import utf8
from vernier.core.words import letters

FILE, ITEMS = "passages.json", "items.parquet"
ARRAYS = ("grams", "heads", "post_at", "posts", "of_item", "sizes", "windows")
WINDOW = 1.25  # times the words of a passage: a copy may have lost some and gained others
TEMPLATE_ITEMS = 10  # of fewer questions, words that all begin with may be chance
COMMON_ITEMS = 10  # items that a run of words may stand in: GPT-3's number, there of documents
COMMON_SHARE = 0.01  # or that share of a task's items, if it is more: tasks ask many questions about one text


class Text(NamedTuple):
    """An item: the name of its task, its own, its question and its right answer (either may be empty)."""

    task: str
    id: str
    question: str
    answer: str


class Found(NamedTuple):
    """Which items some texts hold, int64 [finds]; by row, then the largest share first, then by item.

    found, grams   n-grams of the item that stand together in the text, and how many it has
    start, end     bytes of the text from the first to the last of them
    """

    row: NDArray[np.int64]
    item: NDArray[np.int64]
    found: NDArray[np.int64]
    grams: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Passages:
    """What is looked for.

    n, shortest   words
    tasks, ids    of each item
    lengths       words of the n-grams, int64
    grams         their hashes, rising, uint64 [grams]
    heads         the hash of the first words of each, as many as the shortest has, uint64 [grams]
    post_at       where the passages of each n-gram begin in `posts`, int64 [grams + 1]
    posts         passages, int32
    of_item       the item of each passage, int32 [passages]
    sizes         n-grams of each passage that are evidence, int32 [passages]
    windows       words of its window, int32 [passages]
    """

    n: int
    shortest: int
    tasks: tuple[str, ...]
    ids: tuple[str, ...]
    lengths: tuple[int, ...]
    grams: NDArray[np.uint64]
    heads: NDArray[np.uint64]
    post_at: NDArray[np.int64]
    posts: NDArray[np.int32]
    of_item: NDArray[np.int32]
    sizes: NDArray[np.int32]
    windows: NDArray[np.int32]

    @classmethod
    def of(cls, texts: Sequence[Text], n: int, shortest: int) -> Passages:
        """Memory: 24 bytes for each n-gram of each passage while it is made."""
        from vernier.core import word_kernel as kernel

        of_item, words = list[int](), list[NDArray[np.uint64]]()
        for item, one in _passages(texts, n, shortest):
            of_item.append(item)
            words.append(one)
        lengths = [min(n, len(one)) for one in words]
        least = min(lengths, default=n)
        hashes, heads = list[NDArray[np.uint64]](), [np.empty(0, np.uint64)]
        for one, length in zip(words, lengths, strict=True):
            out, begin = (np.empty(len(one) - length + 1, np.uint64) for _ in range(2))
            kernel.grams(one, length, least, np.empty(len(one) + 1, np.uint64), out, begin)
            different, first = np.unique(out, return_index=True)
            hashes.append(different)
            heads.append(begin[first])
        owners = np.repeat(np.arange(len(words), dtype=np.int32), [len(one) for one in hashes])
        every = np.concatenate([np.empty(0, np.uint64), *hashes])
        order = np.argsort(every, kind="stable")  # the passages of an n-gram in their order
        grams, first = np.unique(every[order], return_index=True)
        made = cls(
            n,
            shortest,
            tuple(one.task for one in texts),
            tuple(one.id for one in texts),
            tuple(sorted({n, *lengths})),
            grams,
            np.concatenate(heads)[order][first],
            np.append(first, len(every)).astype(np.int64),
            owners[order],
            np.array(of_item, np.int32),
            np.array([len(one) for one in hashes], np.int32),
            np.array([math.ceil(WINDOW * len(one)) for one in words], np.int32),
        )
        return made.without(_common(made))

    def without(self, common: NDArray[np.bool_]) -> Passages:
        """These passages without some n-grams. common: bool [grams]"""
        kept = np.repeat(~common, np.diff(self.post_at))
        sizes = np.bincount(self.posts[kept], minlength=len(self.sizes)).astype(np.int32)
        post_at = np.append(0, np.cumsum(np.diff(self.post_at)[~common])).astype(np.int64)
        grams, heads = self.grams[~common], self.heads[~common]
        return replace(self, grams=grams, heads=heads, post_at=post_at, posts=self.posts[kept], sizes=sizes)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which items have an n-gram that is looked for, bool [items]."""
        out = np.zeros(len(self.ids), bool)
        out[self.of_item[self.sizes > 0]] = True
        return out

    def spread(self, batches: Iterable[pa.LargeStringArray]) -> NDArray[np.int64]:
        """In how many of some texts each n-gram stands, int64 [grams]. Memory: that, and one batch."""
        from vernier.core import word_kernel as kernel

        documents, last, row = np.zeros(len(self.grams), np.int64), np.full(len(self.grams), -1, np.int64), 0
        for texts in batches:
            data, bounds = utf8(texts)
            room = _room(bounds)
            kernel.spread(
                data, bounds, letters(), self._lengths, self.grams, *self._table, *_words(room), last, row, documents
            )
            row += len(texts)
        return documents

    def find(self, texts: pa.LargeStringArray) -> Found:
        """The items that each text holds anything of. Memory: 32 bytes for each word of the longest text."""
        from vernier.core import word_kernel as kernel

        data, bounds = utf8(texts)
        index = self._lengths, self.grams, *self._table, self.post_at, self.posts, self.windows
        work = *_words(_room(bounds)), *self._state
        row, passage, found, start, end = kernel.find(data, bounds, letters(), *index, *work).T
        grams, item = self.sizes[passage].astype(np.int64), self.of_item[passage].astype(np.int64)
        share = found / np.maximum(grams, 1)
        order = np.lexsort((passage, -found, -share, item, row))
        best = order[_firsts(row[order], item[order])]  # of an item's passages the one that is held most
        best = best[np.lexsort((item[best], -share[best], row[best]))]
        return Found(*(column[best] for column in (row, item, found, grams, start, end)))

    @cached_property
    def _lengths(self) -> NDArray[np.int64]:
        return np.array(self.lengths, np.int64)

    @cached_property
    def _table(self) -> tuple[NDArray[np.int32], NDArray[np.uint64]]:
        """Slots of the table of n-grams, and a filter of bits; at most half, and a 16th, are taken."""
        from vernier.core import word_kernel as kernel

        size = 1 << max(7, (2 * len(self.grams)).bit_length())
        slots, bits = np.full(size, kernel.NONE, np.int32), np.zeros(8 * size // 64, np.uint64)
        kernel.fill(self.grams, self.heads, slots, bits)
        return slots, bits

    @cached_property
    def _state(self) -> tuple[NDArray[Any], ...]:
        """What the kernel notes on the way, and leaves as it was."""
        passages = len(self.of_item)
        return (
            np.full((len(self.posts), 3), -1, np.int32),
            np.full((passages, 2), -1, np.int32),
            np.zeros((passages, 4), np.int64),
            np.zeros(passages, np.int64),
        )

    def save(self, folder: Path) -> None:
        for name in ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, name), allow_pickle=False)
        pq.write_table(pa.table({"task": self.tasks, "id": self.ids}, ITEM), folder / ITEMS)
        told = {"n": self.n, "shortest": self.shortest, "lengths": list(self.lengths), "window": WINDOW}
        (folder / FILE).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


ITEM = pa.schema([("task", pa.string()), ("id", pa.string())])


@lru_cache(maxsize=2)
def load(folder: Path) -> Passages:
    """The passages in a folder. Raises DataError if it holds none."""
    told, items = _told(folder), pq.read_table(folder / ITEMS)
    tasks, ids = (tuple(items.column(name).to_pylist()) for name in ITEM.names)
    arrays = (np.load(folder / f"{name}.npy", allow_pickle=False) for name in ARRAYS)
    return Passages(told["n"], told["shortest"], tasks, ids, tuple(told["lengths"]), *arrays)


@lru_cache(maxsize=2)
def names(folder: Path) -> list[tuple[str, str]]:
    """Task and id of each item in a folder. Raises DataError if it holds no passages."""
    _told(folder)
    items = pq.read_table(folder / ITEMS)
    return list(zip(items.column("task").to_pylist(), items.column("id").to_pylist(), strict=True))


def _told(folder: Path) -> dict[str, Any]:
    if not (folder / FILE).exists():
        expected = "what `evaluate.benchmark` makes"
        raise DataError("this folder holds no passages", where=str(folder), found=f"no {FILE}", expected=expected)
    return json.loads((folder / FILE).read_text("utf-8"))


def _passages(texts: Sequence[Text], n: int, shortest: int) -> Iterable[tuple[int, NDArray[np.uint64]]]:
    """Item and words of each passage, an item's different ones."""
    questions, answers = (_split([getattr(one, part) for one in texts]) for part in ("question", "answer"))
    templates = _templates([one.task for one in texts], questions)
    for item, (text, whole, answer) in enumerate(zip(texts, questions, answers, strict=True)):
        before, after = templates[text.task]
        question, between = whole[before : len(whole) - after], whole[len(whole) - after :]
        both = len(question) + len(answer)
        ways = [([question], len(question))]
        if len(answer):
            ways.append(([question, answer], both))
        if len(answer) and len(between) and len(question) < n:
            ways.append(([question, between, answer], both))
        seen = set[bytes]()
        for parts, size in ways:
            words = np.concatenate(parts)
            if size >= shortest and words.tobytes() not in seen:
                seen.add(words.tobytes())
                yield item, words


def _split(texts: Sequence[str]) -> list[NDArray[np.uint64]]:
    """The hashes of each text's words."""
    from vernier.core import word_kernel as kernel

    data, bounds = utf8(pa.array(texts, pa.large_string()))
    counts = np.zeros(len(texts), np.int64)
    hashes, starts, ends, _ = _words(int(bounds[-1] - bounds[0]) // 2 + len(texts) + 1)
    kernel.all_words(data, bounds, letters(), hashes, starts, ends, counts)
    return np.split(hashes[: counts.sum()], np.cumsum(counts)[:-1]) if len(texts) else []


def _templates(tasks: Sequence[str], questions: Sequence[NDArray[np.uint64]]) -> dict[str, tuple[int, int]]:
    """How many words all questions of a task begin with, and how many they end with."""
    by_task: dict[str, list[NDArray[np.uint64]]] = {}
    for task, question in zip(tasks, questions, strict=True):
        by_task.setdefault(task, []).append(question)
    found: dict[str, tuple[int, int]] = {}
    for task, some in by_task.items():
        least = min(map(len, some)) if len(some) >= TEMPLATE_ITEMS else 0
        before = _alike(np.stack([one[:least] for one in some]))
        after = _alike(np.stack([one[::-1][: least - before] for one in some]))
        found[task] = before, after
    return found


def _alike(rows: NDArray[np.uint64]) -> int:
    """How many of the first columns have one value."""
    differs = np.flatnonzero((rows != rows[:1]).any(axis=0))
    return int(differs[0]) if len(differs) else rows.shape[1]


def _common(made: Passages) -> NDArray[np.bool_]:
    """Which n-grams stand in many items of a task, bool [grams]."""
    tasks, task_of = np.unique(np.array(made.tasks, np.str_), return_inverse=True)
    limits = np.maximum(COMMON_ITEMS, COMMON_SHARE * np.bincount(task_of, minlength=len(tasks)))
    gram, item = np.repeat(np.arange(len(made.grams)), np.diff(made.post_at)), made.of_item[made.posts]
    first = _firsts(gram, item)  # an n-gram's passages are in order, so those of an item stand together
    pairs, times = np.unique(gram[first] * len(tasks) + task_of[item[first]], return_counts=True)
    out = np.zeros(len(made.grams), bool)
    out[pairs[times > limits[pairs % max(1, len(tasks))]] // max(1, len(tasks))] = True
    return out


def _firsts(row: NDArray[Any], item: NDArray[Any]) -> NDArray[np.bool_]:
    """Where a pair stands first, equal ones being neighbours."""
    new = np.ones(len(row), bool)
    new[1:] = (row[1:] != row[:-1]) | (item[1:] != item[:-1])
    return new


def _room(bounds: NDArray[np.int64]) -> int:
    """The most words that a text can have: one has a byte and one stands between two, or it has three bytes."""
    return int(np.diff(bounds).max(initial=0)) // 2 + 2


def _words(room: int) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64], NDArray[np.uint64]]:
    """Room for hashes, starts, ends and polynomials of so many words."""
    return np.empty(room, np.uint64), np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room + 1, np.uint64)
