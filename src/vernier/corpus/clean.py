"""Edit the texts of a corpus in one pass: `corpus.lines`, then `corpus.mask`, and one corpus written in place of two.

The order is fixed. Lines go first: a rule judges what a page says, not placeholders, and what goes need not be masked.
Texts, ids and counts are those of the two stages one after the other; what a run does not get is the corpus between
them. Each pass saved is a corpus less in the store, and the time to read, hash and write it, which is small beside
that of the edits (`bench/one_pass.py`).

`corpus.boilerplate` is not among them. It reads the corpus in rounds before it edits, and each round would have to
judge every line anew, which takes longer than to write the corpus between. It stands before or behind as a stage.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from vernier.core.errors import RecipeError
from vernier.core.shard import Shard
from vernier.corpus.edit import edited
from vernier.corpus.lines import Lines
from vernier.corpus.mask import Mask


@dataclass(frozen=True, kw_only=True)
class Clean:
    """The same documents without the lines that a rule removes, then with placeholders; counted as in these stages.

    lines  as the settings of corpus.lines; null removes none
    mask   as those of corpus.mask (`{}` for all kinds); null masks nothing
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "corpus"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus"}

    lines: Lines | None = None
    mask: Mask | None = None

    def __post_init__(self) -> None:
        if self.lines is None and self.mask is None:
            raise RecipeError(
                "nothing is cleaned", found="neither `lines` nor `mask`", expected="one of them, or both", do="mask: {}"
            )

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        """Raises RecipeError for what `corpus.mask` refuses."""
        return edited(shard, [one.edit() for one in (self.lines, self.mask) if one is not None])
