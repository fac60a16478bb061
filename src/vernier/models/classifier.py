"""A linear classifier of texts: logistic regression on hashed words and pairs of words, as fastText's.

fastText (Joulin et al., arXiv 1607.01759) averages the vectors of a text's words and word pairs and classifies the
average; with two classes that is a linear function of their counts, and here it is fitted as one. Words are what
stands between white space, as they are written; a line end is white space. They and each two neighbours are hashed into
`FEATURES` buckets (MurmurHash3); the counts of a text are scaled to length 1. The folder holds `classifier.json` and
`classifier.safetensors`; nothing in it is code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vernier.core.errors import DataError, StageError
from vernier.models.embed import one_thread
from vernier.models.needs import needs

FEATURES = 1 << 20
WORDS = r"\S+"
PENALTY = 1.0  # of half the squared length of the weights, beside the sum of the losses: scikit-learn's default
ITERATIONS = 1000  # it took 26 on 871 real web pages
TOLERANCE = 1e-6  # of the largest part of the mean loss's gradient, where the fit ends
FILE, WEIGHTS = "classifier.json", "classifier.safetensors"


@dataclass(frozen=True)
class Classifier:
    """features: int64 [m], those met in the fit, rising; weights: float64 [m], in nat; intercept: in nat, the log odds
    of an empty text; fitted: uint8 [n, 16], the text hashes of the documents that it was fitted on, rising; operations:
    floating-point operations that the fit took."""

    features: NDArray[np.int64]
    weights: NDArray[np.float64]
    intercept: float
    fitted: NDArray[np.uint8]
    operations: float

    @cached_property
    def _every(self) -> NDArray[np.float64]:
        """A weight for each feature; 0 for those never met, as the penalty would have it."""
        every = np.zeros(FEATURES)
        every[self.features] = self.weights
        return every

    def log_odds(self, texts: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """ln(p / (1 - p)) of each text being a positive one, and its number of words and pairs; [N] each."""
        if not texts:
            return np.empty(0), np.empty(0, np.int64)
        counts = _counts(texts)
        return _scaled(counts) @ self._every + self.intercept, np.asarray(counts.sum(axis=1), np.int64).ravel()

    def num_ngrams(self, texts: Sequence[str]) -> int:
        """Words and pairs of all these texts."""
        return int(self.log_odds(texts)[1].sum())

    def save(self, folder: Path) -> None:
        from safetensors.numpy import save_file

        arrays = {"features": self.features, "weights": self.weights, "fitted": self.fitted}
        save_file({**arrays, "intercept": np.array([self.intercept])}, folder / WEIGHTS)
        words = {"classifier": 1, "features": FEATURES, "operations": self.operations, "words": WORDS}
        (folder / FILE).write_text(json.dumps(words, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def fit(positive: Sequence[str], negative: Sequence[str]) -> Classifier:
    """Fit on texts; the same texts in the same order give the same bits.

    Raises DataError if a class has no text, StageError if the fit does not settle.
    """
    needs("sklearn", "safetensors")
    from sklearn.linear_model import LogisticRegression

    for name, texts in (("positive", positive), ("negative", negative)):
        if not texts:
            raise DataError(f"there is no {name} document to fit a classifier on", expected="at least one with text")
    counts = _scaled(_counts([*positive, *negative]))
    features, counts.indices = np.unique(counts.indices, return_inverse=True)
    counts.resize(counts.shape[0], len(features))
    labels = np.repeat([1, 0], [len(positive), len(negative)])
    with one_thread():
        model: Any = LogisticRegression(C=1 / PENALTY, max_iter=ITERATIONS, tol=TOLERANCE).fit(counts, labels)
    taken = int(model.n_iter_[0])
    if taken >= ITERATIONS:
        raise StageError(
            "the fit of a classifier did not settle",
            found=f"{taken} iterations on {len(labels)} documents",
            do="give it more documents, or other ones",
        )
    hashes = sorted({hashlib.blake2b(text.encode(), digest_size=16).digest() for text in [*positive, *negative]})
    return Classifier(
        features.astype(np.int64),
        model.coef_[0],
        float(model.intercept_[0]),
        np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, 16),
        4.0 * counts.nnz * taken,  # two products with the counts an iteration, for the loss and for its gradient
    )


@lru_cache(maxsize=1)
def load_classifier(folder: Path) -> Classifier:
    """The classifier in a folder, kept for the next shard. Raises DataError if there is none."""
    if not (folder / FILE).exists():
        raise DataError(
            "this folder holds no classifier",
            where=str(folder),
            found=f"no {FILE}",
            expected="what `train.classifier` makes",
        )
    needs("sklearn", "safetensors")
    from safetensors.numpy import load_file

    held = load_file(folder / WEIGHTS)
    return Classifier(
        held["features"], held["weights"], float(held["intercept"][0]), held["fitted"], operations_of(folder)
    )


def operations_of(folder: Path) -> float:
    """Floating-point operations that the fit of the classifier in a folder took."""
    return json.loads((folder / FILE).read_text("utf-8"))["operations"]


def _counts(texts: Sequence[str]) -> Any:
    """Words and pairs of each text by bucket: sparse [N, FEATURES]."""
    from sklearn.feature_extraction.text import HashingVectorizer

    hashing = HashingVectorizer(
        n_features=FEATURES,
        token_pattern=WORDS,
        lowercase=False,
        ngram_range=(1, 2),
        alternate_sign=False,
        norm=None,  # pyright: ignore[reportArgumentType] (scikit-learn documents it; its signature only hints at str)
    )
    return hashing.transform(texts)


def _scaled(counts: Any) -> Any:
    from sklearn.preprocessing import normalize

    return normalize(counts)
