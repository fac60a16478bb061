"""Remember the texts of a selection, so that `select.unseen` keeps their copies out of a pool.

What a model was tuned on is likely in a crawl too, and it is what that model expects most: CoLoR-Filter (Brandfonbrener
et al., arXiv 2406.10670) would choose the copies first, and the gain would be memory.

    asked:  {do: corpus.read_jsonl, with: {paths: [target.jsonl]}}
    known:  {do: train.texts, in: {corpus: asked}}
    pool:   {do: select.unseen, in: {corpus: crawl, seen: known}}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from vernier.core import seen
from vernier.core.shard import Inputs


@dataclass(frozen=True, kw_only=True)
class Texts:
    """The hashes of the selected documents' texts. Memory: 16 bytes a document, and as much again to sort them."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "model"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "selection": "selection?"}

    def build(self, inputs: Inputs, out: Path) -> dict[str, Any]:
        found = seen.hashes(inputs)
        seen.save(out, found)
        return {"texts": len(found)}
