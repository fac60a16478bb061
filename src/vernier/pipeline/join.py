"""Join runs: the arms of several, compared at once, as one run folder. Nothing is read, scored or trained.

Runs of one store, with the same control, target and repeated stages, are one experiment done in parts. Joining them
writes the recipe that would have made them together: each arm with the stages that it had, spelled out where they
differ from the first run's. What the runs finished is found by what it was made from; what none of them finished stays
away, and the comparison treats it as it does after a run of one arm.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vernier.core.errors import RecipeError
from vernier.core.recipe import Recipe
from vernier.core.run import Run, command, environment
from vernier.pipeline.compare import check, compare
from vernier.pipeline.contest import CONTROL
from vernier.pipeline.lineage import finished


def join(runs: Sequence[Run], out: Path) -> Run:
    """The run folder `out`, which holds all that the runs finished and one comparison of all their arms.

    Raises RecipeError for runs that are not parts of one experiment, and for what the comparison finds wrong.
    """
    recipe, store = joined(runs, out.name), runs[0].store
    with store.in_use():
        lineage = finished(recipe.nodes(), {}, runs, store)
        compared = compare(recipe, lineage, environment())
    if compared is None:
        raise RecipeError(
            "the runs have nothing to compare",
            where=", ".join(str(run.folder) for run in runs),
            expected=f"the arm {CONTROL!r} and another one, evaluated",
        )
    folder = Run(out)
    with folder.locked(), store.in_use():
        folder.begin(recipe.name, store, recipe.to_data(), [node.id for node in recipe.nodes()])
        folder.log("join", command=command(), runs=[str(run.folder) for run in runs])
        for name, node in lineage.nodes.items():
            folder.record(node, lineage.artifacts[name])
        folder.record(*compared)
        folder.end()
        for run in runs:
            folder.take_log(run)
    check(compared[1].facts, str(folder.folder))
    return folder


def joined(runs: Sequence[Run], name: str) -> Recipe:
    """The recipe of which the runs are parts. Raises RecipeError if there is none."""
    if len({str(run.folder.resolve()) for run in runs}) < 2:
        raise RecipeError("one run has nothing to be joined with", expected="at least two run folders")
    first, *others = recipes = [run.recipe for run in runs]
    for run, other in zip(runs[1:], others, strict=True):
        _same("store", runs[0].store.url, run.store.url, run, "run them with one `store:`")
        _same("target", first.get("target"), other.get("target"), run, "a verdict is about one target")
        _same_repeats(first, other, run)
    stages: dict[str, Any] = {}
    for recipe in recipes:
        stages |= {name: stage for name, stage in recipe["stages"].items() if name not in stages}
    arms: dict[str, dict[str, Any]] = {}
    seen: dict[str, Run] = {}
    for run, recipe in zip(runs, recipes, strict=True):
        for arm, changes in recipe.get("arms", {}).items():
            own = arm
            if arm in seen and not _same_arm(arm, seen[arm], run):
                own = _renamed(arm, seen[arm], run)
            if own not in arms:
                seen[own] = run
                resolved = {**recipe["stages"], **changes}
                arms[own] = {name: stage for name, stage in resolved.items() if not _alike(stage, stages[name])}
    seeds = first.get("seeds")
    if seeds:
        values = {value for recipe in recipes for value in recipe["seeds"]["values"]}
        repeated = dict.fromkeys(stage for recipe in recipes for stage in recipe["seeds"]["from"])
        seeds = {"values": sorted(values), "from": list(repeated)}
    data = {
        "vernier": 1,
        "name": name,
        "target": first.get("target"),
        "seeds": seeds,
        "store": runs[0].store.url,
        "plugins": list(dict.fromkeys(package for recipe in recipes for package in recipe.get("plugins", []))),
        "stages": stages,
        "arms": arms,
    }
    return Recipe.from_data({key: value for key, value in data.items() if value})


def _same(what: str, ours: Any, theirs: Any, run: Run, do: str) -> None:
    if ours != theirs:
        raise RecipeError(
            f"runs with another {what} can not be joined",
            where=str(run.folder),
            found=str(theirs),
            expected=str(ours),
            do=do,
        )


def _same_repeats(first: Mapping[str, Any], other: Mapping[str, Any], run: Run) -> None:
    """Raises RecipeError if a stage that both runs have repeats per seed in only one of them."""
    repeats = [set(recipe["seeds"]["from"]) if recipe.get("seeds") else set[str]() for recipe in (first, other)]
    both = first["stages"].keys() & other["stages"].keys()
    ours, theirs = (sorted(stages & both) for stages in repeats)
    _same("`seeds: from`", ours, theirs, run, "repeat the same stages in each run")
    if bool(repeats[0]) != bool(repeats[1]):
        _same("`seeds`", sorted(repeats[0]), sorted(repeats[1]), run, "repeat the same stages in each run")


def _same_arm(arm: str, one: Run, other: Run) -> bool:
    """Whether an arm of that name was measured in both runs on the same models, wherever both have a seed; one that a
    run did not come to measure contradicts nothing."""
    ours, theirs = (dict(_measured(run, arm)) for run in (one, other))
    both = ours.keys() & theirs.keys()
    return not (ours and theirs) or (bool(both) and all(ours[at] == theirs[at] for at in both))


def _measured(run: Run, arm: str) -> Iterator[tuple[tuple[str, int | None], str]]:
    """Stage and seed of each result of an arm, and its key: what it was made from."""
    for record in run.nodes.values():
        if record["kind"] == "results" and arm in record["arms"]:
            yield (record["of"], record["seed"]), record["key"]


def _renamed(arm: str, one: Run, other: Run) -> str:
    """A name for an arm that another run has under the same name. Raises RecipeError for the control."""
    if arm == CONTROL:
        raise RecipeError(
            f"the runs have different controls: what {CONTROL!r} was measured on, or how, is not the same",
            where=f"{one.folder}, {other.folder}",
            expected="one control: the same pool, draw, training and evaluation",
            do=f"see what differs with `vernier diff {one.folder} {other.folder}`",
        )
    return f"{arm}-{re.sub('[^A-Za-z0-9_-]', '_', other.folder.resolve().name)}"


def _alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two stages are the same but for where they run."""
    return {**one, "on": None} == {**other, "on": None}
