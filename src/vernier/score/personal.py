"""Count what in a document tells of a person or lets one in; `corpus.mask` puts placeholders there.

    num_emails, num_phones, num_ips, num_keys   places of each kind (`vernier.core.personal`)
    few_places                                  minus their sum

Dolma (arXiv 2402.00159) masks up to five such places and drops a document with more: `select.threshold` by
`a.few_places`, at least -5.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from vernier.core import personal
from vernier.core.shard import Shard


@dataclass(frozen=True, kw_only=True)
class Personal:
    """Columns `num_emails`, `num_phones`, `num_ips`, `num_keys` and `few_places`.

    region  country (ISO 3166) whose phone numbers need no country code
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus"}

    region: str = "US"

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        personal.check_region(self.region)
        every: dict[str, str] = dict.fromkeys(personal.KINDS, "")
        for batch in shard.batches("corpus", ["text"]):
            found = [
                Counter(kind for _, _, kind in personal.find(text, every, self.region))
                for text in batch.column("text").to_pylist()
            ]
            columns = {f"num_{kind}s": [one[kind] for one in found] for kind in ("email", "phone", "ip", "key")}
            columns["few_places"] = [-one.total() for one in found]
            yield pa.table({name: pa.array(values, pa.int64()) for name, values in columns.items()})
