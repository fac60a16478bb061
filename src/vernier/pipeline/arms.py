"""What the arms of a run are to each other, read off what they were made of; nothing of it is declared.

rung        the control trained on another number of tokens, at a constant rate: a step of its ladder
A/A         the control with another lot of the same draw: whatever tells it from the control is chance
twin        the same experiment under another name
competitor  all others
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vernier.core.changes import own_changes
from vernier.core.fingerprint import key_of
from vernier.core.nodes import Node
from vernier.pipeline.keys import identity
from vernier.pipeline.lineage import Lineage

ROWS = ("corpus", "selection")  # inputs of a training stage that come down to its windows


@dataclass(frozen=True)
class Trial:
    """One evaluated model of an arm at one seed.

    node     that measured it
    model    that was measured: the node that trained it; "" if the evaluation names none
    losses   bits per byte by domain
    """

    node: str
    model: str
    losses: Mapping[str, float]


Trials = Mapping[str, Mapping[int, Trial]]  # arm -> seed -> trial


def evaluations(lineage: Lineage) -> dict[str, dict[str, dict[int, Trial]]]:
    """Every measured model by stage, arm and seed.

    Where a stage repeats per seed in some arm, only what repeats is comparable; a recipe without seeds has seed 0.
    """
    found: dict[str, dict[str, dict[int, Trial]]] = {}
    seeded: set[str] = set()
    for name, node in lineage.nodes.items():
        losses = lineage.artifacts[name].facts.get("bits_per_byte")
        if node.plugin.makes != "results" or not losses:
            continue
        if node.seeded and node.stage not in seeded:
            seeded.add(node.stage)
            found.pop(node.stage, None)
        if node.seeded or node.stage not in seeded:
            trial = Trial(name, node.inputs.get("model", ""), losses)
            for arm in node.arms:
                found.setdefault(node.stage, {}).setdefault(arm, {})[node.seed] = trial
    return found


def unrepeated(lineage: Lineage) -> dict[str, dict[str, str]]:
    """What `evaluations` leaves out: stage -> arm -> the node that measured it once, where other arms repeat."""
    measured = [
        node
        for name, node in lineage.nodes.items()
        if node.plugin.makes == "results" and lineage.artifacts[name].facts.get("bits_per_byte")
    ]
    seeded = {node.stage for node in measured if node.seeded}
    found: dict[str, dict[str, str]] = {}
    for node in measured:
        if node.stage in seeded and not node.seeded:
            found.setdefault(node.stage, {}).update(dict.fromkeys(node.arms, node.id))
    return found


def measured_otherwise(lineage: Lineage, control: Mapping[int, Trial], arm: Mapping[int, Trial]) -> list[str]:
    """What tells the evaluation of an arm from the control's: its settings in words, and inputs other than `model`."""
    found: dict[str, None] = {}
    for seed in sorted(control.keys() & arm.keys()):
        one, other = (lineage.nodes[trials[seed].node] for trials in (control, arm))
        for change in own_changes(identity(one.plugin, one.seed), identity(other.plugin, other.seed)):
            found[f"{change.what}: {change.before} -> {change.after}"] = None
        sources = (one.inputs, other.inputs)
        for label in sorted({*one.inputs, *other.inputs} - {"model"}):
            contents = [lineage.artifacts[s[label]].content if label in s else "" for s in sources]
            if contents[0] != contents[1]:
                found[f"another {label}"] = None
    return list(found)


def same_windows(lineage: Lineage, one: Mapping[int, Trial], other: Mapping[int, Trial]) -> bool:
    """Whether two arms were trained on the same windows at some seed, but with other settings."""
    for seed in one.keys() & other.keys():
        models = (one[seed].model, other[seed].model)
        if all(models) and models[0] != models[1]:
            windows = [lineage.artifacts[model].facts.get("windows") for model in models]
            told = [_training(lineage, model) for model in models]
            if windows[0] is not None and windows[0] == windows[1] and told[0] != told[1]:
                return True
    return False


def is_rung(lineage: Lineage, control: Mapping[int, Trial], arm: Mapping[int, Trial]) -> bool:
    """Whether an arm differs from the control in nothing but the setting `tokens` of its training stage."""
    seeds = control.keys() & arm.keys()
    return bool(seeds) and all(_same_but_tokens(lineage, control[seed], arm[seed]) for seed in seeds)


def has_constant_rate(lineage: Lineage, arm: Mapping[int, Trial]) -> bool:
    """Whether the learning rate of an arm's models does not depend on where their training ends, but for its decay.

    A cosine makes each length of training another experiment (Hoffmann et al. 2022, arXiv 2203.15556, section 3).
    """
    return all(getattr(lineage.nodes[trial.model].plugin, "schedule", None) == "constant" for trial in arm.values())


def is_second_lot(lineage: Lineage, control: Mapping[int, Trial], arm: Mapping[int, Trial]) -> bool:
    """Whether an arm is the control but for the number of its lot (`draw` of `select.random`)."""
    seeds = control.keys() & arm.keys()
    return bool(seeds) and all(
        _made_by(lineage, control[seed].node, {}) == _made_by(lineage, arm[seed].node, {}) for seed in seeds
    )


def twin_at(lineage: Lineage, one: Mapping[int, Trial], other: Mapping[int, Trial]) -> int | None:
    """The first seed at which two arms are the same experiment: the same model trained on the same windows."""
    for seed in sorted(one.keys() & other.keys()):
        if one[seed].node == other[seed].node or _same_training(lineage, one[seed].model, other[seed].model):
            return seed
    return None


def apart(arms: Iterable[str], trials: Trials) -> tuple[list[str], list[tuple[str, str]]]:
    """Arms that were measured by nodes of their own; and each other one behind the arm whose node it shares."""
    kept: list[str] = []
    shared: list[tuple[str, str]] = []
    for arm in arms:
        nodes = {trial.node for trial in trials[arm].values()}
        first = next((k for k in kept if nodes & {trial.node for trial in trials[k].values()}), None)
        if first is None:
            kept.append(arm)
        else:
            shared.append((first, arm))
    return kept, shared


def _same_but_tokens(lineage: Lineage, control: Trial, arm: Trial) -> bool:
    if not (control.model and arm.model) or _training(lineage, control.model) == _training(lineage, arm.model):
        return False
    one, other = (_training(lineage, trial.model, ("tokens",)) for trial in (control, arm))
    return one == other and _contents(lineage, control.model) == _contents(lineage, arm.model)


def _same_training(lineage: Lineage, one: str, other: str) -> bool:
    if not (one and other):
        return False
    if one == other or lineage.artifacts[one].key == lineage.artifacts[other].key:
        return True
    windows = [lineage.artifacts[model].facts.get("windows") for model in (one, other)]
    return (
        windows[0] is not None
        and windows[0] == windows[1]
        and _training(lineage, one) == _training(lineage, other)
        and _contents(lineage, one, ROWS) == _contents(lineage, other, ROWS)
    )


def _training(lineage: Lineage, model: str, without: Sequence[str] = ()) -> dict[str, Any]:
    """A training stage in words, without some of its settings."""
    node = lineage.nodes[model]
    words = identity(node.plugin, node.seed)
    return {**words, "settings": {k: v for k, v in words["settings"].items() if k not in without}}


def _contents(lineage: Lineage, name: str, without: Sequence[str] = ()) -> dict[str, str]:
    """What a node read, by name, without its inputs of some kinds."""
    node = lineage.nodes[name]
    read = {label: lineage.artifacts[source] for label, source in node.inputs.items()}
    return {label: artifact.content for label, artifact in read.items() if artifact.kind not in without}


def _made_by(lineage: Lineage, name: str, known: dict[str, str]) -> str:
    """A hash of all that made a node, but for the number of a random selection's lot."""
    if name not in known:
        node: Node = lineage.nodes[name]
        words = identity(node.plugin, node.seed)
        if words["plugin"] == "select.random":
            words["settings"] = {k: v for k, v in words["settings"].items() if k != "draw"}
        behind = {label: _made_by(lineage, source, known) for label, source in node.inputs.items()}
        # A reader says what it would read, not what it found: its rows do.
        known[name] = key_of(words, behind or lineage.artifacts[name].content)
    return known[name]
