"""Hashed n-grams: a text as counts of 10,000 buckets, and how much likelier one such bag makes it than another.

DSIR (Xie et al., arXiv 2302.03169). A text in small letters is cut into runs of word characters and runs of anything
else but white space (NLTK's WordPunct); its n-grams are these words and each two neighbours joined by a space; the
bucket of one is its SHA-256 as a number, modulo 10,000. There are no options: another cut or another number of buckets
is another feature.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vernier.core.errors import DataError

BUCKETS = 10_000
EPSILON = 1e-8  # added to each probability before its logarithm: the constant of the authors' code
WORDS = re.compile(r"\w+|[^\w\s]+")
REMEMBERED = 1 << 16  # n-grams whose bucket a process knows, about 15 MB: 16 times as many were not faster
FILE, COUNTS = "ngrams.json", "counts.npy"


def ngrams(text: str) -> list[str]:
    """The words of a text, then its pairs of neighbours."""
    words = WORDS.findall(text.lower())
    return [*words, *map(" ".join, pairwise(words))]


@lru_cache(maxsize=REMEMBERED)
def bucket(ngram: str) -> int:
    """The bucket of an n-gram: its SHA-256, most significant byte first, modulo BUCKETS."""
    return int.from_bytes(hashlib.sha256(ngram.encode()).digest()) % BUCKETS


def buckets(text: str) -> list[int]:
    """The bucket of each n-gram of a text."""
    return list(map(bucket, ngrams(text)))


@dataclass(frozen=True)
class Counts:
    """How often each bucket was met in some documents.

    counts     int64 [BUCKETS]
    documents  how many they were
    """

    counts: NDArray[np.int64]
    documents: int

    @classmethod
    def of(cls, texts: Iterable[str]) -> Counts:
        """Of all n-grams of these texts, each document counting as often as it has them."""
        counts, documents = np.zeros(BUCKETS, np.int64), 0
        for text in texts:
            counts += np.bincount(np.array(buckets(text), np.int64), minlength=BUCKETS)
            documents += 1
        return cls(counts, documents)

    @property
    def total(self) -> int:
        return int(self.counts.sum())

    def save(self, folder: Path) -> None:
        np.save(folder / COUNTS, self.counts, allow_pickle=False)
        words = {"buckets": BUCKETS, "documents": self.documents, "ngrams": self.total, "words": WORDS.pattern}
        (folder / FILE).write_text(json.dumps(words, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def load_counts(folder: Path) -> Counts:
    """The counts in a folder. Raises DataError if it holds none."""
    if not (folder / FILE).exists():
        raise DataError(
            "this folder holds no n-gram counts",
            where=str(folder),
            found=f"no {FILE}",
            expected="what `train.ngrams` makes",
        )
    documents = json.loads((folder / FILE).read_text("utf-8"))["documents"]
    return Counts(np.load(folder / COUNTS, allow_pickle=False), documents)


def log_ratios(target: Counts, raw: Counts) -> NDArray[np.float64]:
    """ln(p_target + EPSILON) - ln(p_raw + EPSILON) of each bucket, p its share of the counts; float64 [BUCKETS], nat"""
    logs = [np.log(one.counts / one.total + EPSILON) for one in (target, raw)]
    return logs[0] - logs[1]
