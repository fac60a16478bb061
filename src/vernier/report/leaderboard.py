"""Every arm beside random selection: its loss, the difference and how sure that is, what it cost, what it was told."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from markupsafe import Markup

from vernier.core.run import Run
from vernier.report import read
from vernier.report.benefit import benefit
from vernier.report.drawing.intervals import Estimate, intervals
from vernier.report.parts import Section, figure, filled, paragraph, table
from vernier.report.words import (
    Told,
    comparison,
    costs,
    facts,
    interval,
    knowledge,
    listed,
    multiplier,
    named,
    said,
)

TABLE = "comparison/comparison.parquet"
HEAD = (
    "arm",
    "difference",
    "so",
    "was told",
    "95 % for all arms at once",
    "bits per byte",
    "worth",
    "net",
    "diversity",
)
DIVERSITY = "semantic_diversity"  # the fact that evaluate.diversity leaves


def section(run: Run) -> Section | None:
    """The leaderboard; None if nothing was compared and no diversity measured."""
    found, parts = comparison(run), list[Markup]()
    for stage, told in (found["evaluations"] if found else {}).items():
        if told["arms"] and found:
            parts += _evaluation(run, found, stage, told)
    parts += _diversity(run)
    return Section("leaderboard", "Leaderboard", Markup("").join(parts)) if parts else None


def _evaluation(run: Run, found: Told, stage: str, told: Told) -> Iterator[Markup]:
    control = found["control"]
    on = f"on the target {named(told['on'])}" if told["judged"] else "as a mean over domains"
    order = sorted(told["order"], key=lambda arm: told["arms"][arm]["loss"])
    diversity = _mean_diversity(run)
    rows = [_row(arm, told["arms"][arm], told, diversity.get(arm)) for arm in order]
    says = f"{stage}: bits per byte {on}; best first, smaller is better"
    if told["df"]:
        says += f"; {told['df']} degrees of freedom"
    yield table(*filled(HEAD, rows), says=says)
    words = [f"Difference: arm minus {control}. Was told: what the arm knew beside the text."]
    if told["ladder"]:
        words.append(
            f"Worth: how many times the training compute {control} would need for the same loss; net: that with the "
            "cost of choosing counted."
        )
    if diversity:
        words.append("Diversity: how many different documents a group of the selection is worth.")
    yield paragraph(" ".join(words))
    competing = [arm for arm in order if "difference" in told["arms"][arm]]
    if competing:
        yield _intervals(told, competing, control)
    yield _costs(run, stage, told, order)
    yield benefit(stage, told, order, control)
    yield from _domains(run, stage, told, order, control)


def _row(arm: str, one: Told, told: Told, diversity: float | None) -> list[object]:
    is_control = "difference" not in one
    return [
        arm,
        None if is_control else f"{one['difference']:+.4f}",
        "the control" if is_control else said(one, told),
        knowledge(one.get("told")),
        None if is_control else interval(one["together"]),
        f"{one['loss']:.4f}",
        multiplier(one.get("training_multiplier")),
        multiplier(one.get("net_multiplier")),
        None if diversity is None else f"{diversity:.1f}",
    ]


def _intervals(told: Told, order: list[str], control: str) -> Markup:
    estimates = [
        Estimate(
            arm,
            one["difference"],
            _pair(one["alone"]),
            _pair(one["together"]),
            check=one["second_lot"],
            look=told["order"].index(arm),  # as in the figures of costs and of training
        )
        for arm, one in ((arm, told["arms"][arm]) for arm in order)
    ]
    numbers = [
        (e.name, f"{e.difference:+.4f}", interval(e.alone), interval(e.together), said(told["arms"][e.name], told))
        for e in estimates
    ]
    return figure(
        f"Difference from {control}, in bits per byte.",
        f"Left of the upright line an arm is better than {control}. The thick bar is the 95 % interval of this one "
        "difference, the thin one holds for all arms at once: where it touches the line, no difference was shown.",
        intervals(estimates, control=control, unit="bits per byte"),
        table(("arm", "difference", "95 % alone", "95 % for all arms at once", "so"), numbers),
    )


def _pair(ends: list[float] | None) -> tuple[float, float] | None:
    return None if ends is None else (ends[0], ends[1])


def _costs(run: Run, stage: str, told: Told, order: list[str]) -> Markup:
    """Operations and seconds of each arm, and what they bought."""
    head = (
        "arm",
        "training FLOPs",
        "choosing FLOPs",
        "training s",
        "choosing s",
        "worth",
        "worth, at its interval's ends",
        "net",
        "break-even",
    )
    rows = costs(run, told, order)
    unknown = dict.fromkeys(name for one in told["arms"].values() for name in one["overhead_unknown"])
    out = table(*filled(head, rows), says=f"{stage}: what each arm cost, a seed, and the compute that it is worth")
    says = (
        "Choosing: all that an arm needs and random selection does not (reading models, scores). Break-even: how many "
        "trainings pay for it. A dash: not known, or not done in this folder."
    )
    if unknown:
        says += f" Unknown, so no net multiplier: what {listed(unknown)} took."
    return out + paragraph(says)


def _domains(run: Run, stage: str, told: Told, order: list[str], control: str) -> Iterator[Markup]:
    """The mean loss of the control in each domain, and every arm's difference from it."""
    losses = _losses(run, stage, told)
    domains = [d for d in losses.get(control, {}) if all(d in losses.get(arm, {}) for arm in order)]
    if not domains:
        return
    others = [arm for arm in order if arm != control]
    first = sorted(domains, key=lambda d: (d not in told["on"], d in ("macro", "all"), d))
    rows = [
        (
            f"{d} (target)" if told["judged"] and d in told["on"] else d,
            f"{losses[control][d]:.4f}",
            *(f"{losses[arm][d] - losses[control][d]:+.4f}" for arm in others),
        )
        for d in first
    ]
    body = table(
        ("domain", control, *(f"{arm} minus {control}" for arm in others)),
        rows,
        says=f"{stage}: bits per byte by domain, mean over seeds {listed(told['seeds'])}; without intervals, so no "
        "single line of it is a finding",
    )
    yield Markup("<details><summary>By domain</summary>{}</details>").format(body)


def _losses(run: Run, stage: str, told: Told) -> dict[str, dict[str, float]]:
    """arm -> domain -> mean over the seeds that are compared."""
    place = run.folder / TABLE
    link = place.with_name(f"{place.name}.url")
    address = link.read_text().strip() if link.exists() else str(place)
    columns = ("evaluation", "arm", "seed", "domain", "metric", "value")
    by_arm: dict[str, dict[str, list[float]]] = {}
    for row in read.read(address, columns).to_pylist():
        mine = row["evaluation"] == stage and row["metric"] == "bits_per_byte" and row["domain"] is not None
        if mine and row["seed"] in told["seeds"]:
            by_arm.setdefault(row["arm"], {}).setdefault(row["domain"], []).append(row["value"])
    whole = len(told["seeds"])
    return {
        arm: {d: math.fsum(values) / whole for d, values in domains.items() if len(values) == whole}
        for arm, domains in by_arm.items()
    }


def _mean_diversity(run: Run) -> dict[str, float]:
    """The mean over seeds of each arm's diversity; nothing if several stages measure it."""
    values: dict[str, list[float]] = {}
    stages: set[str] = set()
    for node, record in run.nodes.items():
        measured: Mapping[str, float] | None = facts(run, node).get(DIVERSITY)
        if measured is not None:
            stages.add(record["of"])
            for arm in record["arms"]:
                values.setdefault(arm, []).append(measured["mean"])
    return {arm: math.fsum(each) / len(each) for arm, each in values.items()} if len(stages) == 1 else {}


def _diversity(run: Run) -> Iterator[Markup]:
    """What `evaluate.diversity` found, by arm and seed."""
    rows: list[tuple[object, ...]] = []
    for node, record in run.nodes.items():
        measured: Mapping[str, float] | None = facts(run, node).get(DIVERSITY)
        if measured is not None:
            by = "shifted cosines, (S + 1) / 2" if measured.get("shift") else "cosines"
            seed = "-" if record["seed"] is None else str(record["seed"])
            ends = f"{measured['low']:.3f} to {measured['high']:.3f}"
            rows.append((record["of"], listed(record["arms"]) or "-", seed, f"{measured['mean']:.3f}", ends, by))
    if rows:
        yield table(
            ("stage", "arm", "seed", "diversity", "95 %", "by"),
            rows,
            says="Semantic diversity of what was selected: how many different documents it is worth, as an embedding "
            "model tells them apart",
        )
