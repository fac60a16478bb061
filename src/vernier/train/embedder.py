"""Fit an embedder on a pool, once for all arms: what diversity is measured in when no other model is at hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from vernier.core.errors import RecipeError
from vernier.core.shard import Inputs


@dataclass(frozen=True, kw_only=True)
class Embedder:
    """Latent semantic analysis of the selected documents (see `vernier.models.embed`).

    dimensions   of an embedding
    documents    at most so many, drawn at random, are fitted on
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "model"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "selection": "selection?"}

    dimensions: int = 128
    documents: int = 20_000

    def __post_init__(self) -> None:
        if not 1 <= self.dimensions <= self.documents:
            raise RecipeError(
                "an embedder has from 1 dimension to as many as documents to fit it on",
                found=f"dimensions: {self.dimensions}, documents: {self.documents}",
            )

    def build(self, inputs: Inputs, out: Path) -> dict[str, Any]:
        """Raises DataError if there are fewer documents with text than dimensions."""
        from vernier.models.embed import fit

        texts = inputs.draw(self.documents, 0, "train.embedder")
        fit(texts, self.dimensions).save(out)
        return {"dimensions": self.dimensions, "documents": len(texts)}
