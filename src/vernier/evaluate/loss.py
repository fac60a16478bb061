"""Bits per byte of a model on held-out documents, by domain.

    bits_per_byte = sum of nll / (ln 2 * sum of bytes)

over the documents of a domain (`all`: over every document); `macro` is the mean over domains, each counting
the same. Bits per byte compare across tokenizers; losses per token do not.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from vernier.core.errors import DataError
from vernier.core.shard import Inputs
from vernier.models.load import load_pair
from vernier.models.nll import check_settings, measure
from vernier.models.threads import threads
from vernier.models.windows import UNNAMED

RESULTS = pa.schema(
    [
        ("metric", pa.string()),
        ("domain", pa.string()),
        ("value", pa.float64()),
        ("unit", pa.string()),
        ("num_documents", pa.int64()),
        ("num_bytes", pa.int64()),
        ("num_tokens", pa.int64()),
    ]
)
RESERVED = ("macro", "all")


@dataclass
class Sum:
    """Running sums over documents: nll in nat, and counts."""

    nll: float = 0.0
    num_documents: int = 0
    num_bytes: int = 0
    num_tokens: int = 0

    def add(self, nll: float, num_documents: int, num_bytes: int, num_tokens: int) -> None:
        self.nll += nll
        self.num_documents += num_documents
        self.num_bytes += num_bytes
        self.num_tokens += num_tokens

    @property
    def bits_per_byte(self) -> float:
        return self.nll / (math.log(2) * self.num_bytes)


@dataclass(frozen=True, kw_only=True)
class Loss:
    """Writes `results.parquet`: bits per byte by domain, over all, and their macro average.

    max_tokens   read only the first tokens of a document
    window       most tokens that the model sees at once; by default all its positions, at most 2048
    threads      of PyTorch in each worker: the last bits of a loss can depend on it
    """

    version: ClassVar[int] = 3
    makes: ClassVar[str] = "results"
    takes: ClassVar[Mapping[str, str]] = {"model": "model", "corpus": "corpus", "selection": "selection?"}

    max_tokens: int | None = None
    window: int | None = None
    threads: int = 1

    def __post_init__(self) -> None:
        check_settings(window=self.window, max_tokens=self.max_tokens, threads=self.threads)

    def build(self, inputs: Inputs, out: Path) -> dict[str, Any]:
        """Raises DataError if no selected document has any text. Domains without text are left out."""
        sums = {name: total for name, total in self._sums(inputs).items() if total.num_bytes}
        if not sums:
            raise DataError(
                "there is nothing to evaluate on",
                found="no selected document with text",
                do="look at the selection: `vernier show RUN STAGE`",
            )
        taken = sorted(set(sums) & set(RESERVED))
        if taken:
            raise DataError(
                f"a domain is called {taken[0]!r}, which is the name of an average over domains",
                do="rename the domain where the corpus is read",
            )
        whole = Sum()
        for total in sums.values():
            whole.add(total.nll, total.num_documents, total.num_bytes, total.num_tokens)
        values = {name: total.bits_per_byte for name, total in sorted(sums.items())}
        values = {"macro": math.fsum(values.values()) / len(values), "all": whole.bits_per_byte, **values}
        counted = {"macro": whole, "all": whole, **sums}
        rows = [
            {
                "metric": "bits_per_byte",
                "domain": name,
                "value": value,
                "unit": "bit/byte",
                "num_documents": counted[name].num_documents,
                "num_bytes": counted[name].num_bytes,
                "num_tokens": counted[name].num_tokens,
            }
            for name, value in values.items()
        ]
        pq.write_table(pa.Table.from_pylist(rows, RESULTS), out / "results.parquet")
        return {"bits_per_byte": values}

    def _sums(self, inputs: Inputs) -> dict[str, Sum]:
        model, tokenizer = load_pair(inputs.folder("model"))
        sums: defaultdict[str, Sum] = defaultdict(Sum)
        for shard in inputs.shards():
            kept, at = shard.kept(), 0
            for batch in shard.batches("corpus", ["text", "domain"]):
                wanted = batch.filter(kept[at : at + batch.num_rows])
                at += batch.num_rows
                with threads(self.threads):
                    measured = measure(
                        model,
                        tokenizer,
                        wanted.column("text").to_pylist(),
                        window=self.window,
                        max_tokens=self.max_tokens,
                    )
                domains = wanted.column("domain").to_pylist()
                for i, domain in enumerate(domains):
                    sums[UNNAMED if domain is None else domain].add(
                        float(measured.nll[i]), 1, int(measured.num_bytes[i]), int(measured.num_tokens[i])
                    )
        return dict(sums)
