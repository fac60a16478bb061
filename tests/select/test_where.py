"""Where: rows whose column holds a wanted value, whatever the shards; a value that is nowhere is an error."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.select.world import World

from vernier.core import tables
from vernier.core.errors import RecipeError
from vernier.core.shard import Inputs
from vernier.select.budget import Budget
from vernier.select.gumbel import Gumbel
from vernier.select.random import Random
from vernier.select.slice import Slice
from vernier.select.top_k import TopK
from vernier.select.where import Where


@given(
    rows=st.lists(st.tuples(st.sampled_from(["prose", "code", "", None]), st.integers(0, 2)), max_size=30),
    among=st.lists(st.sampled_from(["prose", "code", ""]), min_size=1, unique=True),
    sizes=st.lists(st.integers(0, 9), max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_rows_with_a_wanted_value_are_kept(
    world: World, rows: list[tuple[str | None, int]], among: list[str], sizes: list[int]
) -> None:
    rows = [*rows, *((value, 1) for value in among)]
    corpus = world.corpus(len(rows), sizes, domain=[value for value, _ in rows])
    counts = {"count": [n for _, n in rows], "reason": [None if n else "below_cut" for _, n in rows]}
    within = world.table("selection", counts, sizes)
    out = world.run(Where(among=among), corpus=corpus, within=within)
    for (value, times), count, reason in zip(rows, out.count, out.reason, strict=True):
        assert count == (times if value in among else 0)
        assert reason == ("outside" if times == 0 else None if value in among else "other_value")
    assert json.loads(json.dumps(out.account)) == {
        "column": "domain",
        "corpus": {value: sum(v == value for v, _ in rows) for value in sorted(among)},
        "kept": {value: sum(v == value and n > 0 for v, n in rows) for value in sorted(among)},
    }


def test_a_value_that_no_document_has_names_the_nearest(world: World) -> None:
    corpus = world.corpus(4, [1, 0, 2], domain=["prose", None, "docstring", "code"])
    with pytest.raises(RecipeError, match="no document of the corpus has 'docstrings' in the column 'domain'") as told:
        world.run(Where(among=["prose", "docstrings"]), corpus=corpus)
    assert told.value.do == "did you mean 'docstring'?"


def test_a_value_of_one_shard_alone_and_one_outside_the_pool_are_no_errors(world: World) -> None:
    corpus = world.corpus(3, [1, 1], domain=["a", "b", "a"])
    within = world.table("selection", {"count": [1, 0, 1], "reason": [None, "outside", None]}, [1, 1])
    out = world.run(Where(among=["b"]), corpus=corpus, within=within)
    assert (out.count, out.account["kept"]) == ([0, 0, 0], {"b": 0})


def test_other_columns_and_one_that_is_not_there(world: World) -> None:
    corpus = world.corpus(3, license=["MIT", None, "CC0-1.0"])
    assert world.run(Where(column="license", among=["MIT"]), corpus=corpus).kept == [0]
    with pytest.raises(RecipeError, match="no column 'licence'") as told:
        world.run(Where(column="licence", among=["MIT"]), corpus=corpus)
    assert "license" in (told.value.do or "")
    for among in ([], ["a", "a"]):
        with pytest.raises(RecipeError, match="among"):
            Where(among=among)


def test_selections_say_what_they_were_told() -> None:
    assert Where(among=["prose", "docstring"]).told() == ("domain: docstring, prose",)
    assert Where(column="license", among=["MIT"]).told() == ("license: MIT",)
    half = Budget(share=0.5)
    for make in (Random, lambda **o: TopK(by="a.v", **o), lambda **o: Gumbel(by="a.v", temperature=1.0, **o)):
        assert make(keep=half).told() == ()
        assert make(keep=half, quotas="equal").told() == ("domain",)
        assert make(keep=half, quotas={"MIT": 0.5}, quota_by="license").told() == ("license",)


def test_a_new_reason_is_named_only_where_it_is_used(world: World) -> None:
    """The bytes of other selections, and with them the keys of all that was made of them, stay as they were."""
    corpus = world.corpus(2, domain=["a", "b"])
    shard = Inputs(world.store.url, {"corpus": corpus}).shard(0)
    (sliced,) = Slice(range=(0, 0.5)).map(shard)
    plugin = Where(among=["a"])
    (by_value,) = plugin.map(shard, plugin.merge([plugin.fold(shard, None)], None)[0])
    names = [table.column("reason").chunk(0).dictionary.to_pylist() for table in (sliced, by_value)]
    assert names[0] == list(tables.REASONS)[:8] and names[0][-1] == "other_slice"
    assert names[1] == [*names[0], "other_value"]
