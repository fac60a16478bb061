"""Raters: segments by hand, classes by their expected value, no padding, encoders between their special tokens."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from vernier.core.errors import DataError, RecipeError
from vernier.models.flops import of_folder
from vernier.models.load import load, load_sequence_classifier
from vernier.models.rater import Notes, expected, form_of, load_rater
from vernier.models.tokenizer import Tokenizer
from vernier.testing.toy import byte_tokenizer, toy_model, toy_rater


def change(folder: Path, **values: Any) -> Path:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **values}))
    return folder


def rates(folder: Path, *texts: str, segment: int | None = None, values: tuple[float, ...] = ()) -> Any:
    return load_rater(folder, segment, (), values).rate(texts)


def test_segments_weigh_by_their_tokens(tmp_path: Path) -> None:
    """Of 512, 512 and 100 tokens, with ratings 1, 0, 1 by one criterion and 0, 2, 0 by the other."""
    folder = change(toy_rater(tmp_path / "toy"), max_position_embeddings=512)
    text = ("A" * 511 + "B") + ("B" * 511 + "A") + ("A" * 99 + "B")  # the last byte of a segment decides; A is odd
    sums, counts = rates(folder, text, "B", "", segment=512)
    assert_allclose(sums, [[512 * 1 + 0 + 100 * 1, 512 * 2], [1, 0], [0, 0]])
    assert counts.tolist() == [1124, 1, 0]
    assert form_of(folder, segment=512).lengths(counts).tolist() == [512, 512, 100, 1]


def test_the_expected_value_of_classes(tmp_path: Path) -> None:
    assert expected(np.array([0, 0, 0, 0, math.log(4)]), [1, 2, 3, 4, 5]) == pytest.approx(3.75)
    assert expected(np.array([-1e9, 1e9]), [0, 1]) == 1
    folder = toy_rater(tmp_path / "toy")  # logits 1, 0 of an even byte
    sums, _ = rates(folder, "B", values=(10.0, 20.0))
    assert_allclose(sums, [[(10 * math.e + 20) / (math.e + 1)]])


def test_a_padding_token_in_a_text_is_text(tmp_path: Path) -> None:
    """The trap: with the end of text as padding, the library pools the last token that is another one."""
    folder = toy_rater(tmp_path / "toy")
    plain = rates(folder, "A\n")[0]
    padded = change(toy_rater(tmp_path / "padded"), pad_token_id=ord("\n"))
    model = load_sequence_classifier(padded)
    with torch.inference_mode():
        (pooled,) = model(input_ids=torch.tensor([[ord("A"), ord("\n")]])).logits.tolist()
    assert_allclose(pooled, [0, 2], atol=1e-6)  # those of the odd A
    assert_allclose(plain, [[2, 0]], atol=1e-6)  # two tokens, rated by the even line end
    assert (rates(padded, "A\n")[0] == plain).all()


def test_a_rating_has_no_company(tmp_path: Path) -> None:
    folder = toy_rater(tmp_path / "toy")
    texts = ["cats sat", "A" * 50, "on", "mats, and on hats"]
    together = rates(folder, *texts)[0]
    assert (together == np.concatenate([rates(folder, text)[0] for text in texts])).all()


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small BERT with five classes, its tokenizer between [CLS] and [SEP]."""
    from tokenizers import Tokenizer as Library
    from tokenizers.processors import TemplateProcessing
    from transformers import BertConfig, BertForSequenceClassification

    folder = tmp_path_factory.mktemp("bert")
    byte_tokenizer(folder)
    library = Library.from_file(str(folder / "tokenizer.json"))
    library.add_special_tokens(["[CLS]", "[SEP]"])
    ends = [("[CLS]", 257), ("[SEP]", 258)]
    library.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    library.save(str(folder / "tokenizer.json"))
    named = {"tokenizer_class": "PreTrainedTokenizerFast", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(named))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=259,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=64,
        num_labels=5,
        problem_type="single_label_classification",
        initializer_range=0.5,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def test_an_encoder_reads_its_special_tokens(bert: Path) -> None:
    """Its head reads the first token, which without them would be one of the text."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    text = "cats sat on mats"
    theirs = AutoModelForSequenceClassification.from_pretrained(bert).eval()
    encoded = AutoTokenizer.from_pretrained(bert)(text, return_tensors="pt")
    assert encoded["input_ids"][0, [0, -1]].tolist() == [257, 258]
    with torch.inference_mode():
        logits = theirs(**encoded).logits[0].double()
    wanted = float(logits.softmax(0) @ torch.arange(5.0, dtype=torch.float64))
    sums, counts = rates(bert, text, values=(0.0, 1.0, 2.0, 3.0, 4.0))
    assert_allclose(sums / counts[:, None], [[wanted]], rtol=1e-6)
    assert counts.tolist() == [len(text)]
    before, behind = Tokenizer(bert).frame
    assert (before.tolist(), behind.tolist()) == ([257], [258])
    form = form_of(bert, segment=12, values=(0, 1, 2, 3, 4))
    assert form.body == 10 and form.lengths(counts).tolist() == [12, 8]


@pytest.mark.parametrize(
    ("changes", "settings", "names"),
    [
        ({}, {}, ("even", "odd")),
        ({}, {"criteria": ("a", "b")}, ("a", "b")),
        ({}, {"values": (1.0, 2.0)}, ("rating",)),
        ({"problem_type": "single_label_classification"}, {"values": (1.0, 2.0), "criteria": ("c",)}, ("c",)),
        ({"id2label": None, "num_labels": 1}, {}, ("rating",)),
        ({"id2label": None}, {}, ("LABEL_0", "LABEL_1")),
        ({"id2label": {str(i): f"c{i}" for i in range(11)}}, {}, tuple(f"c{i}" for i in range(11))),
    ],
)
def test_what_the_criteria_are_called(tmp_path: Path, changes: Any, settings: Any, names: tuple[str, ...]) -> None:
    assert form_of(change(toy_rater(tmp_path / "toy"), **changes), **settings).criteria == names


@pytest.mark.parametrize(
    ("changes", "settings", "told"),
    [
        ({"problem_type": "single_label_classification"}, {}, "what they are worth is not said"),
        ({}, {"values": (1.0, 2.0, 3.0)}, "a class for each value"),
        ({}, {"criteria": ("one",)}, "do not fit the head"),
        ({}, {"criteria": ("num_tokens", "b")}, "do not fit the head"),
        ({}, {"criteria": ("a", "a")}, "do not fit the head"),
        ({}, {"segment": 65}, "a segment does not fit"),
    ],
)
def test_settings_that_do_not_fit(tmp_path: Path, changes: Any, settings: Any, told: str) -> None:
    with pytest.raises(RecipeError, match=told):
        form_of(change(toy_rater(tmp_path / "toy"), **changes), **settings)


def test_a_language_model_is_no_classifier(tmp_path: Path) -> None:
    """The library would give it a head of random numbers, and warn."""
    with pytest.raises(DataError, match=r"(?s)weights do not fit.*score\.weight"):
        load_sequence_classifier(toy_model(tmp_path / "toy"))


def test_only_a_head_may_be_new(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    folder = toy_model(tmp_path / "toy")
    assert load_sequence_classifier(folder, outputs=3).score.weight.shape == (3, 16)
    assert load_sequence_classifier(toy_rater(tmp_path / "rater"), outputs=3).score.weight.shape == (3, 16)
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.0.self_attn.q_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(DataError, match=r"(?s)1 parameters without weights.*q_proj"):
        load_sequence_classifier(folder, outputs=3)
    assert load(toy_model(tmp_path / "other")).lm_head.weight.shape == (257, 16)


def test_ratings_that_are_no_numbers(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    folder = toy_rater(tmp_path / "toy")
    weights = load_file(folder / "model.safetensors")
    weights["score.weight"][:] = math.nan
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(DataError, match="a rating that is not a number"):
        rates(folder, "A")


def test_notes_come_back(tmp_path: Path) -> None:
    notes = Notes(("a",), (0.0, 1.0), 20, frozenset({"00" * 16}), frozenset({"11" * 16}))
    notes.save(tmp_path)
    assert Notes.of(tmp_path) == notes
    (tmp_path / "rater.json").write_text("{}")
    with pytest.raises(DataError, match="notes are damaged"):
        Notes.of(tmp_path)
    assert of_folder(toy_rater(tmp_path / "toy")) is not None  # the notes are no weights
