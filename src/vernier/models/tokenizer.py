"""A model's tokenizer, read from its `tokenizer.json` by the `tokenizers` library alone (no torch needed).

Two rules make a document's tokens depend on its text and nothing else: special tokens are never added by the
tokenizer, and one that is spelt out in the text (`<|endoftext|>` in a page about tokenizers) is encoded as
ordinary characters, so no document can end itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vernier.core.errors import DataError
from vernier.core.fingerprint import file_sha256
from vernier.models.needs import needs

FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja")
BATCH = 1024  # documents encoded at once: bounds the memory of the library's own encodings


@dataclass(frozen=True)
class Encoded:
    """A document's tokens.

    ids         uint32 [T]
    num_bytes   bytes of UTF-8 that these tokens stand for: all of the text, or the first T tokens' part of it; 0 if
                there is no token
    ends        int64 [T], where asked for: the byte of the text in UTF-8 behind each token. The library counts in
                characters, so a token that ends inside one has that character's end: they never fall, and the
                next token of the same character has the same
    """

    ids: NDArray[np.uint32]
    num_bytes: int
    ends: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))


@dataclass(frozen=True)
class Tokenizer:
    """The tokenizer in a model folder."""

    folder: Path

    @cached_property
    def _library(self) -> Any:
        needs("tokenizers")
        from tokenizers import Tokenizer as Library

        path = self.folder / "tokenizer.json"
        if not path.is_file():
            raise DataError(
                "the model has no tokenizer that can be read",
                where=str(self.folder),
                found="no tokenizer.json",
                do="write one: transformers.AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)",
            )
        try:
            library = Library.from_file(str(path))
        except Exception as error:  # the library raises nothing more exact
            raise DataError("a tokenizer can not be read", where=str(path), found=str(error)) from error
        library.no_truncation()
        library.no_padding()
        library.encode_special_tokens = True
        return library

    @cached_property
    def digest(self) -> str:
        """The tokenizer's identity: SHA-256 of tokenizer.json. Tokens are comparable where it is equal."""
        _ = self._library  # a clear error if the file is missing or damaged
        return file_sha256(self.folder / "tokenizer.json")

    @cached_property
    def vocabulary(self) -> int:
        """Rows that a model's embedding needs: one more than the largest token id."""
        return max(self._library.get_vocab(with_added_tokens=True).values(), default=-1) + 1

    @cached_property
    def separator(self) -> int:
        """The token before a document's first: bos if the tokenizer has one, else eos. Raises DataError."""
        for role in ("bos_token", "eos_token"):
            name = self._special.get(role)
            token = self._library.token_to_id(name) if name is not None else None
            if token is not None:
                return token
        raise DataError(
            "the tokenizer has neither a bos nor an eos token to predict a document's first token from",
            where=str(self.folder),
            do="name one of its tokens as `bos_token` in tokenizer_config.json",
        )

    @cached_property
    def end(self) -> int:
        """The token behind a document's last, eos. Raises DataError if the tokenizer has none."""
        token = self._library.token_to_id(self._special.get("eos_token", ""))
        if token is None:
            raise DataError(
                "the tokenizer has no eos token to end a document with",
                where=str(self.folder),
                do="name one of its tokens as `eos_token` in tokenizer_config.json",
            )
        return token

    @cached_property
    def frame(self) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """The tokens that a sequence classifier of this tokenizer expects before and behind a text, uint32 each.

        An encoder that names a `cls_token` was trained on texts between special tokens, and its head may read the
        first of them. A causal model reads the last token of the text: nothing is put around it.
        """
        if "cls_token" not in self._special:
            return np.empty(0, np.uint32), np.empty(0, np.uint32)
        encoding = self._library.encode("a", add_special_tokens=True)
        text = np.flatnonzero(np.asarray(encoding.special_tokens_mask) == 0)
        ids = np.asarray(encoding.ids, dtype=np.uint32)
        return ids[: text[0]], ids[text[-1] + 1 :]

    @cached_property
    def _special(self) -> dict[str, str]:
        """bos_token, eos_token and cls_token, as tokenizer_config.json (or the older special_tokens_map.json) says."""
        found: dict[str, str] = {}
        for name in ("special_tokens_map.json", "tokenizer_config.json"):
            path = self.folder / name
            if path.is_file():
                for role, value in json.loads(path.read_text("utf-8")).items():
                    if role in ("bos_token", "eos_token", "cls_token") and value is not None:
                        found[role] = value["content"] if isinstance(value, dict) else value
        return found

    def encode(self, texts: Sequence[str], *, max_tokens: int | None = None, ends: bool = False) -> Iterator[Encoded]:
        """The tokens of each text, in order; of each at most the first `max_tokens`. `ends`: with where each ends."""
        for start in range(0, len(texts), BATCH):
            batch = texts[start : start + BATCH]
            encodings = self._library.encode_batch(batch, add_special_tokens=False)
            for text, encoding in zip(batch, encodings, strict=True):
                ids = np.asarray(encoding.ids, dtype=np.uint32)
                num_bytes = len(text.encode()) if len(ids) else 0
                if max_tokens is not None and len(ids) > max_tokens:
                    ids = ids[:max_tokens]
                    num_bytes = len(text[: encoding.offsets[max_tokens - 1][1]].encode())  # offsets: in characters
                if ends:
                    yield Encoded(ids, num_bytes, _ends(text, encoding.offsets[: len(ids)]))
                else:
                    yield Encoded(ids, num_bytes)

    def prompt(self, text: str) -> NDArray[np.uint32]:
        """The tokens of a text of our own, uint32 [T]: special tokens that are spelt out in it are meant."""
        self._library.encode_special_tokens = False
        try:
            return np.asarray(self._library.encode(text, add_special_tokens=False).ids, dtype=np.uint32)
        finally:
            self._library.encode_special_tokens = True

    def siblings(self, token: int, digits: Sequence[str]) -> list[int] | None:
        """The tokens that hold other digits where `token` holds one (`4` or, with its space, ` 4`), in their order;
        None if there is no token for one of them."""
        spelt = self._library.id_to_token(token)
        (own,) = (character for character in spelt if character in "0123456789")
        found = [self._library.token_to_id(spelt.replace(own, digit)) for digit in digits]
        return None if None in found else found

    def decode(self, ids: Sequence[int]) -> str:
        """The text of some tokens; bytes at its end that are no whole character are left out."""
        return self._library.decode(list(ids), skip_special_tokens=False).rstrip("\ufffd")

    def copy_to(self, folder: Path) -> None:
        """Copy the tokenizer's files beside a model's weights."""
        for name in FILES:
            if (self.folder / name).is_file():
                (folder / name).write_bytes((self.folder / name).read_bytes())


def _ends(text: str, offsets: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    """Ends in characters as ends in bytes of UTF-8."""
    points = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    sizes = 1 + (points >= 0x80) + (points >= 0x800) + (points >= 0x10000)
    before = np.concatenate(([0], np.cumsum(sizes, dtype=np.int64)))
    return np.maximum.accumulate(before[np.array([end for _, end in offsets], dtype=np.int64)])
