"""Zero-shot tasks, arm beside arm: accuracy, bits per byte of the right answers, margin to the best wrong one.

Where the interval of random selection holds what a lot would get (or lies below it: of ties none is right), a task says
nothing about the arms by its accuracy: such a line is greyed, and says so. The same tables stand in the terminal.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from vernier.core.run import Run
from vernier.core.stats import Interval, binomial, compare, student
from vernier.report.parts import Section, paragraph, table
from vernier.report.words import comparison, facts, interval, listed

FACT = "tasks"  # that evaluate.tasks leaves
AT_CHANCE = "at chance: says nothing"
# fact -> its name on the page
MEASURES = {"bits_per_byte": "bits per byte of the right answers", "margin": "margin, nat per byte"}


@dataclass(frozen=True)
class Measured:
    """What one stage found.

    arms     that are shown, the control first; without a control in the order of the recipe
    control  the arm that differences are taken from; "" if there is none
    seeds    that all of them have; None stands for a stage that does not repeat
    found    task -> arm -> seed -> what `evaluate.tasks` says of the model
    """

    stage: str
    arms: list[str]
    control: str
    seeds: list[int | None]
    found: Mapping[str, Mapping[str, Mapping[int | None, Mapping[str, Any]]]]

    def values(self, task: str, what: str) -> dict[str, dict[int | None, float]]:
        """arm -> seed -> value; nothing for a measure that the task does not have."""
        every = {arm: {seed: self.found[task][arm][seed][what] for seed in self.seeds} for arm in self.arms}
        return {} if any(None in by_seed.values() for by_seed in every.values()) else every

    def spread(self, task: str, arm: str) -> Interval:
        """The 95 % interval of an arm's accuracy: that over items (Wilson) or over seeds (Student), where it is wider.

        Seeds answer the same items, so their number does not narrow the first.
        """
        values = [self.found[task][arm][seed]["accuracy"] for seed in self.seeds]
        mean, items = math.fsum(values) / len(values), self._first(task, arm)["items"]
        ends = binomial(mean * items, items)
        if len(values) < 2:
            return ends
        noise = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1) / len(values))
        half = noise * student(len(values) - 1)
        return Interval(min(ends.low, mean - half), max(ends.high, mean + half))

    def at_chance(self, task: str) -> bool:
        """Whether the control (every arm, where there is none) is not shown to be better than a lot."""
        chance = self.chance(task)
        return all(self.spread(task, arm).low <= chance for arm in ([self.control] if self.control else self.arms))

    def chance(self, task: str) -> float:
        return self._first(task, self.arms[0])["chance"]

    def items(self, task: str) -> int:
        return self._first(task, self.arms[0])["items"]

    def counted(self, what: str) -> dict[str, int]:
        """Of each task the most items of any model that something happened to; tasks without are left out."""
        most = {
            task: max(by_arm[arm][seed][what] for arm in self.arms for seed in self.seeds)
            for task, by_arm in self.found.items()
        }
        return {task: number for task, number in most.items() if number}

    def _first(self, task: str, arm: str) -> Mapping[str, Any]:
        return self.found[task][arm][self.seeds[0]]


@dataclass(frozen=True)
class Shown:
    """A table in plain values. faint: the numbers of its greyed rows."""

    title: str
    head: list[str]
    rows: list[list[object]]
    faint: list[int] = field(default_factory=list[int])


def section(run: Run) -> Section | None:
    """A table for each measure; None if no tasks were measured."""
    parts: list[Markup] = []
    for one in measured(run):
        parts += [table(s.head, s.rows, says=s.title, faint=s.faint) for s in tables(one)]
        parts += [paragraph(note) for note in notes(one)]
    return Section("tasks", "Zero-shot tasks", Markup("").join(parts)) if parts else None


def measured(run: Run) -> list[Measured]:
    """What the run's stages of `evaluate.tasks` found. Arms and seeds are those that its comparison compares."""
    stages: dict[str, dict[str, dict[int | None, Mapping[str, Any]]]] = {}
    for node, record in run.nodes.items():
        found = facts(run, node).get(FACT)
        if found is not None:
            for arm in record["arms"] or ["-"]:
                stages.setdefault(record["of"], {}).setdefault(arm, {})[record["seed"]] = found
    compared = comparison(run) or {"evaluations": {}, "control": ""}
    return [_measured(stage, by_arm, compared) for stage, by_arm in stages.items()]


def _measured(
    stage: str, by_arm: Mapping[str, Mapping[int | None, Mapping[str, Any]]], compared: Mapping[str, Any]
) -> Measured:
    told = compared["evaluations"].get(stage)
    seeds: list[int | None]
    if told is not None and told["order"]:
        control = compared["control"]
        arms = [control, *(arm for arm in told["order"] if arm != control)]
        seeds = [seed if seed in by_arm[control] else None for seed in told["seeds"]]
    else:
        control = ""
        every = list(dict.fromkeys(seed for by_seed in by_arm.values() for seed in by_seed))
        most = max(every, key=lambda seed: sum(seed in by_seed for by_seed in by_arm.values()))
        arms = [arm for arm, by_seed in by_arm.items() if most in by_seed]
        seeds = [seed for seed in every if all(seed in by_arm[arm] for arm in arms)]
    names = [task for task in by_arm[arms[0]][seeds[0]] if all(task in by_arm[a][s] for a in arms for s in seeds)]
    found = {task: {arm: {seed: by_arm[arm][seed][task] for seed in seeds} for arm in arms} for task in names}
    return Measured(stage, arms, control, seeds, found)


def tables(one: Measured) -> Iterator[Shown]:
    """Accuracy first, with what it takes to read it; then the other measures."""
    others = one.arms[1:] if one.control else []
    shown = one.arms[:1] if one.control else one.arms
    head = ["task", "items", "by lot", *_columns(shown), *(f"{arm} minus {one.control}" for arm in others), "so"]
    rows: list[list[object]] = []
    for task in one.found:
        values = one.values(task, "accuracy")
        row: list[object] = [task, one.items(task), f"{one.chance(task):.3f}"]
        for arm in shown:
            row += [f"{_mean(values[arm]):.3f}", _plain(one.spread(task, arm))]
        rows.append([*row, *_differences(values, one.control, others), AT_CHANCE if one.at_chance(task) else "-"])
    faint = [number for number, row in enumerate(rows) if row[-1] == AT_CHANCE]
    yield Shown(f"{one.stage}: accuracy on tasks, larger is better", head, rows, faint)
    for what, name in MEASURES.items():
        rows = []
        for task in one.found:
            values = one.values(task, what)
            if values:
                row = [task, *(f"{_mean(values[arm]):.4f}" for arm in shown)]
                rows.append([*row, *_differences(values, one.control, others)])
        if rows:
            better = "larger" if what == "margin" else "smaller"
            head = ["task", *shown, *(f"{arm} minus {one.control}" for arm in others)]
            yield Shown(f"{one.stage}: {name}, {better} is better", head, rows)


def notes(one: Measured) -> Iterator[str]:
    """How to read the tables, and what happened to items."""
    repeats = [seed for seed in one.seeds if seed is not None]
    yield (
        "Accuracy is the share of items whose right answer is likelier than every other; a tie is not right. Its 95 % "
        "interval is over items or over seeds, where it is wider. No verdict rests on accuracy."
    )
    yield (
        "Bits per byte of the right answers, and the margin (how much likelier a byte of the right answer is than one "
        "of the best wrong answer), move before accuracy does."
    )
    if one.control and len(one.arms) > 1:
        yield (
            f"Differences are means over seeds {listed(repeats)}, with a 95 % interval for all arms at once, but for "
            "one task; it covers what varies with the seed on these very items, not other items."
            if len(repeats) > 1
            else "Differences are of one seed, which shows nothing."
        )
    chance = [task for task in one.found if one.at_chance(task)]
    if chance:
        whose = f"of {one.control}" if one.control else "of every arm"
        yield (
            f"At chance, and greyed: {listed(chance)}. The interval {whose} holds what a lot gets, or lies below it, "
            "so a difference in accuracy there is no finding."
        )
    for what, said in (
        ("ties", "as likely as the best wrong one, so not right"),
        ("cut", "in a context that did not fit, so that its beginning was left out"),
        ("apart", "encoded apart from the context, as a token would span both"),
    ):
        counted = one.counted(what)
        if counted:
            yield f"Answers {said}: {listed(f'{task} {number:,}' for task, number in counted.items())} items."


def _columns(arms: Sequence[str]) -> Iterator[str]:
    for arm in arms:
        yield arm
        yield "95 %"


def _differences(
    values: Mapping[str, Mapping[int | None, float]], control: str, others: Sequence[str]
) -> Iterator[str | None]:
    """Each arm minus the control, with Dunnett's interval where there are seeds enough for one."""
    if not others:
        return
    by_seed = {arm: {-1 if seed is None else seed: v for seed, v in values[arm].items()} for arm in values}
    found = compare(by_seed, control)
    for arm in others:
        one = found.arms[arm]
        ends = f" ({interval((one.together.low, one.together.high))})" if one.together else ""
        yield f"{one.difference:+.4f}{ends}"


def _mean(by_seed: Mapping[int | None, float]) -> float:
    return math.fsum(by_seed.values()) / len(by_seed)


def _plain(ends: Interval) -> str:
    return f"{ends.low:.3f} to {ends.high:.3f}"
