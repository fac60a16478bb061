"""Windows: any of them by its number, packed ones, and the way back to the documents."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vernier.core.errors import DataError
from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.corpus.pack import Pack
from vernier.models.windows import FILE, Documents, Packed, Stream
from vernier.testing.make import build, corpus_table, make_artifact, make_folder
from vernier.testing.toy import byte_tokenizer

SEPARATOR = 99


def documents(lengths: list[int], counts: list[int]) -> Documents:
    """Document i is `i i i ...`."""
    tokens = [np.full(n, i, dtype=np.uint32) for i, n in enumerate(lengths)]
    return Documents(
        tokens=np.concatenate(tokens),
        starts=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        ids=np.stack([np.arange(len(lengths)), np.arange(len(lengths))[::-1]], axis=1).astype(np.uint64),
        counts=np.array(counts, dtype=np.int64),
        domain=np.zeros(len(lengths), dtype=np.int64),
        domains=("a",),
    )


def slow(documents: Documents, seed: int, number: int) -> tuple[list[int], list[int]]:
    """The first `number` tokens of the endless stream and their documents, written out."""
    tokens: list[int] = []
    owners: list[int] = []
    epoch = 0
    while len(tokens) < number:
        for index in documents.order(seed, epoch):
            piece = [*documents.tokens[documents.starts[index] : documents.starts[index + 1]].tolist(), SEPARATOR]
            tokens += piece
            owners += [int(index)] * len(piece)
        epoch += 1
    return tokens[:number], owners[:number]


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 3)), min_size=1, max_size=6),
    st.integers(1, 7),
    st.integers(0, 12),
    st.integers(1, 5),
)
def test_any_window_is_the_one_of_the_written_out_stream(
    made: list[tuple[int, int]], context: int, first: int, number: int
) -> None:
    lengths, counts = [n for n, _ in made], [c for _, c in made]
    counts[0] = max(1, counts[0])
    found = documents(lengths, counts)
    taken = Stream(found, context=context, separator=SEPARATOR, seed=1).take(first, number)
    tokens, owners = slow(found, 1, (first + number) * context)
    part = slice(first * context, None)
    assert taken.targets.ravel().tolist() == tokens[part]
    assert taken.document.ravel().tolist() == owners[part]
    assert taken.inputs.ravel().tolist() == [SEPARATOR, *tokens][first * context : -1]


TEXTS = [f"{i}: " + "abc " * (i % 7) for i in range(40)] + [""]


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[bytes, str], dict[str, int]]:
    """A folder of windows, the texts by document id, the facts."""
    folder = tmp_path_factory.mktemp("pack")
    store = Store(str(folder / "store"))
    (folder / "bytes").mkdir()
    byte_tokenizer(folder / "bytes")
    table = corpus_table(TEXTS, domains=["a" if i % 3 else None for i in range(len(TEXTS))])
    inputs = Inputs(
        store.url,
        {
            "corpus": make_artifact(store, "corpus", [table]),
            "tokenizer": make_folder(store, "model", folder / "bytes"),
        },
    )
    _, facts = build(Pack(context=16), inputs, folder / "windows")
    texts = dict(zip(table.column("doc_id").to_pylist(), TEXTS, strict=True))
    return folder / "windows", texts, facts


def test_every_token_leads_back_to_its_document(packed: tuple[Path, dict[bytes, str], dict[str, int]]) -> None:
    folder, texts, facts = packed
    rows = pq.read_table(folder / FILE).to_pylist()
    found: dict[bytes, list[int]] = defaultdict(list)
    for row in rows:
        starts = [span["start"] for span in row["documents"]] + [16]
        for span, end in zip(row["documents"], starts[1:], strict=True):
            targets = row["tokens"][1:][span["start"] : end]
            whole = [*texts[span["doc_id"]].encode(), 256]
            assert targets == whole[span["offset"] : span["offset"] + len(targets)]
            found[span["doc_id"]] += targets
    every = sum(len(text.encode()) + 1 for text in TEXTS if text)
    assert facts["tokens"] == len(rows) * 16 == every - facts["left_over_tokens"]
    assert facts["left_over_tokens"] < 16
    assert sum(map(len, found.values())) == facts["tokens"]


def test_each_epoch_takes_every_packed_window_once(packed: tuple[Path, dict[bytes, str], dict[str, int]]) -> None:
    folder, _, facts = packed
    source, number = Packed(folder, seed=0), facts["windows"]
    stored = sorted(row["tokens"] for row in pq.read_table(folder / FILE).to_pylist())
    epochs = [source.take(epoch * number, number) for epoch in (0, 1)]
    for taken in epochs:
        assert sorted([*i, t[-1]] for i, t in zip(taken.inputs.tolist(), taken.targets.tolist(), strict=True)) == stored
    assert epochs[0].inputs.tolist() != epochs[1].inputs.tolist()
    assert Packed(folder, seed=1).take(0, number).inputs.tolist() != epochs[0].inputs.tolist()
    together, apart = source.take(3, 2), [source.take(3, 1), source.take(4, 1)]
    np.testing.assert_array_equal(together.document, np.concatenate([w.document for w in apart]))


def test_packed_windows_know_their_documents(packed: tuple[Path, dict[bytes, str], dict[str, int]]) -> None:
    folder, texts, facts = packed
    source = Packed(folder, seed=0)
    taken = source.take(0, facts["windows"])
    for targets, owners in zip(taken.targets, taken.document, strict=True):
        for token, owner in zip(targets, owners, strict=True):
            text = texts[source.ids[owner].tobytes()]
            assert token == 256 or int(token) in text.encode()
            assert source.domains[source.domain[owner]] == ("(none)" if int(text.split(":")[0]) % 3 == 0 else "a")


def test_too_little_for_a_window(packed: tuple[Path, dict[bytes, str], dict[str, int]], tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    (tmp_path / "bytes").mkdir()
    byte_tokenizer(tmp_path / "bytes")
    corpus = make_artifact(store, "corpus", [corpus_table(["ab", ""])])
    inputs = Inputs(store.url, {"corpus": corpus, "tokenizer": make_folder(store, "model", tmp_path / "bytes")})
    with pytest.raises(DataError, match="do not fill one window"):
        build(Pack(context=4), inputs, tmp_path / "windows")
    with pytest.raises(DataError, match="holds no windows"):
        Packed(tmp_path / "bytes", seed=0)
