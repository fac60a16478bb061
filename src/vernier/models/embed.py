"""Embed documents without a download: latent semantic analysis, fitted on a corpus.

Deerwester et al. 1990 (JASIS 41, 391). Words are hashed into `FEATURES` buckets; a document is the vector of

    (1 + ln count) * (1 + ln((1 + N) / (1 + documents with the bucket)))

at length 1, projected on the first right singular vectors of the N documents that it was fitted on. The folder
holds `embedder.json` and `embedder.safetensors`; nothing in it is code.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vernier.core.errors import DataError
from vernier.models.folder import MODULES
from vernier.models.needs import needs
from vernier.models.sentences import load_sentences

FEATURES = 1 << 14
WORDS = r"\w+|[^\w\s]"  # symbols count, so that a document of symbols alone is somewhere


@dataclass(frozen=True)
class Embedder:
    """idf: float32 [FEATURES]; components: float32 [d, FEATURES], rows of length 1."""

    idf: NDArray[np.float32]
    components: NDArray[np.float32]

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """float32 [N, d], not normalised; a zero row where no word of the text was met in the fit."""
        with one_thread():
            return _weighted(_counts(texts), self.idf) @ self.components.T

    def save(self, folder: Path) -> None:
        from safetensors.numpy import save_file

        save_file(
            {"idf": self.idf, "components": np.ascontiguousarray(self.components)}, folder / "embedder.safetensors"
        )
        (folder / "embedder.json").write_text(json.dumps({"embedder": 1, "features": FEATURES, "words": WORDS}) + "\n")


def fit(texts: Sequence[str], dimensions: int) -> Embedder:
    """Fit on texts; the same texts in the same order give the same bits. Raises DataError for too few."""
    needs("sklearn", "safetensors")
    from sklearn.decomposition import TruncatedSVD

    if len(texts) < dimensions:
        raise DataError(
            "too few documents to fit an embedder on",
            found=f"{len(texts)} documents with text",
            expected=f"at least {dimensions}, one for each of its `dimensions`",
        )
    with one_thread():
        counts = _counts(texts)
        met = np.bincount(counts.indices, minlength=FEATURES)
        idf = (1 + np.log((1 + len(texts)) / (1 + met))).astype(np.float32)
        idf[met == 0] = 0
        svd: Any = TruncatedSVD(dimensions, random_state=0).fit(_weighted(counts, idf))
    return Embedder(idf, svd.components_.astype(np.float32))


class Embeds(Protocol):
    """What any embedder does."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """float32 [N, d], of any length; a row depends on its text alone."""
        ...


def load_embedder(folder: Path) -> Embeds:
    """The embedder in a folder: one of `fit`, or one of sentence-transformers. Raises DataError if there is none."""
    if (folder / MODULES).exists():
        return load_sentences(folder)
    if not (folder / "embedder.json").exists():
        raise DataError(
            "this folder holds no embedder",
            where=str(folder),
            found="neither embedder.json nor modules.json",
            expected="what `train.embedder` makes, or a folder of sentence-transformers that `train.read_hf` took in",
        )
    needs("sklearn", "safetensors")
    from safetensors.numpy import load_file

    held = load_file(folder / "embedder.safetensors")
    return Embedder(held["idf"], held["components"])


def _counts(texts: Sequence[str]) -> Any:
    """Words of each text by bucket: sparse [N, FEATURES]."""
    from sklearn.feature_extraction.text import HashingVectorizer

    # scikit-learn documents `norm=None`; its signature only hints at str
    hashing = HashingVectorizer(n_features=FEATURES, token_pattern=WORDS, alternate_sign=False, norm=None)  # pyright: ignore[reportArgumentType]
    return hashing.transform(texts)


def _weighted(counts: Any, idf: NDArray[np.float32]) -> Any:
    from sklearn.preprocessing import normalize

    weighted = counts.astype(np.float32)
    weighted.data = (1 + np.log(weighted.data)) * idf[weighted.indices]
    return normalize(weighted)


def one_thread() -> Any:
    """The last bits of a matrix product depend on the number of threads."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1)
