"""Score documents by a linear classifier: the log odds that one is of the wanted kind (after DCLM's fastText filter).

A fit knows the documents that it was fitted on, so its scores of these say nothing of how it judges others. It never
scores them: a document whose text was fitted on is null, as one that is not selected, and the facts say how many there
are. To rank labelled documents too, fit on one slice and score another; or fit in folds (`train.classifier` with
`folds`): what was fitted on is then scored by the fit that left its fold out. Scores of different fits stand in one
column: they are on one scale as far as fits on (k - 1) / k of the documents are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vernier.core.artifact import Artifact
from vernier.core.shard import Inputs, Shard
from vernier.core.tables import ID_BYTES
from vernier.models.classifier import WHOLE, fold_of, load_classifier
from vernier.score.wanted import batches, counted, planned, spread


@dataclass(frozen=True, kw_only=True)
class Classifier:
    """Columns `log_odds` (nat; the probability is 1 / (1 + exp(-log_odds)), in the same order), `num_ngrams` (words and
    pairs that were read), `num_bytes`; null where a row is not selected, or its text was seen by every fit."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "selection": "selection?", "classifier": "model"}
    masks: ClassVar[tuple[str, ...]] = ("selection",)

    def facts(self, inputs: Inputs) -> dict[str, Any]:
        """How many selected documents have a text that was fitted on: without folds they have no score."""
        known, folds = _known(inputs), load_classifier(inputs.folder("classifier")).num_folds
        fitted = sum(int((shard.kept() & _fitted(shard, known)).sum()) for shard in inputs.shards())
        return {"fitted": fitted} | ({"folds": folds} if folds else {})

    def flops(self, inputs: Inputs, out: Artifact | None) -> float:
        """Two operations for each word or pair; planned from the bytes, with those per byte of the first documents."""
        if out is None:
            return 2 * planned(inputs, load_classifier(inputs.folder("classifier")).num_ngrams)
        return 2.0 * counted(inputs, out, "num_ngrams")

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        """One row for each document. Raises DataError for a model that is no classifier."""
        classifier = load_classifier(shard.inputs.folder("classifier"))
        fitted, left_out, at = _fitted(shard, _known(shard.inputs)), np.full(shard.rows, WHOLE), 0
        if classifier.num_folds:
            left_out[fitted] = fold_of(shard.text_hashes()[fitted], classifier.num_folds)
        unseen = ~fitted | (left_out != WHOLE)
        for batch, selected in batches(shard, ["text", "num_bytes"]):
            wanted = selected & unseen[at : at + batch.num_rows]
            fits = left_out[at : at + batch.num_rows][wanted]
            at += batch.num_rows
            texts = batch.filter(wanted).column("text").to_pylist()
            log_odds, read = classifier.log_odds(texts, fits)
            yield pa.table(
                {
                    "log_odds": spread(log_odds, wanted),
                    "num_ngrams": spread(read, wanted),
                    "num_bytes": spread(batch.column("num_bytes").to_numpy()[wanted], wanted),
                }
            )


def _known(inputs: Inputs) -> pa.Array:
    hashes = load_classifier(inputs.folder("classifier")).fitted
    return pa.array([row.tobytes() for row in hashes], pa.binary(ID_BYTES))


def _fitted(shard: Shard, known: pa.Array) -> NDArray[np.bool_]:
    """Which rows have one of the known texts, bool [rows]."""
    return pc.is_in(shard.read("corpus", ["text_hash"]).column("text_hash"), value_set=known).to_numpy()
