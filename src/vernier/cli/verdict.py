"""What a run found, as plain tables: every arm beside random selection, with intervals, costs and multipliers."""

from __future__ import annotations

from collections.abc import Sequence

from vernier.cli.words import table
from vernier.core.run import Run
from vernier.core.written import COMPARISON
from vernier.report.parts import filled
from vernier.report.verdict import sentences
from vernier.report.words import (
    Told,
    beside,
    costs,
    fails,
    flops,
    interval,
    knowledge,
    listed,
    named,
    notes,
    said,
    suspect,
    warnings,
)

FEW = 8  # columns of domains that a terminal has room for
COSTS = (
    "training",
    "overhead",
    "training s",
    "overhead s",
    "multiplier",
    "at its interval's ends",
    "net",
    "break-even",
)


def verdict(run: Run) -> str:
    """The comparison that the run made (`vernier.pipeline.compare`), as text; "" if it has none."""
    record = run.nodes.get(COMPARISON)
    if record is None:
        return ""
    facts = run.artifact(COMPARISON).facts
    parts = [_evaluation(run, facts, stage, told) for stage, told in facts["evaluations"].items()]
    warned = [*warnings(facts)]
    if record["earlier"]:
        warned.append("this comparison is of an earlier run: the last one had nothing to compare")
    return "\n\n".join([*parts, *(["\n".join(warned)] if warned else [])])


def conclusions(run: Run) -> list[str]:
    """What follows from the comparison, in sentences: those that the report begins with."""
    found = run.artifact(COMPARISON).facts
    return [
        f"verdict{f' of {stage}' if len(found['evaluations']) > 1 else ''}: "
        + " ".join(sentences(found, told)).replace("`", "")
        for stage, told in found["evaluations"].items()
    ]


def _evaluation(run: Run, facts: Told, stage: str, told: Told) -> str:
    control, target = facts["control"], facts["target"]
    of = f"on the target {named(target)}" if told["judged"] else "mean over domains"
    title = f"{stage}: bits per byte {of}, arm minus {control} (below zero is better)"
    arms = {arm: told["arms"][arm] for arm in told["order"] if "difference" in told["arms"][arm]}
    lines = [title]
    if arms:
        rows = [
            (
                arm,
                f"{one['difference']:+.4f}",
                interval(one["alone"]),
                interval(one["together"]),
                said(one, told),
                knowledge(one.get("told")),
            )
            for arm, one in arms.items()
        ]
        lines.append(table(("arm", "difference", "95 % alone", "95 % together", "so", "was told"), rows))
    for arm, one in arms.items():
        lines += [beside(arm, one, other).replace("`", "") for other in one.get("same_knowledge", ())]
    lines += notes(facts, told)
    lines += [suspect(arm, control) for arm, one in arms.items() if fails(one)]
    parts = ["\n".join(lines)]
    if told["arms"]:
        parts.append(_costs(run, stage, told))
    if told["ladder"]:
        parts.append(_ladder(stage, told["ladder"], control))
    shares = _shares(stage, told)
    return "\n\n".join([*parts, *([shares] if shares else [])])


def _costs(run: Run, stage: str, told: Told) -> str:
    """Operations and seconds of each arm, and what they bought."""
    rows = costs(run, told, told["order"])
    unknown = dict.fromkeys(name for one in told["arms"].values() for name in one["overhead_unknown"])
    title = f"{stage}: what each arm cost (a seed, in FLOPs and seconds), and the compute that it is worth"
    lines = [title, table(*filled(("arm", *COSTS), rows))]
    lines.append(
        "overhead: all that an arm needs and random does not; net: the multiplier with it counted; break-even: how "
        "many trainings pay for it"
    )
    if unknown:
        lines.append(f"unknown, so no net multiplier: what {listed(unknown)} took")
    return "\n".join(lines)


def _ladder(stage: str, ladder: Sequence[Told], control: str) -> str:
    rows = [(rung["arm"], rung["tokens"], flops(rung["flops"]), f"{rung['loss']:.4f}") for rung in ladder]
    title = f"{stage}: the ladder of {control}, mean over seeds {listed(ladder[0]['seeds'])}"
    return f"{title}\n" + table(("rung", "tokens", "FLOPs", "bits per byte"), rows)


def _shares(stage: str, told: Told) -> str:
    """Each domain's share of the tokens that the arms were trained on; "" if no arm says."""
    known = {arm: share for arm in told["order"] if (share := told["arms"][arm]["token_share"])}
    every = list(dict.fromkeys(domain for share in known.values() for domain in share))
    if not every:
        return ""
    most = sorted(every, key=lambda d: -max(share.get(d, 0) for share in known.values()))
    domains = every if len(every) <= FEW else sorted(most[:FEW], key=every.index)
    rows = [(arm, *(f"{100 * share.get(d, 0):.1f} %" for d in domains)) for arm, share in known.items()]
    return f"{stage}: tokens trained on, by domain{left_out(every, domains)}\n" + table(("arm", *domains), rows)


def few(domains: Sequence[str], run: Run) -> list[str]:
    """The domains that a terminal has room for: all of a few, else the target's and the means."""
    if len(domains) <= FEW:
        return list(domains)
    named: Sequence[str] | str = (run.recipe.get("target") or {}).get("domain", [])
    wanted = {*([named] if isinstance(named, str) else named), "macro", "all"}
    return [domain for domain in domains if domain in wanted]


def left_out(every: Sequence[str], shown: Sequence[str]) -> str:
    """What a table that does not show all domains says of the others; "" where it does."""
    rest = len(every) - len(shown)
    return f"; {rest} more domains are in the report" if rest else ""
