"""From a vector of weights to a loss: boosted trees, and how far they foretell experiments that they have not seen.

There are few experiments: so the trees (LightGBM, Ke and others 2017) must be able to split a handful, which that
library's default of 20 rows a leaf forbids. They run in one thread and draw nothing: same input, same trees.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from vernier.core import rng

Array = NDArray[np.float64]
Predictor = Callable[[Array], Array]  # weights [n, terms] -> losses [n]
# Those of the paper are not published. On planted quadratic losses of 3, 5 and 25 weights, with and without noise, 4
# leaves found as good weights as 8, and 200 rounds at 0.1 as good ones as 400 at 0.05, in a sixth of the time.
ROUNDS = 200
PARAMETERS = {
    "objective": "regression",
    "learning_rate": 0.1,
    "num_leaves": 4,
    "min_data_in_bin": 1,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 0,
    "verbosity": -1,
}
ROWS_PER_LEAF = 1 / 64  # of the experiments, at least one
PERMUTATIONS = 9_999


def fit(weights: Array, losses: Array) -> Predictor:
    """Boosted trees. weights: [experiments, terms]; losses: [experiments]."""
    import lightgbm

    mean, spread = losses.mean(), losses.std() or 1.0  # LightGBM holds losses in float32, where they may differ little
    parameters = {**PARAMETERS, "min_data_in_leaf": max(1, int(len(losses) * ROWS_PER_LEAF))}
    data = lightgbm.Dataset(weights, (losses - mean) / spread, params=parameters)
    trees = lightgbm.train(parameters, data, num_boost_round=ROUNDS)
    return lambda asked: np.asarray(trees.predict(asked, num_threads=1), np.float64) * spread + mean


def out_of_fold(weights: Array, losses: Array, folds: int, seed: int) -> Array:
    """What trees that were fitted without an experiment foretell of it, float64 [experiments]."""
    fold = np.argsort(_keys(len(losses), seed, "folds"), kind="stable").argsort(kind="stable") % folds
    foretold = np.empty(len(losses))
    for number in range(folds):
        out = fold == number
        foretold[out] = fit(weights[~out], losses[~out])(weights[out])
    return foretold


def rank_correlation(one: Array, other: Array, seed: int) -> tuple[float, float]:
    """Spearman's rank correlation, and the share of random pairings that reach it (one-sided, Monte Carlo).

    (0, 1) where one of the two is constant. Losses that no weight explains give predictions out of fold that lean the
    wrong way, since a fold that lies high leaves a rest that lies low: chance passes this test less often than it says.
    """
    from scipy.stats import rankdata

    a, b = (rankdata(values) - (len(values) + 1) / 2 for values in (one, other))
    scale = float(np.sqrt((a @ a) * (b @ b)))
    if scale == 0:
        return 0.0, 1.0
    reached = 0
    for block in range(0, PERMUTATIONS, 1000):
        number = min(1000, PERMUTATIONS - block)
        keys = _keys(number * len(a), seed, f"permutations from {block}").reshape(number, -1)
        reached += int(np.count_nonzero(b[np.argsort(keys, axis=1)] @ a >= a @ b - 1e-9 * scale))
    return float(a @ b) / scale, (1 + reached) / (1 + PERMUTATIONS)


def _keys(number: int, seed: int, purpose: str) -> NDArray[np.uint64]:
    ids = np.zeros((number, 2), np.uint64)
    ids[:, 0] = np.arange(number)
    return rng.bits(ids, seed, f"mix.regression {purpose}")
