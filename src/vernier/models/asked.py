"""Ask a causal language model for ratings: one digit for each criterion, of which not the digit counts but what the
model thought of all of them.

The document stands in a prompt; the model writes what is likeliest, token by token, until it has written as many digits
as there are criteria. Where it wrote a digit, the rating is the expected value over the digits of the scale,

    sum_k k exp(l_k) / sum_k exp(l_k)        l_k: the logit of digit k there

which has no ties where the digits themselves have little else (DataMan, arXiv 2502.19363, takes the digits). An answer
of another form, a digit off the scale included, is no rating.

A prompt may hold the model's special tokens (those of its chat template, say); in a document they are text. Documents
are read one at a time: nothing is padded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vernier.core.errors import RecipeError
from vernier.models.flops import POSITIONS
from vernier.models.load import config_of, load_once
from vernier.models.tokenizer import Tokenizer

DIGITS = "0123456789"
CUT = "..."  # what stands for the middle of a longer document
SLOT = "{text}"


@dataclass(frozen=True)
class Question:
    """What is asked.

    prompt   with {text} once
    number   of digits that answer it
    scale    lowest and highest digit
    letters  of which one stands before the digits; "" for none
    most     tokens of a document; of a longer one the first and last halves of so many
    """

    prompt: str
    number: int
    scale: tuple[int, int]
    letters: str
    most: int

    @property
    def digits(self) -> list[int]:
        return list(range(self.scale[0], self.scale[1] + 1))

    @property
    def answer(self) -> int:
        """Tokens that an answer may take: a space before each letter and digit."""
        return 2 * (self.number + bool(self.letters))


@dataclass(frozen=True)
class Answer:
    """letter: its place among the letters, 0 without any; ratings: float64 [criteria]."""

    letter: int
    ratings: NDArray[np.float64]


@dataclass(frozen=True)
class Asked:
    """A model with a question. before, behind, cut: token ids, uint32, of the prompt's parts and of CUT."""

    question: Question
    model: Any
    tokenizer: Tokenizer
    before: NDArray[np.uint32]
    behind: NDArray[np.uint32]
    cut: NDArray[np.uint32]

    def ask(self, texts: Sequence[str]) -> tuple[list[Answer | None], NDArray[np.int64]]:
        """The answer about each text, None for one that can not be read, and the tokens of the text, int64 [N]."""
        encoded = list(self.tokenizer.encode(texts))
        return [self._ask(one.ids) for one in encoded], np.array([len(one.ids) for one in encoded], dtype=np.int64)

    def shown(self, ids: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """What the model reads about a document: the separator, the prompt, and in it the document, its middle cut."""
        half = self.question.most // 2
        if len(ids) > self.question.most:
            ids = np.concatenate([ids[:half], self.cut, ids[len(ids) - half :]])
        return np.concatenate([[self.tokenizer.separator], self.before, ids, self.behind]).astype(np.uint32)

    def _ask(self, ids: NDArray[np.uint32]) -> Answer | None:
        import torch
        from transformers import GenerationConfig

        start = self.shown(ids)
        read = torch.from_numpy(start.astype(np.int64)).to(self.model.device)[None]

        def enough(so_far: Any, _: Any) -> Any:
            written = [self.tokenizer.decode([token]).strip() for token in so_far[0, len(start) :].tolist()]
            done = sum(piece in {*DIGITS} for piece in written) >= self.question.number
            return torch.full((1,), done, device=so_far.device)

        end = self.tokenizer.separator
        how = GenerationConfig(  # not the folder's own: it may hold a penalty for repeating oneself
            do_sample=False,
            max_new_tokens=self.question.answer,
            eos_token_id=end,
            pad_token_id=end,
            output_logits=True,
            return_dict_in_generate=True,
        )
        with torch.inference_mode():
            out = self.model.generate(
                read, attention_mask=torch.ones_like(read), generation_config=how, stopping_criteria=[enough]
            )
        written = out.sequences[0, len(start) :].tolist()
        return self._read(written, [logits[0].double().cpu().numpy() for logits in out.logits])

    def _read(self, written: Sequence[int], logits: Sequence[NDArray[np.float64]]) -> Answer | None:
        pieces = [self.tokenizer.decode([token]) for token in written]
        found = parsed("".join(pieces), self.question)
        places = [place for place, piece in enumerate(pieces) if piece.strip() in {*DIGITS}]
        if found is None or len(places) != self.question.number:  # a token of several digits has no logits of each
            return None
        ratings = np.empty(len(places))
        for i, place in enumerate(places):
            candidates = self.tokenizer.siblings(written[place], list(map(str, self.question.digits)))
            if candidates is None:
                return None
            ratings[i] = expected(logits[place][candidates], self.question.digits)
        return Answer(found[0], ratings)


def parsed(text: str, question: Question) -> tuple[int, tuple[int, ...]] | None:
    """The letter's place (0 without letters) and the digits of an answer; None for one of another form.

    A letter if there are any, then the digits, with white space, commas or nothing between them, and no more.
    """
    letter = rf"([{question.letters}])[\s,.:)]*" if question.letters else "()"
    low, high = question.scale
    match = re.fullmatch(rf"\s*{letter}((?:[{low}-{high}][\s,]*){{{question.number}}})", text)
    if match is None:
        return None
    return max(0, question.letters.find(match[1])), tuple(int(c) for c in match[2] if c in DIGITS)


def expected(logits: NDArray[np.float64], values: Sequence[float]) -> float:
    """sum_k v_k P(k), P the softmax of the logits [k]."""
    weights = np.exp(logits - logits.max())
    return float(weights @ np.array(values, dtype=np.float64) / weights.sum())


def parts(question: Question, tokenizer: Tokenizer) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """The tokens of the prompt before and behind the document, uint32 each."""
    before, _, behind = question.prompt.partition(SLOT)
    return tokenizer.prompt(before), tokenizer.prompt(behind)


def lengths_of(folder: Path, question: Question, num_tokens: NDArray[np.int64]) -> NDArray[np.float64]:
    """Tokens that the model reads and writes about documents of so many, float64 [N]: an answer of a token each."""
    tokenizer = Tokenizer(folder)
    around = 1 + sum(map(len, parts(question, tokenizer))) + question.number + bool(question.letters)
    middle = np.where(num_tokens > question.most, len(tokenizer.prompt(CUT)) + question.most // 2 * 2, num_tokens)
    return (middle + around).astype(np.float64)


def check_fits(folder: Path, question: Question) -> None:
    """Raises RecipeError if prompt, document and answer are more than the model reads."""
    positions = next((config_of(folder)[name] for name in POSITIONS if config_of(folder).get(name) is not None), None)
    tokenizer = Tokenizer(folder)
    around = 1 + sum(map(len, parts(question, tokenizer))) + len(tokenizer.prompt(CUT)) + question.answer
    if positions is not None and around + question.most > positions:
        raise RecipeError(
            "a prompt with its document is longer than the model can read",
            found=f"{around} tokens of prompt and answer, {question.most} of the document (`segment`)",
            expected=f"at most {positions} together",
        )


@lru_cache(maxsize=1)
def load_asked(folder: Path, question: Question) -> Asked:
    """The causal language model in a folder with a question, kept for the next shard that this process scores."""
    check_fits(folder, question)
    model, tokenizer = load_once(folder)
    return Asked(question, model, tokenizer, *parts(question, tokenizer), tokenizer.prompt(CUT))
