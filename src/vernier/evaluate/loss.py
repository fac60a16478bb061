"""Bits per byte of a model on held-out documents, by domain.

    bits_per_byte = sum of nll / (ln 2 * sum of bytes)

over the documents of a domain (`all`: over every document); `macro` is the mean over domains, each counting
the same. Bits per byte compare across tokenizers; losses per token do not.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vernier.core.artifact import Artifact
from vernier.core.errors import DataError
from vernier.core.shard import Inputs
from vernier.models import flops
from vernier.models.load import load_pair
from vernier.models.nll import check_settings, measure
from vernier.models.threads import threads
from vernier.models.tokenizer import Tokenizer
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
SAMPLE = 32  # documents whose tokens are counted before a plan says what evaluation costs


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

    def flops(self, inputs: Inputs, out: Artifact | None) -> float | None:
        """Operations to read the selected documents; None for a model that does not say what it takes.

        Planned from their bytes, with the bytes per token of the first `SAMPLE` of them; real from the tokens counted.
        All are taken to be of the mean length: only what attention takes depends on more.
        """
        folder = inputs.folder("model")
        cost, window = flops.of_folder(folder), flops.window_in(folder, self.window)
        documents, tokens = self._planned(inputs) if out is None else _counted(inputs, out)
        if cost is None or documents == 0:
            return None if cost is None else 0.0
        return cost.forward(*flops.reading(np.full(documents, round(tokens / documents)), window))

    def _planned(self, inputs: Inputs) -> tuple[int, int]:
        """About how many documents with text there are, and how many tokens they have."""
        sizes, sample = [np.empty(0, np.int64)], list[str]()
        for shard in inputs.shards():
            kept, at = shard.kept(), 0
            size = shard.read("corpus", ["num_bytes"]).column("num_bytes").to_numpy()
            sizes.append(size[kept & (size > 0)])
            for batch in shard.batches("corpus", ["text"]) if len(sample) < SAMPLE else ():
                texts = batch.filter(pa.array(kept[at : at + batch.num_rows])).column("text")
                at += batch.num_rows
                sample += filter(None, texts.slice(0, SAMPLE).to_pylist())
        encoded = list(Tokenizer(inputs.folder("model")).encode(sample[:SAMPLE]))
        per_token = sum(e.num_bytes for e in encoded) / max(1, sum(len(e.ids) for e in encoded)) or 1.0
        tokens = np.ceil(np.concatenate(sizes) / per_token)
        return len(tokens), int(np.minimum(tokens, self.max_tokens or math.inf).sum())

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


def _counted(inputs: Inputs, out: Artifact) -> tuple[int, int]:
    """Documents and tokens that a finished evaluation has read."""
    folder = replace(inputs, artifacts={"results": out}).folder("results")
    rows = pq.read_table(folder / "results.parquet", columns=["domain", "num_documents", "num_tokens"]).to_pylist()
    whole = next(row for row in rows if row["domain"] == "all")
    return whole["num_documents"], whole["num_tokens"]
