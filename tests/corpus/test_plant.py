"""Noise: each kind is what it says, no longer than its document, and drawn by the document's id alone."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vernier.corpus.plant import KINDS, kind_of, noise

TEXT = "Every Python carries text:\n\n    sources, licences,\tdocstrings ü\n  and what somebody wrote of it.\n" * 5


def doc_id(number: int) -> bytes:
    return hashlib.blake2b(b"%d" % number, digest_size=16).digest()


@given(
    text=st.text(min_size=32, max_size=300).filter(lambda t: len(t.strip().encode()) >= 32),
    number=st.integers(0, 10**6),
)
@settings(max_examples=100, deadline=None)
def test_each_kind_is_what_it_says(text: str, number: int) -> None:
    made = {kind: noise(kind, text, doc_id(number)) for kind in KINDS}
    assert all(0 < len(one.encode()) <= len(text.encode()) for one in made.values())
    assert Counter(made["words_shuffled"].split()) == Counter(text.split())
    assert re.findall(r"\s+", made["words_shuffled"]) == re.findall(r"\s+", text)
    assert Counter(made["characters_shuffled"]) == Counter(text)
    encoded = made["base64"].replace("\n", "")
    assert text.encode().startswith(base64.b64decode(encoded[: len(encoded) // 4 * 4]))
    assert made["binary"].encode("latin-1")
    lines = made["repeated_line"].removesuffix("\n").split("\n")
    assert len(lines) >= 4 and len(set(lines)) == 1 and lines[0] in text and lines[0].strip()


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_for_one_document_and_another_for_another(kind: str) -> None:
    made = [noise(kind, TEXT, doc_id(i)) for i in (0, 0, 1, 2, 3, 4, 5)]
    assert made[0] == made[1] != TEXT
    others = 1 if kind == "base64" else 3  # a text has one form in base64, and this one three lines
    assert len(set(made)) >= others


def test_random_bytes_are_spread_evenly() -> None:
    found = Counter(b for i in range(100) for b in noise("binary", TEXT, doc_id(i)).encode("latin-1"))
    mean = found.total() / 256
    assert len(found) == 256
    assert all(mean / 2 < n < mean * 2 for n in found.values())  # 30,000 bytes: 120 of each, 11 the deviation


def test_as_many_as_asked_for_and_all_kinds_alike() -> None:
    kinds = [kind_of(doc_id(i), 0.2) for i in range(5000)]
    assert set(kinds) == {None, *KINDS}
    assert 900 < sum(kind is not None for kind in kinds) < 1100  # 1000 expected, standard deviation 28
    assert all(150 < kinds.count(kind) < 250 for kind in KINDS)  # 200, 14
    assert {kind_of(doc_id(i), 0.0) for i in range(100)} == {None}
    assert None not in {kind_of(doc_id(i), 1.0) for i in range(100)}
    more = [kind_of(doc_id(i), 0.4) for i in range(5000)]
    assert all(few in (None, many) for few, many in zip(kinds, more, strict=True))  # a larger share keeps the smaller's
