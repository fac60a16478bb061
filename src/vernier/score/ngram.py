"""Score documents by hashed n-grams: how much likelier the target's bag makes them than the raw pool's (DSIR).

Xie et al., arXiv 2302.03169: the importance weight of a document is w = p_target / p_raw under two bags of hashed
n-grams (`vernier.core.ngram`, counted by `train.ngrams`); documents are sampled without replacement with weight w:

    target: {do: train.ngrams, in: {corpus: wanted}}
    raw:    {do: train.ngrams, in: {corpus: clean, selection: pool}}
    dsir:   {do: score.ngram, in: {corpus: clean, selection: pool, target: target, raw: raw}}
    long:   {do: select.threshold, in: {corpus: clean, within: pool, a: dsir}, with: {by: a.num_ngrams, at_least: 199}}
    keep:   {do: select.gumbel, in: {corpus: clean, within: long, a: dsir},
             with: {by: a.log_weight, temperature: 1, keep: {share: 0.1}}}

The authors drop documents of fewer than 100 words; n words have 2 n - 1 n-grams. The logarithm of w is a *sum*: it
grows with the length of a document, to hundreds of nat and more, so that long documents are at both ends of the scale,
one without words has 0, which may be more than most have, and Gumbel noise (standard deviation 1.28) changes next to
nothing: the sample is the top k. Divided by `num_ngrams` it no longer knows the length.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from vernier.core import ngram
from vernier.core.artifact import Artifact
from vernier.core.shard import Inputs, Shard
from vernier.score.wanted import batches, counted, planned, spread


@dataclass(frozen=True, kw_only=True)
class Ngram:
    """Columns `log_weight` (nat; the sum over all n-grams), `num_ngrams`, `num_bytes`; null where not selected."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {
        "corpus": "corpus",
        "selection": "selection?",
        "target": "model",
        "raw": "model",
    }
    masks: ClassVar[tuple[str, ...]] = ("selection",)

    def flops(self, inputs: Inputs, out: Artifact | None) -> float:
        """One addition for each n-gram; planned from the bytes, with the n-grams per byte of the first documents."""
        if out is None:
            return planned(inputs, lambda texts: sum(len(ngram.ngrams(text)) for text in texts))
        return float(counted(inputs, out, "num_ngrams"))

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        """One row for each document. Raises DataError for a model that holds no n-gram counts."""
        target, raw = (ngram.load_counts(shard.inputs.folder(name)) for name in ("target", "raw"))
        ratios: list[float] = ngram.log_ratios(target, raw).tolist()
        for batch, wanted in batches(shard, ["text", "num_bytes"]):
            found = [ngram.buckets(text) for text in batch.filter(wanted).column("text").to_pylist()]
            yield pa.table(
                {
                    # fsum rounds once, so a sum does not depend on the order or the machine
                    "log_weight": spread(np.array([math.fsum(map(ratios.__getitem__, one)) for one in found]), wanted),
                    "num_ngrams": spread(np.array([len(one) for one in found], np.int64), wanted),
                    "num_bytes": spread(batch.column("num_bytes").to_numpy()[wanted], wanted),
                }
            )
