"""Meta-rater: planted losses are found again, and losses that nothing explains are not believed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from vernier.core.artifact import Artifact, ShardRef
from vernier.core.errors import DataError, RecipeError
from vernier.core.shard import Inputs
from vernier.core.terms import Fitted, Term
from vernier.mix import regression
from vernier.mix.meta_rater import MetaRater
from vernier.mix.simplex import draw
from vernier.testing.make import build

NAMES = ("clean", "fluent", "deep")
TERMS = tuple(Term(column=name) for name in NAMES)
BEST = np.array([0.5, 0.2, 0.3])  # of the planted losses, for NAMES
SHAPE = np.array([[2.0, 0.5, 0.0], [0.5, 1.0, 0.2], [0.0, 0.2, 3.0]])
Array = NDArray[np.float64]


def planted(weights: Array) -> Array:
    """l = 3 + (w - w0)' A (w - w0)."""
    away = weights - BEST
    return 3 + np.einsum("ni,ij,nj->n", away, SHAPE, away)


def drawn(number: int) -> Array:
    return draw(NAMES, number, 7, "test proxies").round(6)


class Proxies:
    """Results of proxies as their evaluations leave them, in a store that is never committed to."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.made = folder, 0

    def fit(
        self, weights: Array, losses: Sequence[float], *, terms: Sequence[Term] = TERMS, seed: int = 0, **more: Any
    ) -> tuple[Fitted, dict[str, Any], Path]:
        artifacts: dict[str, Artifact] = {}
        for number, loss in enumerate(losses):
            folder = self.folder / f"results-{self.made}-{number}"
            folder.mkdir(parents=True)
            rows = {"metric": ["bits_per_byte"] * 2, "domain": ["macro", "prose"], "value": [float(loss), 2.0]}
            pq.write_table(pa.table(rows), folder / "results.parquet")
            artifacts[f"proxies[{number}]"] = Artifact("results", "", "", (ShardRef(folder.name, folder.name, {}),), {})
        more = {"simulated": 10_000, **more}
        plugin = MetaRater(terms=tuple(terms), weights=tuple(map(tuple, weights.tolist())), **more)
        self.made += 1
        out = self.folder / f"out-{self.made}"
        facts = build(plugin, Inputs(str(self.folder), artifacts, seed), out)[1]
        return Fitted.load(out), facts, out


@pytest.fixture
def proxies(tmp_path: Path) -> Proxies:
    return Proxies(tmp_path)


def test_planted_losses_are_found_again(proxies: Proxies) -> None:
    weights = drawn(256)
    fitted, facts, out = proxies.fit(weights, planted(weights), simulated=100_000)
    found = np.array([term.weight for term in fitted.terms])
    assert np.abs(found - BEST).max() < 0.05
    assert abs(found.sum() - 1) < 1e-12 and found.min() >= 0
    assert fitted.accepted and facts["rank_correlation"] > 0.9 and facts["p_value"] == 1e-4
    assert facts["foretold"]["weights"] < facts["foretold"]["even_weights"]
    assert [term.name for term in fitted.terms] == list(NAMES)
    table = pq.read_table(out / "proxies.parquet")
    assert table.column("weight of deep").to_pylist() == weights[:, 2].tolist()
    assert table.column("measured").to_pylist() == planted(weights).tolist()
    foretold = np.array(table.column("out_of_fold"))
    assert (
        0.5 < 1 - np.var(foretold - planted(weights)) / np.var(planted(weights)) < 1
    )  # explained, and not learned by heart


def test_weights_are_the_mean_of_the_best_simulated_ones(proxies: Proxies) -> None:
    """Trap: trees are flat in steps, and the single lowest point of a plateau is chance. Against the plain search."""
    weights, seeds = drawn(64), range(3)
    predict = regression.fit(weights[:, [0, 2, 1]], planted(weights))  # terms by name: clean, deep, fluent
    found = {best: [proxies.fit(weights, planted(weights), best=best, seed=s)[0] for s in seeds] for best in (1, 100)}
    every = {best: np.array([[t.weight for t in one.terms] for one in some]) for best, some in found.items()}
    for seed in seeds:
        simulated = draw(("clean", "deep", "fluent"), 10_000, seed, "mix.meta_rater search")
        foretold = predict(simulated)
        assert len(set(foretold)) < len(foretold) / 2
        lowest = sorted(range(len(simulated)), key=lambda row: (foretold[row], row))
        for best in (1, 100):
            mean = np.mean(simulated[lowest[:best]], axis=0)
            np.testing.assert_allclose(every[best][seed], mean[[0, 2, 1]], atol=1e-9)
    assert every[100].std(axis=0).max() < 0.5 * every[1].std(axis=0).max()  # less of it is the seed's


def test_copies_of_a_score_share_its_weight(proxies: Proxies) -> None:
    """Trap: how two scores that go together divide their weight means nothing. What they have together does."""
    terms = (*TERMS, Term(column="clean", of=0))
    weights = draw([term.name for term in terms], 256, 7, "test proxies").round(6)
    weights /= weights.sum(axis=1, keepdims=True)
    together = np.stack([weights[:, 0] + weights[:, 3], weights[:, 1], weights[:, 2]], axis=1)
    fitted, _, _ = proxies.fit(weights, planted(together), terms=terms)
    one, fluent, deep, copy = (term.weight for term in fitted.terms)
    assert fitted.accepted and np.abs(np.array([one + copy, fluent, deep]) - BEST).max() < 0.07
    np.testing.assert_allclose((one, copy), BEST[0] / 2, atol=0.15)


def test_the_order_of_the_scores_orders_the_weights_and_no_more(proxies: Proxies) -> None:
    weights, order = drawn(32), [2, 0, 1]
    plain, told, _ = proxies.fit(weights, planted(weights))
    moved, told_moved, _ = proxies.fit(weights[:, order], planted(weights), terms=[TERMS[i] for i in order])
    assert moved.terms == tuple(plain.terms[i] for i in order)
    assert told_moved["rank_correlation"] == told["rank_correlation"]


def test_a_metric_of_which_more_is_wanted(proxies: Proxies) -> None:
    weights = drawn(32)
    losses, told, _ = proxies.fit(weights, planted(weights))
    gains, told_gains, _ = proxies.fit(weights, -planted(weights), wanted="high")
    assert gains.terms == losses.terms
    assert told_gains["foretold"]["weights"] == -told["foretold"]["weights"]
    assert told_gains["measured"] == {"best": -told["measured"]["best"], "worst": -told["measured"]["worst"]}


def test_losses_that_nothing_explains_are_not_accepted(proxies: Proxies) -> None:
    """A regression always has a lowest point; these weights mean nothing, and say so."""
    weights = drawn(32)
    noise = np.random.default_rng(0).normal(3, 0.1, 32)
    fitted, facts, _ = proxies.fit(weights, noise)
    assert not fitted.accepted and facts["accepted"] is False
    assert "32 proxies" in fitted.because and f"{facts['rank_correlation']:.3f}" in fitted.because
    same, facts, _ = proxies.fit(weights, [3.0] * 32)
    assert (facts["rank_correlation"], facts["p_value"], same.accepted) == (0.0, 1.0, False)
    assert abs(sum(term.weight for term in same.terms) - 1) < 1e-12


def test_chance_passes_at_most_as_often_as_it_says() -> None:
    """Out of fold, and not on the experiments that the trees were fitted on: there noise has a correlation near 1."""
    weights, passed = drawn(24), 0
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(size=24)
        foretold = regression.out_of_fold(weights, noise, 5, 0)
        passed += regression.rank_correlation(foretold, noise, 0)[1] <= 0.05
    assert passed <= 3  # 20 draws at 5 %: four or more come in 1.6 % of cases
    assert regression.rank_correlation(regression.fit(weights, noise)(weights), noise, 0)[0] > 0.9


def test_a_dozen_proxies_are_enough_to_split(proxies: Proxies) -> None:
    """With LightGBM's own 20 rows a leaf the prediction would be one constant, and no weights better than others."""
    weights = drawn(16)
    _, facts, out = proxies.fit(weights, weights[:, 0].tolist())
    assert len(set(pq.read_table(out / "proxies.parquet").column("out_of_fold").to_pylist())) > 4
    assert facts["rank_correlation"] > 0.5 and facts["weights"]["clean"] < 0.2


def test_losses_that_differ_little_are_told_apart(proxies: Proxies) -> None:
    """LightGBM holds what it fits in float32: around 3 it would know 1e-7 from 2e-7, and nothing less."""
    weights = drawn(64)
    plain, _, _ = proxies.fit(weights, planted(weights))
    close, _, _ = proxies.fit(weights, 3 + (planted(weights) - 3) * 1e-7)
    found, wanted = ([term.weight for term in one.terms] for one in (close, plain))
    np.testing.assert_allclose(found, wanted, atol=0.02)


def exact_p(one: Sequence[float], other: Sequence[float], correlation: Callable[..., Any]) -> float:
    from itertools import permutations

    least = correlation(one, other).statistic - 1e-9
    every = [correlation(one, order).statistic >= least for order in permutations(other)]
    return sum(every) / len(every)


def test_the_rank_correlation_is_spearmans_and_its_p_value_the_share_of_pairings() -> None:
    from scipy.stats import spearmanr

    one, other = [1.0, 2.0, 2.0, 5.0, 4.0], [0.0, 3.0, 1.0, 2.0, 2.0]
    found, p_value = regression.rank_correlation(np.array(one), np.array(other), 0)
    assert found == pytest.approx(spearmanr(one, other).statistic)
    assert p_value == pytest.approx(exact_p(one, other, spearmanr), abs=0.02)


def test_the_seed_draws_what_is_simulated(proxies: Proxies) -> None:
    weights = drawn(16)
    one, other = (proxies.fit(weights, planted(weights), seed=seed)[0] for seed in (0, 1))
    assert one.terms != other.terms
    again = proxies.fit(weights, planted(weights), seed=1)[2]
    assert json.loads((again / "weights.json").read_text())["terms"][0]["weight"] == other.terms[0].weight


def test_what_does_not_fit_is_refused(proxies: Proxies) -> None:
    even = ((0.5, 0.3, 0.2), (0.2, 0.3, 0.5))
    wrong: list[dict[str, Any]] = [
        {"terms": TERMS[:1], "weights": ((1.0,), (1.0,))},
        {"terms": TERMS, "weights": even[:1]},
        {"terms": TERMS, "weights": ((0.5, 0.5), (0.2, 0.8))},
        {"terms": TERMS, "weights": (even[0], (0.5, 0.4, 0.2))},
        {"terms": TERMS, "weights": (even[0], (1.2, -0.2, 0.0))},
        {"terms": (*TERMS[:2], TERMS[0]), "weights": even},
        {"terms": (*TERMS[:2], Term(column="deep", weight=2)), "weights": even},
        {"terms": TERMS, "weights": even, "best": 0},
        {"terms": TERMS, "weights": even, "folds": 1},
    ]
    for one in wrong:
        with pytest.raises(RecipeError):
            MetaRater(**one)
    with pytest.raises(RecipeError, match="not as many proxies"):
        proxies.fit(np.array(even), [3.0])
    with pytest.raises(DataError, match=r"proxies\[0\] did not measure bits_per_byte on 'code'") as caught:
        proxies.fit(np.array(even), [3.0, 4.0], domains=("prose", "code"))
    assert caught.value.found == "bits_per_byte on macro, bits_per_byte on prose"
