"""Keys of near-duplicates: against plain Python, and how often they meet against theory."""

from __future__ import annotations

import ast
import itertools
import json
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.select.world import World

from vernier.core.errors import RecipeError
from vernier.core.shard import Inputs
from vernier.core.shingles.form import Form
from vernier.core.shingles.sets import jaccard, shingles
from vernier.score.minhash import MinHash, functions
from vernier.score.sketch import kernel

WORD = 2**64 - 1


def slow_keys(values: Sequence[int], bands: int, rows: int, family: int = 0) -> list[int]:
    if not values:
        return []
    factors, terms = (some.tolist() for some in functions(bands * rows, family))
    least = [min((a * (v >> 32) + b) % 2**32 for v in values) for a, b in zip(factors, terms, strict=True)]
    bits = (bands - 1).bit_length()
    out = []
    for band in range(bands):
        state = 0x13198A2E03707344
        for one in least[band * rows : (band + 1) * rows]:
            state = (state ^ one) * 0x9E3779B97F4A7C15 & WORD
            state ^= state >> 32
        for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
            state = (state ^ state >> 33) * factor & WORD
        state ^= state >> 33
        out.append((state << bits | band) & WORD)
    return out


def made(plugin: MinHash, texts: list[str] | pa.ChunkedArray) -> list[dict[str, Any]]:
    column = texts if isinstance(texts, pa.ChunkedArray) else pa.chunked_array([pa.array(texts, pa.large_string())])
    keys, bounds, number = plugin.keys(column)
    some = [keys[a:b].tolist() for a, b in itertools.pairwise(bounds.tolist())]
    return [{"keys": one, "num_shingles": n} for one, n in zip(some, number.tolist(), strict=True)]


FUNCTIONS = [[3793791033, 1853398635], [2065550767, 2713282036]]
KEYS = [3753615583915534232, 2026728710493664057, 14504303226734824546]
TEXTS = st.lists(
    st.lists(st.sampled_from(["a", "b", "C", "d,", "e.", "-", "\n", "", "中文", "É"]), max_size=30).map(" ".join),
    max_size=5,
)
PLUGINS = st.builds(
    MinHash,
    ngram=st.integers(1, 4),
    bands=st.integers(1, 9),
    band_rows=st.integers(1, 5),
    by=st.sampled_from(["word", "character"]),
    family=st.integers(0, 2**32 - 1),
)


@given(texts=TEXTS, plugin=PLUGINS, cut=st.integers(0, 5))
@settings(max_examples=100)
def test_keys_are_those_of_plain_python(texts: list[str], plugin: MinHash, cut: int) -> None:
    wanted = []
    for text in texts:
        values = shingles(text, plugin.shingles).tolist()
        keys = slow_keys(values, plugin.bands, plugin.band_rows, plugin.family)
        wanted.append({"keys": keys, "num_shingles": len(values)})
    assert made(plugin, texts) == wanted
    array = pa.array(texts, pa.large_string())
    assert made(plugin, pa.chunked_array([array[:cut], array[cut:]], pa.large_string())) == wanted


def test_known_keys() -> None:
    """The same bytes on every machine and in every version."""
    assert [some.tolist() for some in functions(2)] == FUNCTIONS
    found = made(MinHash(bands=3, band_rows=2), ["The quick brown fox jumps over the lazy dog", "", "!", "the"])
    assert [one["num_shingles"] for one in found] == [5, 0, 0, 1]
    assert found[0]["keys"] == KEYS
    assert found[1]["keys"] == found[2]["keys"] == []
    assert found[3]["keys"] == made(MinHash(bands=3, band_rows=2), ["The."])[0]["keys"]


@pytest.mark.parametrize("bands", [1, 2, 3, 14, 16, 17, 256])
def test_keys_of_different_bands_are_never_the_same(bands: int) -> None:
    values = np.arange(1, 200, dtype=np.uint64) << np.uint64(40)
    keys, bounds = kernel.keys(values, np.arange(len(values) + 1), *functions(bands), bands, 1)
    assert bounds.tolist() == [bands * i for i in range(len(values) + 1)]
    bits = (bands - 1).bit_length()
    assert (keys & np.uint64((1 << bits) - 1)).reshape(-1, bands).tolist() == [list(range(bands))] * len(values)


@pytest.mark.parametrize("size", [10, 60, 400])
@pytest.mark.parametrize("alike", [0.5, 0.7, 0.8, 0.9])
def test_pairs_meet_as_often_as_theory_says(size: int, alike: float) -> None:
    """Shares a key: 1 - (1 - J^8)^14. Agrees in a hash function: J, and with the variance of independent ones.

    Bounds are 4.5 standard deviations; there are 36 numbers, and the seed is fixed.
    """
    pairs = 4000 if size < 100 else 1500
    rng = np.random.default_rng([size, int(100 * alike)])
    both = round(size * alike)
    one = both + (size - both) // 2
    sets = [rng.integers(1, 2**64, size, dtype=np.uint64) for _ in range(pairs)]
    values = np.concatenate([part for some in sets for part in (some[:one], some[:both], some[one:])])
    lengths = np.tile([one, size - one + both], pairs)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    j = both / size

    keys, _ = kernel.keys(values, offsets, *functions(112), 14, 8)
    hits = int((keys.reshape(pairs, 2, 14)[:, 0] == keys.reshape(pairs, 2, 14)[:, 1]).any(axis=1).sum())
    p = 1 - (1 - j**8) ** 14
    assert abs(hits - pairs * p) < 4.5 * math.sqrt(pairs * p * (1 - p))

    keys, _ = kernel.keys(values, offsets, *functions(112), 112, 1)
    agree = (keys.reshape(pairs, 2, 112)[:, 0] == keys.reshape(pairs, 2, 112)[:, 1]).sum(axis=1)
    variance = 112 * j * (1 - j)
    assert abs(agree.mean() - 112 * j) < 4.5 * math.sqrt(variance / pairs)
    assert abs(agree.var() / variance - 1) < 4.5 * math.sqrt(2 / pairs)


def test_another_family_is_another_draw() -> None:
    """What one misses the other finds as often as theory says."""
    rng = np.random.default_rng(5)
    pairs, size, both = 3000, 100, 70
    sets = [rng.integers(1, 2**64, size, dtype=np.uint64) for _ in range(pairs)]
    values = np.concatenate([part for some in sets for part in (some[:85], some[:both], some[85:])])
    offsets = 85 * np.arange(2 * pairs + 1)
    found = []
    for family in (0, 1):
        keys, _ = kernel.keys(values, offsets, *functions(112, family), 14, 8)
        found.append((keys.reshape(pairs, 2, 14)[:, 0] == keys.reshape(pairs, 2, 14)[:, 1]).any(axis=1))
    p = 1 - (1 - 0.7**8) ** 14
    assert abs(int((found[0] & found[1]).sum()) - pairs * p**2) < 4.5 * math.sqrt(pairs * p**2 * (1 - p**2))


def test_edited_texts_meet_as_often_as_theory_says() -> None:
    """From text to key: copies with words changed, each with its own Jaccard index."""
    rng = random.Random(3)
    vocabulary = [f"w{i}" for i in range(5000)]
    plugin = MinHash()
    texts, chances = [], []
    for _ in range(1200):
        words = rng.choices(vocabulary, k=rng.randrange(30, 200))
        copy = list(words)
        for _ in range(rng.randrange(1, 6)):
            copy[rng.randrange(len(copy))] = rng.choice(vocabulary)
        texts += [" ".join(words), " ".join(copy).upper()]
        j = jaccard(*(shingles(text, plugin.shingles) for text in texts[-2:]))
        chances.append(1 - (1 - j**8) ** 14)
    rows = [set(one["keys"]) for one in made(plugin, texts)]
    hits = sum(bool(a & b) for a, b in zip(rows[::2], rows[1::2], strict=True))
    deviation = math.sqrt(sum(p * (1 - p) for p in chances))
    assert deviation > 5 and abs(hits - sum(chances)) < 4.5 * deviation
    others = [set(one["keys"]) for one in made(plugin, texts[::2])]
    assert len(set().union(*others)) == 14 * len(others), "texts of other words share no key"


def test_real_versions_of_texts_meet(data: Path) -> None:
    with zstandard.open(data / "dedup" / "near_duplicates.jsonl.zst", "rb") as file:
        records = [json.loads(line) for line in file.read().split(b"\n") if line]
    plugin = MinHash()
    rows = [set(one["keys"]) for one in made(plugin, [record["text"] for record in records])]
    sets = [shingles(record["text"], plugin.shingles) for record in records]
    chances, hits = [], 0
    for i, j in itertools.combinations(range(len(records)), 2):
        if records[i]["dup_group"] == records[j]["dup_group"]:
            alike = jaccard(sets[i], sets[j])
            chances.append(1 - (1 - alike**8) ** 14)
            hits += bool(rows[i] & rows[j])
    deviation = math.sqrt(sum(p * (1 - p) for p in chances))
    assert len(chances) > 300 and abs(hits - sum(chances)) < 4.5 * deviation + 1


def test_the_plugin_gives_one_row_a_document(world: World) -> None:
    texts = ["", "the cat " * 9, "漢字。" * 9, "x"]
    inputs = Inputs(world.store.url, {"corpus": world.corpus(4, [2, 0], text=texts)})
    tables = [list(MinHash().map(inputs.only(i).shard(0))) for i in range(3)]
    table = pa.concat_tables([one for some in tables for one in some])
    assert table.to_pylist() == made(MinHash(), texts)
    assert tables[1][0].schema == table.schema
    assert table.schema == pa.schema([("keys", pa.list_(pa.uint64())), ("num_shingles", pa.int64())])


@pytest.mark.parametrize("wrong", [{"ngram": 0}, {"bands": 0}, {"bands": 1 << 13}, {"band_rows": 0}, {"family": -1}])
def test_settings_that_mean_nothing(wrong: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match=f"`{next(iter(wrong))}`"):
        MinHash(**wrong)


def test_what_is_compared_is_what_the_settings_say() -> None:
    form = Form(digits="zero")
    how = MinHash(ngram=3, by="character", form=form).shingles
    assert (how.ngram, how.by, how.form) == (3, "character", form)


def test_all_that_is_compiled_needs_no_other_file_of_ours() -> None:
    """numba makes compiled code anew when its own file changes, not when another does that it took from."""
    tree = ast.parse(Path(kernel.__file__).read_text(encoding="utf-8"))
    imported = [n.module or "." for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    imported += [alias.name for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names]
    assert "numba" in imported and not [name for name in imported if name.startswith(("vernier", "."))]
