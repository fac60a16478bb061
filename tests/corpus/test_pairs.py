"""Pairs of excerpts: who meets whom, how long, from where."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pyarrow as pa
import pytest

from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.corpus.pairs import Pairs
from vernier.models.tokenizer import Tokenizer
from vernier.testing.make import corpus_table, make_artifact, make_folder, run
from vernier.testing.toy import toy_model

NUMBER = 400


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    """Long documents, a short one and an empty one; the toy tokenizer."""
    store = Store(str(tmp_path / "store"))
    letters = Random("letters")
    texts = ["".join(letters.choices("abcdefghijklmnopqrstuvwxyz", k=60)) for _ in range(NUMBER)]
    corpus = make_artifact(store, "corpus", [corpus_table([*texts, "ab", ""])])
    model = make_folder(store, "model", toy_model(tmp_path / "model"))
    return Inputs(store.url, {"corpus": corpus, "tokenizer": model}, 0)


def made(inputs: Inputs, **settings: int) -> list[dict[str, object]]:
    return pa.concat_tables(run(Pairs(**settings), inputs)).to_pylist()


def test_a_document_is_in_one_pair_at_most_and_excerpts_are_its_own(inputs: Inputs) -> None:
    rows = made(inputs, shortest=8, longest=16)
    corpus = {
        row["doc_id"].hex(): row["text"] for row in inputs.shard(0).read("corpus", ["doc_id", "text"]).to_pylist()
    }
    ids = [row[name] for row in rows for name in ("first_id", "second_id")]
    assert len(rows) == NUMBER // 2 and len(set(ids)) == len(ids), "401 documents with text: one has no neighbour"
    for row in rows:
        assert row["text"] in corpus[str(row["first_id"])] and row["second"] in corpus[str(row["second_id"])]


def test_lengths_are_the_longest_half_of_the_time_and_equal_in_a_pair(inputs: Inputs) -> None:
    rows = made(inputs, shortest=8, longest=16)
    tokenizer = Tokenizer(inputs.folder("tokenizer"))
    lengths = [[len(one.ids) for one in tokenizer.encode([row["text"], row["second"]])] for row in rows]
    assert all(first == second for first, second in lengths)
    usual = [first for first, _ in lengths if first >= 8]
    assert len(usual) >= len(rows) - 1, "only the pair of the short document is shorter"
    share = sum(n == 16 for n in usual) / len(usual)
    assert 0.4 < share < 0.7, "1/2 + 1/2 of 1/9, give or take three standard deviations"
    assert set(usual) == set(range(8, 17))


def test_excerpts_begin_anywhere(inputs: Inputs) -> None:
    corpus = {
        row["doc_id"].hex(): row["text"] for row in inputs.shard(0).read("corpus", ["doc_id", "text"]).to_pylist()
    }
    starts = [corpus[row["first_id"]].index(row["text"]) for row in made(inputs, shortest=8, longest=8)]
    assert min(starts) < 5 and max(starts) > 40 and len(set(starts)) > 20


def test_fewer_pairs_are_the_first_of_more(inputs: Inputs) -> None:
    few, more = ({(r["first_id"], r["second_id"], r["text"]) for r in made(inputs, pairs=n)} for n in (5, 50))
    assert len(few) == 5 and few < more
