"""Clusters of embeddings: directions that others are near to, so that only what is near to the same ones is compared.

k-means of scikit-learn on vectors of length 1, Lloyd's algorithm from k of the vectors themselves, drawn at random. Of
vectors of length 1 the squared distance is 2 - 2 cosine, but a mean is shorter than 1: means are put at length 1 when
all is done, not after every step as spherical k-means does (Dhillon and Modha 2001). The folder holds
`clusters.safetensors`; nothing in it is code.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vernier.core.errors import DataError
from vernier.core.fingerprint import file_sha256
from vernier.core.vectors import WHOLE, whole
from vernier.models.embed import one_thread
from vernier.models.needs import needs

FILE = "clusters.safetensors"
BLOCK = 1 << 25  # bytes of cosines that are looked at at once


@dataclass(frozen=True)
class Clusters:
    """centroids: float32 [k, d], each with a direction."""

    centroids: NDArray[np.float32]

    @property
    def num(self) -> int:
        return len(self.centroids)

    @property
    def width(self) -> int:
        """Numbers in an embedding."""
        return self.centroids.shape[1]

    @cached_property
    def _whole(self) -> NDArray[np.float64]:
        return np.ascontiguousarray(whole(self.centroids).T)

    def nearest(self, vectors: NDArray[np.floating[Any]], number: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The centroids with the largest cosines, the largest first and of equal ones the first, int64 [n, number], and
        1 - cosine to the first of them, float64 [n]. vectors: [n, d], each with a direction.

        What a vector gets depends on no other one.
        """
        number = min(number, self.num)
        found = np.empty((len(vectors), number), np.int64)
        distance = np.empty(len(vectors))
        block = max(1, BLOCK // (8 * self.num))
        with one_thread():
            for start in range(0, len(vectors), block):
                some = slice(start, start + block)
                cosines = whole(vectors[some]) @ self._whole
                rows = np.arange(len(cosines))
                for place in range(number):
                    best = cosines.argmax(axis=1)
                    found[some, place] = best
                    if place == 0:
                        distance[some] = 1 - cosines[rows, best] / WHOLE**2
                    cosines[rows, best] = -np.inf
        return found, distance

    def save(self, folder: Path) -> None:
        from safetensors.numpy import save_file

        save_file({"centroids": np.ascontiguousarray(self.centroids)}, folder / FILE)


def fit(vectors: NDArray[np.float32], number: int, iterations: int, seed: int) -> tuple[Clusters, int]:
    """At most `number` clusters of vectors [n, d], each with a direction, and the iterations that it took.

    The same vectors in the same order give the same bits on one machine. Memory: the vectors twice, and one number for
    each and some thousands of centroids at a time. A cluster that no vector is in is left out: there are fewer
    different vectors than clusters.
    """
    needs("sklearn", "safetensors")
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32, copy=False)
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # clusters without a vector: they are left out below
        # scikit-learn documents a whole number; its signature only hints at str
        means: Any = KMeans(number, init="random", n_init=1, max_iter=iterations, random_state=seed, copy_x=False)  # pyright: ignore[reportArgumentType]
        means.fit(unit)
    labels, first = np.unique(means.labels_, return_index=True)
    centroids = means.cluster_centers_[labels]
    lengths = np.linalg.norm(centroids, axis=1, keepdims=True)
    centroids = np.where(lengths > 0, centroids, unit[first])  # the mean of opposite vectors has no direction
    return Clusters((centroids / np.linalg.norm(centroids, axis=1, keepdims=True)).astype(np.float32)), means.n_iter_


def load(folder: Path) -> Clusters:
    """The clusters in a folder. Raises DataError if there are none."""
    if not (folder / FILE).exists():
        raise DataError(
            "this folder holds no clusters",
            where=str(folder),
            found=f"no {FILE}",
            expected="what `train.clusters` makes",
        )
    needs("safetensors")
    from safetensors.numpy import load_file

    return Clusters(load_file(folder / FILE)["centroids"])


def digest(folder: Path) -> str:
    """Tells clusters apart."""
    return file_sha256(folder / FILE)
