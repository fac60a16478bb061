"""Removing lines: the rows stay, what went is counted, and a selection finds the documents that lost too much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vernier.core import tables
from vernier.core.lines import RULES, Judge, Limits
from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.corpus.lines import Lines
from vernier.score.lines import Lines as Counts
from vernier.select.threshold import Threshold
from vernier.testing.make import corpus_table, make_artifact, run


def inputs(folder: Path, texts: Sequence[str], cut: int) -> Inputs:
    store, whole = Store(str(folder)), corpus_table(texts)
    return Inputs(
        store.url, {"corpus": make_artifact(store, "corpus", [whole.slice(0, cut), whole.slice(cut)], rows_of="t")}
    )


def test_the_same_rows_with_other_texts(tmp_path: Path) -> None:
    texts = ["sign in\nA fine day.", "A fine day.", "HOME\n2 likes", ""]
    made = pa.concat_tables(run(Lines(rules=["redstone"]), inputs(tmp_path, texts, 1)))
    left = ["A fine day.", "A fine day.", "", ""]
    before, want = corpus_table(texts), corpus_table(left)
    assert made.schema == tables.CORPUS
    for name in made.column_names:
        source = want if name in ("text", "num_bytes", "text_hash") else before
        assert made.column(name).to_pylist() == source.column(name).to_pylist()


@settings(max_examples=15)
@given(
    texts=st.lists(
        st.lists(st.sampled_from(["HOME", "", "7", "2 likes", "A fine day, all in all.", "sign in"])).map("\n".join),
        min_size=1,
        max_size=10,
    ),
    cut=st.integers(0, 10),
)
def test_what_is_removed_is_counted_whatever_the_cut(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], cut: int
) -> None:
    given, counted = inputs(tmp_path_factory.mktemp("l"), texts, cut), Counter[str]()
    made: list[pa.Table] = []
    for index in range(2):
        shard = given.only(index).shard(0)
        made += Lines(rules=["redstone"]).map(shard)
        counted += shard.left_out
    table = pa.concat_tables(made)
    judged = [Judge(["redstone"], Limits()).judge(text) for text in texts]
    assert table.column("text").to_pylist() == [one.text for one in judged]
    for name in RULES:
        assert counted[f"lines.{name}"] == sum(one.lines[name] for one in judged)
        assert counted[f"words.{name}"] == sum(one.words[name] for one in judged)
    scores = pa.concat_tables(run(Counts(rules=["redstone"]), given)).to_pydict()
    assert scores["num_words"] == [len(text.split()) for text in texts]
    assert scores["num_kept_words"] == [len(text.split()) for text in table.column("text").to_pylist()]
    assert sum(scores["num_words"]) - sum(scores["num_kept_words"]) == sum(
        n for name, n in counted.items() if name.startswith("words.")
    )
    assert sum(scores["num_lines"]) - sum(scores["num_kept_lines"]) == sum(
        n for name, n in counted.items() if name.startswith("lines.")
    )


def test_a_document_may_lose_one_word_in_twenty(tmp_path: Path) -> None:
    """RedStone: dropped if the removed lines hold more than 5 % of the words."""
    nineteen = " ".join(["word"] * 19)
    texts = [f"{nineteen}\nHOME", f"{nineteen[:-5]}\nHOME", f"{nineteen} {nineteen}\nHOME\n42\n7", "", nineteen]
    given = inputs(tmp_path, texts, 2)
    store = Store(given.store)
    scores = make_artifact(store, "scores", run(Counts(rules=["redstone"]), given), rows_of="t")
    both = Inputs(given.store, {**given.artifacts, "a": scores})
    made = pa.concat_tables(run(Threshold(by="kept_word_share", at_least=0.95), both))
    assert made.column("reason").to_pylist() == [None, "below_cut", "below_cut", "undefined", None]
