"""Keys of documents with like embeddings: the clusters that they are near to (`train.clusters`), as SemDeDup has it.

Abbas et al., arXiv 2303.09540, takes two documents of one cluster for semantic duplicates if their cosine is above
1 - epsilon, and keeps the one that is least like the cluster's centroid (its released code says `hard`). So does
`select.duplicates` with these keys and `prefer: a.distance`, this table as its `a` too; but

* a document is compared with those that stay alone: the released code drops one also because of another that goes;
* a document has the keys of several clusters (`probes`), so that pairs are found across a border. On 16,231 documents
  of the test data, 128 numbers each and 128 clusters, of the pairs with a cosine of 0.9 or more 76 % have a cluster in
  common with one key each, 99.7 % with two; from 0.95 on 84 % and 100 %; of what a look at all pairs drops at 0.95,
  98.9 % and 99.9 % are dropped. Two keys take 3.5 times the comparisons (bench/dedup_quality.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from vernier.core.artifact import Artifact
from vernier.core.errors import DataError, RecipeError
from vernier.core.shard import Inputs, Shard
from vernier.core.vectors import embeddings, have_direction


@dataclass(frozen=True, kw_only=True)
class Clusters:
    """Columns `keys`, list<uint64>, the numbers of the nearest clusters, and `distance`, float64, 1 - cosine to the
    centroid of the nearest. Null without an embedding; no key and NaN for an embedding without a direction.

    probes  how many of the nearest clusters
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "embeddings": "scores", "clusters": "model"}

    probes: int = 2

    def __post_init__(self) -> None:
        if self.probes < 1:
            raise RecipeError("`probes` is too small", found=str(self.probes), expected="1 or more")

    def facts(self, inputs: Inputs) -> dict[str, Any]:
        """How documents with a common key compare, for `select.duplicates`, and whose clusters the keys are."""
        from vernier.models.clusters import digest

        return {"likeness": {"by": "cosine", "clusters": digest(inputs.folder("clusters"))}}

    def flops(self, inputs: Inputs, out: Artifact | None) -> float:
        """Two operations for each number of a centroid and each embedding; planned and real are the same."""
        from vernier.models.clusters import load

        clusters = load(inputs.folder("clusters"))
        rows = sum(int(have_direction(vectors).sum()) for one in inputs.shards() for _, vectors in embeddings(one))
        return 2.0 * rows * clusters.num * clusters.width

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        """One row for each document. Raises DataError for a model that is no clusters, or of other embeddings."""
        from vernier.models.clusters import load

        clusters = load(shard.inputs.folder("clusters"))
        number = min(self.probes, clusters.num)
        keys, distance = np.zeros((shard.rows, number), np.uint64), np.full(shard.rows, np.nan)
        scored, directed = np.zeros(shard.rows, bool), np.zeros(shard.rows, bool)
        for rows, vectors in embeddings(shard):
            if vectors.shape[1] != clusters.width:
                raise DataError(
                    "the clusters are those of other embeddings",
                    found=f"{vectors.shape[1]} numbers in an embedding, {clusters.width} in a centroid",
                    do="make both from one table of embeddings",
                )
            some = have_direction(vectors)
            scored[rows], directed[rows[some]] = True, True
            keys[rows[some]], distance[rows[some]] = clusters.nearest(vectors[some], number)
        offsets = np.concatenate([[0], np.cumsum(directed * number)])
        lists = pa.ListArray.from_arrays(
            pa.array(offsets, pa.int32()), pa.array(keys[directed].ravel()), mask=pa.array(~scored)
        )
        yield pa.table({"keys": lists, "distance": pa.array(distance, mask=~scored)})
