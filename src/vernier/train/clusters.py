"""Fit clusters on embeddings, once for all corpora that are compared: the first step of SemDeDup.

    model:    {do: train.embedder, in: {corpus: clean}}
    vectors:  {do: score.embedding, in: {corpus: clean, model: model}}
    clusters: {do: train.clusters, in: {corpus: clean, embeddings: vectors}}
    keys:     {do: score.clusters, in: {corpus: clean, embeddings: vectors, clusters: clusters}}
    found:    {do: select.duplicates, in: {corpus: clean, keys: keys, vectors: vectors, a: keys},
               with: {at_least: 0.99, prefer: a.distance}}
    unique:   {do: select.unique, in: {corpus: clean, duplicates: found}}

Abbas et al., arXiv 2303.09540: k-means puts embeddings into clusters, and two documents are compared if they lie in the
same one. The released configuration has 50,000 clusters for the paper's 440 million images. Which cosine means a copy
depends on the embeddings: with `train.embedder` on a mixed corpus different specifications, one form and vocabulary,
reach 0.95, and of what 0.95 drops among them less than half are versions of one text; at 0.98 it is 92 %
(bench/dedup_quality.py). Look at pairs of your own before you choose.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from vernier.core import rng
from vernier.core.artifact import Artifact
from vernier.core.errors import DataError, RecipeError
from vernier.core.shard import Inputs
from vernier.core.vectors import embeddings, have_direction, uneven

EACH = 64  # vectors for a cluster: between the 39 below which FAISS warns and the 256 above which it draws


@dataclass(frozen=True, kw_only=True)
class Clusters:
    """k-means on embeddings of the selected documents (`vernier.models.clusters`).

    clusters    how many; without it the square root of the number of documents, so that finding the cluster of each
                document (documents x clusters) costs about as much as comparing those within (documents x documents of
                a cluster)
    sample      at most so many documents, drawn at random, are fitted on; 64 for each cluster without it. Memory: 20
                bytes for each number of their embeddings
    iterations  at most; fewer where no document changes its cluster any more
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "model"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "selection": "selection?", "embeddings": "scores"}
    draws: ClassVar[bool] = True

    clusters: int | None = None
    sample: int | None = None
    iterations: int = 25

    def __post_init__(self) -> None:
        for name in ("clusters", "sample", "iterations"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise RecipeError(f"`{name}` is too small", found=str(value), expected="1 or more")
        if self.clusters is not None and self.sample is not None and self.sample < self.clusters:
            raise RecipeError(
                "a cluster needs a document",
                found=f"sample: {self.sample}, clusters: {self.clusters}",
                do="make `sample` larger, or leave it out",
            )

    def flops(self, inputs: Inputs, out: Artifact | None) -> float | None:
        """Of all cosines; how many iterations they take is not known before."""
        if out is None:
            return None
        facts = out.facts
        return 2.0 * facts["iterations"] * facts["sample"] * facts["clusters"] * facts["dimensions"]

    def build(self, inputs: Inputs, out: Path) -> dict[str, Any]:
        """Facts: documents that have an embedding with a direction, how many were fitted on, clusters, numbers in an
        embedding, iterations. Raises DataError if there is no such document, or `sample` is less than its clusters."""
        from vernier.models.clusters import fit

        documents = sum(len(ids) for ids, _ in _directed(inputs))
        number = min(documents, self.clusters or math.ceil(math.sqrt(documents)))
        size = min(documents, self.sample or EACH * number)
        if not documents or size < number:
            raise DataError(
                "too few documents to find clusters in",
                found=f"{size} of {documents} documents that have an embedding, for {number} clusters",
                expected="one document or more for each cluster",
            )
        vectors = _drawn(inputs, size)
        # scikit-learn takes 32 bits
        found, iterations = fit(vectors, number, self.iterations, inputs.seed % 2**32)
        found.save(out)
        return {
            "documents": documents,
            "sample": size,
            "clusters": found.num,
            "dimensions": found.width,
            "iterations": iterations,
        }


def _directed(inputs: Inputs) -> Iterator[tuple[NDArray[np.uint64], NDArray[np.float32]]]:
    """Ids and embeddings of the selected documents that have one with a direction, a row group at a time.

    Raises DataError if embeddings differ in their length.
    """
    width = None
    for shard in inputs.shards():
        kept, ids = shard.kept(), shard.doc_ids()
        for rows, vectors in embeddings(shard):
            if width is not None and vectors.shape[1] != width:
                raise uneven([width, vectors.shape[1]])
            width = vectors.shape[1]
            some = kept[rows] & have_direction(vectors)
            yield ids[rows[some]], vectors[some]


def _drawn(inputs: Inputs, size: int) -> NDArray[np.float32]:
    """The embeddings of `size` documents, the first in a keyed random order, in that order; no more than twice as many
    are held."""
    held, lots = list[NDArray[np.float32]](), list[NDArray[np.uint64]]()

    def first() -> tuple[NDArray[np.float32], NDArray[np.uint64]]:
        every = np.concatenate(lots)
        order = np.argsort(every, kind="stable")[:size]
        return np.concatenate(held)[order], every[order]

    for ids, vectors in _directed(inputs):
        held.append(vectors)
        lots.append(rng.bits(ids, inputs.seed, "train.clusters"))
        if sum(map(len, lots)) >= 2 * size:
            vectors, lot = first()
            held, lots = [vectors], [lot]
    return first()[0]
