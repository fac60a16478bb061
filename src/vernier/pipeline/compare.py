"""The comparison that a run ends with: every arm against the arm named `random`, committed as a `results` artifact.

Not a stage: a stage sees neither the names of arms nor what its inputs were made of (docs/decisions/0010). It is made
from what is finished, also after a run of one arm or seed, and keyed by all of that. `comparison.parquet` has a row
for each number (`SCHEMA`); the manifest's facts have the same for people, with notes.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from itertools import combinations
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vernier.core import fault
from vernier.core.artifact import Artifact
from vernier.core.errors import DataError, RecipeError
from vernier.core.fingerprint import key_of
from vernier.core.nodes import Node
from vernier.core.recipe import Recipe
from vernier.core.written import COMPARISON
from vernier.pipeline.account import Account
from vernier.pipeline.arms import Trials, evaluations, twin_at, unrepeated
from vernier.pipeline.contest import CONTROL, Contest, uncontested
from vernier.pipeline.keys import whole_key
from vernier.pipeline.lineage import Lineage

VERSION = 5
FILE = "comparison.parquet"
SCHEMA = pa.schema(
    [
        pa.field("evaluation", pa.string(), nullable=False),  # the stage that measured
        pa.field("arm", pa.string(), nullable=False),
        pa.field("seed", pa.int64()),  # null: over the seeds that are compared
        pa.field("domain", pa.string()),  # null: on the target (macro over the domains where there is none)
        pa.field("metric", pa.string(), nullable=False),
        pa.field("beside", pa.string()),  # the arm that is taken away, of a difference
        pa.field("value", pa.float64()),  # null: unknown; of `break_even`: never (unknown has no row)
        pa.field("low", pa.float64()),  # ends of the confidence interval
        pa.field("high", pa.float64()),
        pa.field("bound", pa.string(), nullable=False),  # "<" or ">": the value is a bound, not a number
        pa.field("unit", pa.string(), nullable=False),
    ]
)
MULTIPLIERS = ("training_multiplier", "net_multiplier", "break_even")


def compare(recipe: Recipe, lineage: Lineage, environment: Mapping[str, str]) -> tuple[Node, Artifact] | None:
    """The comparison of what is finished, as a node and its artifact, made unless the store has it.

    None if no evaluation has the arm `random` and another one.
    """
    every, lost = evaluations(lineage), unrepeated(lineage)
    measured = {stage: arms for stage, arms in every.items() if CONTROL in arms and len(arms) > 1}
    lost = {stage: nodes for stage, nodes in lost.items() if CONTROL in nodes or CONTROL in every[stage]}
    alike = _alike(recipe, measured)
    if all(map(_is_shared, measured.values())) and not lost and not _twins(lineage, measured, (), alike):
        return None
    names = sorted({trial.node for arms in measured.values() for seeds in arms.values() for trial in seeds.values()})
    names = sorted({*names, *(name for nodes in lost.values() for name in nodes.values())})
    trials = [trial for arms in measured.values() for seeds in arms.values() for trial in seeds.values()]
    models = sorted({trial.model for trial in trials if trial.model})
    target = _domains(recipe)
    node = Node(COMPARISON, COMPARISON, None, (), 0, False, None, {name: name for name in names}, {})
    stage = {
        "plugin": COMPARISON,
        "version": VERSION,
        "settings": {
            "target": target,
            "seeds": list(recipe.seeds.stages) if recipe.seeds else [],
            "alike": alike,
            "devices": {name: device for name in models if (device := lineage.device(name)) != "cpu"},
        },
        "seed": None,
        "inputs": {name: lineage.artifacts[name].content for name in names},
    }
    behind = lineage.behind(names)
    key = key_of(stage, [_words(lineage, name) for name in behind])
    store = lineage.store
    fault.at_unit(COMPARISON, "-")
    artifact = store.artifact(key)
    if artifact is None:
        ref = store.unit(whole_key(key))
        if ref is None:
            facts = _facts(lineage, measured, target, behind, alike) | {"repeats": stage["settings"]["seeds"]}
            _note_lost(facts["evaluations"], lineage, lost, target)
            with store.workspace() as folder:
                pq.write_table(pa.Table.from_pylist(list(_rows(facts, measured)), SCHEMA), folder / FILE)
                ref = store.commit_unit(whole_key(key), folder, facts=facts)
        fault.point("stage.units_done")
        artifact = Artifact("results", key, "", (ref,), stage, dict(ref.facts))
        store.commit_artifact(artifact, environment)
        fault.point("stage.manifest")
    return node, artifact


def check(facts: Mapping[str, Any], folder: str) -> None:
    """Raise what the comparison of a run found wrong: RecipeError for two arms that are one, DataError for a target
    that was not measured. folder: of the run, where all of it is recorded."""
    if facts["twins"]:
        twin = facts["twins"][0]
        raise RecipeError(
            f"the arms {twin['arms'][0]!r} and {twin['arms'][1]!r} are one experiment under two names",
            where=f"seed {twin['seed']}",
            found="both trained the same model on the same windows",
            expected="arms that differ in what is trained, or on what",
            do="leave one out; for a second random arm: `draw: 1` in the settings of its select.random "
            f"(everything is kept: `vernier show {folder}`)",
        )
    if facts["missing"]:
        raise DataError(
            f"the target {', '.join(map(repr, facts['missing']))} was not measured",
            where="target",
            found=f"measured: {', '.join(facts['domains']) or '(nothing)'}",
            expected="a domain that the held-out documents have, or a task of evaluate.tasks, in every arm",
            do=f"name one of these, or hold some of it out (everything is kept: `vernier show {folder}`)",
        )


def _facts(
    lineage: Lineage, measured: Mapping[str, Trials], target: list[str], behind: list[str], alike: list[list[str]]
) -> dict[str, Any]:
    account = Account(lineage)
    contests = {s: Contest(lineage, account, arms, target) for s, arms in measured.items() if not _is_shared(arms)}
    every = list(contests.values())
    nowhere = [domain for domain in target if every and all(domain in contest.missing for contest in every)]
    for contest in every:
        if contest.missing and not nowhere:
            contest.notes.append(f"no verdict: {', '.join(contest.missing)} of the target was not measured here")
    return {
        "control": CONTROL,
        "target": target,
        "evaluations": {stage: contest.facts() for stage, contest in contests.items()},
        "defects": account.defects(behind),
        "unplanned": account.unplanned(behind),
        "twins": _twins(lineage, measured, {arm for contest in every for arm in contest.rungs}, alike),
        "missing": nowhere,
        "domains": sorted({domain for contest in every for domain in contest.domains}),
    }


def _twins(
    lineage: Lineage, measured: Mapping[str, Trials], rungs: Container[str], alike: Container[list[str]]
) -> list[dict[str, Any]]:
    """Arms that are the same experiment in every evaluation that both have, and the seed at which that shows.

    Arms that share the very nodes of an evaluation may still differ elsewhere: in what they export, or in others.
    """
    found: list[dict[str, Any]] = []
    arms = dict.fromkeys(arm for trials in measured.values() for arm in trials if arm not in rungs)
    for one, other in combinations(arms, 2):
        both = [trials for trials in measured.values() if one in trials and other in trials]
        same = [(t, s) for t in both if (s := twin_at(lineage, t[one], t[other])) is not None]
        apart = any(t[one][s].node != t[other][s].node for t, s in same)
        if same and len(same) == len(both) and (apart or [one, other] in alike):
            found.append({"arms": [one, other], "seed": same[0][1]})
    return found


def _alike(recipe: Recipe, measured: Mapping[str, Trials]) -> list[list[str]]:
    """Pairs of arms that share every node of the recipe, finished or not."""
    nodes = recipe.nodes()
    arms = dict.fromkeys(arm for trials in measured.values() for arm in trials)
    pairs = [list(pair) for pair in combinations(arms, 2)]
    return [pair for pair in pairs if all((pair[0] in node.arms) == (pair[1] in node.arms) for node in nodes)]


def _note_lost(
    evaluations: dict[str, Any], lineage: Lineage, lost: Mapping[str, Mapping[str, str]], target: list[str]
) -> None:
    """Say of arms that do not repeat per seed, where others do, that they are not compared."""
    for stage, nodes in lost.items():
        notes: list[str] = []
        for arm, name in nodes.items():
            model = lineage.nodes[name].inputs.get("model", name)
            add = f"add {lineage.nodes[model].stage} to `seeds: from`"
            notes.append(f"{arm} does not repeat per seed, and other arms do: it is left out ({add})")
        if stage not in evaluations:
            evaluations[stage] = uncontested(target, [])
        evaluations[stage]["notes"] += notes


def _is_shared(arms: Trials) -> bool:
    """Whether all arms share what was measured: there is nothing to compare."""
    nodes: dict[int, set[str]] = {}
    for by_seed in arms.values():
        for seed, trial in by_seed.items():
            nodes.setdefault(seed, set()).add(trial.node)
    return all(len(at_seed) == 1 for at_seed in nodes.values())


def _domains(recipe: Recipe) -> list[str]:
    """What the target names: domains, or tasks, of which the bits per byte are of the right answers."""
    given = next(iter((recipe.target or {}).values()), [])
    return [given] if isinstance(given, str) else list(given)


def _words(lineage: Lineage, name: str) -> list[Any]:
    """A node as part of the comparison's key."""
    node, artifact = lineage.nodes[name], lineage.artifacts[name]
    return [name, node.stage, node.arms, node.seed, artifact.key, artifact.content, node.inputs]


def _rows(facts: Mapping[str, Any], measured: Mapping[str, Trials]) -> Iterator[dict[str, Any]]:
    """The rows of the table, by evaluation and arm."""

    def row(metric: str, unit: str, value: float | None, **more: Any) -> dict[str, Any]:
        low, high = more.pop("ends", None) or (None, None)
        plain = {"seed": None, "domain": None, "beside": None, "bound": ""}
        return {"metric": metric, "unit": unit, "value": value, "low": low, "high": high, **plain, **more}

    for stage, found in facts["evaluations"].items():
        for arm, trials in measured.get(stage, {}).items():
            at = {"evaluation": stage, "arm": arm}
            for seed, trial in sorted(trials.items()):
                for domain, value in sorted(trial.losses.items()):  # a manifest read again has them in this order
                    yield row("bits_per_byte", "bit/byte", value, seed=seed, domain=domain, **at)
            told = found["arms"].get(arm)
            if told is None:
                continue
            yield row("bits_per_byte", "bit/byte", told["loss"], **at)
            if "difference" in told:
                yield row("compute", "1", told["compute"], **at)
                of = {**at, "beside": CONTROL}
                yield row("difference", "bit/byte", told["difference"], ends=told["alone"], **of)
                yield row("difference_together", "bit/byte", told["difference"], ends=told["together"], **of)
            for one in told.get("same_knowledge", ()):
                of = {**at, "beside": one["arm"]}
                yield row("difference", "bit/byte", one["difference"], ends=one["alone"], **of)
            for what in ("training", "overhead"):
                yield row(f"{what}_flops", "FLOP", told[what]["actual"], **at)
                yield row(f"{what}_flops_planned", "FLOP", told[what]["planned"], **at)
            for name in MULTIPLIERS:
                if name in told:
                    yield row(name, "1", **told[name], **at)
            for end, bounded in zip(("low", "high"), told.get("training_multiplier_ends", ()), strict=False):
                yield row(f"training_multiplier_{end}", "1", **bounded, **at)
            for domain, share in (told["token_share"] or {}).items():
                yield row("token_share", "1", share, domain=domain, **at)
        for rung in found["ladder"]:
            at = {"evaluation": stage, "arm": rung["arm"]}
            yield row("rung_flops", "FLOP", rung["flops"], **at)
            yield row("rung_loss", "bit/byte", rung["loss"], **at)
