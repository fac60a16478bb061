"""Semantic duplicates from a corpus to a selection, by the recipe: versions of real texts, against all pairs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import zstandard
from numpy.typing import NDArray
from tests.select.world import World

from vernier.core.errors import RecipeError
from vernier.core.recipe import Recipe
from vernier.core.run import Run
from vernier.core.shard import Inputs
from vernier.core.vectors import WHOLE, whole
from vernier.pipeline.run import run
from vernier.select.dedup.written import FILE
from vernier.select.duplicates import Duplicates
from vernier.testing.make import build

LEAST = 0.95
GIVEN = {"corpus": "clean", "within": "pool", "keys": "keys", "vectors": "vectors"}


def stage(do: str, given: dict[str, str], **settings: Any) -> dict[str, Any]:
    return {"do": do, "in": given, "with": settings}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Run:
    """Three versions of 40 documents and 80 others."""
    here = tmp_path_factory.mktemp("semantic")
    with zstandard.open(data / "dedup/near_duplicates.jsonl.zst", "rt", encoding="utf-8", newline="\n") as lines:
        every = [json.loads(line) for line in lines]
    groups = list(dict.fromkeys(row["dup_group"] for row in every))[:40]
    rows = [row for row in every if row["dup_group"] in groups]
    with zstandard.open(data / "corpus/web_c4.jsonl.zst", "rt", encoding="utf-8", newline="\n") as lines:
        rows += [json.loads(line) for line in lines][:80]
    kept = [json.dumps({"id": row["id"], "text": row["text"][:3000], "domain": row.get("dup_group")}) for row in rows]
    (here / "docs.jsonl").write_text("\n".join([*kept, '{"id": "empty", "text": ""}']) + "\n", encoding="utf-8")
    corpus = {"corpus": "clean"}
    stages = {
        "clean": {"do": "corpus.read_jsonl", "with": {"paths": [str(here / "docs.jsonl")]}},
        "pool": stage("select.slice", corpus, range=[0.0, 0.9]),
        "model": stage("train.embedder", {**corpus, "selection": "pool"}, dimensions=32),
        "vectors": stage("score.embedding", {**corpus, "selection": "pool", "model": "model"}),
        "clusters": stage("train.clusters", {**corpus, "selection": "pool", "embeddings": "vectors"}),
        "keys": stage("score.clusters", {**corpus, "embeddings": "vectors", "clusters": "clusters"}),
        "found": stage("select.duplicates", {**GIVEN, "a": "keys"}, at_least=LEAST, prefer="a.distance"),
        "unique": stage("select.unique", {**corpus, "within": "pool", "duplicates": "found"}),
    }
    recipe = Recipe.from_data({"vernier": 1, "name": "semantic", "store": str(here / "store"), "stages": stages})
    return run(recipe, out=here / "run", quiet=True)


def column(done: Run, node: str, name: str) -> list[Any]:
    tables = [pq.read_table(done.store.open(shard.data)) for shard in done.artifact(node).shards]
    return [value for table in tables for value in table.column(name).to_pylist()]


def greedy(cosines: NDArray[np.float64], order: NDArray[np.int64]) -> dict[int, int]:
    """For each document that is like one kept before the one that it is most like, all pairs looked at."""
    kept, dropped = list[int](), dict[int, int]()
    for row in order.tolist():
        alike = [(cosines[row, other], -place, other) for place, other in enumerate(kept)]
        best = max(alike, default=(0.0, 0, 0))
        if best[0] >= LEAST:
            dropped[row] = best[2]
        else:
            kept.append(row)
    return dropped


@pytest.mark.slow
def test_what_is_dropped_is_like_what_stays_and_less_far_from_the_middle(done: Run) -> None:
    """As among all pairs, with the document farthest from its centroid first, as SemDeDup keeps it."""
    ids, vectors = column(done, "clean", "doc_id"), column(done, "vectors", "embedding")
    known = [row for row, vector in enumerate(vectors) if vector is not None and any(vector)]
    unit = whole(np.array([vectors[row] for row in known]))
    distance = np.array([column(done, "keys", "distance")[row] for row in known])
    wanted = greedy(unit @ unit.T / WHOLE**2, np.argsort(-distance, kind="stable"))
    originals = column(done, "unique", "duplicate_of")
    got = {row: original for row, original in enumerate(originals) if original is not None}
    assert {known[row]: ids[known[other]] for row, other in wanted.items()} == got
    reasons = column(done, "unique", "reason")
    assert len(got) > 60 and {reasons[row] for row in got} == {"duplicate"}
    domain = column(done, "clean", "domain")
    right = [domain[row] is not None and domain[row] == domain[ids.index(original)] for row, original in got.items()]
    assert np.mean(right) > 0.75  # these heads of specifications are much alike to 32 numbers
    facts = done.artifact("found").facts
    assert facts["likeness"] == "cosine" and facts["duplicates"] == len(got) and facts["left_out"] == 0
    assert facts["documents"] == sum(count > 0 for count in column(done, "pool", "count"))


@pytest.mark.slow
def test_a_document_without_an_embedding_stays(done: Run) -> None:
    empty = column(done, "clean", "text").index("")
    keys = column(done, "keys", "keys")
    pool = column(done, "pool", "count")
    assert keys[empty] == ([] if pool[empty] else None)
    unscored = [row for row, count in enumerate(pool) if not count]
    assert unscored and all(keys[row] is None for row in unscored)
    assert column(done, "unique", "count")[empty] == pool[empty]


def test_keys_of_other_clusters_are_refused(tmp_path: Path) -> None:
    world = World(str(tmp_path))
    corpus = world.corpus(2)
    keys, other = (
        world.table("scores", {"keys": [[0], [0]]}, [], likeness={"by": "cosine", "clusters": one}) for one in "ab"
    )
    vectors = world.table("scores", {"embedding": [[1.0, 0.0], [0.0, 1.0]]}, [])
    given = {"corpus": corpus, "keys": keys, "vectors": vectors}
    old = {"old_corpus[0]": corpus, "old_keys[0]": other, "old_vectors[0]": vectors}
    with pytest.raises(RecipeError, match="made in another way"):
        build(Duplicates(), Inputs(world.store.url, given | old), tmp_path / "out")


def test_a_cluster_holds_more_than_other_keys(tmp_path: Path) -> None:
    """1,100 documents in one cluster that are not alike, and a copy of the last: it is found without a word."""
    world = World(str(tmp_path))
    number = 1100
    angles = np.append(np.arange(number), number - 1) / number * np.pi
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).tolist()
    given = {
        "corpus": world.corpus(number + 1),
        "keys": world.table("scores", {"keys": [[0]] * (number + 1)}, [], likeness={"by": "cosine"}),
        "vectors": world.table("scores", {"embedding": vectors}, []),
    }
    for bucket, found in ((None, 1), (1000, 0)):
        out = tmp_path / str(bucket)
        plugin = Duplicates(at_least=0.999999, bucket=bucket)
        facts = build(plugin, Inputs(world.store.url, given), out)[1]
        assert facts["duplicates"] == found and (facts["left_out"] > 0) == (not found)
        assert pq.read_table(out / FILE).column("row").to_pylist() == [number] * found
