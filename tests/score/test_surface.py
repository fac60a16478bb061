"""Surface counts against plain Python, character by character."""

from __future__ import annotations

import json
import re
import zlib
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.select.world import World

from vernier.core.shard import Inputs
from vernier.score import surface
from vernier.score.surface import STOP_WORDS, Surface

WORD = re.compile("(?:[A-Za-z0-9]|[^\x00-\x7f])+")
CAPITALS = {ord(c): c.lower() for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}


def reference(text: str) -> dict[str, int]:
    words = WORD.findall(text)
    symbols = re.findall(r"[\x00-\x08\x0e-\x1f!-/:-@\[-`{-\x7f]", text)
    return {
        "num_bytes": len(text.encode()),
        "num_chars": len(text),
        "num_words": len(words),
        "num_stop_words": sum(word.translate(CAPITALS) in STOP_WORDS for word in words),
        "num_symbols": len(symbols),
    }


def check(texts: list[str], array: Any = None) -> None:
    counts = surface.count(pa.array(texts, pa.large_string()) if array is None else array)
    for name in ("num_bytes", "num_chars", "num_words", "num_stop_words", "num_symbols"):
        assert counts[name].tolist() == [reference(text)[name] for text in texts], name


PIECES = st.one_of(
    st.sampled_from(
        [*STOP_WORDS, "The", "WOULD", "THESE", "aboutx", "xa", "a1", "thé", "there's", "éa", "\x00", "\x7f"]
    ),
    st.text(max_size=6),
    st.text(alphabet="aithe \t\n\r\v\f.,-_#\x00\x01\x1c\u2028é漢😀", max_size=12),
)
TEXTS = st.lists(st.lists(PIECES, max_size=12).map(lambda p: "".join(p)), max_size=12)


@given(texts=TEXTS, block=st.sampled_from([1, 7, 64, 1 << 20]), skip=st.integers(0, 3))
@settings(max_examples=300, deadline=None)
def test_counts_are_those_of_plain_python(texts: list[str], block: int, skip: int) -> None:
    with mock.patch.object(surface, "BLOCK", block):
        check(texts)
        check(texts[skip:], pa.array(texts, pa.large_string())[skip:])


@given(texts=st.lists(st.lists(st.sampled_from([*STOP_WORDS, "of the", "x"]), max_size=40).map(" ".join), max_size=8))
@settings(max_examples=50, deadline=None)
def test_every_stop_word_counts(texts: list[str]) -> None:
    check(texts)


def test_known_counts() -> None:
    text = "The cat's whiskers: 3 cm, são más.\n"
    counts = {name: column.tolist() for name, column in surface.count(pa.array([text], pa.large_string())).items()}
    # the cat s whiskers 3 cm são más; ' : , .
    assert counts == {
        "num_bytes": [37],
        "num_chars": [35],
        "num_words": [8],
        "num_stop_words": [1],
        "num_symbols": [4],
    }
    assert surface.count(pa.array(list(STOP_WORDS), pa.large_string()))["num_stop_words"].tolist() == [1] * len(
        STOP_WORDS
    )


def test_a_word_never_runs_over_the_end_of_a_text() -> None:
    check(["o", "f", "", "", "of", "t", "he", "the", "漢", "é"])


def test_words_longer_than_a_number_are_no_stop_words() -> None:
    check(["a" * n for n in range(12)] + ["the" + "x" * n for n in range(12)] + ["é" * n for n in range(12)])
    check(["ÿ" * 4, "\U0010ffff" * 2, "a\U0010ffff" * 3])


def test_the_plugin_gives_one_row_a_document_and_compresses_as_zlib_does(world: World) -> None:
    texts = ["", "aaaa" * 500, "The quick brown fox.", "漢字" * 9, "x"]
    corpus = world.corpus(5, [2], text=texts)
    for plugin in (Surface(), Surface(zlib=False)):
        inputs = Inputs(world.store.url, {"corpus": corpus})
        table = pa.concat_tables([t for i in range(2) for t in plugin.map(inputs.only(i).shard(0))])
        assert table.column("num_words").to_pylist() == [reference(text)["num_words"] for text in texts]
        assert all(table.schema.field(name).type == pa.int64() for name in table.schema.names)
        if plugin.zlib:
            sizes = [len(zlib.compress(text.encode(), 1)) for text in texts]
            assert table.column("zlib_bytes").to_pylist() == sizes
        else:
            assert "zlib_bytes" not in table.schema.names


def test_an_empty_shard_gives_an_empty_table(world: World) -> None:
    inputs = Inputs(world.store.url, {"corpus": world.corpus(0, text=[])})
    tables = list(Surface().map(inputs.shard(0)))
    assert len(tables) == 1 and tables[0].num_rows == 0
    assert tables[0].schema.names[-1] == "zlib_bytes"


def test_real_text(data: Path) -> None:
    with zstandard.open(data / "corpus" / "multilingual_tldr.jsonl.zst", "rt", encoding="utf-8", newline="\n") as file:
        texts = [json.loads(line)["text"] for line in file]
    with zstandard.open(data / "corpus" / "sms_spam.jsonl.zst", "rt", encoding="utf-8", newline="\n") as file:
        texts += [json.loads(line)["text"] for line in file]
    check(texts)
