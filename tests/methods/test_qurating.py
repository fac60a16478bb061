"""QuRating from its parts: token-weighted ratings, standardised over the pool, sampled at temperature 2."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from tests.methods.lab import Lab

from vernier.core.artifact import Artifact
from vernier.core.measures import evaluate
from vernier.core.shard import Inputs
from vernier.core.terms import Term
from vernier.models.flops import Cost
from vernier.score.combine import Combine
from vernier.select.budget import Budget
from vernier.select.gumbel import Gumbel
from vernier.select.top_k import TopK
from vernier.testing.make import make_artifact, run

TEXTS = [f"document {number}" for number in range(120)]
HALF = Budget(share=0.5)


def standardised(lab: Lab, corpus: Artifact, ratings: np.ndarray) -> Artifact:
    tokens = np.full(len(ratings), 7)
    table = lab.table(corpus, educational_value=ratings * tokens, num_tokens=tokens)
    plugin = Combine(terms=(Term(column="educational_value", per="token"),))
    made = run(plugin, Inputs(lab.store.url, {"corpus": corpus, "scores": table}))
    return make_artifact(lab.store, "scores", made, rows_of=corpus.rows_of)


def kept(lab: Lab, plugin: TopK | Gumbel, corpus: Artifact, table: Artifact) -> list[int]:
    made = pa.concat_tables(run(plugin, Inputs(lab.store.url, {"corpus": corpus, "a": table}, 0)))
    return np.flatnonzero(made.column("count").to_numpy()).tolist()


def test_a_document_is_rated_by_the_mean_over_its_tokens(tmp_path: Path) -> None:
    """Segments of 512, 512 and 100 tokens rated 1, 2 and 6: not the mean of three."""
    lab = Lab(tmp_path)
    corpus = lab.corpus(["long"])
    sums = {"educational_value": [512 * 1.0 + 512 * 2 + 100 * 6], "num_tokens": [1124], "num_bytes": [4496]}
    inputs = Inputs(lab.store.url, {"corpus": corpus, "a": lab.table(corpus, **sums)})
    values, _ = evaluate("a.educational_value", "token", inputs.shard(0))
    assert values.tolist() == [2136 / 1124]
    assert evaluate("a.educational_value", None, inputs.shard(0))[0].tolist() == [2136]
    assert evaluate("a.educational_value", "byte", inputs.shard(0))[0].tolist() == [2136 / 4496]


def test_a_rater_is_known_up_to_a_constant_and_a_scale(tmp_path: Path) -> None:
    """Bradley-Terry scores are: standardised first, the same sample is drawn. Unstandardised, another temperature."""
    lab = Lab(tmp_path)
    corpus, ratings = lab.corpus(TEXTS), np.random.default_rng(0).normal(size=len(TEXTS))
    draws = [
        kept(lab, Gumbel(by="a.value", temperature=2.0, keep=HALF), corpus, standardised(lab, corpus, changed))
        for changed in (ratings, 3 * ratings - 8, ratings / 50 + 1)
    ]
    assert draws[0] == draws[1] == draws[2]
    raw = [
        kept(lab, Gumbel(by="a.value", temperature=2.0, keep=HALF), corpus, lab.table(corpus, value=changed))
        for changed in (ratings, 50 * ratings)
    ]
    assert raw[0] != raw[1]


def test_a_temperature_samples(tmp_path: Path) -> None:
    """The official script rescales by the temperature and then takes the top k unless told to sample: nothing happens.

    Here the temperature is the sampling: at 2 about two thirds of the sample are of the better half, at 0 all.
    """
    lab = Lab(tmp_path)
    corpus = lab.corpus(TEXTS)
    table = standardised(lab, corpus, np.random.default_rng(0).normal(size=len(TEXTS)))
    best = kept(lab, TopK(by="a.value", keep=HALF), corpus, table)
    sampled = kept(lab, Gumbel(by="a.value", temperature=2.0, keep=HALF), corpus, table)
    assert len(sampled) == len(best) == 60
    assert 30 < len(set(sampled) & set(best)) < 55
    assert kept(lab, Gumbel(by="a.value", temperature=0.0, keep=HALF), corpus, table) == best


def test_criteria_are_added_raw_and_standardised_together(tmp_path: Path) -> None:
    """As the official script does: the sum of two criteria, then z. Standardised apart, both would count the same."""
    lab = Lab(tmp_path)
    corpus, generator = lab.corpus(TEXTS), np.random.default_rng(1)
    one, other = generator.normal(size=len(TEXTS)), 10 * generator.normal(size=len(TEXTS))
    table = lab.table(corpus, one=one, other=other)
    terms = (Term(column="one"), Term(column="other"))
    added = run(Combine(terms=terms, standardise="none"), Inputs(lab.store.url, {"corpus": corpus, "scores": table}))
    sums = make_artifact(lab.store, "scores", added, rows_of=corpus.rows_of)
    z = run(Combine(terms=(Term(column="value"),)), Inputs(lab.store.url, {"corpus": corpus, "scores": sums}))
    total = one + other
    assert pa.concat_tables(z).column("value").to_pylist() == pytest.approx(
        ((total - total.mean()) / total.std()).tolist()
    )


def test_what_rating_a_whole_pool_cost_in_the_papers() -> None:
    """As multiples of training 1.3B parameters on 30B tokens: QuRating's rater of 1.3B over 260B tokens 2.9, DataMan's
    of 1.5B over 447B 5.7, Meta-rater's 25 scores (33e19 by its table) 1.4."""
    target = Cost(2 * 1.3e9, 0).training(30e9, 0)
    assert target == pytest.approx(2.34e20)
    for parameters, tokens, operations, times in ((1.3e9, 260e9, 6.8e20, 2.9), (1.5e9, 447e9, 1.3e21, 5.7)):
        cost = Cost(2 * parameters, 0).forward(tokens, 0)
        assert cost == pytest.approx(operations, rel=0.05) and cost / target == pytest.approx(times, abs=0.05)
    assert 33e19 / target == pytest.approx(1.41, abs=0.005)
    # 256 proxies of 18M parameters on 0.5B tokens are not the 0.18e19 of the same table
    assert 256 * Cost(2 * 18e6, 0).training(0.5e9, 0) == pytest.approx(1.38e19, rel=0.005)
