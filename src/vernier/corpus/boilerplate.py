"""Remove lines that recur in many documents: menus, footers, notices, whatever their words are.

A line is known by its text in small letters, with each digit as 0 and one space for any white space: so CCNet (arXiv
1911.00359, section 3.1) knows its paragraphs, though it also drops accents and punctuation, and removes what came
before once. Llama 3 (2407.21783, section 3.1.1) removes lines that came more than six times in 30 million documents.
Here a line goes everywhere once it stands in `documents` different documents, counted once in each, in any order.
Lines without a letter or a digit are not counted: rules and braces are no boilerplate. In source code the commonest
lines are (`import numpy as np`): leave code out, or set `documents` high.

How it is counted: first how many lines there are, then their 64-bit hashes, in as many rounds as it takes to hold no
more than `entries` of them at once; every count is exact. Memory: the driver holds 16 bytes for each of `entries`,
about 60 while it puts them together, and 8 for each line found; a worker 16 bytes for each line of its shard and about
60 for each line found. Each round reads the text once more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vernier.core.errors import RecipeError, nearest
from vernier.core.shard import Shard
from vernier.corpus.edit import with_texts

Hashes = NDArray[np.uint64]
DIGIT = re.compile(r"\d")


@dataclass(frozen=True)
class Found:
    """What is known after some rounds.

    rounds    how many there are in all: round i counts the lines whose hash leaves i when divided by `rounds`
    done      how many are done
    distinct  different lines (and values of the column) so far
    lines     hashes of those that recur, rising, uint64 [n]
    """

    rounds: int
    done: int
    distinct: int
    lines: Hashes


Part = int | tuple[Hashes, NDArray[np.int64]]  # lines of a shard; or hashes, and documents that have each


@dataclass(frozen=True, kw_only=True)
class Boilerplate:
    """The same documents without the lines that recur; counted as `lines.boilerplate` and `words.boilerplate`.

    documents  that a line must stand in to be removed
    within     a column of the corpus, such as the site: lines are counted among the documents with the same value
               (those without one together), and removed there alone
    entries    hashes held at once
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "corpus"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus"}

    documents: int = 7  # Llama 3: more than six
    within: str | None = None
    entries: int = field(default=1 << 24, metadata={"key": False})  # 1 GB in the driver at most

    def __post_init__(self) -> None:
        for name, least in (("documents", 2), ("entries", 1)):
            if getattr(self, name) < least:
                raise RecipeError(f"`{name}` is too small", found=str(getattr(self, name)), expected=f"{least} or more")

    def fold(self, shard: Shard, state: Found | None) -> Part:
        """Raises RecipeError if the corpus has no column `within`."""
        found = [np.unique(one[one != 0]) for batch in self._batches(shard, []) for one in self._hashes(batch)]
        hashes = np.concatenate([np.empty(0, np.uint64), *found])
        if state is None:
            return len(hashes)
        values, counts = np.unique(hashes[hashes % np.uint64(state.rounds) == state.done], return_counts=True)
        return values, counts

    def merge(self, parts: Sequence[Part], state: Found | None) -> tuple[Found, bool]:
        if state is None:
            lines = sum(part for part in parts if isinstance(part, int))
            return Found(max(1, -(-lines // self.entries)), 0, 0, np.empty(0, np.uint64)), False
        told = [part for part in parts if not isinstance(part, int)]
        every = np.concatenate([values for values, _ in told])
        order = np.argsort(every, kind="stable")
        values, first = np.unique(every[order], return_index=True)
        counts = np.concatenate([counts for _, counts in told])[order]
        documents = np.add.reduceat(counts, first) if len(first) else counts
        lines = np.sort(np.concatenate([state.lines, values[documents >= self.documents]]))
        next_ = Found(state.rounds, state.done + 1, state.distinct + len(values), lines)
        return next_, next_.done == next_.rounds

    def account(self, state: Found) -> dict[str, Any]:
        """Different lines, and how many of them recur."""
        return {"lines": state.distinct, "recurring": len(state.lines)}

    def map(self, shard: Shard, state: Found) -> Iterator[pa.Table]:
        recurring = frozenset(state.lines.tolist())
        for batch in self._batches(shard, shard.columns("corpus")):
            texts: list[str] = []
            for text, hashes in zip(batch.column("text").to_pylist(), self._hashes(batch), strict=True):
                lines = text.split("\n")
                kept = [line for line, key in zip(lines, hashes.tolist(), strict=True) if key not in recurring]
                if len(kept) < len(lines):
                    left = "\n".join(kept)
                    texts.append(left if left.strip() else "")
                    shard.left_out["lines.boilerplate"] += len(lines) - len(kept)
                    shard.left_out["words.boilerplate"] += len(text.split()) - len(left.split())
                else:
                    texts.append(text)
            yield with_texts(batch, texts)

    def _batches(self, shard: Shard, columns: Sequence[str]) -> Iterator[pa.Table]:
        wanted = columns or ["text", *([self.within] if self.within is not None else [])]
        here = shard.columns("corpus")
        if self.within is not None and self.within not in here:
            raise RecipeError(f"the corpus has no column {self.within!r}", do=nearest(self.within, here))
        return shard.batches("corpus", wanted)

    def _hashes(self, batch: pa.Table) -> Iterator[Hashes]:
        """For each document the hash of each line, uint64 [lines]; 0 for a line that is not counted."""
        values = batch.column(self.within).to_pylist() if self.within is not None else [None] * batch.num_rows
        for text, value in zip(batch.column("text").to_pylist(), values, strict=True):
            # A line holds no line break, so no value and line run together into those of another pair.
            place = "" if value is None else f"={value}"
            yield np.array([_hash(place, normalised(line)) for line in text.split("\n")], np.uint64)


def normalised(line: str) -> str:
    """What a line is known by; "" for one without a letter or a digit."""
    plain = DIGIT.sub("0", " ".join(line.lower().split()))
    return plain if any(map(str.isalnum, plain)) else ""


def _hash(place: str, line: str) -> int:
    if not line:
        return 0
    return int.from_bytes(blake2b(f"{place}\n{line}".encode(), digest_size=8).digest(), "little") or 1
