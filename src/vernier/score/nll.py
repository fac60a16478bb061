"""Score documents by their negative log-likelihood under a model.

The sums and counts that excess loss, quality factor and perplexity are made of; one table for each model.
Every token is predicted exactly once (see `vernier.models.nll` for windows and the first token).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from vernier.core.shard import Inputs, Shard
from vernier.models.load import load_once
from vernier.models.nll import check_settings, measure
from vernier.models.threads import threads
from vernier.models.tokenizer import Tokenizer

SCHEMA = pa.schema([("nll", pa.float64()), ("num_tokens", pa.int64()), ("num_bytes", pa.int64())])


@dataclass(frozen=True, kw_only=True)
class NLL:
    """Columns `nll` (nat), `num_tokens` (predicted), `num_bytes` (theirs); null where a row is not selected.

    max_tokens   read only the first tokens of a document
    window       most tokens that the model sees at once; by default all its positions, at most 2048
    threads      of PyTorch in each worker: the last bits of a loss can depend on it
    """

    version: ClassVar[int] = 3
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "selection": "selection?", "model": "model"}
    masks: ClassVar[tuple[str, ...]] = ("selection",)

    max_tokens: int | None = None
    window: int | None = None
    threads: int = 1

    def __post_init__(self) -> None:
        check_settings(window=self.window, max_tokens=self.max_tokens, threads=self.threads)

    def facts(self, inputs: Inputs) -> dict[str, Any]:
        """Whose tokens were counted: losses per token compare only where this is equal."""
        return {"tokenizer": Tokenizer(inputs.folder("model")).digest}

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        """One row for each document. An empty text has 0 tokens and 0 nat."""
        todo, at = shard.wanted(), 0
        model, tokenizer = load_once(shard.inputs.folder("model"))
        for batch in shard.batches("corpus", ["text"]):
            wanted = todo[at : at + batch.num_rows]
            at += batch.num_rows
            with threads(self.threads):
                measured = measure(
                    model,
                    tokenizer,
                    batch.filter(wanted).column("text").to_pylist(),
                    window=self.window,
                    max_tokens=self.max_tokens,
                )
            yield pa.table([_spread(getattr(measured, name), wanted) for name in SCHEMA.names], schema=SCHEMA)


def _spread(values: np.ndarray[Any, Any], wanted: np.ndarray[Any, Any]) -> pa.Array:
    """`values` in the wanted rows, null in the others."""
    full = np.zeros(len(wanted), dtype=values.dtype)
    full[wanted] = values
    return pa.array(full, mask=~wanted)
