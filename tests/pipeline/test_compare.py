"""The comparison at the end of a run: known losses and costs in, known differences, multipliers and complaints out."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tests.pipeline.small import tree, units_done, write_jsonl
from tests.pipeline.trials import HALF, POOL, RANDOM, SECOND, Judge, Measure, Quiet, Train, Tune, recipe, stage, trained

from vernier.core import fault, stats
from vernier.core.errors import DataError, RecipeError
from vernier.core.recipe import Recipe
from vernier.core.run import Run
from vernier.pipeline import verify
from vernier.pipeline.compare import FILE, SCHEMA
from vernier.pipeline.plan import plan
from vernier.pipeline.prune import prune
from vernier.pipeline.run import run

Go = Callable[..., Run]
BETTER = [3.5, 3.7, 3.65]
LADDER = {"half_as_long": trained(tokens=500), "twice": trained(tokens=2000), "four_times": trained(tokens=4000)}
KEPT = {"corpus": "clean", "selection": "keep"}
SCORED = {"train": {"in": {"scores": "scores"}, "with": {"losses": BETTER}}}


def told(done: Run, of: str = "test") -> dict[str, Any]:
    return done.artifact("comparison").facts["evaluations"][of]


def arms(done: Run, of: str = "test") -> dict[str, Any]:
    return told(done, of)["arms"]


def rows(done: Run, **wanted: Any) -> list[dict[str, Any]]:
    """The rows of the table with these values."""
    table = pq.read_table(done.folder / "comparison" / FILE)
    assert table.schema.equals(SCHEMA)
    return [row for row in table.to_pylist() if all(row[name] == value for name, value in wanted.items())]


@contextlib.contextmanager
def in_folder(folder: Path) -> Iterator[None]:
    """Recipes and stores are found from the current folder."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with every kind of arm."""
    folder = tmp_path_factory.mktemp("trials")
    with in_folder(folder):
        write_jsonl(folder / "data" / "a.jsonl", range(60))
        every = {"random": {}, "random2": {"keep": SECOND}, "half": {"keep": HALF, **trained(losses=BETTER)}}
        return run(recipe({**every, "scored": SCORED, **LADDER}), out=folder / "run", quiet=True)


def test_differences_and_intervals_are_those_of_the_competitors_alone(whole: Run) -> None:
    """The rungs lend no residuals and widen nothing; everything else is `core.stats`."""
    random, better = dict(enumerate([4.0, 4.2, 4.1])), dict(enumerate(BETTER))
    expected = stats.compare({"random": random, "random2": random, "half": better, "scored": better}, "random")
    found = told(whole)
    assert found["order"] == ["random", "random2", "half", "scored"]
    assert (found["df"], found["seeds"], found["on"], found["judged"]) == (6, [0, 1, 2], ["odd"], True)
    assert found["noise"] == pytest.approx(expected.noise)
    for name, difference in expected.arms.items():
        arm = found["arms"][name]
        assert arm["difference"] == pytest.approx(difference.difference, abs=1e-12)
        assert difference.alone is not None and difference.together is not None
        assert arm["alone"] == pytest.approx([difference.alone.low, difference.alone.high])
        assert arm["together"] == pytest.approx([difference.together.low, difference.together.high])


def test_multipliers_of_a_ladder_that_halves(whole: Run) -> None:
    """Twice the tokens are worth half a bit, so an arm's loss is worth 2 ** (2 x its advantage) of random's compute."""
    advantage = 4.1 - sum(BETTER) / 3
    worth = 2 ** (2 * advantage)
    half, scored = arms(whole)["half"], arms(whole)["scored"]
    for arm in (half, scored):
        assert arm["training_multiplier"] == {"value": pytest.approx(worth), "bound": ""}
        width = (arm["alone"][1] - arm["alone"][0]) / 2
        ends = [end["value"] for end in arm["training_multiplier_ends"]]
        assert ends == pytest.approx([2 ** (2 * (advantage - width)), 2 ** (2 * (advantage + width))])
    assert half["net_multiplier"]["value"] == pytest.approx(worth) and "break_even" not in half
    # 10,000 operations of training and 1,000 of scoring
    assert scored["net_multiplier"]["value"] == pytest.approx(worth / 1.1)
    assert scored["break_even"]["value"] == pytest.approx(0.1 / (worth - 1))


def test_the_account_counts_what_random_does_not_need(whole: Run) -> None:
    scored = arms(whole)["scored"]
    assert scored["overhead"] == {"planned": 1000, "actual": 1000} and scored["overhead_stages"] == ["scores"]
    assert scored["training"] == {"planned": 10_000, "actual": 10_000}
    assert arms(whole)["half"]["overhead"]["actual"] == 0  # choosing documents computes with no model
    assert arms(whole)["random"]["overhead_stages"] == []
    took = whole.seconds()
    assert took.keys() >= {"scores", "train@random@0", "keep@half@2"} and all(value > 0 for value in took.values())


def test_the_ladder_is_the_control_on_other_numbers_of_tokens(whole: Run) -> None:
    ladder = told(whole)["ladder"]
    assert [(rung["arm"], rung["tokens"], rung["flops"]) for rung in ladder] == [
        ("half_as_long", 500, 5000),
        ("random", 1000, 10_000),
        ("twice", 2000, 20_000),
        ("four_times", 4000, 40_000),
    ]
    assert [rung["loss"] for rung in ladder] == pytest.approx([4.6, 4.1, 3.6, 3.1])


def test_the_table_has_a_row_for_each_number(whole: Run) -> None:
    (row,) = rows(whole, arm="half", metric="difference")
    assert row["evaluation"] == "test" and row["unit"] == "bit/byte" and row["seed"] is None
    assert [row["low"], row["high"]] == arms(whole)["half"]["alone"] and row["low"] < row["value"] < row["high"]
    every = rows(whole, arm="half", metric="bits_per_byte", domain="even")
    assert [(r["seed"], r["value"]) for r in every] == [(s, pytest.approx(3 * loss)) for s, loss in enumerate(BETTER)]
    shares = rows(whole, arm="random", metric="token_share")
    assert {r["domain"]: r["value"] for r in shares} == {"even": 0.25, "odd": 0.75}
    assert [r["value"] for r in rows(whole, metric="net_multiplier", arm="scored")] == [
        arms(whole)["scored"]["net_multiplier"]["value"]
    ]
    assert {r["arm"] for r in rows(whole, metric="rung_loss")} == {"random", *LADDER}


def test_a_second_lot_is_told_from_the_others(whole: Run) -> None:
    assert {name: arm.get("second_lot") for name, arm in arms(whole).items()} == {
        "random": None,
        "random2": True,
        "half": False,
        "scored": False,
    }


HELD = {"corpus": "clean", "selection": "pool"}
MEASURED: dict[str, tuple[dict[str, Any], str]] = {
    "other settings": ({"with": {"ease": 0.5}}, "ease: default -> 0.5"),
    "other documents": ({"in": HELD}, "another corpus; another selection"),
}


@pytest.mark.parametrize("how", MEASURED)
def test_an_arm_that_is_measured_otherwise_is_left_out(here: Path, go: Go, how: str) -> None:
    """An easier test is no better model, neither of an arm nor of a rung; nor does it widen the others' intervals."""
    change, differs = MEASURED[how]
    fair = {"random": {}, "half": {"keep": HALF, **trained(losses=BETTER)}}
    easy = {"easy": {"keep": HALF, "test": change}, "rung": {**trained(tokens=500), "test": change}}
    found = told(go(recipe({**fair, **easy})))
    for arm in easy:
        assert f"{arm} was measured otherwise than random: it is left out ({differs})" in found["notes"]
    assert found["order"] == ["random", "half"] and found["ladder"] == []
    assert found["arms"]["half"] == arms(go(recipe(fair)))["half"]


def test_with_every_other_arm_left_out_there_is_no_comparison(here: Path, go: Go) -> None:
    found = told(go(recipe({"random": {}, "easy": {"keep": HALF, "test": {"with": {"ease": 0.5}}}})))
    assert found["order"] == ["random"] and "difference" not in found["arms"]["random"]
    assert any("no arm but those left out" in note for note in found["notes"])


def test_outside_the_ladder_there_are_only_bounds(here: Path, go: Go) -> None:
    far = {"best": trained(losses=[1.0, 1.1, 1.2]), "worst": trained(losses=[9.0, 9.1, 9.2])}
    found = arms(go(recipe({"random": {}, **far, **LADDER})))
    assert found["best"]["training_multiplier"] == {"value": 4, "bound": ">"}
    assert found["best"]["training_multiplier_ends"] == [{"value": 4, "bound": ">"}] * 2
    assert found["worst"]["training_multiplier"] == {"value": 0.5, "bound": "<"}


def test_a_break_even_that_is_unknown_is_not_never(here: Path, go: Go) -> None:
    """Random is the top of its ladder: a better arm is worth more than 1x, nobody knows how much."""
    lost = {"train": {"in": {"scores": "scores"}, "with": {"losses": [5.0, 5.1, 5.2]}}}
    done = go(recipe({"random": {}, "scored": SCORED, "lost": lost, "short": trained(tokens=500)}))
    assert arms(done)["scored"]["training_multiplier"] == {"value": 1, "bound": ">"}
    assert "break_even" not in arms(done)["scored"] and rows(done, arm="scored", metric="break_even") == []
    assert arms(done)["lost"]["break_even"] == {"value": None, "bound": ""}
    assert [row["value"] for row in rows(done, arm="lost", metric="break_even")] == [None]


def test_without_a_ladder_there_is_no_multiplier(here: Path, go: Go) -> None:
    done = go(recipe({"random": {}, "half": {"keep": HALF, **trained(losses=BETTER)}}))
    assert "training_multiplier" not in arms(done)["half"] and told(done)["ladder"] == []
    assert any("has no ladder" in note for note in told(done)["notes"])


def test_under_a_cosine_longer_training_is_another_arm(here: Path, go: Go) -> None:
    done = go(recipe({"random": {}, "twice": trained(tokens=2000)}, schedule="cosine"))
    assert told(done)["ladder"] == [] and arms(done)["twice"]["difference"] == pytest.approx(-0.5)
    assert any("no rung of a ladder" in note for note in told(done)["notes"])


def test_a_ladder_alone_is_shown(here: Path, go: Go) -> None:
    done = go(recipe({"random": {}, **LADDER}))
    assert len(told(done)["ladder"]) == 4 and list(arms(done)) == ["random"]
    assert any("nothing to compare" in note for note in told(done)["notes"])


def test_training_that_says_nothing_of_its_cost_is_unknown(here: Path, go: Go) -> None:
    """Not nothing, and not guessed from anything."""
    quiet = stage(Quiet, on=False, in_={"corpus": "clean", "selection": "keep"}, with_={"losses": BETTER})
    done = go(recipe({"random": {}, "quiet": {"train": quiet}, **LADDER}))
    arm = arms(done)["quiet"]
    assert arm["training"] == {"planned": None, "actual": None} and arm["token_share"] is None
    assert "training_multiplier" not in arm and "net_multiplier" not in arm
    assert told(done)["ladder"], "random's own is known"


def test_training_on_another_compute_than_the_control_is_told(here: Path, go: Go) -> None:
    """Up to one in a hundred counts as equal."""
    longer = {f"x{tokens}": {"keep": HALF, **trained(tokens=tokens)} for tokens in (8000, 1011, 1009, 989, 991)}
    done = go(recipe({"random": {}, **longer}))
    found = arms(done)
    assert {name: found[name]["equal_compute"] for name in longer} == {
        "x8000": False,
        "x1011": False,
        "x1009": True,
        "x989": False,
        "x991": True,
    }
    assert "x8000 trained with 8 times the compute of random: no verdict on it" in told(done)["notes"]
    assert not any(note.startswith("x1009") for note in told(done)["notes"])
    assert [row["value"] for row in rows(done, arm="x8000", metric="compute")] == [8]


def test_where_operations_are_unknown_tokens_tell_the_compute(here: Path, go: Go) -> None:
    quiet = {"plain": 1000, "longer": 2000, "silent": None}
    given = {
        name: {"train": stage(Quiet, on=False, in_=KEPT, with_={"losses": BETTER, "tokens": tokens})}
        for name, tokens in quiet.items()
    }
    done = go(recipe({"random": {}, **given}))
    assert {name: arms(done)[name]["compute"] for name in quiet} == {"plain": 1, "longer": 2, "silent": None}
    assert [arms(done)[name]["equal_compute"] for name in quiet] == [True, False, True]
    assert [note for note in told(done)["notes"] if "take care that it is equal" in note] == [
        "nobody knows what training took in silent or random: take care that it is equal"
    ]


def test_training_in_two_stages_has_no_multiplier_and_all_of_its_compute(here: Path, go: Go) -> None:
    """The ladder is one of tuning: random's own first training is no less spent than the arm's."""
    some = {"half": {"keep": HALF, **trained(losses=BETTER)}, "long": {"keep": HALF, **trained(tokens=8000)}}
    data = recipe({"random": {}, **some, "short": {}}).to_data()
    data["stages"]["tune"] = stage(Tune, on=False, in_={"model": "train"})
    data["stages"]["test"] = stage(Measure, on=False, in_={"model": "tune"})
    data["arms"]["short"] = {"tune": {"with": {"tokens": 500}}}
    found = told(done := go(Recipe.from_data(data)))
    assert found["ladder"] and "training_multiplier" not in arms(done)["half"]
    assert "no multiplier of half: it and random differ in train before that training" in found["notes"]
    assert arms(done)["half"]["compute"] == 1
    assert arms(done)["long"]["compute"] == pytest.approx(81 / 11) and not arms(done)["long"]["equal_compute"]


def test_an_overhead_that_is_unknown_is_not_nothing(here: Path, go: Go) -> None:
    data = recipe({"random": {}, "judged": {}, **LADDER}).to_data()
    data["stages"]["meta"] = stage(Quiet, on=False, in_={"corpus": "clean"}, with_={"losses": [1.0]})
    data["stages"]["judged"] = stage(Judge, in_={"corpus": "clean", "model": "meta"})
    data["arms"]["judged"] = {"train": {"in": {"scores": "judged"}, "with": {"losses": BETTER}}}
    arm = arms(go(Recipe.from_data(data)))["judged"]
    assert arm["overhead_unknown"] == ["meta", "judged"]
    assert arm["overhead"] == {"planned": None, "actual": None}
    assert arm["training_multiplier"]["value"] > 1 and "net_multiplier" not in arm and "break_even" not in arm


def test_several_domains_count_the_same(here: Path, go: Go) -> None:
    done = go(recipe({"random": {}, "half": {"keep": HALF, **trained(losses=BETTER)}}, target=["odd", "even"]))
    assert arms(done)["half"]["difference"] == pytest.approx(2 * (sum(BETTER) / 3 - 4.1))
    assert told(done)["on"] == ["odd", "even"] and told(done)["judged"]


def test_without_a_target_the_macro_average_and_no_verdict(here: Path, go: Go) -> None:
    done = go(recipe({"random": {}, "half": {"keep": HALF, **trained(losses=BETTER)}}, target=None))
    assert told(done)["on"] == ["macro"] and not told(done)["judged"]
    assert arms(done)["half"]["difference"] == pytest.approx(2 * (sum(BETTER) / 3 - 4.1))


def test_a_target_that_nobody_held_out_is_said_when_all_is_done(here: Path, go: Go) -> None:
    poems = recipe({"random": {}, "half": {"keep": HALF, **trained(losses=BETTER)}}, target=["odd", "poems"])
    for _ in range(2):
        with pytest.raises(DataError, match="'poems' was not measured") as caught:
            go(poems)
        assert caught.value.exit_code == 3 and "even, odd" in str(caught.value)
    done = Run("runs/trials")
    assert units_done(done) == [] and not any(record["earlier"] for record in done.nodes.values())
    assert told(done)["on"] == ["macro"] and not told(done)["judged"]
    assert done.artifact("comparison").facts["missing"] == ["poems"]


TWINS: dict[str, Any] = {
    "literally": {},
    "other place": {"train": {"on": {"workers": 1}}},  # other nodes, of one key
    "same windows": {"keep": stage("select.random", in_=POOL, with_={"keep": {"share": 0.5}, "rank": True})},
}


@pytest.mark.parametrize("how", TWINS)
def test_one_experiment_under_two_names_is_refused(here: Path, go: Go, how: str) -> None:
    with pytest.raises(RecipeError, match="'random' and 'again' are one experiment") as caught:
        go(recipe({"random": {}, "again": TWINS[how], "half": {"keep": HALF}}))
    assert "seed 0" in str(caught.value) and "draw: 1" in str(caught.value)
    assert Run("runs/trials").nodes["comparison"]["earlier"] is False


def test_arms_that_differ_in_what_is_not_finished_are_no_twins(here: Path, go: Go) -> None:
    """Whatever ran first: what is not made yet tells them apart as well, and one recipe has one verdict."""
    data = recipe({"random": {}, "a": {}, "b": {}}).to_data()
    data["stages"]["extra"] = stage("select.slice", in_={"corpus": "clean"}, with_={"range": [0, 1]})
    data["arms"] |= {"a": {"keep": HALF}, "b": {"keep": HALF, "extra": {"with": {"range": [0, 0.5]}}}}
    both = Recipe.from_data(data)
    assert go(both, to="test").artifact("comparison").facts["twins"] == []
    assert go(both).artifact("comparison").facts["twins"] == []
    del data["arms"]["b"]["extra"]
    with pytest.raises(RecipeError, match="'a' and 'b' are one experiment"):
        go(Recipe.from_data(data))


def test_twins_in_a_later_evaluation_alone_are_two_experiments(here: Path, go: Go) -> None:
    """a and b share the model of `test` but not that of `first`, which has no seeds."""
    data = recipe({"random": {}, "a": {}, "b": {}}).to_data()
    first = {
        "meta": stage(Train, on=False, in_={"corpus": "clean"}, with_={"losses": [4.0]}),
        "first": stage(Measure, on=False, in_={"model": "meta"}),
    }
    clean, pool = (data["stages"].pop(name) for name in ("clean", "pool"))
    data["stages"] = {"clean": clean, "pool": pool, **first, **data["stages"]}
    data["seeds"]["values"] = [1, 2]
    for arm, loss in {"a": 3.0, "b": 2.0}.items():
        data["arms"][arm] = {"keep": HALF, "meta": {"with": {"losses": [loss]}}}
    done = go(Recipe.from_data(data))
    assert list(done.artifact("comparison").facts["evaluations"]) == ["first", "test"]
    assert done.artifact("comparison").facts["twins"] == []


ONCE = {"train": {"in": {"selection": "pool"}}}
UNREPEATED: dict[str, tuple[dict[str, Any], list[str], str]] = {
    "one of several": ({"random": {}, "half": {"keep": HALF}, "once": ONCE}, ["random", "half"], "once"),
    "the only one": ({"random": {}, "once": ONCE}, [], "once"),
    "the control": ({"random": ONCE, "half": {"keep": HALF}}, [], "random"),
}


@pytest.mark.parametrize("how", UNREPEATED)
def test_an_arm_that_does_not_repeat_per_seed_is_told(here: Path, go: Go, how: str) -> None:
    some, compared, missing = UNREPEATED[how]
    found = told(go(recipe(some)))
    assert found["order"] == compared
    reason = "does not repeat per seed, and other arms do: it is left out (add train to `seeds: from`)"
    assert f"{missing} {reason}" in found["notes"]


def test_the_same_windows_under_other_settings_are_two_experiments(here: Path, go: Go) -> None:
    done = go(recipe({"random": {}, "random2": {"keep": SECOND}, "other": trained(losses=BETTER)}))
    facts = [done.artifact(f"train@{arm}@0").facts["windows"] for arm in ("random", "other")]
    assert facts[0] == facts[1] and done.artifact("comparison").facts["twins"] == []
    assert [note for note in told(done)["notes"] if "same windows" in note] == [
        "trained on the same windows as random, with other settings: other"
    ]


def test_arms_that_differ_elsewhere_share_an_evaluation_in_peace(here: Path, go: Go) -> None:
    """The model of `test` is one for all arms: nothing to compare, and no twins."""
    data = recipe({"random": {}, "other": {}}).to_data()
    data["stages"]["extra"] = RANDOM
    data["arms"]["other"] = {"extra": HALF}
    assert "comparison" not in go(Recipe.from_data(data)).nodes


def test_a_cost_that_was_not_planned_is_a_defect(here: Path, go: Go) -> None:
    done = go(recipe({"random": {}, "a": trained(losses=BETTER, off=2.01), "b": trained(losses=BETTER, off=1.99)}))
    defects = done.artifact("comparison").facts["defects"]
    assert [d["stage"] for d in defects] == [f"train@a@{s}" for s in range(3)]
    assert (defects[0]["planned"], defects[0]["actual"]) == (10_000, pytest.approx(20_100))


def test_a_cost_that_nobody_planned_is_told(here: Path, go: Go) -> None:
    free = {"train": {"in": {"scores": "scores"}, "with": {"losses": BETTER, "planned": False}}}
    facts = go(recipe({"random": {}, "scored": free})).artifact("comparison").facts
    assert facts["unplanned"] == ["train"] and facts["defects"] == []


def test_models_of_different_devices_are_told(here: Path, go: Go) -> None:
    """Also where the comparison was made before: the device is no part of any artifact."""
    both = recipe({"random": {}, "half": {"keep": HALF, **trained(losses=BETTER)}})
    done = go(both)
    assert not any("was trained on" in note for note in told(done)["notes"])
    model = done.artifact("train@half@1")
    done.store.commit_artifact(model, {**done.store.made_with(model.key), "device": "cuda"})
    assert "half was trained on cuda where random was on cpu" in told(go(both))["notes"]


def test_arms_run_one_by_one_are_compared_as_soon_as_there_are_two(here: Path, go: Go) -> None:
    both = recipe({"random": {}, "half": {"keep": HALF, **trained(losses=BETTER)}})
    assert "comparison" not in go(both, arm="random").nodes
    first = go(both, arm="half", seed=1)
    assert told(first)["seeds"] == [1] and told(first)["left_out"] == [0, 2]
    assert arms(first)["half"]["alone"] is None
    second = go(both, arm="half")
    assert told(second)["seeds"] == [0, 1, 2]
    assert go(both).artifact("comparison").key == second.artifact("comparison").key
    # Random's models are another recipe's now.
    other = recipe({"random": {}, "half": {"keep": HALF}}, losses=[5.0, 5.0, 5.0])
    assert go(other, arm="half").nodes["comparison"]["earlier"] is True


def test_an_arm_that_is_half_done_takes_no_seed_from_the_others(here: Path, go: Go) -> None:
    fair = {"random": {}, "half": {"keep": HALF, **trained(losses=BETTER)}}
    before = go(recipe(fair))
    alone, numbers = arms(before)["half"], told(before)["seeds"]
    more = recipe({**fair, "late": {"keep": HALF, **trained(losses=[3.0, 3.1, 3.2])}})
    first = go(more, arm="late", seed=1)
    assert told(first)["order"] == ["random", "half"] and told(first)["seeds"] == numbers == [0, 1, 2]
    assert arms(first)["half"] == alone
    assert "late lacks seeds that most arms have (0, 2): it is left out" in told(first)["notes"]
    assert told(go(more, arm="late"))["order"] == ["random", "half", "late"]


def test_a_recipe_without_seeds_has_one_run_and_no_interval(here: Path, go: Go) -> None:
    data = recipe({"random": {}, "half": {"keep": HALF, **trained(losses=BETTER)}, **LADDER}).to_data()
    del data["seeds"]
    done = go(Recipe.from_data(data))
    assert told(done)["seeds"] == [0] and arms(done)["half"]["alone"] is None
    assert arms(done)["half"]["training_multiplier"]["value"] == pytest.approx(2)
    assert any("no interval" in note for note in told(done)["notes"])


@pytest.mark.parametrize("some", [{"random": {}}, {"a": {}, "b": {"keep": HALF}}])
def test_nothing_to_compare(here: Path, go: Go, some: Mapping[str, Any]) -> None:
    assert "comparison" not in go(recipe(some)).nodes


def test_it_is_made_once_kept_and_mended(here: Path, go: Go) -> None:
    both = recipe({"random": {}, "half": {"keep": HALF, **trained(losses=BETTER)}})
    done = go(both)
    before = tree(here / ".vernier")
    done = go(both)
    assert tree(here / ".vernier") == before
    unused = prune(done.store, delete=True)
    assert unused.paths == [] and verify.check(done)[1] == []
    assert all(equal for _, _, equal in verify.recompute(done, 100))
    (here / ".vernier" / done.artifact("comparison").shards[0].folder / FILE).write_bytes(b"PAR1")
    damages = verify.check(done)[1]
    assert [d.node for d in damages] == ["comparison"]
    verify.repair(done, damages)
    go(both)
    assert tree(here / ".vernier") == before


def test_a_plan_says_what_is_known_of_the_cost(here: Path, go: Go) -> None:
    both = recipe({"random": {}, "scored": SCORED})
    go(both, to="keep")
    steps = {step.node.id: step for step in plan(both, Run("runs/trials"), both.nodes())}
    assert steps["train@random@0"].flops == 10_000 and steps["keep@0"].flops is None
    assert steps["train@scored@0"].action == "later" and steps["train@scored@0"].flops is None
    assert steps["scores"].flops == 1000


KILLS = sorted({p for p in fault.POINTS if not p.startswith("export.")} - {"unit.started"})
GO = """\
import json
from vernier.core.recipe import Recipe
from vernier.pipeline.run import run

run(Recipe.from_data(json.load(open("recipe.json"))), quiet=True)
"""


@pytest.fixture(scope="module")
def all_but_compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    """A folder whose run is finished but for the comparison, and what its store held with it."""
    folder = tmp_path_factory.mktemp("kills")
    with in_folder(folder):
        write_jsonl(folder / "data" / "a.jsonl", range(40))
        both = recipe({"random": {}, "half": {"keep": HALF, **trained(losses=BETTER)}}, seeds=2)
        (folder / "recipe.json").write_text(json.dumps(both.to_data()))
        done = run(both, quiet=True)
        held = tree(folder / ".vernier")
        compared = done.artifact("comparison")
        done.store.forget_artifact(compared.key)
        (folder / ".vernier" / "made" / compared.key[:2] / f"{compared.key}.json").unlink()
        shutil.rmtree((folder / ".vernier" / compared.shards[0].folder).parent)
    return folder, held


@pytest.mark.parametrize("point", KILLS)
def test_a_kill_while_comparing_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, all_but_compared: tuple[Path, dict[str, bytes]], point: str
) -> None:
    here, (folder, held) = tmp_path / "here", all_but_compared
    shutil.copytree(folder, here, symlinks=True)
    monkeypatch.chdir(here)
    (here / "once").touch()
    killing = {"VERNIER_FAULT": f"{point}@comparison/-", "VERNIER_FAULT_ONCE": str(here / "once")}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **killing}
    killed = subprocess.run([sys.executable, "-c", GO], env=environment, capture_output=True, text=True)
    assert killed.returncode == -9 and not (here / "once").exists(), killed.stderr
    again = run(Recipe.from_data(json.loads((here / "recipe.json").read_text())), quiet=True)
    assert units_done(again) == [] and tree(here / ".vernier") == held
    assert rows(again, metric="difference") and not list((here / "runs/trials/log/tmp").glob("*"))
