"""Count the hashed n-grams of a selection: the bag that stands for a target, or for the raw pool (DSIR).

Another number of documents than all is a selection's matter: the authors estimate the raw bag on at most 10^9 n-grams,
which here is `select.random` with `keep: {bytes: ...}`. A target from elsewhere is a corpus of its own, counted by
a stage of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from vernier.core.errors import DataError
from vernier.core.ngram import Counts
from vernier.core.shard import Inputs


@dataclass(frozen=True, kw_only=True)
class Ngrams:
    """Counts of the n-grams (`vernier.core.ngram`) of the selected documents, each document once."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "model"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "selection": "selection?"}

    def build(self, inputs: Inputs, out: Path) -> dict[str, Any]:
        """Raises DataError if no selected document has a word."""
        counted = Counts.of(inputs.texts())
        if counted.total == 0:
            raise DataError(
                "there are no n-grams to count",
                found=f"{counted.documents} selected documents, none with a word",
                expected="at least one document with a word",
            )
        counted.save(out)
        return {"documents": counted.documents, "ngrams": counted.total}
