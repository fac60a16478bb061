"""Which of several copies is kept: the order in which documents are gone through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vernier.core import measures
from vernier.select.dedup.documents import Part
from vernier.select.pool import column_codes


@dataclass(frozen=True)
class Order:
    """Documents of the first of `domains` come first, those of no such domain last; within that, the order is that of
    the corpus (`first`), of the length of the text (`longest`), or of a measure: larger first, undefined last. Ties go
    by the order of the corpus. Documents that were kept before come before all, in the order of their corpora.
    """

    prefer: str
    per: measures.Per
    domains: Sequence[str]

    def of(self, part: Part, rows: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """For some rows the place of their domain, int32 [n], smaller first, and a value, float64 [n], larger first."""
        places, values = np.zeros(len(rows), np.int32), np.zeros(len(rows))
        if part.old is not None:
            return places, values
        if self.domains:
            codes, names = column_codes(part.shard, "domain")
            place = {name: i for i, name in enumerate(self.domains)}
            by_code = np.array([*(place.get(name, len(place)) for name in names), len(place)], np.int32)
            places = by_code[codes[rows]]
        if self.prefer == "longest":
            values = measures.read_numbers(part.shard, "corpus", ["num_bytes"])[0][0][rows].astype(np.float64)
        elif self.prefer != "first":
            measured, scored = measures.evaluate(self.prefer, self.per, part.shard)
            values = np.where(scored & ~np.isnan(measured), measured, -np.inf)[rows]
        return places, values
