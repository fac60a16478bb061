"""Count where web pages say that they hold code: the tags `pre` and `code` of their HTML.

RedStone's code (arXiv 2412.03398) comes from pages that keep their code blocks when HTML becomes text; by what it finds
these pages is unconfirmed. Here it is what their authors marked. The corpus is one of HTML, as `corpus.read_warc` makes
it; a selection by these counts fits the text that `corpus.extract` makes of it, row by row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from vernier.core.shard import Shard

TAGS = {"num_pre": re.compile(r"<pre[\s/>]", re.IGNORECASE), "num_code": re.compile(r"<code[\s/>]", re.IGNORECASE)}


@dataclass(frozen=True, kw_only=True)
class CodeTags:
    """Columns `num_pre` and `num_code`: opening tags of a page, those in comments and scripts too."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus"}

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        for batch in shard.batches("corpus", ["text"]):
            texts = batch.column("text").to_pylist()
            yield pa.table(
                {
                    name: pa.array([sum(1 for _ in tag.finditer(text)) for text in texts], pa.int64())
                    for name, tag in TAGS.items()
                }
            )
