"""Semantic diversity of a selection: how many different documents it is worth.

ScalingFilter (arXiv 2408.08310), section on semantic diversity; the Vendi score of order 1 (Friedman and Dieng 2022,
arXiv 2210.02410). For n embeddings of length 1, the rows of E:

    S = E E^T  [n, n],   SD = exp(-sum_i l_i ln l_i),   l = eigenvalues of S / n

The non-zero eigenvalues are those of E^T E / n [d, d]: O(n d^2) in place of O(n^3), and exact.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vernier.core.errors import DataError, RecipeError
from vernier.core.shard import Inputs
from vernier.core.stats import student

TEXTS = 1024  # embedded at once
RESULTS = pa.schema([("metric", pa.string()), ("group", pa.int64()), ("value", pa.float64()), ("unit", pa.string())])


def semantic_diversity(embeddings: NDArray[np.floating[Any]], *, shift: bool = False) -> float:
    """The semantic diversity of embeddings [n, d] of any length: from 1 (all alike) to n (all at right angles).

    shift   take (S + 1) / 2 for S, as the script that came with the paper does and the paper does not. S + 1 is
            the product of [E, 1] with itself, so the short form stays exact; a shifted value is at most
            2 sqrt(min(d, n - 1)) and says other things: two opposite clusters are 1 without, 2 with it
    A zero row is a document of which the embedder knows nothing: unlike every other, a direction of its own.
    """
    lengths = np.linalg.norm(embeddings, axis=1)
    known = lengths > 0
    unit = np.zeros((len(embeddings), embeddings.shape[1] + int(np.sum(~known))))
    unit[known, : embeddings.shape[1]] = embeddings[known] / lengths[known, None]
    unit[~known, embeddings.shape[1] :] = np.eye(int(np.sum(~known)))
    if shift:
        unit = np.hstack([unit, np.ones((len(unit), 1))]) / math.sqrt(2)
    values = np.linalg.eigvalsh(unit.T @ unit / len(unit))
    values = values[values > 0]
    return math.exp(-float(np.sum(values * np.log(values))))


@dataclass(frozen=True, kw_only=True)
class Diversity:
    """Writes `results.parquet`: the semantic diversity of each group of documents; facts hold mean and interval.

    Diversity grows with the number of documents, so arms compare only at one `group`: a selection with fewer than
    `group * groups` documents is an error. A document that is selected twice counts once. The embedder is one of
    `train.embedder`, or a folder of sentence-transformers that `train.read_hf` took in.

    group    documents in a group
    groups   that are drawn, without a document in common; the interval (95 %, Student's t) is over them
    shift    as in the script that came with the paper, not as in the paper
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "results"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "selection": "selection?", "embedder": "model"}
    draws: ClassVar[bool] = True

    group: int = 1000
    groups: int = 5
    shift: bool = False

    def __post_init__(self) -> None:
        if self.group < 2 or self.groups < 2:
            raise RecipeError(
                "diversity needs groups of 2 or more documents, and 2 or more of them for an interval",
                found=f"group: {self.group}, groups: {self.groups}",
            )

    def build(self, inputs: Inputs, out: Path) -> dict[str, Any]:
        """Raises DataError if the selection has too few documents with text, or the model is no embedder."""
        from vernier.models.embed import load_embedder, one_thread

        embedder = load_embedder(inputs.folder("embedder"))
        texts = inputs.draw(self.group * self.groups, inputs.seed, "evaluate.diversity")
        if len(texts) < self.group * self.groups:
            raise DataError(
                "the selection is too small to measure its diversity",
                found=f"{len(texts)} documents with text",
                expected=f"{self.group * self.groups}: `groups` ({self.groups}) times `group` ({self.group})",
                do="make `group` smaller, in every arm: values compare only at one size",
            )
        parts = [embedder.embed(texts[at : at + TEXTS]) for at in range(0, len(texts), TEXTS)]
        embeddings = np.concatenate(parts).astype(np.float64)
        with one_thread():
            values = np.array(
                [
                    semantic_diversity(embeddings[at : at + self.group], shift=self.shift)
                    for at in range(0, len(embeddings), self.group)
                ]
            )
        table = {
            "metric": ["semantic_diversity"] * self.groups,
            "group": list(range(self.groups)),
            "value": values,
            "unit": ["documents"] * self.groups,
        }
        pq.write_table(pa.table(table, schema=RESULTS), out / "results.parquet")
        half = student(self.groups - 1) * float(values.std(ddof=1)) / math.sqrt(self.groups)
        mean = float(values.mean())
        return {
            "semantic_diversity": {"mean": mean, "low": mean - half, "high": mean + half, "shift": self.shift},
            "without_direction": int(np.sum(~embeddings.any(axis=1))),
        }
