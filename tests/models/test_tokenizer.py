"""Reading a model's tokenizer."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vernier.core.errors import DataError
from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.models.tokenizer import Tokenizer
from vernier.testing.make import build, corpus_table, make_artifact
from vernier.testing.toy import SEPARATOR, toy_model
from vernier.train import tokenizer as train


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return toy_model(tmp_path)


def test_a_document_can_not_end_itself(folder: Path) -> None:
    text = "before<|endoftext|>after"
    (one,) = Tokenizer(folder).encode([text])
    assert one.ids.tolist() == list(text.encode())


def test_the_separator_is_bos_then_eos(folder: Path) -> None:
    config = folder / "tokenizer_config.json"
    assert Tokenizer(folder).separator == SEPARATOR
    config.write_text(json.dumps({"bos_token": None, "eos_token": {"content": "!"}}))
    assert Tokenizer(folder).separator == ord("!")
    config.write_text("{}")
    with pytest.raises(DataError, match="neither a bos nor an eos"):
        _ = Tokenizer(folder).separator


def test_bytes_of_a_beginning_end_with_a_whole_character(folder: Path) -> None:
    (one,) = Tokenizer(folder).encode(["aé" * 4], max_tokens=4)  # a, two bytes of é, a
    assert (len(one.ids), one.num_bytes) == (4, 4)


@pytest.fixture(scope="module")
def bpe(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    """Tokens of one byte, of parts of characters and of words."""
    folder = tmp_path_factory.mktemp("bpe")
    store = Store(str(folder / "store"))
    texts = ["the cat and the hat ", "né été à l’été ", "日本語と日本 ", "🙂🙃🙂 "]
    corpus = make_artifact(store, "corpus", [corpus_table([text * 5 for text in texts])])
    build(train.Tokenizer(vocab=290), Inputs(store.url, {"corpus": corpus}), folder / "out")
    return Tokenizer(folder / "out")


@given(text=st.text("the cat né日本語🙂\n", max_size=40), cap=st.none() | st.integers(1, 20))
def test_ends_are_those_of_the_tokens_bytes(bpe: Tokenizer, text: str, cap: int | None) -> None:
    """A byte-level token is written with one letter for each byte: count them, and go on to the character's end."""
    (one,) = bpe.encode([text], max_tokens=cap, ends=True)
    (plain,) = bpe.encode([text], max_tokens=cap)
    assert one.ids.tolist() == plain.ids.tolist() and one.num_bytes == plain.num_bytes
    vocabulary = json.loads((bpe.folder / "tokenizer.json").read_text("utf-8"))["model"]["vocab"]
    spelt = {number: letters for letters, number in vocabulary.items()}
    behind = list(itertools.accumulate(len(character.encode()) for character in text))
    at, wanted = 0, list[int]()
    for token in one.ids.tolist():
        at += len(spelt[token])
        wanted.append(next(end for end in behind if end >= at))
    assert one.ends.tolist() == wanted
    assert one.num_bytes == (wanted[-1] if wanted else 0)


def test_no_tokenizer_and_a_damaged_one(folder: Path) -> None:
    path = folder / "tokenizer.json"
    path.write_text("{}")
    with pytest.raises(DataError, match="can not be read"):
        _ = Tokenizer(folder).digest
    path.unlink()
    with pytest.raises(DataError, match=r"no tokenizer\.json|has no tokenizer"):
        _ = Tokenizer(folder).digest
