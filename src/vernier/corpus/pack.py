"""Pack the selected documents into training windows, once for every training that reads them.

Documents stand in a keyed random order, the separator behind each; the stream is cut into windows of `context`
targets (see `vernier.models.windows`). Each window names the documents that it is made of, so a loss can be followed
back to its text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vernier.core import tables
from vernier.core.errors import DataError, RecipeError
from vernier.core.shard import Inputs
from vernier.models.tokenizer import Tokenizer
from vernier.models.windows import FILE, Stream, Windows, read_documents, schema

TOKENS = 1 << 20  # targets in a row group


@dataclass(frozen=True, kw_only=True)
class Pack:
    """Windows of one epoch: every token of every selected document once, but for a rest shorter than a window.

    context      targets in a window
    max_tokens   take only the first tokens of a document
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "windows"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "selection": "selection?", "tokenizer": "model"}
    draws: ClassVar[bool] = True

    context: int = 256
    max_tokens: int | None = None

    def __post_init__(self) -> None:
        for name in ("context", "max_tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise RecipeError(f"`{name}` must be positive", found=f"{name}: {value}", expected="1 or more")

    def build(self, inputs: Inputs, out: Path) -> dict[str, Any]:
        """Writes windows.parquet. Raises DataError if the selected documents do not fill a window."""
        tokenizer = Tokenizer(inputs.folder("tokenizer"))
        documents = read_documents(inputs, tokenizer, self.max_tokens)
        stream = Stream(documents, context=self.context, separator=tokenizer.separator, seed=inputs.seed)
        number, rest = divmod(stream.epoch_tokens, self.context)
        if number == 0:
            raise DataError(
                "the selected documents do not fill one window",
                found=f"{rest} tokens",
                expected=f"at least {self.context} (`context`)",
            )
        step = max(1, TOKENS // self.context)
        with open(out / FILE, "wb") as file, tables.writer(file, schema(self.context)) as writer:
            used = np.zeros(len(documents.ids), dtype=np.int64)  # tokens of each document so far, separators too
            for first in range(0, number, step):
                windows = stream.take(first, min(step, number - first))
                writer.write_table(self._table(windows, stream, used))
        return {
            "tokenizer": tokenizer.digest,
            "context": self.context,
            "documents": len(documents.ids),
            "windows": number,
            "tokens": number * self.context,
            "left_over_tokens": rest,
        }

    def _table(self, windows: Windows, stream: Stream, used: NDArray[np.int64]) -> pa.Table:
        tokens = np.concatenate([windows.inputs, windows.targets[:, -1:]], axis=1).astype(np.uint32)
        lengths = np.diff(stream.documents.starts) + 1
        spans = [list(self._spans(row, stream, used, lengths)) for row in windows.document]
        table = schema(self.context)
        flat = pa.FixedSizeListArray.from_arrays(pa.array(tokens.ravel()), self.context + 1)
        return pa.table([flat, pa.array(spans, table.field("documents").type)], schema=table)

    def _spans(
        self, row: NDArray[np.int64], stream: Stream, used: NDArray[np.int64], lengths: NDArray[np.int64]
    ) -> Iterator[dict[str, Any]]:
        """The runs of one document in a window. Copies of a document stand one after another at most by chance."""
        at = 0
        while at < len(row):
            index = int(row[at])
            offset = int(used[index] % lengths[index])
            same = np.flatnonzero(row[at:] != index)
            length = min(int(same[0]) if len(same) else len(row) - at, int(lengths[index]) - offset)
            used[index] += length
            yield {
                "doc_id": stream.ids[index].tobytes(),
                "domain": stream.domains[stream.domain[index]],
                "start": at,
                "offset": offset,
            }
            at += length
