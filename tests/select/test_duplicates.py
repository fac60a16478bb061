"""Duplicates against a slow reference that goes through all pairs: any memory, cut and order of preference."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.select.world import World, doc_id

from vernier.core.artifact import DUPLICATES
from vernier.core.errors import RecipeError
from vernier.core.shard import Inputs
from vernier.core.shingles.sets import containment, jaccard, lines_of
from vernier.score.line_hashes import LineHashes
from vernier.score.minhash import MinHash
from vernier.select.dedup import kernel
from vernier.select.dedup.alike import Likeness
from vernier.select.dedup.documents import Documents
from vernier.select.dedup.order import Order
from vernier.select.dedup.search import Search
from vernier.select.duplicates import Duplicates
from vernier.select.unique import Unique
from vernier.testing.make import make_folder

WORDS = MinHash(ngram=1)
COSINE = {"likeness": {"by": "cosine"}}


def reference(
    order: Sequence[int],
    keys: Sequence[Sequence[int]],
    alike: Callable[[int, int], float],
    least: float,
    bucket: int = 10**9,
    known: int = 0,
) -> dict[int, tuple[int, float]]:
    """For each document that is dropped the kept one that it names, and how alike they are. The first `known` of
    `order` are kept before."""
    kept: dict[int, list[int]] = {}
    dropped: dict[int, tuple[int, float]] = {}
    for place, doc in enumerate(order):
        if place >= known:
            before = {other: None for key in keys[doc] for other in kept.get(key, [])[:bucket]}
            found = [(-alike(doc, other), order.index(other), other) for other in before]
            found = [one for one in found if -one[0] >= least]
            if found:
                likeness, _, other = min(found)
                dropped[doc] = other, -likeness
                continue
        for key in set(keys[doc]):
            kept.setdefault(key, []).append(doc)
    return dropped


@dataclass(frozen=True)
class Case:
    """Some documents with keys and vectors, how many of them are old, and the lengths of the shards of the others."""

    keys: list[list[int]]
    vectors: list[list[float]]
    known: int
    sizes: list[int]

    def cosine(self, a: int, b: int) -> float:
        x, y = (np.array(self.vectors[i], np.float32).astype(np.float64) for i in (a, b))
        norm = math.sqrt(sum(x * x) * sum(y * y))
        return float(sum(x * y) / norm) if norm else -2.0


@st.composite
def cases(draw: st.DrawFn) -> Case:
    number = draw(st.integers(1, 24))
    keys = draw(st.lists(st.lists(st.integers(0, 6), max_size=4, unique=True), min_size=number, max_size=number))
    vector = st.lists(st.sampled_from([-1.0, 0.0, 0.5, 1.0]), min_size=3, max_size=3)
    vectors = draw(st.lists(vector, min_size=number, max_size=number))
    known = draw(st.integers(0, number - 1))
    return Case(keys, vectors, known, draw(st.lists(st.integers(0, 9), max_size=3)))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(str(tmp_path_factory.mktemp("world")))


def tables(world: World, case: Case) -> dict[str, Any]:
    """The inputs of a case: old documents as an earlier corpus, all of which was kept."""

    def some(prefix: str, low: int, high: int, sizes: Sequence[int]) -> dict[str, Any]:
        ids = [doc_id(i) for i in range(low, high)]
        corpus = world.corpus(high - low, sizes, doc_id=ids, text_hash=ids)
        keys = world.table("scores", {"keys": case.keys[low:high]}, sizes, **COSINE)
        vectors = world.table("scores", {"embedding": case.vectors[low:high]}, sizes)
        return {f"{prefix}corpus": corpus, f"{prefix}keys": keys, f"{prefix}vectors": vectors}

    made = some("", case.known, len(case.keys), case.sizes)
    if case.known:
        old = some("old_", 0, case.known, [1])
        old["old"] = world.table("selection", {"count": [1] * case.known, "reason": [None] * case.known}, [1])
        made |= {f"{name}[0]": artifact for name, artifact in old.items()}
    return made


def searched(
    world: World, case: Case, folder: Path, least: float, bucket: int, at_once: int
) -> tuple[Search, dict[int, tuple[int, float]]]:
    inputs = Inputs(world.store.url, tables(world, case))
    order = Order("first", None, ())
    search = Search(Documents.of(inputs), Likeness.of(inputs), order, least, bucket, 1 << 29, at_once, 1, folder)
    search.run()
    rows = search.db.execute("SELECT doc, of_, likeness FROM duplicates ORDER BY doc").fetchall()
    return search, {doc: (of, likeness) for doc, of, likeness in rows}


@settings(max_examples=15)
@given(case=cases(), least=st.sampled_from([0.5, 0.8, 1.0]), bucket=st.sampled_from([1, 2, 1000]))
def test_as_the_reference_at_once_and_in_rounds(
    tmp_path_factory: pytest.TempPathFactory, world: World, case: Case, least: float, bucket: int
) -> None:
    wanted = reference(range(len(case.keys)), case.keys, case.cosine, least, bucket, case.known)
    told = []
    for at_once in (10**6, 0):
        folder = tmp_path_factory.mktemp("scratch")
        search, got = searched(world, case, folder, least, bucket, at_once)
        search.close()
        assert (search.rounds > 0) == (at_once == 0 and search.candidates > 0)
        told.append((search.candidates, search.compared, search.left_out))
        assert {doc: of for doc, (of, _) in got.items()} == {doc: of for doc, (of, _) in wanted.items()}
        for doc, (_, likeness) in got.items():
            assert likeness == pytest.approx(wanted[doc][1], abs=1e-12)
    assert told[0] == told[1]


# ---- the plugins -----------------------------------------------------------------------------------------------


def chain(world: World, texts: Sequence[str], sizes: Sequence[int] = (), **columns: Sequence[Any]) -> Any:
    """A corpus of these texts."""
    hashes = [hashlib.blake2b(text.encode(), digest_size=16).digest() for text in texts]
    lengths = [len(text.encode()) for text in texts]
    return world.corpus(len(texts), sizes, text=texts, text_hash=hashes, num_bytes=lengths, **columns)


def minhash(world: World, texts: Sequence[str], how: MinHash = WORDS, sizes: Sequence[int] = ()) -> Any:
    keys, offsets, _ = how.keys(pa.chunked_array([pa.array(texts, pa.large_string())]))
    lists = [keys[a:b].tolist() for a, b in itertools.pairwise(offsets)]
    return world.table("scores", {"keys": lists}, sizes, **how.facts(Inputs(world.store.url, {})))


def found(
    world: World, folder: Path, plugin: Duplicates, **inputs: Any
) -> tuple[dict[int, tuple[bytes, float]], dict[str, Any]]:
    """The table of duplicates by row, and the account."""
    folder.mkdir()
    given = Inputs(world.store.url, inputs)
    plugin.check(inputs)
    given.check_aligned(Duplicates.apart)
    facts = plugin.build(given, folder)
    assert [path.name for path in folder.iterdir()] == [DUPLICATES]
    rows = pq.read_table(folder / DUPLICATES).to_pylist()
    assert [row["doc_id"] for row in rows] == [doc_id(row["row"]) for row in rows]
    return {row["row"]: (row["duplicate_of"], row["likeness"]) for row in rows}, facts


def words(*numbers: int) -> str:
    return " ".join(f"w{n}" for n in numbers)


def test_a_chain_is_no_cluster(world: World, tmp_path: Path) -> None:
    """Each has nine words of ten in common with its neighbours: the second falls to the first, the third stays."""
    texts = [words(*range(i, i + 10)) for i in range(3)]
    got, facts = found(world, tmp_path / "out", Duplicates(), corpus=chain(world, texts), keys=minhash(world, texts))
    assert got == {1: (doc_id(0), 9 / 11)}
    assert (facts["documents"], facts["duplicates"], facts["originals"]) == (3, 1, 1)
    assert facts["largest"] == [{"doc_id": doc_id(0).hex(), "old": None, "duplicates": 1}]
    assert json.loads(json.dumps(facts)) == facts


def test_it_names_the_one_that_it_is_most_like(world: World, tmp_path: Path) -> None:
    texts = [words(*range(10)), words(*range(4, 14)), words(*range(3, 13))]
    keys = world.table("scores", {"keys": [[7], [7], [7]]}, (), **WORDS.facts(Inputs("", {})))
    got, _ = found(world, tmp_path / "out", Duplicates(at_least=0.5), corpus=chain(world, texts), keys=keys)
    assert got == {2: (doc_id(1), 9 / 11)}


def test_without_keys_equal_texts_alone_are_alike(world: World, tmp_path: Path) -> None:
    texts = ["", "a text", "a text ", "a text", "A text", "", "a texT"]
    got, facts = found(world, tmp_path / "out", Duplicates(), corpus=chain(world, texts, [2, 0, 3]))
    assert got == {3: (doc_id(1), 1.0), 5: (doc_id(0), 1.0)}
    assert facts["likeness"] == "equal"


@pytest.mark.parametrize(
    ("plugin", "kept"),
    [
        (Duplicates(), 0),
        (Duplicates(prefer="longest"), 2),
        (Duplicates(prefer="a.nll"), 3),
        (Duplicates(domains=["b"]), 1),
        (Duplicates(domains=["c", "b"], prefer="a.nll"), 3),
        (Duplicates(domains=["b"], prefer="longest"), 2),
    ],
)
def test_which_is_kept(world: World, tmp_path: Path, plugin: Duplicates, kept: int) -> None:
    """The number of spaces tells the texts apart, and nothing else; a score that is missing or undefined comes last."""
    texts = ["a  b c", "a b c", "a   b   c", "a b  c", "a b c "]
    corpus = chain(world, texts, [1, 1], domain=["a", "b", "b", "c", None])
    scores = world.table("scores", {"nll": [math.nan, 1.0, 2.0, 3.0, None]}, [1, 1])
    more = {"a": scores} if plugin.prefer.startswith("a.") else {}
    got, _ = found(world, tmp_path / "out", plugin, corpus=corpus, keys=minhash(world, texts, sizes=[1, 1]), **more)
    assert got == {row: (doc_id(kept), 1.0) for row in range(5) if row != kept}
    assert plugin.told() == ((f"domain: {', '.join(plugin.domains)}",) if plugin.domains else ())


@pytest.mark.parametrize("sizes", [(), (1, 0, 2)])
def test_only_what_is_within_is_looked_at(world: World, tmp_path: Path, sizes: Sequence[int]) -> None:
    texts = ["a b", "a b", "a b", "c"]
    within = world.table("selection", {"count": [0, 2, 1, 1], "reason": ["outside", None, None, None]}, sizes)
    inputs = {"corpus": chain(world, texts, sizes), "within": within}
    got, facts = found(world, tmp_path / "out", Duplicates(), **inputs)
    assert (got, facts["documents"]) == ({2: (doc_id(1), 1.0)}, 3)
    results = make_folder(world.store, "results", tmp_path / "out", facts=facts)
    selected = world.run(Unique(), **inputs, duplicates=results)
    assert selected.count == [0, 2, 0, 1]
    assert selected.reason == ["outside", None, "duplicate", None]
    table = pa.concat_tables(world.tables(Unique(), **inputs, duplicates=results))
    assert table.column("duplicate_of").to_pylist() == [None, None, doc_id(1), None]
    assert table.column("measured").to_pylist() == [None, None, 1.0, None]
    with pytest.raises(RecipeError, match="among other documents"):
        world.run(Unique(), corpus=inputs["corpus"], duplicates=results)
    with pytest.raises(RecipeError, match="another corpus"):
        other = world.corpus(4, sizes, doc_id=[doc_id(row + 9) for row in range(4)])
        world.run(Unique(), corpus=other, within=within, duplicates=results)


def test_vectors_without_a_direction_are_like_nothing(world: World, tmp_path: Path) -> None:
    vectors = [[0.0, 0.0], [0.0, 0.0], None, [1.0, 2.0], [2.0, 4.0], [1.0, 2.0, 0.0]]
    inputs = {
        "corpus": world.corpus(6),
        "keys": world.table("scores", {"keys": [[1]] * 6}, (), **COSINE),
        "vectors": world.table("scores", {"embedding": vectors}, ()),
    }
    got, _ = found(world, tmp_path / "out", Duplicates(at_least=0.99), **inputs)
    assert {row: of for row, (of, _) in got.items()} == {4: doc_id(3)}


def test_threads_and_memory_do_not_show(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(0)
    texts = [words(*(rng.randrange(3) for _ in range(12))) for _ in range(300)]
    sizes = [50, 0, 1, 100]
    inputs = {"corpus": chain(world, texts, sizes), "keys": minhash(world, texts, MinHash(ngram=2), sizes)}
    made = []
    for threads, memory in ((1, 2 << 30), (3, 256 << 20)):
        monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
        _, facts = found(world, tmp_path / str(threads), Duplicates(at_least=0.5, memory=memory), **inputs)
        made.append(((tmp_path / str(threads) / DUPLICATES).read_bytes(), facts))
    assert made[0] == made[1]
    assert made[0][1]["duplicates"] > 50


def test_many_unlike_documents_under_one_key_take_no_quadratic_time(world: World, tmp_path: Path) -> None:
    texts = [words(*range(10 * i, 10 * i + 10)) for i in range(3000)] + [words(*range(10)), words(*range(29990, 30000))]
    keys = world.table("scores", {"keys": [[7]] * len(texts)}, (), **WORDS.facts(Inputs("", {})))
    got, facts = found(world, tmp_path / "out", Duplicates(bucket=10), corpus=chain(world, texts), keys=keys)
    assert got == {3000: (doc_id(0), 1.0)}  # the copy of the last one is not found: its key had no room left
    assert facts["compared"] <= 10 * len(texts)
    assert facts["left_out"] == 3001 - 10


def test_errors(world: World, tmp_path: Path) -> None:
    texts = ["a b", "a b"]
    corpus, keys = chain(world, texts), minhash(world, texts)
    with pytest.raises(RecipeError, match="does not say how"):
        found(world, tmp_path / "1", Duplicates(), corpus=corpus, keys=world.table("scores", {"keys": [[1], [1]]}, ()))
    with pytest.raises(RecipeError, match="vectors are for keys of clusters"):
        bare = world.table("scores", {"keys": [[1], [1]]}, (), **COSINE)
        found(world, tmp_path / "2", Duplicates(), corpus=corpus, keys=bare)
    with pytest.raises(RecipeError, match="'old' does not fit"):
        old = {"old_corpus[0]": corpus, "old_keys[0]": keys}
        found(world, tmp_path / "3", Duplicates(), corpus=corpus, keys=keys, **old)
    with pytest.raises(RecipeError, match="made in another way"):
        kept = world.table("selection", {"count": [1, 1], "reason": [None, None]}, ())
        others = {"old_corpus[0]": corpus, "old_keys[0]": minhash(world, texts, MinHash(ngram=3)), "old[0]": kept}
        found(world, tmp_path / "4", Duplicates(), corpus=corpus, keys=keys, **others)
    for name, how in (("rows", {"band_rows": 4}), ("bands", {"bands": 7}), ("family", {"family": 1})):
        # Nothing would ever meet such keys: the earlier corpus would be left out in silence.
        others["old_keys[0]"] = minhash(world, texts, MinHash(ngram=1, **how))
        with pytest.raises(RecipeError, match="made in another way"):
            found(world, tmp_path / name, Duplicates(), corpus=corpus, keys=keys, **others)
    with pytest.raises(RecipeError, match="reads no scores"):
        found(world, tmp_path / "5", Duplicates(), corpus=corpus, keys=keys, a=keys)
    for settings_, what in (
        ({"at_least": 0.0}, "above 0"),
        ({"at_least": 1.1}, "at most 1"),
        ({"bucket": 0}, "room"),
        ({"memory": 1 << 20}, "too little memory"),
        ({"prefer": "lenght"}, "no measure"),
        ({"per": "byte"}, "has no `per`"),
    ):
        with pytest.raises(RecipeError, match=what):
            Duplicates(**settings_)


# ---- how alike two documents are -------------------------------------------------------------------------------

SETS = st.lists(st.integers(0, 12) | st.integers(0, 2**64 - 1), max_size=12, unique=True).map(
    lambda values: np.array(sorted(values), np.uint64)
)


@settings(max_examples=150)
@given(one=SETS, other=SETS, least=st.floats(0.01, 1) | st.sampled_from([0.25, 0.5, 0.75, 0.8, 1.0]))
def test_likeness_is_that_of_sets(one: Any, other: Any, least: float) -> None:
    weights = np.arange(1, len(one) + len(other) + 1, dtype=np.float32)
    arrays = np.concatenate([one, other]), weights, np.array([0, len(one), len(one) + len(other)])
    a, b = np.array([0, 1]), np.array([1, 0])
    if len(one) and len(other):
        wanted = jaccard(one, other)
        assert kernel.pairs(kernel.JACCARD, least, *arrays, a, b).tolist() == [wanted if wanted >= least else -2.0] * 2
    both = ((one, weights[: len(one)]), (other, weights[len(one) :]))
    shares = [containment((x, w.astype(np.int32)), y) for (x, w), (y, _) in (both, both[::-1])]
    found = kernel.pairs(kernel.CONTAINMENT, least, *arrays, a, b)
    assert found.tolist() == pytest.approx([share if share >= least else -2.0 for share in shares])
    same = 1.0 if one.tolist() == other.tolist() else -2.0
    assert kernel.pairs(kernel.EQUAL, least, *arrays, a, b).tolist() == [same, same]


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        (["one long line here\nand another", "one long line here"], {1: 1.0}),
        (["one long line here", "ONE long line, here!\nmore of it"], {}),
        (
            ["one long line here\nand another one", "menu\nOne long line, here!\n \nand another one"],
            {1: pytest.approx(33 / 37)},
        ),
    ],
)
def test_lines_that_stand_in_another_document(
    world: World, tmp_path: Path, texts: list[str], wanted: dict[int, float]
) -> None:
    """The share is of the later document's characters, after normalisation."""
    how = LineHashes()
    hashes, _, offsets = lines_of(pa.array(texts, pa.large_string()), how.lines)
    lists = [hashes[a:b].tolist() for a, b in itertools.pairwise(offsets)]
    keys = world.table("scores", {"keys": lists}, (), **how.facts(Inputs("", {})))
    got, _ = found(world, tmp_path / "out", Duplicates(at_least=0.8), corpus=chain(world, texts), keys=keys)
    assert {row: share for row, (_, share) in got.items()} == wanted
    assert {of for of, _ in got.values()} <= {doc_id(0)}
