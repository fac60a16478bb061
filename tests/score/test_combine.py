"""Weighted sums of standardised scores: a slow reference, the same bits for any cut, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.select.world import World

from vernier.core.artifact import Artifact
from vernier.core.errors import DataError, RecipeError
from vernier.core.shard import Inputs
from vernier.core.terms import Fitted, Term
from vernier.score.combine import Combine
from vernier.testing import cuts
from vernier.testing.make import make_folder, run, settle

Column = Sequence[float | None]
A, B = Term(column="a"), Term(column="b")


def inputs(
    world: World,
    *tables: Mapping[str, Column],
    sizes: Sequence[int] = (),
    counts: Sequence[int] | None = None,
    weights: Artifact | None = None,
) -> Inputs:
    size = len(next(iter(tables[0].values())))
    made = {"corpus": world.corpus(size, sizes)}
    if counts is not None:
        reason = [None if count else "outside" for count in counts]
        made["within"] = world.table("selection", {"count": counts, "reason": reason}, sizes)
    for number, columns in enumerate(tables):
        made[f"scores[{number}]"] = world.table("scores", columns, sizes)
    if weights is not None:
        made["weights"] = weights
    return Inputs(world.store.url, made)


def value(plugin: Combine, given: Inputs) -> list[float | None]:
    return pa.concat_tables(run(plugin, given)).column("value").to_pylist()


def slow(columns: Sequence[Column], weights: Sequence[float], counts: Sequence[int], clip: float) -> list[float | None]:
    """Row by row, from the definition."""
    rows = list(zip(*columns, strict=True))
    pool = [row for row, n in zip(rows, counts, strict=True) for _ in range(n) if None not in row]
    pool = [row for row in pool if all(map(math.isfinite, row))]
    means = [math.fsum(column) / len(pool) for column in zip(*pool, strict=True)]
    spreads = [
        math.sqrt(math.fsum((x - mean) ** 2 for x in column) / len(pool))
        for column, mean in zip(zip(*pool, strict=True), means, strict=True)
    ]
    out: list[float | None] = []
    for row, count in zip(rows, counts, strict=True):
        if None in row or not count:
            out.append(None)
        elif not all(map(math.isfinite, row)):
            out.append(math.nan)
        else:
            z = [(x - mean) / spread for x, mean, spread in zip(row, means, spreads, strict=True)]
            out.append(math.fsum(w * min(max(one, -clip), clip) for w, one in zip(weights, z, strict=True)))
    return out


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=st.data())
def test_the_slow_reference_and_the_same_bits_for_any_cut(world: World, data: st.DataObject) -> None:
    cell = st.one_of(st.floats(-1e6, 1e6), st.floats(-1, 1), st.none(), st.just(math.nan))
    size = data.draw(st.integers(4, 14))
    columns = [[0.0, 1.5, *data.draw(st.lists(cell, min_size=size - 2, max_size=size - 2))] for _ in range(2)]
    counts = [1, 1, *data.draw(st.lists(st.integers(0, 2), min_size=size - 2, max_size=size - 2))]
    weights, clip = data.draw(st.tuples(st.floats(-2, 2), st.floats(-2, 2))), data.draw(st.floats(0.5, 4))
    terms = (Term(column="a", weight=weights[0]), Term(column="b", weight=weights[1]))
    table = dict(zip("ab", columns, strict=True))
    plugin = Combine(terms=terms, clip=clip)
    whole = value(plugin, inputs(world, table, counts=counts))
    sizes = [length for _, length in data.draw(cuts(size))]
    assert repr(value(plugin, inputs(world, table, counts=counts, sizes=sizes))) == repr(whole)
    wanted = slow(columns, weights, counts, clip)
    assert [v is None for v in whole] == [v is None for v in wanted]
    np.testing.assert_allclose(np.array(whole, float), np.array(wanted, float), rtol=1e-9, atol=1e-9)


def test_hand_made_values(world: World) -> None:
    """Mean 2, population variance 2 / 3 (QuRating divides by n, not n - 1)."""
    given = inputs(world, {"a": [1.0, 2.0, 3.0]})
    root = math.sqrt(1.5)
    assert value(Combine(terms=(A,)), given) == pytest.approx([-root, 0, root])
    low = Term(column="a", wanted="low", weight=2)
    assert value(Combine(terms=(low,)), given) == pytest.approx([2 * root, 0, -2 * root])
    assert value(Combine(terms=(A,), clip=1), given) == pytest.approx([-1, 0, 1])
    assert value(Combine(terms=(low,), standardise="none"), given) == [-2, -4, -6]
    told = Combine(terms=(A,)).account(settle(Combine(terms=(A,)), given))
    assert told["documents"] == 3 and told["terms"][0]["mean"] == 2
    assert told["terms"][0]["standard_deviation"] == pytest.approx(math.sqrt(2 / 3))


def test_a_term_may_be_a_mean(world: World) -> None:
    table = {"rating": [10.0, 30.0, 5.0], "num_tokens": [10, 10, 0], "num_bytes": [40, 60, 0]}
    for per, wanted in (("token", [1, 3]), ("byte", [0.25, 0.5])):
        terms = (Term(column="rating", per=per),)
        found = value(Combine(terms=terms, standardise="none"), inputs(world, table))
        assert found[:2] == wanted and math.isnan(found[2] or 0)


@given(scale=st.floats(1e-3, 1e3), shift=st.floats(-1e3, 1e3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
def test_an_affine_change_of_a_score_changes_nothing(world: World, scale: float, shift: float) -> None:
    scores = np.random.default_rng(1).normal(size=12)
    plain = value(Combine(terms=(A,)), inputs(world, {"a": scores.tolist()}))
    moved = value(Combine(terms=(A,)), inputs(world, {"a": (scale * scores + shift).tolist()}))
    np.testing.assert_allclose(np.array(moved, float), np.array(plain, float), atol=1e-6)


@pytest.mark.parametrize("scale", [2.0**600, 2.0**-600])
def test_no_square_overflows_or_vanishes(world: World, scale: float) -> None:
    scores = [1.0, 2.0, 4.0]
    plain = value(Combine(terms=(A,)), inputs(world, {"a": scores}))
    assert value(Combine(terms=(A,)), inputs(world, {"a": [scale * x for x in scores]})) == plain


def test_a_score_that_is_everywhere_the_same_is_refused_and_no_rounding_hides_it(world: World) -> None:
    """Sums in floating point give 0.1, 0.1, 0.1 a deviation of 1e-17, and every document a score of 1."""
    table = {"a": [0.0, 1.0, 2.0], "b": [0.1] * 3}
    assert np.std([0.1] * 3) > 0
    with pytest.raises(DataError, match="'b' tells no two documents") as caught:
        value(Combine(terms=(A, B)), inputs(world, table))
    assert caught.value.found == "the same value in all 3 of them"
    assert value(Combine(terms=(A, B), standardise="none"), inputs(world, table))[0] == 0.1


def test_only_the_pool_counts_and_an_empty_one_has_no_values(world: World) -> None:
    table = {"a": [1.0, 3.0, 1e6, -1e9]}
    assert value(Combine(terms=(A,)), inputs(world, table, counts=[1, 1, 0, 0])) == [-1, 1, None, None]
    twice = value(Combine(terms=(A,)), inputs(world, table, counts=[2, 1, 0, 0]))
    assert twice[:2] == pytest.approx([-math.sqrt(0.5), math.sqrt(2)])  # mean 5 / 3
    assert value(Combine(terms=(A,)), inputs(world, table, counts=[0] * 4)) == [None] * 4


def test_each_term_finds_its_table(world: World) -> None:
    given = inputs(world, {"a": [1.0, 3.0], "b": [5.0, 7.0]}, {"a": [3.0, 1.0]})
    none: Any = {"standardise": "none"}
    assert value(Combine(terms=(Term(column="a", of=1), B), **none), given) == [8, 8]
    with pytest.raises(RecipeError, match="'a' is in 2 of the 2") as caught:
        value(Combine(terms=(A,), **none), given)
    assert caught.value.do is not None and "of: 0" in caught.value.do
    with pytest.raises(RecipeError, match="in none of the 2"):
        value(Combine(terms=(Term(column="c"),), **none), given)
    with pytest.raises(RecipeError, match="a table that there is not"):
        value(Combine(terms=(Term(column="a", of=2),), **none), given)


def fitted(world: World, folder: Path, accepted: bool) -> Artifact:
    folder.mkdir()
    Fitted.of([A, B], [0.25, 0.75], accepted=accepted, because="rank correlation 0.1").save(folder)
    return make_folder(world.store, "results", folder)


def test_fitted_weights_bring_their_terms(world: World, tmp_path: Path) -> None:
    table = {"a": [1.0, 3.0, 4.0], "b": [5.0, 7.0, 1.0]}
    written = Combine(terms=(Term(column="a", weight=0.25), Term(column="b", weight=0.75)))
    given = inputs(world, table, weights=fitted(world, tmp_path / "good", True))
    assert value(Combine(), given) == value(written, inputs(world, table))
    given = inputs(world, table, weights=fitted(world, tmp_path / "bad", False))
    with pytest.raises(RecipeError, match="do not say that they mean anything") as caught:
        value(Combine(), given)
    assert caught.value.found == "rank correlation 0.1"
    assert value(Combine(accept=True), given) == value(written, inputs(world, table))


def test_results_without_weights_are_refused(world: World, tmp_path: Path) -> None:
    (tmp_path / "results.parquet").write_bytes(b"")
    given = inputs(world, {"a": [1.0, 3.0]}, weights=make_folder(world.store, "results", tmp_path))
    with pytest.raises(RecipeError, match="hold no weights"):
        value(Combine(), given)


def test_settings_that_make_no_sense_are_refused() -> None:
    wrong: list[dict[str, Any]] = [
        {"terms": (A, A)},
        {"terms": (A,), "clip": 0.0},
        {"terms": (A,), "clip": 3.0, "standardise": "none"},
    ]
    for one in wrong:
        with pytest.raises(RecipeError):
            Combine(**one)
    with pytest.raises(RecipeError):
        Term(column="a", weight=math.inf)
    for plugin, names in ((Combine(), ()), (Combine(terms=(A,)), ("weights",))):
        with pytest.raises(RecipeError, match="written down, or come with"):
            plugin.check(names)
    Combine().check(("weights",))
