"""Ratings from a language model's digits: the expected value, answers that are none, what it is shown."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from vernier.core.errors import RecipeError
from vernier.models.asked import Asked, Question, check_fits, expected, load_asked, parsed
from vernier.models.tokenizer import Tokenizer
from vernier.score import rubrics
from vernier.testing.toy import HIDDEN, SEPARATOR, toy_model

DATAMAN = Question(rubrics.DATAMAN_PROMPT, 14, (1, 5), rubrics.LETTERS, 1896)
ONE = Question("{text}:", 1, (1, 5), "", 8)


def writer(folder: Path, letters: Mapping[str, float], digits: Mapping[str, float], positions: int = 8192) -> Path:
    """A model that writes a letter, then digits with a space before each; logits of the letters and of the digits."""
    weights = load_file(toy_model(folder, positions=positions) / "model.safetensors")
    embedding, head = np.zeros_like(weights["lm_head.weight"]), np.full_like(weights["lm_head.weight"], -20)
    state = np.zeros(len(embedding), dtype=int)  # 0: the prompt, then a letter; 1: a letter or digit; 2: a space
    state[[ord(c) for c in rubrics.LETTERS + "P0123456789"]] = 1
    state[ord(" ")] = 2
    embedding[np.arange(len(state)), state] = math.sqrt(HIDDEN)
    head[:, :3] = -20 / math.sqrt(HIDDEN)
    for column, logits in ((0, letters), (1, {" ": 1.0}), (2, digits)):
        for character, logit in logits.items():
            head[ord(character), column] = logit / math.sqrt(HIDDEN)
    head[:, 3:] = 0
    save_file(
        {**weights, "model.embed_tokens.weight": embedding, "lm_head.weight": head},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    return folder


def asked(folder: Path, question: Question) -> Asked:
    return load_asked(folder, question)


EVEN = {"1": 0.0, "2": 0.0, "3": 0.0, "4": 0.0, "5": math.log(4)}


def test_the_expected_digit_by_hand() -> None:
    """(1 + 2 + 3 + 4 + 5 * 4) / 8."""
    assert expected(np.array([*EVEN.values()]), range(1, 6)) == pytest.approx(3.75)


def test_fourteen_ratings_and_a_field(tmp_path: Path) -> None:
    """The digit is 5 each time, the rating what the other digits leave of it."""
    model = asked(writer(tmp_path / "toy", {"C": 3.0, "B": 2.0}, EVEN), DATAMAN)
    answers, counts = model.ask(["some text", "another one, in which 3 stands"])
    assert counts.tolist() == [9, 30]
    for answer in answers:
        assert answer is not None
        assert rubrics.APPLICATIONS[answer.letter] == "law"
        assert answer.ratings == pytest.approx([3.75] * 14, rel=1e-5)


@pytest.mark.parametrize(
    ("letters", "digits"),
    [({"P": 1.0}, EVEN), ({"C": 1.0}, {**EVEN, "6": 9.0}), ({"C": 1.0}, {**EVEN, "x": 9.0}), ({" ": 1.0}, EVEN)],
)
def test_an_answer_of_another_form_is_none(tmp_path: Path, letters: dict[str, float], digits: dict[str, float]) -> None:
    """A field that there is not, a digit off the scale, a word, no field. Never a default."""
    assert asked(writer(tmp_path / "toy", letters, digits), DATAMAN).ask(["some text"])[0] == [None]


def test_one_digit(tmp_path: Path) -> None:
    """The answer ends with it, whatever the model would have gone on with."""
    folder = writer(tmp_path / "toy", {str(k): logit for k, logit in EVEN.items()}, EVEN)
    (answer,), _ = asked(folder, ONE).ask(["text"])
    assert answer is not None and answer.ratings == pytest.approx([3.75], rel=1e-5) and answer.letter == 0
    (answer,), _ = asked(folder, replace(ONE, scale=(0, 9))).ask(["text"])
    assert answer is not None and answer.ratings[0] == pytest.approx(3.75, rel=1e-5)  # the others are e^-20 as likely


def test_the_folder_does_not_decide_how_it_is_asked(tmp_path: Path) -> None:
    """Of the same digit fourteen times a penalty for repeating oneself would make something else."""
    folder = writer(tmp_path / "toy", {"C": 3.0}, EVEN)
    wants = {"repetition_penalty": 5.0, "do_sample": True, "max_new_tokens": 3}
    (folder / "generation_config.json").write_text(json.dumps(wants))
    (answer,), _ = asked(folder, DATAMAN).ask(["some text"])
    assert answer is not None and answer.ratings == pytest.approx([3.75] * 14, rel=1e-5)


def test_the_middle_of_a_long_document_is_cut(tmp_path: Path) -> None:
    question = replace(DATAMAN, prompt="<|endoftext|>Rate {text} now:")
    model = asked(writer(tmp_path / "toy", {}, {}), question)
    ids = np.arange(2000, dtype=np.uint32)
    before, behind = [SEPARATOR, SEPARATOR, *b"Rate "], [*b" now:"]
    assert model.shown(ids[:1896]).tolist() == [*before, *range(1896), *behind]
    assert model.shown(ids[:1897]).tolist() == [*before, *range(948), *b"...", *range(949, 1897), *behind]
    short = asked(tmp_path / "toy", replace(question, most=1))
    assert short.shown(ids).tolist() == [*before, *b"...", *behind]


def test_a_special_token_in_a_document_is_text(tmp_path: Path) -> None:
    model = asked(writer(tmp_path / "toy", {}, {}), ONE)
    assert model.tokenizer.prompt("<|endoftext|>").tolist() == [SEPARATOR]
    (one,) = model.tokenizer.encode(["<|endoftext|>"])
    assert one.ids.tolist() == [*b"<|endoftext|>"]


def test_more_than_the_model_can_read(tmp_path: Path) -> None:
    folder = writer(tmp_path / "toy", {}, {}, positions=64)
    check_fits(folder, replace(ONE, most=57))  # a separator, 57, ..., a colon, a space and a digit
    with pytest.raises(RecipeError, match=r"(?s)longer than the model can read.*at most 64"):
        check_fits(folder, replace(ONE, most=58))


def test_digits_with_their_space(tmp_path: Path) -> None:
    """In many vocabularies a digit behind a space is a token of its own: its siblings are of the same form."""
    tokenizer = json.loads((toy_model(tmp_path / "toy") / "tokenizer.json").read_text())
    for i, digit in enumerate("12345"):
        tokenizer["model"]["vocab"][f"Ġ{digit}"] = 300 + i
        tokenizer["model"]["merges"].append(["Ġ", digit])
    (tmp_path / "toy" / "tokenizer.json").write_text(json.dumps(tokenizer))
    read = Tokenizer(tmp_path / "toy")
    assert read.prompt(" 4").tolist() == [303]
    assert read.siblings(303, ["1", "5"]) == [300, 304]
    assert read.siblings(ord("4"), ["1", "5"]) == [ord("1"), ord("5")]
    assert read.siblings(303, ["1", "9"]) is None


GOOD = "B 1 2 3 4 5 1 2 3 4 5 1 2 3 4"
RATINGS = (1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2, 3, 4)


@pytest.mark.parametrize("text", [GOOD, f" {GOOD}\n", GOOD.replace(" ", ""), GOOD.replace(" ", ", "), "B: " + GOOD[2:]])
def test_answers_that_can_be_read(text: str) -> None:
    assert parsed(text, DATAMAN) == (1, RATINGS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        GOOD[2:],
        GOOD[:-2],
        f"{GOOD} 5",
        f"P{GOOD[1:]}",
        f"b{GOOD[1:]}",
        GOOD.replace("4", "6"),
        GOOD.replace("4", "0"),
        GOOD.replace("4", "²"),
        f"The answer: {GOOD}",
        f"{GOOD}\nB",
        "B 4.5" + GOOD[5:],
    ],
)
def test_answers_that_can_not(text: str) -> None:
    assert parsed(text, DATAMAN) is None


@given(
    st.integers(0, 14), st.lists(st.integers(1, 5), min_size=14, max_size=14), st.sampled_from(["", " ", ", ", "\n"])
)
def test_what_is_written_is_read(letter: int, ratings: list[int], between: str) -> None:
    text = between.join([rubrics.LETTERS[letter], *map(str, ratings)])
    assert parsed(text, DATAMAN) == (letter, tuple(ratings))


def test_the_rubric_asks_for_what_is_read() -> None:
    assert len(rubrics.DATAMAN) == 14 and len(rubrics.APPLICATIONS) == len(rubrics.LETTERS) == 15
    assert rubrics.DATAMAN_PROMPT.count("{text}") == 1
    assert all(f"{i}. " in rubrics.DATAMAN_PROMPT for i in range(1, 15)) and "O. other" in rubrics.DATAMAN_PROMPT
