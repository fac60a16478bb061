"""Extract the main content of web pages: a corpus of HTML becomes one of text, with the same rows, ids and shards.

Two extractors, and a cascade of both. `resiliparse` is fast; `trafilatura` costs eight times as much and is better on
most kinds of pages; the cascade takes the first and asks the second where the first finds few words. On 211 annotated
pages of seven kinds the cascade is better than either, at more than half of the speed of the faster one
(`bench/extract.py`).

What they lose is put into the page before them (`vernier.corpus.markup`): formulas as TeX, line breaks of code, lists
near the root. Code stands as in its `<pre>`, without fences; a row of a table is a line, its cells apart by tabs
(resiliparse) or bars (trafilatura); a list item is a line.

Pages are hostile. They are read in a child process (`vernier.exec.guard`) which the kernel ends when one takes too
much time or memory. Such a page keeps its row with no text and says why in `failed`; its HTML is in the corpus that
was read. Where more of them failed than `max_bad` puts up with, the run stops behind this stage. `timeout` and
`memory` depend on the machine; all else depends on the pages alone, whatever the number of workers and the cut of the
shards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, ClassVar, Literal

import pyarrow as pa

from vernier.core import tables
from vernier.core.config import Bytes
from vernier.core.errors import RecipeError
from vernier.core.shard import Shard
from vernier.corpus import records
from vernier.exec.guard import Answer, Guard, Limits

COLUMNS = ("title", "page_date", "language_hint", "links", "failed")
TASK = "vernier.corpus.page:extractor"


@dataclass(frozen=True, kw_only=True)
class Extract:
    """A corpus of the main content of the pages of `corpus`, whose text is HTML. The columns `title`, `page_date`
    (YYYY-MM-DD) and `language_hint` are what a page says of itself, `links` a JSON list of where the links of the main
    content lead, as written there. `failed` is null, or why there is no text: `empty` (there is no main content),
    `too_large`, `timeout`, `memory`, `crashed` (the extractor ended its process) or `error` (it raised). All other
    columns are kept.

    by         `resiliparse`, `trafilatura`, or `cascade`: resiliparse, and trafilatura (fast, recall) where it finds
               fewer than `enough` words; its text is taken unless that of resiliparse has over four times as many
    enough     words, of `cascade`; with a very large number both read each page: better by 0.01 of F1, a third of
               the speed
    favor      of `trafilatura`: `balance`, `precision` (less text, of which more is right) or `recall`
    fast       of `trafilatura`: without its fallback extractors
    seconds    of CPU time that a page may take
    memory     bytes that a page may take
    max_bytes  of HTML: a page that is longer is not read
    max_bad    pages that failed that are put up with; those that are `empty` do not count
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "corpus"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus"}
    drops: ClassVar[tuple[str, ...]] = ("empty",)

    by: Literal["cascade", "resiliparse", "trafilatura"] = "cascade"
    enough: int = 200  # F1 on the annotated pages is 0.794 to 0.796 for 50 to 200
    favor: Literal["balance", "precision", "recall"] = "balance"
    fast: bool = False
    seconds: int = 10
    memory: Bytes = 1_000_000_000
    max_bytes: Bytes = 20_000_000  # as MAX_FILE_SIZE of trafilatura
    max_bad: records.MaxBad = field(default=records.MaxBad(), metadata={"key": False})

    def __post_init__(self) -> None:
        if self.by != "trafilatura" and (self.fast or self.favor != "balance"):
            raise RecipeError("`favor` and `fast` are settings of trafilatura", found=f"by: {self.by}")
        if self.by != "cascade" and self.enough != Extract.enough:
            raise RecipeError("`enough` is a setting of the cascade", found=f"by: {self.by}")
        records.check_max_bad(self.max_bad)
        for name in ("enough", "seconds", "memory", "max_bytes"):
            if getattr(self, name) < 1:
                raise RecipeError(f"`{name}` is too small", found=str(getattr(self, name)), expected="1 or more")

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        """Raises RecipeError if the corpus has a column of ours; SetupError if a library is missing."""
        names = shard.columns("corpus")
        taken = [name for name in COLUMNS if name in names]
        if taken:
            raise RecipeError(
                "the corpus has a column that the extraction makes",
                found=", ".join(taken),
                do="give it another name where it is read",
            )
        settings = {"by": self.by, "enough": self.enough, "favor": self.favor, "fast": self.fast}
        with Guard(TASK, settings, Limits(self.seconds, self.memory)) as guard:
            for table in shard.batches("corpus", names):
                made = self._extracted(table, guard)
                for row in made:
                    if row["failed"] is not None:
                        shard.failed[row["failed"]] += 1
                yield _with(table, made)

    def _extracted(self, table: pa.Table, guard: Guard) -> list[dict[str, Any]]:
        """What each page becomes, by column."""
        sizes = table.column("num_bytes").to_pylist()
        pages = table.column("text").filter(pa.array([size <= self.max_bytes for size in sizes], pa.bool_()))
        answers = guard.answers(pages.to_pylist())
        return [_row(next(answers)) if size <= self.max_bytes else _none("too_large") for size in sizes]


def _row(answer: Answer) -> dict[str, Any]:
    if answer.why is not None:
        return _none(answer.why)
    row = answer.result._asdict()
    return {**row, "failed": None if row["text"].strip() else "empty"}


def _none(why: str) -> dict[str, Any]:
    return {"text": "", **dict.fromkeys(COLUMNS), "failed": why}


def _with(table: pa.Table, made: list[dict[str, Any]]) -> pa.Table:
    """The table with other texts and our columns."""
    raw = [row["text"].encode() for row in made]
    new: dict[str, list[Any]] = {
        "text": [row["text"] for row in made],
        "num_bytes": [len(text) for text in raw],
        "text_hash": [blake2b(text, digest_size=tables.ID_BYTES).digest() for text in raw],
    }
    for name, values in new.items():
        field = table.schema.field(name)
        table = table.set_column(table.schema.get_field_index(name), field, pa.array(values, field.type))
    for name in COLUMNS:
        table = table.append_column(pa.field(name, pa.string()), pa.array([row[name] for row in made], pa.string()))
    return table
