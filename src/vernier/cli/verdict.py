"""What a run found, as plain tables: every arm beside random selection, with intervals, costs and multipliers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from vernier.cli.words import flops, table
from vernier.core.run import Run
from vernier.core.written import COMPARISON

Told = Mapping[str, Any]
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
    warned = [*_warnings(facts)]
    if record["earlier"]:
        warned.append("this comparison is of an earlier run: the last one had nothing to compare")
    return "\n\n".join([*parts, *(["\n".join(warned)] if warned else [])])


def _evaluation(run: Run, facts: Told, stage: str, told: Told) -> str:
    control, target = facts["control"], facts["target"]
    of = f"on the target {_named(target)}" if told["judged"] else "mean over domains"
    title = f"{stage}: bits per byte {of}, arm minus {control} (below zero is better)"
    arms = {arm: told["arms"][arm] for arm in told["order"] if "difference" in told["arms"][arm]}
    lines = [title]
    if arms:
        rows = [
            (arm, f"{one['difference']:+.4f}", _range(one["alone"]), _range(one["together"]), _said(one, told))
            for arm, one in arms.items()
        ]
        lines.append(table(("arm", "difference", "95 % alone", "95 % together", "so"), rows))
    lines += _notes(facts, told, bool(arms))
    lines += [_suspect(arm, control) for arm, one in arms.items() if _fails(one)]
    parts = ["\n".join(lines)]
    if told["arms"]:
        parts.append(_costs(run, stage, told))
    if told["ladder"]:
        parts.append(_ladder(stage, told["ladder"], control))
    shares = _shares(stage, told)
    return "\n\n".join([*parts, *([shares] if shares else [])])


def _notes(facts: Told, told: Told, compared: bool) -> Iterator[str]:
    if told["seeds"] and compared:
        said = f"seeds {_listed(told['seeds'])}"
        if told["noise"] is not None:
            said += f"; {told['df']} degrees of freedom; one run varies by {told['noise']:.4f} (standard deviation)"
        yield said
    if told["left_out"]:
        yield f"left out, as some arm lacks them: seeds {_listed(told['left_out'])}"
    if facts["repeats"] and told["noise"] is not None:
        yield f"the intervals cover what varies with the seed of {_listed(facts['repeats'])} and all after, no more"
    yield from told["notes"]
    if not facts["target"]:
        yield "no verdict: no target named (`target: {domain: ...}` in the recipe)"


def _costs(run: Run, stage: str, told: Told) -> str:
    """Operations and seconds of each arm, and what they bought."""
    took, num_seeds = run.seconds(), len(told["seeds"])
    rows = [
        (
            arm,
            flops(one["training"]["actual"]),
            flops(one["overhead"]["actual"]),
            _seconds(run, took, one["models"], num_seeds),
            _seconds(run, took, one["overhead_stages"], num_seeds),
            _multiplier(one.get("training_multiplier")),
            " to ".join(map(_multiplier, one.get("training_multiplier_ends", ()))) or "-",
            _multiplier(one.get("net_multiplier")),
            _multiplier(one.get("break_even")),
        )
        for arm, one in ((arm, told["arms"][arm]) for arm in told["order"])
    ]
    unknown = dict.fromkeys(name for one in told["arms"].values() for name in one["overhead_unknown"])
    title = f"{stage}: what each arm cost (a seed, in FLOPs and seconds), and the compute that it is worth"
    lines = [title, table(("arm", *COSTS), rows)]
    lines.append(
        "overhead: all that an arm needs and random does not; net: the multiplier with it counted; break-even: how "
        "many trainings pay for it"
    )
    if unknown:
        lines.append(f"unknown, so no net multiplier: what {_listed(unknown)} took")
    return "\n".join(lines)


def _ladder(stage: str, ladder: Sequence[Told], control: str) -> str:
    rows = [(rung["arm"], rung["tokens"], flops(rung["flops"]), f"{rung['loss']:.4f}") for rung in ladder]
    title = f"{stage}: the ladder of {control}, mean over seeds {_listed(ladder[0]['seeds'])}"
    return f"{title}\n" + table(("rung", "tokens", "FLOPs", "bits per byte"), rows)


def _shares(stage: str, told: Told) -> str:
    """Each domain's share of the tokens that the arms were trained on; "" if no arm says."""
    known = {arm: share for arm in told["order"] if (share := told["arms"][arm]["token_share"])}
    domains = list(dict.fromkeys(domain for share in known.values() for domain in share))
    if not domains:
        return ""
    rows = [(arm, *(f"{100 * share.get(d, 0):.1f} %" for d in domains)) for arm, share in known.items()]
    return f"{stage}: tokens trained on, by domain\n" + table(("arm", *domains), rows)


def _warnings(facts: Told) -> Iterator[str]:
    for defect in facts["defects"]:
        times = defect["actual"] / defect["planned"]
        yield (
            f"DEFECT: {defect['stage']} was planned at {flops(defect['planned'])} FLOPs and took "
            f"{flops(defect['actual'])}: {times:.2g} times as many"
        )
    if facts.get("unplanned"):  # an older version does not say
        yield f"not planned, so held against no plan: what {_listed(facts['unplanned'])} took"
    for twin in facts["twins"]:
        yield f"ERROR: {' and '.join(twin['arms'])} are one experiment under two names (seed {twin['seed']})"
    if facts["missing"]:
        there = _listed(facts["domains"]) or "(none)"
        yield f"ERROR: the target {_named(facts['missing'])} was not measured; domains that were: {there}"


def _said(one: Told, told: Told) -> str:
    """The verdict of one arm: by the interval that holds for all arms at once, if it had the control's compute.

    A second lot of random is a check.
    """
    if one["second_lot"]:
        return "A/A check" if one["alone"] is None else f"A/A check {'FAILS' if _fails(one) else 'holds'}"
    if not told["judged"]:
        return "-"
    if not one.get("equal_compute", True):  # a comparison of an older version does not say
        return "not at equal compute"
    if one["together"] is None:
        return "one seed shows nothing"
    low, high = one["together"]
    if high < 0:
        return "better than random"
    return "worse than random" if low > 0 else "no difference shown"


def _fails(one: Told) -> bool:
    """Whether a second lot of random is told from the first."""
    return one["second_lot"] and one["alone"] is not None and not one["alone"][0] <= 0 <= one["alone"][1]


def _suspect(arm: str, control: str) -> str:
    return (
        f"WARNING: {arm} is {control} by another lot, and its interval does not hold zero. Chance does that in one of "
        "twenty comparisons; else the intervals are too narrow, and no verdict above can be trusted. Run more seeds."
    )


def _seconds(run: Run, took: Mapping[str, float], nodes: Sequence[str], num_seeds: int) -> str:
    """Seconds a seed: of stages that repeat, the mean. A dash if one of them was never at work in this folder."""
    if any(node not in took for node in nodes):
        return "-"
    repeats = [run.nodes.get(node, {}).get("seed") is not None for node in nodes]
    each = (took[node] / (num_seeds if again else 1) for node, again in zip(nodes, repeats, strict=True))
    return f"{sum(each):.1f}"


def _multiplier(bounded: Told | None) -> str:
    if bounded is None:
        return "-"
    if bounded["value"] is None:
        return "never"
    return f"{bounded['bound'] and bounded['bound'] + ' '}{bounded['value']:.3g}x"


def _range(ends: Sequence[float] | None) -> str:
    return "-" if ends is None else f"{ends[0]:+.4f} to {ends[1]:+.4f}"


def _named(domains: Sequence[str]) -> str:
    said = ", ".join(map(repr, domains))
    return said if len(domains) == 1 else f"{said} (each counting the same)"


def _listed(values: Iterable[Any]) -> str:
    return ", ".join(map(str, values))
