"""MinHash signatures in bands, written as Parquet: with Daft, rensa, datatrove.

    python bench/dedup_peers.py daft|daft_normalised|rensa|datatrove INPUT OUT

INPUT is a folder of Parquet files with a column `text`, OUT a folder to make: a file with a column `keys`, one number
for each of 14 bands of 8 hashes over 5 words in a row; datatrove writes its own signature files. Daft and rensa take
the text as it is, between white space, and are spared the normalisation; `daft_normalised` puts it in lower case,
without punctuation and accents, with Daft's own expression. datatrove normalises as its defaults say; in place of its
tokenizers it gets one that parts at white space. Daft and rensa only make signatures, so NumPy makes the bands.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

BANDS, ROWS, WORDS = 14, 8, 5
HASHES = BANDS * ROWS
PLAIN = "ace_Arab"  # a language for which datatrove asks for no other library at once
GROUP = 2000  # documents of which rensa gets the words at once


def bands(signatures: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """A number for each band of each signature: [n, 112] to [n, 14]."""
    parts = signatures.astype(np.uint64).reshape(len(signatures), BANDS, ROWS)
    out = np.broadcast_to(np.arange(BANDS, dtype=np.uint64), (len(signatures), BANDS)).copy()
    for row in range(ROWS):
        out = (out ^ parts[:, :, row]) * np.uint64(0x9E3779B97F4A7C15)
        out ^= out >> np.uint64(32)
    return out


def with_daft(source: Path, normalise: bool) -> Iterator[NDArray[np.uint64]]:
    import daft
    from daft import functions

    text = daft.col("text")
    if normalise:
        text = functions.normalize(text, remove_punct=True, lowercase=True, nfd_unicode=True, white_space=True)
    made = functions.minhash(text, num_hashes=HASHES, ngram_size=WORDS, seed=1, hash_function="xxhash")
    for batch in daft.read_parquet(str(source / "*.parquet")).select(made.alias("signature")).to_arrow_iter():
        yield bands(batch.column("signature").flatten().to_numpy(zero_copy_only=False).reshape(-1, HASHES))


def with_rensa(source: Path) -> Iterator[NDArray[np.uint64]]:
    import pyarrow.parquet as pq
    from rensa import RMinHash

    for path in sorted(source.glob("*.parquet")):
        for batch in pq.ParquetFile(path).iter_batches(GROUP, columns=["text"]):
            sets = [shingles(text) for text in batch.column("text").to_pylist()]
            matrix = RMinHash.digest_matrix_from_token_sets(sets, HASHES, 1)
            yield bands(np.array(matrix.to_rows(), np.uint32).reshape(-1, HASHES))


def shingles(text: str) -> list[str]:
    words = text.split()
    return [" ".join(words[i : i + WORDS]) for i in range(max(1, len(words) - WORDS + 1))]


def with_datatrove(source: Path, out: Path) -> None:
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature
    from datatrove.pipeline.readers import ParquetReader
    from datatrove.utils.hashing import HashConfig

    # Its quicker hash, xxhash, refuses strings since xxhash 4.
    config = MinhashConfig(hash_config=HashConfig(hash_fc="sha1"))
    step: Any = MinhashDedupSignature(str(out), config, language=PLAIN)
    step.word_tokenizer = Spaces()
    reader = ParquetReader(str(source), glob_pattern="*.parquet")
    LocalPipelineExecutor([reader, step], tasks=1, workers=1, logging_dir=str(out / "log")).run()


class Spaces:
    """A tokenizer of words, as datatrove takes it. All of its own need a library more, and longer."""

    def word_tokenize(self, text: str) -> list[str]:
        return text.split()


def write(out: Path, made: Iterator[Any]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([("keys", pa.list_(pa.uint64()))])
    with pq.ParquetWriter(out / "keys.parquet", schema, compression="zstd", compression_level=1) as file:
        for keys in made:
            ends = pa.array(np.arange(len(keys) + 1, dtype=np.int32) * BANDS)
            file.write_table(pa.table({"keys": pa.ListArray.from_arrays(ends, pa.array(keys.reshape(-1)))}, schema))


def main() -> None:
    library, source, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    out.mkdir(parents=True)
    if library == "datatrove":
        with_datatrove(source, out)
    elif library == "rensa":
        write(out, with_rensa(source))
    else:
        write(out, with_daft(source, library == "daft_normalised"))


if __name__ == "__main__":
    main()
