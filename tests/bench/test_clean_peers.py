"""The peer of the bench of rules is given the words and sentences that `score.signals` has."""

from __future__ import annotations

import pyarrow as pa
from bench.clean_peers import spans, words
from hypothesis import given, settings
from hypothesis import strategies as st

from vernier.score.signals import Signals


@given(st.lists(st.text(alphabet="abé .!?\"')中。\t", max_size=40), min_size=1, max_size=5))
@settings(deadline=None)
def test_the_same_words_and_sentences(lines: list[str]) -> None:
    found = Signals().count(pa.array(lines, pa.large_string()))
    assert found["num_words"].tolist() == [len(words(line)) for line in lines]
    for line in lines:
        assert "".join(line[start:end] for start, end in spans(line)) == line
    known = ["One. Two! Three", 'He said "Go." And left (at 3.14).', "中文。好的！", "Wait... what?", "a"]
    found = Signals().count(pa.array(known, pa.large_string()))
    assert found["num_sentences"].tolist() == [len(spans(line)) for line in known] == [3, 2, 2, 2, 1]
