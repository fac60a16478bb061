"""What a resumed run and a slow worker must not change: which rows there are, and their order."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from tests.pipeline.small import small_recipe, tree, units_done

from vernier.core.recipe import Recipe
from vernier.core.run import Run
from vernier.core.shard import Shard

PATIENCE_S = 60.0
Go = Callable[..., Run]


@dataclass(frozen=True, kw_only=True)
class FirstLast:
    """The length of each text; the shard with document d0 waits until every other shard is done."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus"}

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        marks = Path("marks")
        marks.mkdir(exist_ok=True)
        table = shard.read("corpus", ["id", "num_bytes"])
        names = table.column("id").to_pylist()
        if "d0" in names:
            until = time.monotonic() + PATIENCE_S
            while len(list(marks.iterdir())) < 2 and time.monotonic() < until:
                time.sleep(0.01)
        else:
            (marks / names[0]).touch()
        yield table.select(["num_bytes"])


def test_a_shard_that_is_done_last_keeps_its_place(here: Path, go: Go) -> None:
    recipe: Recipe = small_recipe()
    recipe.add("late", FirstLast(), corpus="clean", on={"workers": 2})
    done = go(recipe)
    assert [unit for node, unit in units_done(done) if node == "late"][-1] == "0"
    for corpus, scores in zip(done.artifact("clean").shards, done.artifact("late").shards, strict=True):
        left, right = (pq.read_table(done.store.path(ref.data)).column("num_bytes") for ref in (corpus, scores))
        assert left == right


def test_reading_goes_on_behind_the_last_committed_shard(here: Path, go: Go) -> None:
    """A compressed file is one unit and several shards (each document here fills one)."""
    lines = [json.dumps({"id": f"long-{n}", "text": f"{n} said so. " * 200_000}) + "\n" for n in range(4)]
    (here / "data" / "long.jsonl.zst").write_bytes(zstandard.compress("".join(lines).encode()))
    recipe = small_recipe(paths=["data/*.zst"], shard=1_000_000)
    done = go(recipe, to="clean")
    before = tree(here / ".vernier")
    shards = done.artifact("clean").shards
    assert [shard.rows for shard in shards] == [1] * 4
    for left in (3, 1):
        done.store.forget_artifact(done.nodes["clean"]["key"])
        for shard in shards[left:]:
            done.store.forget_unit(shard.key)
        again = go(recipe, to="clean")
        assert units_done(again) == [("clean", "long.jsonl.zst")]
        assert tree(here / ".vernier") == before
