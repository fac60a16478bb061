"""Keys that near-duplicates share: MinHash over shingles, cut into bands (Broder 1997; locality-sensitive hashing).

A text is the set of its shingles, n words in a row. Each of `bands` x `band_rows` hash functions orders all shingles,
and two texts have the same first one with the probability J, the Jaccard index of their sets. A key stands for
`band_rows` of these firsts, so two texts share one of their `bands` keys with the probability

    1 - (1 - J^band_rows)^bands          14 bands of 8: J = 0.5 5 %, 0.7 56 %, 0.75 77 %, 0.8 92 %, 0.85 99 %

which is all that a key says: who drops a text because of one compares the sets as well.

Defaults are FineWeb's: 5 words, 14 bands of 8, for texts that are alike by 75 % (arXiv 2406.17557; datatrove has the
same). SlimPajama's threshold is 0.8 (13 words, unconfirmed), so is Gopher's (13 words; unconfirmed). Words are those of
`vernier.core.shingles`: FineWeb's came from a tokenizer for English, and digits became "0" number by number.

The hash functions are x -> a x + b modulo 2^32, a odd, of the upper half of a shingle's 64-bit hash. Each puts the 2^32
values in another order, and the hashes put shingles at random in it, so that each shingle of two sets is the first one
equally often: P(same) = J, but for two shingles with the same upper half, which matters to at most n / 2^32 for n
different shingles in the two texts (0.0002 for a million). Linear functions of one hash are not independent of each
other; yet over 4,000 pairs the number that agree has the variance of independent ones within a tenth, and pairs share
keys as often as the formula says (tests/score/test_minhash.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vernier.core.config import plain
from vernier.core.errors import RecipeError
from vernier.core.shard import Inputs, Shard
from vernier.core.shingles.form import Form
from vernier.core.shingles.sets import Shingles, shingles_of

MOST_BANDS = 1 << 12  # a band's number takes bits of its keys: so many leave 52 to the hash


@dataclass(frozen=True, kw_only=True)
class MinHash:
    """Columns `keys`, list<uint64>, a key for each band, and `num_shingles`, int64, different ones. No word: no key.

    ngram      words (or characters) in a shingle; a text with fewer is one shingle
    bands      keys of a text
    band_rows  hash functions of a band
    by         word: what white space parts; character: for languages that do not part words
    form       what is normalised before: lower case, accents, punctuation, digits
    family     which hash functions: another number gives others, which miss other pairs
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus"}

    ngram: int = 5
    bands: int = 14
    band_rows: int = 8
    by: Literal["word", "character"] = "word"
    form: Form = field(default_factory=Form)
    family: int = 0

    def __post_init__(self) -> None:
        Shingles(ngram=self.ngram)
        if not 1 <= self.bands <= MOST_BANDS:
            raise RecipeError("`bands` is out of range", found=str(self.bands), expected=f"1 to {MOST_BANDS}")
        if self.band_rows < 1:
            raise RecipeError("`band_rows` is too small", found=str(self.band_rows), expected="1 or more")
        if not 0 <= self.family < 1 << 32:
            raise RecipeError("`family` is out of range", found=str(self.family), expected="0 to 2^32 - 1")

    @property
    def shingles(self) -> Shingles:
        """What two texts with a common key are to be compared by."""
        return Shingles(ngram=self.ngram, by=self.by, form=self.form)

    def facts(self, inputs: Inputs) -> dict[str, Any]:
        """How documents with a common key compare, for `select.duplicates`, and what tells keys that can meet."""
        keys = {"bands": self.bands, "band_rows": self.band_rows, "family": self.family}
        return {"likeness": {"by": "jaccard", "shingles": plain(self.shingles), **keys}}

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        for batch in shard.batches("corpus", ["text"]):
            keys, offsets, number = self.keys(batch.column("text"))
            column = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(keys, pa.uint64()))
            yield pa.table({"keys": column, "num_shingles": pa.array(number, pa.int64())})

    def keys(self, texts: pa.ChunkedArray) -> tuple[NDArray[np.uint64], NDArray[np.int32], NDArray[np.int64]]:
        """The keys of each text, where each text's begin, [rows + 1], and its number of different shingles."""
        from vernier.score.sketch import kernel

        values, offsets = shingles_of(texts, self.shingles)
        keys, bounds = kernel.keys(
            values, offsets, *functions(self.bands * self.band_rows, self.family), self.bands, self.band_rows
        )
        return keys, bounds, np.diff(offsets)


def functions(number: int, family: int = 0) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Odd factors and terms of hash functions: the halves of SplitMix64's numbers (Steele, Lea, Flood 2014)."""
    start = np.uint64(family * 0xD1B54A32D192ED03 % 2**64)
    state = np.arange(1, number + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + start
    state = (state ^ state >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ state >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    state ^= state >> np.uint64(31)
    return (state >> np.uint64(32)).astype(np.uint32) | np.uint32(1), (state & np.uint64(0xFFFFFFFF)).astype(np.uint32)
