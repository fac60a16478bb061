"""Keys for documents that share lines or paragraphs: hashes of what stands in them, as CCNet takes them.

CCNet (arXiv 1911.00359, 3.1) puts each paragraph in lower case, digits as 0, without accents and punctuation, and
keeps the first 64 bits of its SHA-1; a paragraph that was seen before goes. Its paragraphs are what line feeds part:
here `unit: line`. These hashes are others, of 64 bits as well, which no other program knows. A line that stands in a
text several times counts once.

A short line ("Home", "Read more") says nothing of its text, so it is no key; the containment of two texts
(`vernier.core.shingles`) counts it like every other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import pyarrow as pa

from vernier.core.config import plain
from vernier.core.errors import RecipeError
from vernier.core.rules import SHORT_LINE
from vernier.core.shard import Inputs, Shard
from vernier.core.shingles.form import Form
from vernier.core.shingles.sets import Lines, lines_of


@dataclass(frozen=True, kw_only=True)
class LineHashes:
    """Columns `keys`, list<uint64>, a key for each different line that is long enough, in ascending order, and
    `num_lines`, int64, all different lines that hold a word.

    unit       line: what line feeds part; paragraph: what a line of white space parts
    min_chars  least characters of a key's line after normalisation; above what FineWeb calls a short line
    form       what is normalised before: punctuation goes, digits become 0; settings that a `form` leaves out are those
               of `score.minhash`
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus"}

    unit: Literal["line", "paragraph"] = "line"
    min_chars: int = SHORT_LINE + 1
    form: Form = field(default_factory=lambda: Lines().form)

    def __post_init__(self) -> None:
        if self.min_chars < 1:
            raise RecipeError("`min_chars` is too small", found=str(self.min_chars), expected="1 or more")

    @property
    def lines(self) -> Lines:
        """What two texts with a common key are to be compared by."""
        return Lines(unit=self.unit, form=self.form)

    def facts(self, inputs: Inputs) -> dict[str, Any]:
        """How documents with a common key compare, for `select.duplicates`."""
        return {"likeness": {"by": "containment", "lines": plain(self.lines), "min_chars": self.min_chars}}

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        from vernier.core.shingles import kernel

        for batch in shard.batches("corpus", ["text"]):
            values, weights, offsets = lines_of(batch.column("text"), self.lines)
            keys, bounds = kernel.heavy(values, weights, offsets, self.min_chars)
            column = pa.ListArray.from_arrays(pa.array(bounds, pa.int32()), pa.array(keys, pa.uint64()))
            yield pa.table({"keys": column, "num_lines": pa.array(offsets[1:] - offsets[:-1], pa.int64())})
