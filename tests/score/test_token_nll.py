"""Losses token by token: those that `score.nll` adds up, at the right bytes, in the selected rows alone."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vernier.core import tables
from vernier.core.artifact import Artifact
from vernier.core.errors import DataError, RecipeError
from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.core.tables import SELECTION
from vernier.models.build import Shape
from vernier.pipeline.keys import map_key
from vernier.pipeline.work import Task, do
from vernier.score.nll import NLL
from vernier.score.token_nll import TokenNLL
from vernier.testing.make import build, corpus_table, make_artifact, make_folder, run
from vernier.testing.toy import toy_bits, toy_model
from vernier.train.pretrain import Pretrain
from vernier.train.tokenizer import Tokenizer

WORDS = ("cats", "sat", "on", "mats", "né", "日本", "🙂")
TEXTS = ["", *(" ".join(WORDS[i * j % 7] for j in range(1, 3 * i)) for i in range(1, 24)), "🙂" * 40]
CUT = 9


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Artifact, Artifact]:
    """A store, a corpus of two shards, and a small model of words and parts of characters that was trained on it."""
    folder = tmp_path_factory.mktemp("world")
    store, table = Store(str(folder / "store")), corpus_table(TEXTS)
    corpus = make_artifact(store, "corpus", [table.slice(0, CUT), table.slice(CUT)])
    build(Tokenizer(vocab=290), Inputs(store.url, {"corpus": corpus}), folder / "bpe")
    tokenizer = make_folder(store, "model", folder / "bpe")
    inputs = Inputs(store.url, {"corpus": corpus, "tokenizer": tokenizer})
    build(Pretrain(model=Shape(hidden=32, layers=1), tokens=6_400, context=32), inputs, folder / "model")
    return store, corpus, make_folder(store, "model", folder / "model")


def masked(world: tuple[Store, Artifact, Artifact], counts: list[int]) -> Inputs:
    store, corpus, model = world
    table = pa.table({"count": counts, "reason": [None if n else "x" for n in counts]}, schema=SELECTION)
    selection = make_artifact(store, "selection", [table.slice(0, CUT), table.slice(CUT)])
    return Inputs(store.url, {"corpus": corpus, "selection": selection, "model": model})


@settings(max_examples=15, deadline=None)
@given(
    counts=st.lists(st.integers(0, 2), min_size=len(TEXTS), max_size=len(TEXTS)),
    max_tokens=st.none() | st.integers(1, 50),
    window=st.none() | st.integers(2, 32),
)
def test_they_add_up_to_the_documents_loss(
    world: tuple[Store, Artifact, Artifact], counts: list[int], max_tokens: int | None, window: int | None
) -> None:
    inputs = masked(world, counts)
    each = pa.concat_tables(run(TokenNLL(max_tokens=max_tokens, window=window), inputs)).to_pylist()
    sums = pa.concat_tables(run(NLL(max_tokens=max_tokens, window=window), inputs)).to_pylist()
    for text, count, row, whole in zip(TEXTS, counts, each, sums, strict=True):
        if not count:
            assert row == {"nll": None, "end": None, "num_tokens": None}
            continue
        assert row["num_tokens"] == len(row["nll"]) == len(row["end"]) == whole["num_tokens"]
        assert math.fsum(row["nll"]) == pytest.approx(whole["nll"], rel=1e-12, abs=0)
        assert [0, *row["end"]][-1] == whole["num_bytes"]
        raw = text.encode()
        pieces = [raw[a:b].decode() for a, b in pairwise([0, *row["end"]])]  # an end inside a character would raise
        assert "".join(pieces).encode() == raw[: whole["num_bytes"]]


def test_known_bits_of_each_token(tmp_path: Path) -> None:
    store, text = Store(str(tmp_path / "store")), "añb🙂"
    table = pa.table({"count": [1], "reason": [None]}, schema=SELECTION)
    inputs = Inputs(
        store.url,
        {
            "corpus": make_artifact(store, "corpus", [corpus_table([text])]),
            "selection": make_artifact(store, "selection", [table]),
            "model": make_folder(store, "model", toy_model(tmp_path / "toy")),
        },
    )
    (row,) = run(TokenNLL(), inputs)[0].to_pylist()
    bits = np.diff([toy_bits(text, max_tokens=t) for t in range(9)])
    np.testing.assert_allclose(row["nll"], bits * math.log(2), rtol=1e-6)
    assert row["end"] == [1, 3, 3, 4, 8, 8, 8, 8]


def test_the_history_of_a_store_leaves_no_trace(world: tuple[Store, Artifact, Artifact], tmp_path: Path) -> None:
    """Rows copied from two earlier masks, an empty document among them: the bytes that a new store gets."""
    masks = [[i % 2 for i in range(25)], [int(i < 12) for i in range(25)], [int(i % 5 != 1) for i in range(25)]]
    made: list[bytes] = []
    for name, history in (("old", masks), ("new", masks[-1:])):
        store = Store(str(tmp_path / name))
        corpus = make_artifact(store, "corpus", [corpus_table(TEXTS)])
        model = make_folder(store, "model", world[0].local_folder(world[2].shards[0]))
        for counts in history:
            table = pa.table({"count": counts, "reason": [None if n else "x" for n in counts]}, schema=SELECTION)
            mask = make_artifact(store, "selection", [table])
            inputs = Inputs(store.url, {"corpus": corpus, "selection": mask, "model": model})
            plugin = TokenNLL()
            key, base = (map_key(plugin, 0, inputs, 0, without=without) for without in ([], ["selection"]))
            (ref,) = do(Task(store.url, "tokens", "0", "scores", plugin, key, inputs, base))
            assert ref.counts == {"rows": 25, "not_scored": counts.count(0), "undefined": 0}
        with store.open(ref.data) as file:
            made.append(file.read())
    assert made[0] == made[1]


def test_row_groups_of_lists_are_small(tmp_path: Path) -> None:
    """So that a page that shows one document does not read the tokens of all."""
    assert tables.group_rows(pa.schema([("nll", pa.float64())])) == tables.ROW_GROUP_ROWS
    store, texts = Store(str(tmp_path / "store")), ["ab"] * (tables.ROW_GROUP_LISTS + 5)
    table = pa.table({"count": [1] * len(texts), "reason": [None] * len(texts)}, schema=SELECTION)
    inputs = Inputs(
        store.url,
        {
            "corpus": make_artifact(store, "corpus", [corpus_table(texts)]),
            "selection": make_artifact(store, "selection", [table]),
            "model": make_folder(store, "model", toy_model(tmp_path / "toy")),
        },
    )
    (ref,) = do(Task(store.url, "tokens", "0", "scores", TokenNLL(), map_key(TokenNLL(), 0, inputs, 0), inputs))
    with store.open(ref.data) as file:
        found = tables.open_parquet(file).metadata
        assert [found.row_group(i).num_rows for i in range(2)] == [tables.ROW_GROUP_LISTS, 5]


def test_a_loss_that_is_not_a_number(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    store, folder = Store(str(tmp_path / "store")), toy_model(tmp_path / "toy")
    weights = load_file(folder / "model.safetensors")
    weights["model.embed_tokens.weight"][ord("q")] = math.nan
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    table = pa.table({"count": [1, 1], "reason": [None, None]}, schema=SELECTION)
    inputs = Inputs(
        store.url,
        {
            "corpus": make_artifact(store, "corpus", [corpus_table(["fine", "quit"])]),
            "selection": make_artifact(store, "selection", [table]),
            "model": make_folder(store, "model", folder),
        },
    )
    for plugin in (NLL(), TokenNLL()):
        with pytest.raises(DataError, match="not a number") as told:
            run(plugin, inputs)
        assert "'quit'" in str(told.value)


def test_a_cap_of_nothing_is_refused() -> None:
    with pytest.raises(RecipeError, match="max_tokens"):
        TokenNLL(max_tokens=0)
