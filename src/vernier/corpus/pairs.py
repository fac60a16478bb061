"""Pairs of excerpts for a judge to compare: neighbours in a random order of the documents.

Source: QuRating (arXiv 2402.09739): both excerpts of a pair have the same length, half the time exactly `longest`
tokens, else a uniform number from `shortest` to `longest`, and begin at a random token. If one of the two documents is
shorter, both excerpts have its length. Which documents meet, the length and where an excerpt begins depend on the
documents' ids and the seed alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vernier.core import rng, tables
from vernier.core.config import Count
from vernier.core.errors import RecipeError
from vernier.core.shard import Shard
from vernier.models.tokenizer import Encoded, Tokenizer

COLUMNS = ("second", "first_id", "second_id")
BATCH = 256  # pairs in a table: a few hundred kilobytes of excerpts


@dataclass(frozen=True)
class Found:
    """What the rounds have come to.

    ids      uint64 [2N, 2]: rows 2i and 2i + 1 are pair i
    lengths  tokens of each of these documents; none before the second round
    texts    the excerpts; none before the third
    """

    ids: NDArray[np.uint64]
    lengths: dict[bytes, int]
    texts: dict[bytes, str]


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """A corpus whose rows hold the first excerpt as `text`, beside it `second`, `first_id` and `second_id` (hex); all
    else is of the first document. Memory: both excerpts of every pair, about 4 kB each pair.

    pairs      at most so many; each document is in one at most
    shortest   tokens of the shortest excerpt
    longest    tokens of the longest
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "corpus"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "selection": "selection?", "tokenizer": "model"}
    draws: ClassVar[bool] = True
    rows: ClassVar[str] = "new"

    pairs: Count = 10_000
    shortest: int = 256
    longest: int = 512

    def __post_init__(self) -> None:
        if self.pairs < 1 or not 1 <= self.shortest <= self.longest:
            raise RecipeError(
                "pairs need at least one pair, and an excerpt a length from `shortest` to `longest`",
                found=f"pairs: {self.pairs}, shortest: {self.shortest}, longest: {self.longest}",
            )

    def fold(self, shard: Shard, state: Found | None) -> Any:
        """First which documents may be drawn, then tokens of those that were, then their excerpts."""
        if state is None:
            filled = shard.read("corpus", ["num_bytes"]).column("num_bytes").to_numpy() > 0
            return _first(shard.doc_ids()[shard.kept() & filled], shard.seed, 2 * self.pairs)
        if not state.lengths:
            return {doc: len(one.ids) for doc, _, one in _encoded(shard, state)}
        spans = self._spans(state, shard.seed)
        return {doc: _excerpt(text, one, *spans[doc]) for doc, text, one in _encoded(shard, state)}

    def merge(self, parts: Sequence[Any], state: Found | None) -> tuple[Found, bool]:
        if state is None:
            keys = np.concatenate([keys for keys, _ in parts] or [np.empty(0, np.uint64)])
            ids = np.concatenate([ids for _, ids in parts] or [np.empty((0, 2), np.uint64)])
            ids = ids[_order(keys, ids)[: 2 * self.pairs]]
            ids = ids[: len(ids) // 2 * 2]  # an odd one has no neighbour
            return Found(ids, {}, {}), len(ids) == 0
        together = {doc: value for part in parts for doc, value in part.items()}
        if not state.lengths:
            return Found(state.ids, together, {}), False
        return Found(state.ids, state.lengths, together), True

    def account(self, state: Found) -> dict[str, Any]:
        return {"pairs": len(state.ids) // 2}

    def map(self, shard: Shard, state: Found) -> Iterator[pa.Table]:
        """The pairs whose first document is in this shard, in its order."""
        partner = {a.tobytes(): b.tobytes() for a, b in zip(state.ids[::2], state.ids[1::2], strict=True)}
        schema = tables.corpus_schema(COLUMNS)
        own = [name for name in tables.CORPUS.names if name not in ("text", "num_bytes", "text_hash")]
        for batch in shard.batches("corpus", own):
            made: list[dict[str, Any]] = []
            for row in batch.to_pylist():
                first = row["doc_id"]
                if first in partner:
                    made.append(row | _pair(first, partner[first], state.texts))
            for start in range(0, len(made), BATCH) or (0,):
                yield pa.Table.from_pylist(made[start : start + BATCH], schema=schema)

    def _spans(self, state: Found, seed: int) -> dict[bytes, tuple[int, int]]:
        """Of each drawn document the first token of its excerpt and the number of tokens."""
        exact = rng.uniform(state.ids[::2], seed, "corpus.pairs longest") < 0.5
        share = rng.uniform(state.ids[::2], seed, "corpus.pairs length")
        drawn = self.shortest + np.floor(share * (self.longest - self.shortest + 1)).astype(np.int64)
        have = np.array([state.lengths[row.tobytes()] for row in state.ids], dtype=np.int64)
        length = np.minimum(np.where(exact, self.longest, drawn), have.reshape(-1, 2).min(axis=1)).repeat(2)
        starts = np.floor(rng.uniform(state.ids, seed, "corpus.pairs start") * (have - length + 1)).astype(np.int64)
        return {row.tobytes(): (int(s), int(n)) for row, s, n in zip(state.ids, starts, length, strict=True)}


def _order(keys: NDArray[np.uint64], ids: NDArray[np.uint64]) -> NDArray[np.int64]:
    """By key; ids settle what 64 bits leave open."""
    return np.lexsort((ids[:, 1], ids[:, 0], keys))


def _first(ids: NDArray[np.uint64], seed: int, number: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Keys and ids of the documents that can be among the first `number` of all."""
    keys = rng.bits(ids, seed, "corpus.pairs order")
    order = _order(keys, ids)[:number]
    return keys[order], ids[order]


def _encoded(shard: Shard, state: Found) -> Iterator[tuple[bytes, str, Encoded]]:
    """The drawn documents of a shard: id, text and tokens."""
    wanted = {row.tobytes() for row in state.ids}
    tokenizer = Tokenizer(shard.inputs.folder("tokenizer"))
    for batch in shard.batches("corpus", ["doc_id", "text"]):
        some = [(row["doc_id"], row["text"]) for row in batch.to_pylist() if row["doc_id"] in wanted]
        tokens = tokenizer.encode([text for _, text in some], ends=True)
        for (doc, text), one in zip(some, tokens, strict=True):
            yield doc, text, one


def _excerpt(text: str, tokens: Encoded, start: int, length: int) -> str:
    """The text of `length` tokens from `start` on; a character that tokens share goes to the first of them."""
    if length == 0:
        return ""
    begin = int(tokens.ends[start - 1]) if start else 0
    return text.encode()[begin : int(tokens.ends[start + length - 1])].decode()


def _pair(first: bytes, second: bytes, texts: Mapping[bytes, str]) -> dict[str, Any]:
    raw = texts[first].encode()
    return {
        "doc_id": blake2b(first + second, digest_size=tables.ID_BYTES).digest(),
        "text": texts[first],
        "num_bytes": len(raw),
        "text_hash": blake2b(raw, digest_size=tables.ID_BYTES).digest(),
        "second": texts[second],
        "first_id": first.hex(),
        "second_id": second.hex(),
    }
