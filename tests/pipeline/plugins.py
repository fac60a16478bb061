"""A selection that wants documents more than once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vernier.core import tables
from vernier.core.shard import Shard


@dataclass(frozen=True, kw_only=True)
class OddThrice:
    """Three times the documents of the domain `odd`, none of the others."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "selection"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus"}

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        odd = pc.equal(shard.read("corpus", ["domain"]).column("domain"), "odd").to_numpy()
        reason = pa.array([None if o else "even" for o in odd], pa.string()).cast(pa.dictionary(pa.int8(), pa.string()))
        yield pa.table([pa.array(np.where(odd, 3, 0), pa.int32()), reason], schema=tables.SELECTION)
