"""A linear classifier of texts: logistic regression on hashed words and pairs of words, as fastText's.

fastText (Joulin et al., arXiv 1607.01759) averages the vectors of a text's words and word pairs and classifies the
average; with two classes that is a linear function of their counts, and here it is fitted as one. Words are what
stands between white space, as they are written; a line end is white space. They and each two neighbours are hashed into
`FEATURES` buckets (MurmurHash3); the counts of a text are scaled to length 1. The folder holds `classifier.json` and
`classifier.safetensors`; nothing in it is code.

A fit knows what it was fitted on by heart. With k folds (cross-validation, Stone 1974, J. R. Stat. Soc. B 36, 111) each
text falls into one by a keyed hash, copies into the same, and k more fits leave out one fold each: so of each text that
was fitted on one fit has not seen it.
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

from vernier.core import rng
from vernier.core.errors import DataError, StageError
from vernier.models.embed import one_thread
from vernier.models.needs import needs

FEATURES = 1 << 20
WORDS = r"\S+"
PENALTY = 1.0  # of half the squared length of the weights, beside the sum of the losses: scikit-learn's default
ITERATIONS = 1000  # it took 26 on 871 real web pages
TOLERANCE = 1e-6  # of the largest part of the mean loss's gradient, where the fit ends
FILE, WEIGHTS = "classifier.json", "classifier.safetensors"
WHOLE = -1  # the fit that leaves no fold out


@dataclass(frozen=True)
class Classifier:
    """features: int64 [m], those met in the fit, rising; weights: float64 [m], in nat; intercept: in nat, the log odds
    of an empty text; fitted: uint8 [n, 16], the text hashes of the documents that it was fitted on, rising; operations:
    floating-point operations that all fits took; fold_weights: float64 [k, m] and fold_intercepts: float64 [k], of the
    fits that leave out fold 0 to k - 1."""

    features: NDArray[np.int64]
    weights: NDArray[np.float64]
    intercept: float
    fitted: NDArray[np.uint8]
    operations: float
    fold_weights: NDArray[np.float64]
    fold_intercepts: NDArray[np.float64]

    @property
    def num_folds(self) -> int:
        return len(self.fold_intercepts)

    @cached_property
    def _every(self) -> NDArray[np.float64]:
        """A weight for each feature by each fit, the whole one last; 0 for those never met, as the penalty would have
        it: float64 [k + 1, FEATURES]."""
        every = np.zeros((self.num_folds + 1, FEATURES))
        every[:, self.features] = np.concatenate([self.fold_weights, self.weights[None]])
        return every

    def log_odds(
        self, texts: Sequence[str], left_out: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """ln(p / (1 - p)) of each text being a positive one, and its number of words and pairs; [N] each.

        left_out   int64 [N]: the fold that the fit has not seen by which a text is judged, or WHOLE
        """
        if not texts:
            return np.empty(0), np.empty(0, np.int64)
        counts = _counts(texts)
        scaled, odds = _scaled(counts), np.empty(len(texts))
        fits = np.full(len(texts), WHOLE) if left_out is None else left_out
        intercepts = np.append(self.fold_intercepts, self.intercept)
        for each in np.unique(fits):
            odds[fits == each] = scaled[fits == each] @ self._every[each] + intercepts[each]
        return odds, np.asarray(counts.sum(axis=1), np.int64).ravel()

    def num_ngrams(self, texts: Sequence[str]) -> int:
        """Words and pairs of all these texts."""
        return int(self.log_odds(texts)[1].sum())

    def save(self, folder: Path) -> None:
        from safetensors.numpy import save_file

        arrays = {"features": self.features, "weights": self.weights, "fitted": self.fitted}
        if self.num_folds:
            arrays |= {"fold_weights": self.fold_weights, "fold_intercepts": self.fold_intercepts}
        save_file({**arrays, "intercept": np.array([self.intercept])}, folder / WEIGHTS)
        words = {"classifier": 1, "features": FEATURES, "operations": self.operations, "words": WORDS}
        (folder / FILE).write_text(json.dumps(words, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def hashes_of(texts: Sequence[str]) -> NDArray[np.uint64]:
    """The hashes of texts as a corpus has them, uint64 [N, 2]."""
    raw = b"".join(hashlib.blake2b(text.encode(), digest_size=16).digest() for text in texts)
    return np.frombuffer(raw, np.uint64).reshape(-1, 2)


def fold_of(hashes: NDArray[np.uint64], folds: int) -> NDArray[np.int64]:
    """The fold of each text by its hash. uint64 [N, 2] -> int64 [N]."""
    return (rng.bits(hashes, 0, "train.classifier fold") % np.uint64(folds)).astype(np.int64)


def fit(positive: Sequence[str], negative: Sequence[str], folds: int = 0) -> Classifier:
    """Fit on texts; the same texts in the same order give the same bits.

    Raises DataError if a class has no text, or none outside a fold, StageError if a fit does not settle.
    """
    needs("sklearn", "safetensors")
    for name, texts in (("positive", positive), ("negative", negative)):
        if not texts:
            raise DataError(f"there is no {name} document to fit a classifier on", expected="at least one with text")
    counts = _scaled(_counts([*positive, *negative]))
    features, counts.indices = np.unique(counts.indices, return_inverse=True)
    counts.resize(counts.shape[0], len(features))
    labels = np.repeat([1, 0], [len(positive), len(negative)])
    hashes = hashes_of([*positive, *negative])
    weights, intercept, operations = _logistic(counts, labels)
    fold_weights, fold_intercepts = np.empty((folds, len(features))), np.empty(folds)
    if folds:
        fold = fold_of(hashes, folds)
        for each in range(folds):
            others = fold != each
            _check_others(labels[others], each, folds)
            fold_weights[each], fold_intercepts[each], taken = _logistic(counts[others], labels[others])
            operations += taken
    return Classifier(
        features.astype(np.int64),
        weights,
        intercept,
        np.frombuffer(b"".join(sorted({row.tobytes() for row in hashes})), np.uint8).reshape(-1, 16),
        operations,
        fold_weights,
        fold_intercepts,
    )


def _logistic(counts: Any, labels: NDArray[np.int64]) -> tuple[NDArray[np.float64], float, float]:
    """Weights, intercept, and the floating-point operations that it took. Raises StageError if it does not settle."""
    from sklearn.linear_model import LogisticRegression

    with one_thread():
        model: Any = LogisticRegression(C=1 / PENALTY, max_iter=ITERATIONS, tol=TOLERANCE).fit(counts, labels)
    taken = int(model.n_iter_[0])
    if taken >= ITERATIONS:
        raise StageError(
            "the fit of a classifier did not settle",
            found=f"{taken} iterations on {len(labels)} documents",
            do="give it more documents, or other ones",
        )
    # Two products with the counts an iteration, for the loss and for its gradient.
    return model.coef_[0], float(model.intercept_[0]), 4.0 * counts.nnz * taken


def _check_others(labels: NDArray[np.int64], fold: int, folds: int) -> None:
    for name, label in (("positive", 1), ("negative", 0)):
        if not (labels == label).any():
            raise DataError(
                f"every {name} document lies in one fold, so nothing is left to fit on without it",
                found=f"fold {fold} of {folds}",
                expected="different texts of each class in two folds or more",
                do="give more documents, or leave `folds` out",
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
        held["features"],
        held["weights"],
        float(held["intercept"][0]),
        held["fitted"],
        operations_of(folder),
        held.get("fold_weights", np.empty((0, len(held["features"])))),
        held.get("fold_intercepts", np.empty(0)),
    )


def operations_of(folder: Path) -> float:
    """Floating-point operations that the fits of the classifier in a folder took."""
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
