"""Score documents by their negative log-likelihood under a model.

The sums and counts that excess loss, quality factor and perplexity are made of; one table for each model.
Every token is predicted exactly once (see `vernier.models.nll` for windows and the first token).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vernier.core.artifact import Artifact
from vernier.core.shard import Inputs, Shard
from vernier.models import flops
from vernier.models.load import load_once
from vernier.models.nll import check_settings, measure
from vernier.models.threads import threads
from vernier.models.tokenizer import Tokenizer
from vernier.score.wanted import batches, first_texts, spread

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

    def flops(self, inputs: Inputs, out: Artifact | None) -> float | None:
        """Operations to read the wanted documents, each alone; None for a model that does not say what it takes.

        Planned from their bytes, with the bytes per token of the first `SAMPLE` of them; real from the tokens counted.
        """
        folder = inputs.folder("model")
        cost, window = flops.of_folder(folder), flops.window_in(folder, self.window)
        if cost is None:
            return None
        lengths = self._planned(inputs) if out is None else counted(inputs, out)
        read = [flops.reading(tokens, window) for tokens in lengths]
        return cost.forward(sum(tokens for tokens, _ in read), sum(pairs for _, pairs in read))

    def _planned(self, inputs: Inputs) -> Iterator[NDArray[np.int64]]:
        """About how many tokens each wanted document has, shard by shard."""
        per_token = bytes_per_token(inputs)
        for shard in inputs.shards():
            sizes = shard.read("corpus", ["num_bytes"]).column("num_bytes").to_numpy()[shard.wanted()]
            tokens = np.ceil(sizes / per_token).astype(np.int64)
            yield tokens if self.max_tokens is None else np.minimum(tokens, self.max_tokens)

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        """One row for each document. An empty text has 0 tokens and 0 nat."""
        model, tokenizer = load_once(shard.inputs.folder("model"))
        for batch, wanted in batches(shard, ["text"]):
            with threads(self.threads):
                measured = measure(
                    model,
                    tokenizer,
                    batch.filter(wanted).column("text").to_pylist(),
                    window=self.window,
                    max_tokens=self.max_tokens,
                )
            yield pa.table([spread(getattr(measured, name), wanted) for name in SCHEMA.names], schema=SCHEMA)


def bytes_per_token(inputs: Inputs) -> float:
    """Of the first wanted documents that have any text; 1 if there are none."""
    encoded = list(Tokenizer(inputs.folder("model")).encode(first_texts(inputs)))
    return sum(e.num_bytes for e in encoded) / max(1, sum(len(e.ids) for e in encoded)) or 1.0


def counted(inputs: Inputs, out: Artifact) -> Iterator[NDArray[np.int64]]:
    """The tokens of each scored document, shard by shard."""
    for shard in replace(inputs, artifacts={"scores": out}).shards():
        yield shard.read("scores", ["num_tokens"]).column("num_tokens").drop_null().to_numpy()
