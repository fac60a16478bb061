"""What breaks tools that look for duplicates: a million copies, one huge document, keys that collide, little memory."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vernier.core import tables
from vernier.core.artifact import DUPLICATES
from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.score.minhash import MinHash
from vernier.select.duplicates import Duplicates
from vernier.testing import make

MILLION = 1_000_000
LEAST = 256 << 20


@pytest.fixture(autouse=True)
def real_row_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make, "GROUP_ROWS", tables.ROW_GROUP_LISTS)


def corpus(store: Store, texts: Sequence[str], per_shard: int = 1 << 30) -> Any:
    """A corpus of these texts; ids are the numbers of the rows."""
    shards: list[pa.Table] = []
    hashes = {text: hashlib.blake2b(text.encode(), digest_size=16).digest() for text in dict.fromkeys(texts)}
    for start in range(0, len(texts), per_shard):
        some = texts[start : start + per_shard]
        rows = np.arange(start, start + len(some))
        ids = np.stack([rows, rows], axis=1).astype(np.uint64)
        columns = {
            "doc_id": pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(some), [None, pa.py_buffer(ids)]),
            "text": pa.array(some, pa.large_string()),
            "num_bytes": pa.array([len(text) for text in some]),
            "text_hash": pa.array([hashes[text] for text in some], pa.binary(16)),
            "source": pa.array(["x"] * len(some)),
            "offset": pa.array(rows),
        }
        given = [columns.get(field.name, pa.nulls(len(some), field.type)) for field in tables.CORPUS]
        shards.append(pa.table(given, schema=tables.CORPUS))
    return make.make_artifact(store, "corpus", shards)


def keys_of(store: Store, texts: Sequence[str], per_shard: int = 1 << 30) -> Any:
    how, shards = MinHash(), list[pa.Table]()
    for start in range(0, len(texts), per_shard):
        column = pa.chunked_array([pa.array(texts[start : start + per_shard], pa.large_string())])
        keys, offsets, _ = how.keys(column)
        lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(keys))
        shards.append(pa.table({"keys": lists}))
    return make.make_artifact(store, "scores", shards, facts=how.facts(Inputs("", {})))


def search(store: Store, folder: Path, plugin: Duplicates, **inputs: Any) -> tuple[list[int], dict[str, Any]]:
    """The rows that are duplicates, and the account."""
    folder.mkdir()
    facts = plugin.build(Inputs(store.url, inputs), folder)
    return pq.read_table(folder / DUPLICATES).column("row").to_pylist(), facts


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_million_copies_in_little_memory(tmp_path: Path) -> None:
    """Fourteen million keys: more than are gone through at once, so rounds come first."""
    store = Store(str(tmp_path / "store"))
    texts = ["it is the same text again and again with some twenty words in it so that there is enough"] * MILLION
    inputs = {"corpus": corpus(store, texts, 250_000), "keys": keys_of(store, texts, 250_000)}
    before = psutil.Process().memory_info().rss
    rows, facts = search(store, tmp_path / "out", Duplicates(memory=LEAST), **inputs)
    assert rows == list(range(1, MILLION))
    assert (facts["compared"], facts["originals"], facts["left_out"]) == (MILLION - 1, 1, 0)
    assert psutil.Process().memory_info().rss - before < 3 * LEAST


def test_documents_without_a_word_and_a_byte_that_differs(tmp_path: Path) -> None:
    """Texts without a word have no shingles and no key; they are equal or not."""
    store = Store(str(tmp_path / "store"))
    texts = ["", " \n", "", "...", "one two", "one two ", "one two"]
    inputs = {"corpus": corpus(store, texts), "keys": keys_of(store, texts)}
    assert search(store, tmp_path / "near", Duplicates(), **inputs)[0] == [5, 6]
    assert search(store, tmp_path / "equal", Duplicates(), corpus=inputs["corpus"])[0] == [2, 6]


def test_an_empty_corpus(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    empty = {
        "corpus": make.make_artifact(store, "corpus", [tables.CORPUS.empty_table()]),
        "keys": make.make_artifact(
            store,
            "scores",
            [pa.table({"keys": pa.array([], pa.list_(pa.uint64()))})],
            facts=MinHash().facts(Inputs("", {})),
        ),
    }
    rows, facts = search(store, tmp_path / "out", Duplicates(), **empty)
    assert (rows, facts["documents"], facts["largest"]) == ([], 0, [])


def test_keys_that_collide_drop_nothing(tmp_path: Path) -> None:
    """Whoever knows the hashes can give any two documents one key; what is compared are their n-grams."""
    store = Store(str(tmp_path / "store"))
    texts = [" ".join(f"w{10 * i + j}" for j in range(10)) for i in range(5000)]
    lists = pa.ListArray.from_arrays(
        pa.array(np.arange(len(texts) + 1), pa.int32()), pa.array([7] * len(texts), pa.uint64())
    )
    keys = make.make_artifact(store, "scores", [pa.table({"keys": lists})], facts=MinHash().facts(Inputs("", {})))
    rows, facts = search(
        store, tmp_path / "out", Duplicates(at_least=0.1, bucket=100), corpus=corpus(store, texts), keys=keys
    )
    assert rows == []
    assert facts["compared"] == sum(min(i, 100) for i in range(len(texts)))


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_documents_of_100_mb(tmp_path: Path) -> None:
    """Two that differ in their first words, and small ones beside them."""
    store = Store(str(tmp_path / "store"))
    rng = np.random.default_rng(0)
    words = np.array(["".join(letters) for letters in itertools.product("abcdefghij", repeat=3)])
    long = " ".join(words[rng.integers(0, len(words), 25_000_000)])
    assert len(long) == 99_999_999
    texts = ["a small one", long, "another small one", "x" + long[30:]]
    inputs = {"corpus": corpus(store, texts, 2), "keys": keys_of(store, texts, 2)}
    rows, _ = search(store, tmp_path / "out", Duplicates(), **inputs)
    assert rows == [3]
