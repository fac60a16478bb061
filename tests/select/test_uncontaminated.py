"""Contamination, scored and dropped: against plain Python, in any shards; the account by task."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.select.world import World

from vernier.core.artifact import Artifact
from vernier.core.errors import DataError, RecipeError
from vernier.core.passages import Passages, Text
from vernier.core.shard import Inputs
from vernier.score.contamination import LISTS, Contamination
from vernier.select.uncontaminated import Uncontaminated
from vernier.testing.make import corpus_table, make_artifact, make_folder, run

ITEMS = [
    Text("animals", "0", "the quick brown fox jumps over the lazy dog", ""),
    Text("animals", "1", "seven grey cats sleep on a warm stove", ""),
    Text("numbers", "0", "one two three four five six seven eight", ""),
    Text("numbers", "1", "the quick brown fox jumps over the lazy dog", ""),  # that of the other task
    Text("unseen", "0", "nobody ever wrote this sentence down before today", ""),
]
PARTS = ["the quick brown fox", "jumps over the lazy dog", "seven grey cats sleep", "on a warm stove", "one two three"]
PART = st.sampled_from([*PARTS, "four five six", "seven eight", "something else", "ünd noch 中文", ""])
KNOWN = Passages.of(ITEMS, 3, 4)


@pytest.fixture(scope="module")
def benchmark(world: World, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    folder = tmp_path_factory.mktemp("benchmark")
    KNOWN.save(folder)
    return make_folder(world.store, "model", folder)


def cut(world: World, texts: Sequence[str], sizes: Sequence[int]) -> Artifact:
    ends = [0, *sizes, len(texts)]
    table = corpus_table(texts)
    shards = [table.slice(a, max(0, b - a)) for a, b in itertools.pairwise(ends)]
    return make_artifact(world.store, "corpus", shards, rows_of="pool")


def scored(world: World, **inputs: Artifact) -> tuple[list[dict[str, object]], Artifact]:
    tables = run(Contamination(), Inputs(world.store.url, inputs))
    rows = [row for table in tables for row in table.to_pylist()]
    return rows, make_artifact(world.store, "scores", tables, rows_of="pool")


@given(texts=st.lists(st.lists(PART, max_size=6).map(" ".join), min_size=2, max_size=12), data=st.data())
@settings(max_examples=25)
def test_scores_and_drops(world: World, benchmark: Artifact, texts: list[str], data: st.DataObject) -> None:
    at_least = data.draw(st.sampled_from([0.0, 0.2, 0.5, 1.0]))
    sizes = sorted(data.draw(st.lists(st.integers(0, len(texts)), max_size=2)))
    corpus = cut(world, texts, sizes)
    rows, table = scored(world, corpus=corpus, benchmark=benchmark)
    overlaps = list[dict[int, float]]()
    for text, row in zip(texts, rows, strict=True):
        found = KNOWN.find(pa.array([text], pa.large_string()))
        assert [row[name] for name in LISTS] == [column.tolist() for column in found[1:]]
        first = (row["found"], row["ngrams"]) if row["items"] else ([0], [0])
        assert [row["num_found"], row["num_ngrams"]] == [one[0] for one in first]
        shares = {i: f / g for i, f, g in zip(*(c.tolist() for c in found[1:4]), strict=True)}
        overlaps.append({item: share for item, share in shares.items() if share >= at_least})
    out = world.run(Uncontaminated(at_least=at_least), corpus=corpus, contamination=table, benchmark=benchmark)
    assert out.reason == ["contaminated" if held else None for held in overlaps]
    tasks = [{ITEMS[item].task for item in held} for held in overlaps]
    items = {item for held in overlaps for item in held}
    assert out.account["contamination"] == {
        name: {
            "items": sum(one.task == name for one in ITEMS),
            "found": sum(ITEMS[item].task == name for item in items),
            "documents": sum(name in some for some in tasks),
        }
        for name in ("animals", "numbers", "unseen")
    }


def test_what_is_not_in_the_pool_is_not_looked_at(world: World, benchmark: Artifact) -> None:
    texts = [ITEMS[0].question, ITEMS[1].question, "nothing of it", ITEMS[2].question]
    corpus = cut(world, texts, [1])
    schema = pa.schema([("count", pa.int32()), ("reason", pa.string())])
    kept = pa.table({"count": [1, 0, 2, 0], "reason": [None, "outside", None, "outside"]}, schema=schema)
    pool = make_artifact(world.store, "selection", [kept.slice(0, 1), kept.slice(1)], rows_of="pool")
    rows, table = scored(world, corpus=corpus, benchmark=benchmark, selection=pool)
    nothing = dict.fromkeys(("num_found", "num_ngrams", *LISTS))
    assert [row == nothing for row in rows] == [False, True, False, True]
    assert rows[2]["items"] == [] and rows[2]["num_found"] == 0
    whole = {"corpus": corpus, "contamination": table, "benchmark": benchmark}
    out = world.run(Uncontaminated(), **whole)
    assert out.reason == ["contaminated", "not_scored", None, "not_scored"]
    inside = world.run(Uncontaminated(), **whole, within=pool)
    assert inside.reason == ["contaminated", "outside", None, "outside"] and inside.count == [0, 0, 2, 0]
    assert inside.account["contamination"]["animals"] == {"items": 2, "found": 1, "documents": 1}
    tables = run(Uncontaminated(), Inputs(world.store.url, whole))
    assert pa.concat_tables(tables).column("measured").to_pylist() == [1.0, None, None, None]


def test_errors(world: World, benchmark: Artifact, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="is a share"):
        Uncontaminated(at_least=20)
    corpus = cut(world, ["a", "b"], [])
    others = make_artifact(world.store, "scores", [pa.table({"num_found": [1, 2]})], rows_of="pool")
    with pytest.raises(RecipeError, match="no column 'items'"):
        world.run(Uncontaminated(), corpus=corpus, contamination=others, benchmark=benchmark)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x").write_text("")
    other = make_folder(world.store, "model", tmp_path / "other")
    with pytest.raises(DataError, match="no passages"):
        scored(world, corpus=corpus, benchmark=other)
