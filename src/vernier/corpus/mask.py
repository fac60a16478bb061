"""Put placeholders where a text tells of a person or lets one in: e-mail, phone and IP addresses, keys.

What is found, and how, is in `vernier.core.personal`. The placeholders are Dolma's (arXiv 2402.00159, its released
code) and, for keys, StarCoder's (2305.06161): none can be taken for text. FineWeb's (2406.17557) look like what they
stand for: `email: email@example.com, ip: 22.214.171.124, phone: null, key: null`. Rows, ids and order stay; what was
masked is counted by kind. `score.personal` counts by document: Dolma drops those with more than five such places.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from vernier.core import personal
from vernier.core.errors import RecipeError, StageError
from vernier.core.shard import Shard
from vernier.corpus.edit import Edit, edited

PASSES = 16  # a placeholder may set free what stood beside it: looked at again until nothing is found


@dataclass(frozen=True, kw_only=True)
class Mask:
    """The same documents with placeholders; counted as `masked.KIND`. Masking what was masked changes nothing.

    email, phone, ip, key  what stands in place of each; null leaves the kind as it is
    region                 country (ISO 3166) whose phone numbers need no country code
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "corpus"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus"}

    email: str | None = "|||EMAIL_ADDRESS|||"
    phone: str | None = "|||PHONE_NUMBER|||"
    ip: str | None = "|||IP_ADDRESS|||"
    key: str | None = "<KEY>"
    region: str = "US"

    def __post_init__(self) -> None:
        kinds = self.placeholders
        if not kinds:
            raise RecipeError(
                "nothing is masked", found="every kind is null", expected="a placeholder for one at least"
            )
        for kind, text in kinds.items():
            if "\n" in text:
                raise RecipeError("a placeholder stands in one line", where=kind, found=repr(text))

    @property
    def placeholders(self) -> dict[str, str]:
        """The placeholder of each kind that is masked."""
        found = {kind: getattr(self, kind) for kind in personal.KINDS}
        return {kind: text for kind, text in found.items() if text is not None}

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        return edited(shard, [self.edit()])

    def edit(self) -> Edit:
        """What is done to a text, and counted of it. Raises RecipeError for an unknown region, or for a placeholder
        that would be masked itself."""
        kinds = self.placeholders
        if "phone" in kinds:
            personal.check_region(self.region)
        for kind, placeholder in kinds.items():
            if personal.find(placeholder, kinds, self.region):
                raise RecipeError("a placeholder would be masked itself", where=kind, found=repr(placeholder))

        def masked(text: str) -> tuple[str, dict[str, int]]:
            text, counts = mask(text, kinds, self.region)
            return text, {f"masked.{kind}": n for kind, n in counts.items()}

        return masked


def mask(text: str, kinds: Mapping[str, str], region: str) -> tuple[str, Counter[str]]:
    """A text with placeholders, and how often each kind was masked."""
    counts = Counter[str]()
    for _ in range(PASSES):
        found = personal.find(text, kinds, region)
        if not found:
            return text, counts
        parts, at = list[str](), 0
        for start, end, kind in found:
            parts += text[at:start], kinds[kind]
            counts[kind] += 1
            at = end
        text = "".join(parts) + text[at:]
    raise StageError(
        "masking does not come to an end",
        found=f"something to mask after {PASSES} passes",
        do="use placeholders without digits and `@`",
    )
