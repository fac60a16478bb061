"""Find the documents that are copies of others, exactly, nearly, in their lines or in their meaning.

    keys:   {do: score.minhash, in: {corpus: clean}}
    found:  {do: select.duplicates, in: {corpus: clean, keys: keys}, with: {at_least: 0.8}}
    unique: {do: select.unique, in: {corpus: clean, duplicates: found}}

Two documents are candidates if they share a key. The keys say what is compared: those of `score.minhash` word n-grams
(Jaccard), of `score.line_hashes` lines (the share that another document has), of `score.clusters` embeddings (cosine),
of `score.text_hash` texts after normalisation; without keys two documents are alike if their texts are equal.

Each candidate pair is looked at for what it is, never by its keys alone, and only with a document that stays: one is
dropped if it is `at_least` alike to a kept document, which it then names. A chain of documents, each a little different
from the last, is not one cluster: datatrove and others take all that hang together and keep one, which may throw out
whole sources (marin, issue 6854). The order decides which is kept (`prefer`, `domains`).

An earlier corpus (`old_corpus`, its `old_keys`, and as `old` the selection that was kept of it; a list of each for
several) is not gone through again: its documents stay, and new ones that are like them go.

Memory is set by `memory`, not by the corpus. Files take the rest: about 30 bytes for each key, and for each document
that shares one what it is compared by (8 bytes for each different n-gram). The result is the same for any memory,
number of threads and cut of the shards.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from vernier.core import measures
from vernier.core.config import Bytes
from vernier.core.errors import RecipeError
from vernier.core.shard import Inputs
from vernier.select.dedup.alike import Likeness
from vernier.select.dedup.documents import Documents
from vernier.select.dedup.order import Order
from vernier.select.dedup.search import Search
from vernier.select.dedup.written import write

LEAST_MEMORY = 256 << 20  # of DuckDB with a few threads; measured
# Kept documents under one key that later ones are compared with. Copies share what is rare: a full key is boilerplate.
# A cluster is meant to hold many: so many lie in one if 2.5 billion documents have two clusters each of 50,000, and a
# new one takes 7 ms (70 ns a pair of 128 numbers).
BUCKET, OF_CLUSTER = 1000, 100_000
BY_KEY = 64  # bytes that a key of a document takes while all are gone through at once


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """A table of the duplicates: for each its row, the document that is kept, and how alike they are.

    at_least  how alike a document must be to a kept one to be a duplicate of it; equal texts are alike by 1
    prefer    which of several is kept: `first` (in the order of the corpus), `longest`, or a measure of `a` and `b`
              (`vernier.core.measures.MEASURES`, a.COLUMN), the larger the better
    per       of a measure: token or byte
    domains   those named first are kept before others, whatever `prefer` says
    bucket    kept documents with one key that later ones are compared with; without it 1,000, of clusters 100,000
    memory    bytes that the search takes, about
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "results"
    takes: ClassVar[Mapping[str, str]] = {
        "corpus": "corpus",
        "within": "selection?",
        "keys": "scores?",
        "vectors": "scores?",
        "a": "scores?",
        "b": "scores?",
        "old_corpus": "corpus?*",
        "old": "selection?*",
        "old_keys": "scores?*",
        "old_vectors": "scores?*",
    }
    apart: ClassVar[tuple[str, ...]] = ("old_corpus", "old", "old_keys", "old_vectors")

    at_least: float = 0.8
    prefer: str = "first"
    per: measures.Per = None
    domains: list[str] = field(default_factory=list[str])
    bucket: int | None = None
    memory: Bytes = field(default=2 << 30, metadata={"key": False})

    def __post_init__(self) -> None:
        if not 0 < self.at_least <= 1:
            raise RecipeError("a likeness is above 0 and at most 1", where="at_least", found=str(self.at_least))
        if self.bucket is not None and self.bucket < 1:
            raise RecipeError("a key has room for 1 document or more", where="bucket", found=str(self.bucket))
        if self.memory < LEAST_MEMORY:
            raise RecipeError(
                "this is too little memory to sort in",
                where="memory",
                found=f"{self.memory}",
                expected="256MiB or more",
            )
        if self._measured:
            measures.check_settings(self.prefer, self.per)
        elif self.per is not None:
            raise RecipeError(f"`prefer: {self.prefer}` has no `per`", found=f"per: {self.per}", do="leave it out")

    @property
    def _measured(self) -> bool:
        return self.prefer not in ("first", "longest")

    def check(self, given: Container[str]) -> None:
        """Raises RecipeError if the inputs that a recipe gives do not fit the settings."""
        if self._measured:
            measures.check_given(self.prefer, given)
        elif "a" in given or "b" in given:
            raise RecipeError(f"`prefer: {self.prefer}` reads no scores", do="leave `a` and `b` out")

    def told(self) -> tuple[str, ...]:
        """What of a document besides its text the search was told."""
        return (f"domain: {', '.join(self.domains)}",) if self.domains else ()

    def build(self, inputs: Inputs, out: Path) -> dict[str, Any]:
        likeness = Likeness.of(inputs)
        documents = Documents.of(inputs)
        scratch = out / "scratch"
        scratch.mkdir()
        search = Search(
            documents,
            likeness,
            Order(self.prefer, self.per, self.domains),
            self.at_least,
            self.bucket or (OF_CLUSTER if likeness.by == "cosine" else BUCKET),
            self.memory,
            self.memory // 2 // BY_KEY,
            int(os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0))),
            scratch,
        )
        search.run()
        written = write(search, out)
        search.close()
        shutil.rmtree(scratch)
        return {
            "likeness": likeness.by,
            "at_least": self.at_least,
            "prefer": self.prefer,
            **written,
            "candidates": search.candidates,
            "compared": search.compared,
            "left_out": search.left_out,
        }
