"""The peers of the MinHash bench make bands as they should, and common keys are counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from bench.dedup_peers import BANDS, HASHES, ROWS, bands, shingles
from bench.minhash import shared


def test_a_band_is_the_same_if_its_hashes_are() -> None:
    signatures = np.random.default_rng(0).integers(0, 2**32, (3, HASHES), dtype=np.uint32)
    signatures[1] = signatures[0]
    signatures[1, 5 * ROWS] ^= 1
    found = bands(signatures)
    assert found.shape == (3, BANDS)
    assert [(found[0] == found[1]).tolist(), (found[0] == found[2]).any()] == [[i != 5 for i in range(BANDS)], False]
    assert len(np.unique(bands(np.zeros((1, HASHES), np.uint32)))) == BANDS


def test_words_in_a_row() -> None:
    assert shingles("a b  c d\ne f") == ["a b c d e", "b c d e f"]
    assert shingles("a b") == ["a b"]
    assert shingles("") == [""]


def test_documents_with_a_common_key_are_counted(tmp_path: Path) -> None:
    for place, keys in enumerate(([[1, 2], [3, 4], []], [[5, 2], [6, 7]])):
        pq.write_table(pa.table({"keys": pa.array(keys, pa.list_(pa.uint64()))}), tmp_path / f"{place}.parquet")
    assert shared(tmp_path) == {"documents": 5, "share_with_a_common_key": 0.4}
