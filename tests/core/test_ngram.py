"""Hashed n-grams beside the plainest way to make them, and the weights of buckets."""

from __future__ import annotations

import hashlib
import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vernier.core.errors import DataError
from vernier.core.ngram import BUCKETS, Counts, bucket, buckets, load_counts, log_ratios, ngrams

TEXTS = st.one_of(st.text(max_size=40), st.text(alphabet="aB1_ .,é\n\t\u2028中", max_size=40))


def reference(text: str) -> list[int]:
    """As DSIR's paper and code have it: one n-gram after the other, no memory."""
    words = [run for run in re.split(r"(\w+)|\s", text.lower()) if run]
    found = [hashlib.sha256(word.encode()).hexdigest() for word in words]
    for i in range(len(words) - 1):
        found.append(hashlib.sha256(f"{words[i]} {words[i + 1]}".encode()).hexdigest())
    return [int(digest, 16) % 10_000 for digest in found]


@given(text=TEXTS)
@settings(max_examples=200, deadline=None)
def test_buckets_are_those_of_the_slow_way(text: str) -> None:
    assert buckets(text) == reference(text)
    assert buckets(text) == reference(text)  # now remembered


def test_words_are_runs_of_word_characters_and_runs_of_the_rest() -> None:
    """NLTK's WordPunct. A pair runs over line ends, and a pair of words is no word with a space in it."""
    assert ngrams("It's\nx_1!!") == ["it", "'", "s", "x_1", "!!", "it '", "' s", "s x_1", "x_1 !!"]
    assert ngrams("one") == ["one"] and ngrams(" \n\t") == []
    assert bucket("the") == 8288  # the last four decimal digits of its SHA-256


@given(texts=st.lists(TEXTS, max_size=6), at=st.integers(0, 6))
@settings(max_examples=50, deadline=None)
def test_counts_of_parts_add_up(texts: list[str], at: int) -> None:
    whole, one, other = Counts.of(texts), Counts.of(texts[:at]), Counts.of(texts[at:])
    assert whole.counts.tolist() == (one.counts + other.counts).tolist()
    assert whole.documents == one.documents + other.documents
    assert whole.total == sum(len(ngrams(text)) for text in texts)


def test_ratios_of_known_bags() -> None:
    """A share twice as large is worth ln 2; a bucket never met counts as 1e-8, and nowhere met as nothing."""
    target, raw = np.zeros(BUCKETS, np.int64), np.zeros(BUCKETS, np.int64)
    target[:3], raw[:3] = [20, 70, 10], [1, 9, 0]
    ratios = log_ratios(Counts(target, 1), Counts(raw, 1))
    assert ratios[0] == pytest.approx(math.log(2), abs=1e-6)
    assert ratios[2] == pytest.approx(math.log(0.1 / 1e-8), abs=1e-6)
    assert not ratios[3:].any()
    assert not log_ratios(Counts(raw, 1), Counts(raw, 1)).any()


def test_counts_are_read_back(tmp_path: Path) -> None:
    Counts.of(["a b", "c"]).save(tmp_path)
    again = load_counts(tmp_path)
    assert again.documents == 2 and again.counts.dtype == np.int64
    assert again.counts.tolist() == Counts.of(["a b", "c"]).counts.tolist()
    with pytest.raises(DataError, match=r"no n-gram counts"):
        load_counts(tmp_path / "elsewhere")
