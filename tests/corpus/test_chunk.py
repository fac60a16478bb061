"""Chunks: the cutting rule against a plain buffer, and the same chunks for any shards."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vernier.core import rng, tables
from vernier.core.artifact import Artifact
from vernier.core.errors import RecipeError
from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.corpus import cutting
from vernier.corpus.chunk import BETWEEN, Chunk
from vernier.corpus.cutting import Cut, cut, places
from vernier.models.tokenizer import Tokenizer
from vernier.testing import corpora, corpus_table, cuts, make_artifact, make_folder, run
from vernier.testing.make import build, settle
from vernier.testing.toy import byte_tokenizer
from vernier.train.tokenizer import Tokenizer as Train

Row = dict[str, Any]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(str(tmp_path_factory.mktemp("chunks")))


@pytest.fixture(scope="module")
def tokenizer(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """One token a byte."""
    folder = tmp_path_factory.mktemp("bytes")
    byte_tokenizer(folder)
    return make_folder(store, "model", folder)


def inputs(store: Store, tokenizer: Artifact, shards: Sequence[pa.Table], kept: Sequence[pa.Table] = ()) -> Inputs:
    artifacts = {"corpus": make_artifact(store, "corpus", shards), "tokenizer": tokenizer}
    if kept:
        artifacts["selection"] = make_artifact(store, "selection", kept)
    return Inputs(store.url, artifacts)


def chunks(plugin: Chunk, given: Inputs) -> list[Row]:
    return pa.concat_tables(run(plugin, given)).to_pylist()


# ---- the rule --------------------------------------------------------------------------------------------------


def buffered(documents: Sequence[Sequence[bool]], size: int) -> list[Cut]:
    """The rule as it is told: a buffer of tokens, each True if a chunk may end behind it."""
    out: list[Cut] = []
    buffer: list[bool] = []
    before = 0
    for document in documents:
        buffer += document
        taken = 0
        while len(buffer) >= size:
            if taken == cutting.MOST:
                out.append(Cut(before, before + len(buffer), is_chunk=False))
                before, buffer = before + len(buffer), []
                break
            end = size
            while end > 0 and not buffer[end - 1]:
                end -= 1
            end = end or size
            out.append(Cut(before, before + end))
            before, buffer = before + end, buffer[end:]
            taken += 1
    return [*out, Cut(before, before + len(buffer))] if buffer else out


@given(
    documents=st.lists(st.lists(st.sampled_from([True, False, False, False]), min_size=1, max_size=40), max_size=8),
    size=st.integers(2, 12),
    most=st.sampled_from([2, 5, 2000]),
)
def test_cuts_are_those_of_a_buffer(documents: list[list[bool]], size: int, most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cutting, "MOST", most)
        stream = list(itertools.chain(*documents))
        allowed = [i + 1 for i, may in enumerate(stream) if may]
        made = list(cut([len(document) for document in documents], allowed, size))
        assert made == buffered(documents, size)
    assert [c.start for c in made] == [0, *(c.end for c in made)][: len(made)]
    assert (made[-1].end if made else 0) == len(stream)


def test_a_document_of_more_than_2000_chunks_is_given_up() -> None:
    """Theirs: the buffer is dropped, with what the document before left in it."""
    made = list(cut([1, 3 * 2001, 4], [1, 6004, 6008], 3))
    assert made[0] == Cut(0, 1)  # the end of text of the first document
    assert made[2000] == Cut(1 + 3 * 1999, 6004, is_chunk=False)
    assert [c.is_chunk for c in made[:2000]] == [True] * 2000
    assert made[2001:] == [Cut(6004, 6007), Cut(6007, 6008)]
    assert all(c.is_chunk for c in cut([3 * 2000], [6000], 3))


@pytest.mark.parametrize(
    ("tokens", "may_end"),
    [
        (["a.", " b"], [True, False]),
        (["a", ".", " b"], [False, True, False]),
        (["a.", "b! ", "c?"], [False, False, False]),  # no space behind the token; the last is followed by nothing
        (["a?", " ", "b"], [True, False, False]),
        (["a", "\n", "b"], [False, True, False]),
        (["a\n  b", "c"], [True, False]),
        (["a\u2028", "b\x85", "c"], [False, False, False]),  # no newline
        (["é.", " 中"], [True, False]),
    ],
)
def test_where_a_chunk_may_end(tokens: list[str], may_end: list[bool]) -> None:
    ends = np.cumsum([len(token.encode()) for token in tokens])
    assert places("".join(tokens).encode(), ends).tolist() == may_end


# ---- chunks of a corpus ----------------------------------------------------------------------------------------


def expected(table: pa.Table, plugin: Chunk) -> list[tuple[str, str, str, str]]:
    """Parents, start, end and text of each chunk, by the rule, for tokens that are bytes."""
    out: list[tuple[str, str, str, str]] = []
    rows = [row for row in table.to_pylist() if row["text"]]
    for domain in {row["domain"] for row in rows}:
        documents = sorted(
            (row for row in rows if row["domain"] == domain),
            key=lambda row: (row["source"], row["offset"], row["doc_id"]),
        )
        runs: list[list[Row]] = [[]]
        for row in documents:
            ids = np.frombuffer(row["doc_id"], np.uint64).reshape(1, 2)
            if rng.uniform(ids, 0, "corpus.chunk")[0] < row["num_bytes"] / plugin.run:
                runs.append([])
            runs[-1].append(row)
        for some in runs:
            out += _expected_of_run(some, plugin.tokens)
    return sorted(out)


def _expected_of_run(rows: Sequence[Row], size: int) -> list[tuple[str, str, str, str]]:
    stream = [(row, byte) for row in rows for byte in range(row["num_bytes"] + 1)]
    may_end: list[list[bool]] = []
    for row in rows:
        data = row["text"].encode()
        # the library counts in characters, so each byte of a character is at that character's end
        ends = [0, *itertools.chain(*([end] * n for end, n in _characters(row["text"])))]
        ours = [a < b and _may_end(data, a, b) for a, b in itertools.pairwise(ends)]
        may_end.append([*ours, True])
    made: list[tuple[str, str, str, str]] = []
    for piece in buffered(may_end, size):
        if piece.end - piece.start <= 1 or not piece.is_chunk:
            continue
        parts: dict[str, list[int]] = {}
        texts: dict[str, str] = {}
        for row, byte in stream[piece.start : piece.end]:
            characters = [0, *itertools.chain(*([end] * n for end, n in _characters(row["text"])))]
            low, high = characters[byte], characters[min(byte + 1, row["num_bytes"])]
            if low < high:
                name = row["doc_id"].hex()
                parts.setdefault(name, [low, high])[1] = high
                texts[name] = row["text"].encode()[parts[name][0] : high].decode()
        if parts:
            first, last = next(iter(parts.values()))[0], list(parts.values())[-1][1]
            made.append((" ".join(parts), str(first), str(last), "\n\n".join(texts.values())))
    return made


def _may_end(data: bytes, start: int, end: int) -> bool:
    return b"\n" in data[start:end] or (data[end - 1 : end] in (b".", b"!", b"?") and data[end : end + 1] == b" ")


def _characters(text: str) -> list[tuple[int, int]]:
    """The byte behind each character, and its number of bytes."""
    sizes = [len(character.encode()) for character in text]
    return list(zip(itertools.accumulate(sizes), sizes, strict=True))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_chunks_are_those_of_the_rule_whatever_the_shards(
    store: Store, tokenizer: Artifact, data: st.DataObject
) -> None:
    whole = data.draw(corpora(max_rows=12))
    plugin = Chunk(tokens=data.draw(st.integers(2, 30)), run=data.draw(st.sampled_from([1, 60, 10_000])))
    once = chunks(plugin, inputs(store, tokenizer, [whole]))
    got = [(row["parents"], row["start_byte"], row["end_byte"], row["text"]) for row in once]
    assert sorted(got) == expected(whole, plugin)
    cut_up = [whole.slice(start, length) for start, length in data.draw(cuts(whole.num_rows))]
    assert chunks(plugin, inputs(store, tokenizer, cut_up)) == once
    order = data.draw(st.permutations(range(whole.num_rows)))
    shuffled = whole.take(pa.array(order, pa.int64()))
    mixed = [shuffled.slice(start, length) for start, length in data.draw(cuts(whole.num_rows))]
    by_id = {row["doc_id"]: row for row in chunks(plugin, inputs(store, tokenizer, mixed))}
    assert by_id == {row["doc_id"]: row for row in once} and len(by_id) == len(once)


def test_a_chunk_holds_whole_short_documents_and_names_them(store: Store, tokenizer: Artifact) -> None:
    texts = ["One. Two three.", "ab", "cd", "other", "Four five six seven. Eight"]
    domains = ["p", "p", "p", "q", "p"]
    table = corpus_table(texts, domains=domains, licenses=["MIT", "MIT", None, "MIT", "MIT"])
    made = chunks(Chunk(tokens=24, run=10**12), inputs(store, tokenizer, [table]))
    ids = [one.hex() for one in table.column("doc_id").to_pylist()]
    assert [(row["text"], row["domain"]) for row in made] == [
        ("One. Two three.\n\nab\n\ncd", "p"),  # 16 + 3 + 3 tokens with their ends of text
        ("other", "q"),
        ("Four five six seven.", "p"),
        (" Eight", "p"),
    ]
    assert [row["parents"] for row in made] == [" ".join(ids[:3]), ids[3], ids[4], ids[4]]
    assert [(row["start_byte"], row["end_byte"]) for row in made] == [("0", "2"), ("0", "5"), ("0", "20"), ("20", "26")]
    assert [row["license"] for row in made] == [None, "MIT", "MIT", "MIT"]
    assert [row["id"] for row in made] == [None, "3", "4", "4"]
    assert [row["offset"] for row in made] == [table.column("offset")[i].as_py() for i in (0, 3, 4, 4)]
    for row in made:
        raw = row["text"].encode()
        assert (row["num_bytes"], row["text_hash"]) == (len(raw), blake2b(raw, digest_size=16).digest())


def test_chunks_are_not_all_of_one_length(store: Store, tokenizer: Artifact) -> None:
    """The paper takes a sum for a mean since "all" chunks have 1024 tokens: cut at sentences, they have not."""
    words = Random(0).choices(["one", "two.", "three", "four!", "five"], k=400)
    made = chunks(Chunk(tokens=64), inputs(store, tokenizer, [corpus_table([" ".join(words)])]))
    lengths = {row["num_bytes"] for row in made[:-1]}
    assert len(lengths) > 3 and max(lengths) <= 64


def test_what_is_left_out_is_counted(store: Store, tokenizer: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "MOST", 3)
    texts = ["\nabcdefgh", "y" * 40]
    given = inputs(store, tokenizer, [corpus_table(texts, domains=["p", "q"])])
    plugin = Chunk(tokens=6)
    state, shard = settle(plugin, given), given.shard(0)
    made = pa.concat_tables(plugin.map(shard, state)).column("text").to_pylist()
    assert made == ["abcdef", "gh", "y" * 6, "y" * 6, "y" * 6]
    assert shard.left_out == {"one_token": 1, "beyond_2000": 1}


def test_only_selected_documents_and_each_once(store: Store, tokenizer: Artifact) -> None:
    """Trap: the reference model must never score what it was trained on. No chunk reaches into another document."""
    texts = [f"document {i}." for i in range(20)]
    counts = [i % 3 for i in range(20)]
    kept = pa.table(
        {"count": counts, "reason": [None if count else "outside" for count in counts]}, schema=tables.SELECTION
    )
    given = inputs(store, tokenizer, [corpus_table(texts[:7]), corpus_table(texts).slice(7)], [kept[:7], kept[7:]])
    made = chunks(Chunk(tokens=40), given)
    assert BETWEEN.join(row["text"] for row in made) == BETWEEN.join(texts[i] for i in range(20) if counts[i])


def test_own_columns_stay_where_all_parents_agree(store: Store, tokenizer: Artifact) -> None:
    table = corpus_table(["aa", "bb", "cc"]).append_column("package", pa.array(["x", "x", "y"]))
    made = chunks(Chunk(tokens=6), inputs(store, tokenizer, [table]))
    assert [(row["text"], row["package"]) for row in made] == [("aa\n\nbb", "x"), ("cc", "y")]
    again = inputs(store, tokenizer, [pa.concat_tables(run(Chunk(tokens=6), inputs(store, tokenizer, [table])))])
    assert [(row["text"], row["package"]) for row in chunks(Chunk(tokens=99), again)] == [("aa\n\nbb\n\ncc", None)]


def test_a_chunk_that_ends_inside_a_character_has_all_of_it(store: Store, tokenizer: Artifact) -> None:
    made = chunks(Chunk(tokens=2), inputs(store, tokenizer, [corpus_table(["🙂a"])]))
    assert [row["text"] for row in made] == ["🙂", "a"]


def test_tokens_of_several_bytes(store: Store, tmp_path: Path) -> None:
    """Chunks hold at most so many tokens, and their texts are the documents: all of each, but for what is counted."""
    random, words = Random(3), ["the", "cat", "sat.", "on", "a", "mat. ", "中文"]
    texts = [" ".join(random.choices(words, k=random.randint(5, 90))) + "." for _ in range(30)]
    corpus = make_artifact(store, "corpus", [corpus_table(texts)])
    build(Train(vocab=300), Inputs(store.url, {"corpus": corpus}), tmp_path / "bpe")
    trained = make_folder(store, "model", tmp_path / "bpe")
    given, plugin = Inputs(store.url, {"corpus": corpus, "tokenizer": trained}), Chunk(tokens=50)
    made = chunks(plugin, given)
    joined: dict[str, str] = {}
    for row in made:
        for parent, text in zip(row["parents"].split(), row["text"].split(BETWEEN), strict=True):
            joined[parent] = joined.get(parent, "") + text
    assert list(joined.values()) == texts
    counts = [len(one.ids) for one in Tokenizer(tmp_path / "bpe").encode([row["text"] for row in made])]
    assert np.mean(counts) > 35 and max(counts) <= 55  # a few more where a chunk begins inside a word
    assert plugin.account(settle(plugin, given)) == {"documents": 30, "buffers": 1}


@pytest.mark.parametrize("wrong", [{"tokens": 1}, {"run": 0}])
def test_settings_out_of_range(wrong: dict[str, int]) -> None:
    with pytest.raises(RecipeError, match="too small"):
        Chunk(**wrong)
