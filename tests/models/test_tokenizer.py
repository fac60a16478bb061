"""Reading a model's tokenizer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vernier.core.errors import DataError
from vernier.models.tokenizer import Tokenizer
from vernier.testing.toy import SEPARATOR, toy_model


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


def test_no_tokenizer_and_a_damaged_one(folder: Path) -> None:
    path = folder / "tokenizer.json"
    path.write_text("{}")
    with pytest.raises(DataError, match="can not be read"):
        _ = Tokenizer(folder).digest
    path.unlink()
    with pytest.raises(DataError, match=r"no tokenizer\.json|has no tokenizer"):
        _ = Tokenizer(folder).digest
