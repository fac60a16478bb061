"""Corpora for the benches: the wanted size, the same bytes for the same seed, copies that differ."""

from __future__ import annotations

import random
from pathlib import Path

import zstandard

from bench import corpora

DOCUMENT = {"id": "a", "text": " ".join(f"word{i}" for i in range(1000)), "domain": "d", "license": "l"}


def test_the_same_seed_gives_the_same_bytes_of_the_wanted_size(tmp_path: Path) -> None:
    read: list[bytes] = []
    for name, seed in (("one", "0/0"), ("two", "0/0"), ("three", "0/1")):
        corpora.write(tmp_path / name, 2_000_000, seed)
        with zstandard.open(tmp_path / name, "rb") as file:
            read.append(file.read())
    assert read[0] == read[1] != read[2]
    assert 1_000_000 < len(read[0]) <= 2_000_000
    assert read[0].endswith(b"}\n")


def test_copies_differ_by_a_few_words() -> None:
    words = set(DOCUMENT["text"].split(" "))
    rng = random.Random(0)
    one, two = (corpora.perturbed(DOCUMENT, rng, str(i)) for i in range(2))
    assert one["text"] != two["text"]
    assert one["id"] != two["id"]
    for copy in (one, two):
        kept = copy["text"].split(" ")
        assert len(kept) == 990
        assert set(kept) <= words


def test_a_single_word_stays() -> None:
    assert corpora.perturbed({**DOCUMENT, "text": "word"}, random.Random(0), "0")["text"] == "word"
