"""Keys for documents that are the same but for white space, letters' case and the like: one hash of the whole text.

`keys` holds one key of 64 bits, `check` 64 bits more of the same BLAKE2b: two documents are taken for the same if both
agree, which two different ones of 10^10 do with a probability of 10^-19. A text of white space alone has no key.
Copies to the byte need none of this: the corpus has their `text_hash`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from vernier.core.config import plain
from vernier.core.shard import Inputs, Shard
from vernier.core.shingles.form import Form, normalised


@dataclass(frozen=True, kw_only=True)
class TextHash:
    """Columns `keys`, list<uint64>, one or none, and `check`, uint64, 0 where there is no key.

    form  what is normalised before: white space, case, and to Unicode's normal form C; settings that `form` leaves out
          are those of `score.minhash`
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus"}

    form: Form = field(default_factory=lambda: Form(unicode="nfc", accents="keep", punctuation="keep"))

    def facts(self, inputs: Inputs) -> dict[str, Any]:
        """How documents with a common key compare, for `select.duplicates`."""
        return {"likeness": {"by": "equal", "form": plain(self.form)}}

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        for batch in shard.batches("corpus", ["text"]):
            data, bounds = normalised(batch.column("text"), self.form)
            hashes = np.zeros((len(bounds) - 1, 2), np.uint64)
            filled = np.flatnonzero(np.diff(bounds))
            for row in filled.tolist():
                digest = blake2b(data[bounds[row] : bounds[row + 1]].data, digest_size=16).digest()
                hashes[row] = np.frombuffer(digest, "<u8")
            ends = np.cumsum(np.diff(bounds, prepend=0) > 0, dtype=np.int32)
            keys = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(hashes[filled, 0], pa.uint64()))
            yield pa.table({"keys": keys, "check": pa.array(hashes[:, 1], pa.uint64())})
