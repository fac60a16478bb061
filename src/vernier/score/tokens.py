"""Count the tokens of each document with a model's tokenizer: the lengths of a token budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa

from vernier.core.artifact import Artifact
from vernier.core.errors import RecipeError
from vernier.core.shard import Inputs, Shard
from vernier.models import tokenizer as models

SCHEMA = pa.schema([("num_tokens", pa.int64()), ("num_bytes", pa.int64())])


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """Columns `num_tokens` and `num_bytes` (theirs), special tokens not counted.

    max_tokens   count only the first tokens of a document, as training with the same cap reads it
    """

    version: ClassVar[int] = 2
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "tokenizer": "model"}

    max_tokens: int | None = None

    def __post_init__(self) -> None:
        if self.max_tokens is not None and self.max_tokens < 1:
            raise RecipeError(
                "`max_tokens` must be positive", found=f"max_tokens: {self.max_tokens}", expected="1 or more"
            )

    def facts(self, inputs: Inputs) -> dict[str, Any]:
        """Whose tokens were counted."""
        return {"tokenizer": models.Tokenizer(inputs.folder("tokenizer")).digest}

    def flops(self, inputs: Inputs, out: Artifact | None) -> float:
        """None of the model's: only its tokenizer is read."""
        return 0.0

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        """One row for each document."""
        tokenizer = models.Tokenizer(shard.inputs.folder("tokenizer"))
        for batch in shard.batches("corpus", ["text"]):
            encoded = tokenizer.encode(batch.column("text").to_pylist(), max_tokens=self.max_tokens)
            counts = [(len(e.ids), e.num_bytes) for e in encoded]
            tokens, num_bytes = zip(*counts, strict=True) if counts else ((), ())
            yield pa.table([pa.array(tokens, pa.int64()), pa.array(num_bytes, pa.int64())], schema=SCHEMA)
