"""The loss of each token of selected documents: what a report draws and a page colours, token by token.

A row's losses are those that `score.nll` with the same settings adds up (see `vernier.models.nll` for windows and
the first token). At 8 bytes a token this table is as large as the text: it is for a named selection, not for a pool.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from vernier.core.shard import Inputs, Shard
from vernier.models.load import load_once
from vernier.models.nll import check_settings, measure_tokens
from vernier.models.threads import threads
from vernier.models.tokenizer import Tokenizer
from vernier.score.wanted import batches

SCHEMA = pa.schema([("nll", pa.list_(pa.float32())), ("end", pa.list_(pa.int32())), ("num_tokens", pa.int64())])


@dataclass(frozen=True, kw_only=True)
class TokenNLL:
    """Columns `nll` (nat) and `end`, lists with an entry for each predicted token, and `num_tokens`; null where a
    row is not selected. `end` is the byte of the text in UTF-8 behind the token. Tokens may cut a character: each that
    ends inside one has the end of that character, so the text cut at `end` gives the first of them all of it.

    max_tokens   read only the first tokens of a document
    window       most tokens that the model sees at once; by default all its positions, at most 2048
    threads      of PyTorch in each worker: the last bits of a loss can depend on it
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "selection": "selection", "model": "model"}
    masks: ClassVar[tuple[str, ...]] = ("selection",)

    max_tokens: int | None = None
    window: int | None = None
    threads: int = 1

    def __post_init__(self) -> None:
        check_settings(window=self.window, max_tokens=self.max_tokens, threads=self.threads)

    def facts(self, inputs: Inputs) -> dict[str, Any]:
        """Whose tokens these are."""
        return {"tokenizer": Tokenizer(inputs.folder("model")).digest}

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        """One row for each document. One without tokens has empty lists. Raises DataError for a loss not finite."""
        model, tokenizer = load_once(shard.inputs.folder("model"))
        for batch, wanted in batches(shard, ["text"]):
            with threads(self.threads):
                measured = measure_tokens(
                    model,
                    tokenizer,
                    batch.filter(wanted).column("text").to_pylist(),
                    window=self.window,
                    max_tokens=self.max_tokens,
                )
            counts = np.zeros(len(wanted), dtype=np.int64)
            counts[wanted] = [len(one) for one in measured.nll]
            columns = [
                _lists(measured.nll, counts, wanted, pa.float32()),
                _lists(measured.ends, counts, wanted, pa.int32()),
                pa.array(counts, mask=~wanted),
            ]
            yield pa.table(columns, schema=SCHEMA)


def _lists(
    found: Sequence[np.ndarray[Any, Any]],
    counts: np.ndarray[Any, np.dtype[np.int64]],
    wanted: np.ndarray[Any, np.dtype[np.bool_]],
    kind: pa.DataType,
) -> pa.Array:
    """A list column: in the wanted rows those found, in order, of so many values; null in the others."""
    offsets = pa.array(np.concatenate(([0], np.cumsum(counts))), pa.int32())
    values = pa.array(np.concatenate(found), kind) if found else pa.array([], kind)
    return pa.ListArray.from_arrays(offsets, values, mask=pa.array(~wanted))
