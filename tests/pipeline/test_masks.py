"""A selection given to a scorer is a mask: rows scored before under another mask are copied, not scored again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
from tests.pipeline.small import small_recipe

from vernier.core.recipe import Recipe
from vernier.core.run import Run
from vernier.core.shard import Shard
from vernier.select.slice import Slice

LOG = "scored.txt"


@dataclass(frozen=True, kw_only=True)
class Counted:
    """The length of a text, and its letters as a list if that is odd; each row worked on leaves a line in a file."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "selection": "selection?"}
    masks: ClassVar[tuple[str, ...]] = ("selection",)

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        wanted = shard.wanted()
        texts = shard.read("corpus", ["text"]).column("text").to_pylist()
        with open(LOG, "a") as log:
            log.write("".join("x\n" for row in wanted if row))
        lengths = [len(text) if row else None for text, row in zip(texts, wanted, strict=True)]
        letters = [None if n is None else list(text.encode()) * (n % 2) for n, text in zip(lengths, texts, strict=True)]
        yield pa.table({"letters": pa.array(letters, pa.list_(pa.int32())), "num_bytes": pa.array(lengths, pa.int64())})


def recipe(share: float, *, mask: bool = True) -> Recipe:
    out = small_recipe()
    out.add("mask", Slice(range=(0.0, share), salt="mask"), corpus="clean")
    out.add("scores", Counted(), corpus="clean", **({"selection": "mask"} if mask else {}))
    return out


def scored(folder: Run, column: str = "num_bytes") -> list[Any]:
    tables = sorted((folder.folder / "scores").glob("*.parquet"))
    return [value for table in tables for value in pq.read_table(table).column(column).to_pylist()]


def test_known_rows_are_copied(here: Path, go: Callable[..., Run]) -> None:
    log = here / LOG
    half = scored(go(recipe(0.5)))
    worked = len(log.read_text().split())
    assert worked == sum(v is not None for v in half) > 0
    most = scored(go(recipe(0.8)))
    assert len(log.read_text().split()) == sum(v is not None for v in most), "only the new rows were worked on"
    assert all(b == a for a, b in zip(half, most, strict=True) if a is not None)
    less = scored(go(recipe(0.3)))
    assert len(log.read_text().split()) == sum(v is not None for v in most), "a smaller mask needs no work"
    assert sum(v is not None for v in less) < worked


def test_copied_rows_are_those_that_would_be_scored(here: Path, go: Callable[..., Run]) -> None:
    go(recipe(0.5))
    copied = go(recipe(0.8))
    fresh = recipe(0.8)
    fresh.store = "another"
    made = go(fresh, out="runs/fresh")
    for column in ("num_bytes", "letters"):
        assert scored(made, column) == scored(copied, column)


def test_lists_are_copied_and_counted_like_numbers(here: Path, go: Callable[..., Run]) -> None:
    go(recipe(0.5))
    run = go(recipe(0.8))
    letters = scored(run, "letters")
    sizes = [None if one is None else len(one) for one in letters]
    assert {None, 0} < set(sizes), "null, an empty list and full ones are all there"
    assert sizes == [None if n is None else n * (n % 2) for n in scored(run)]
    assert run.artifact("scores").counts["not_scored"] == letters.count(None) > 0
