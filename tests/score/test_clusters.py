"""Keys of clusters: known answers, and how many of the like pairs share one, against all pairs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import zstandard
from numpy.typing import NDArray
from tests.select.world import World

from vernier.core.errors import DataError, RecipeError
from vernier.core.shard import Inputs
from vernier.core.vectors import WHOLE, whole
from vernier.models import clusters as models
from vernier.models.embed import fit
from vernier.score.clusters import Clusters
from vernier.testing.make import make_folder, run

CENTROIDS = np.array([[1, 0], [0, 1], [-1, 0]], np.float32)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(str(tmp_path_factory.mktemp("world")))


def inputs(world: World, folder: Path, vectors: Sequence[Sequence[float] | None], sizes: Sequence[int] = ()) -> Inputs:
    folder.mkdir(exist_ok=True)
    models.Clusters(CENTROIDS).save(folder)
    given = {
        "corpus": world.corpus(len(vectors), sizes),
        "embeddings": world.table("scores", {"embedding": vectors}, sizes),
        "clusters": make_folder(world.store, "model", folder),
    }
    return Inputs(world.store.url, given)


def test_the_nearest_clusters_and_the_distance(world: World, tmp_path: Path) -> None:
    """Null without an embedding, no key and an undefined distance without a direction."""
    vectors = [[2.0, 0.5], None, [0.0, 0.0], [-1.0, 3.0], [float("nan"), 1.0]]
    given = inputs(world, tmp_path / "clusters", vectors, [2, 0])
    made = pa.concat_tables(run(Clusters(), given))
    assert made.column("keys").to_pylist() == [[0, 1], None, [], [1, 2], []]
    assert made.column("keys").type == pa.list_(pa.uint64())
    distance = made.column("distance").to_pylist()
    assert distance[1] is None and np.isnan([distance[2], distance[4]]).all()
    np.testing.assert_allclose([distance[0], distance[3]], [1 - 2 / 4.25**0.5, 1 - 3 / 10**0.5], atol=1e-7)
    assert [
        len(keys or []) for keys in pa.concat_tables(run(Clusters(probes=9), given)).column("keys").to_pylist()
    ] == [
        3,
        0,
        0,
        3,
        0,
    ]


def test_the_facts_tell_clusters_apart(world: World, tmp_path: Path) -> None:
    """So that keys of other clusters are not taken for these."""
    given = inputs(world, tmp_path / "clusters", [[1.0, 1.0], None, [0.0, 0.0]])
    facts = Clusters().facts(given)
    assert facts["likeness"]["by"] == "cosine" and len(facts["likeness"]["clusters"]) == 64
    assert Clusters(probes=1).facts(given) == facts
    assert Clusters().flops(given, None) == 2 * 1 * 3 * 2


def test_clusters_of_other_embeddings(world: World, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="clusters are those of other embeddings"):
        run(Clusters(), inputs(world, tmp_path / "clusters", [[1.0, 0.0, 0.0]]))
    with pytest.raises(RecipeError, match="probes"):
        Clusters(probes=0)


def shared(vectors: NDArray[np.float32], number: int, probes: int, least: float) -> float:
    """The share of the pairs with a cosine of `least` or more that have a cluster in common, all pairs looked at."""
    found = models.fit(vectors, number, 25, 0)[0]
    near = found.nearest(vectors, probes)[0]
    held = np.zeros((len(vectors), found.num), bool)
    np.put_along_axis(held, near, True, axis=1)
    alike = np.triu(whole(vectors) @ whole(vectors).T / WHOLE**2 >= least, 1)
    common = held.astype(np.int64) @ held.T > 0
    return float((common & alike).sum() / alike.sum())


@pytest.mark.parametrize("number", [5, 20, 45])
def test_planted_paraphrases_share_a_cluster(number: int) -> None:
    """2,000 documents of 40 topics, each with a twin at a cosine of about 0.95: two keys find nearly all twins."""
    random = np.random.default_rng(3)
    topics = random.normal(size=(40, 32))
    first = topics[random.integers(0, 40, 1000)] + random.normal(0, 0.8, (1000, 32))
    twins = first + random.normal(0, 0.3, (1000, 32))
    vectors = np.concatenate([first, twins]).astype(np.float32)
    assert shared(vectors, number, 1, 0.95) >= 0.85
    assert shared(vectors, number, 2, 0.95) >= 0.99


def test_recall_on_real_documents(data: Path) -> None:
    """Versions of one text and other documents beside them: more keys find more pairs, two nearly all."""
    texts = list[str]()
    for path in ("dedup/near_duplicates", "corpus/web_c4", "corpus/techspec_peps"):
        with zstandard.open(data / f"{path}.jsonl.zst", "rt", encoding="utf-8", newline="\n") as lines:
            texts += [json.loads(line)["text"][:2000] for line in lines][:250]
    vectors = fit(texts, 64).embed(texts)
    for number in (10, 27, 54):
        one, two, three = (shared(vectors, number, probes, 0.9) for probes in (1, 2, 3))
        assert one < 1 and one <= two <= three
        assert two >= 0.95 and three >= 0.99
