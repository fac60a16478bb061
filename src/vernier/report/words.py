"""What a comparison found, in words and numbers: the same on the page and in the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from vernier.core.errors import ResumeError
from vernier.core.run import Run
from vernier.core.written import COMPARISON

Told = Mapping[str, Any]


def comparison(run: Run) -> Told | None:
    """The facts of the comparison that the run made (`vernier.pipeline.compare`); None if it has none."""
    return facts(run, COMPARISON) if COMPARISON in run.nodes else None


def facts(run: Run, node: str) -> Told:
    """The facts of a node, as the lock file holds them. Raises ResumeError if it is of a version that did not."""
    record = run.nodes[node]
    if "facts" not in record:
        raise ResumeError(
            "the lock file of the run is of an earlier version: it has no facts",
            where=str(run.folder / "lock.json"),
            do="run the recipe again: finished work is found in the store",
        )
    return record["facts"]


def said(one: Told, told: Told) -> str:
    """The verdict of one arm: by the interval that holds for all arms at once, if it had the control's compute.

    A second lot of random is a check.
    """
    if one["second_lot"]:
        return "A/A check" if one["alone"] is None else f"A/A check {'FAILS' if fails(one) else 'holds'}"
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


def fails(one: Told) -> bool:
    """Whether a second lot of random is told from the first."""
    return one["second_lot"] and one["alone"] is not None and not one["alone"][0] <= 0 <= one["alone"][1]


def suspect(arm: str, control: str) -> str:
    """What a failed A/A check means."""
    return (
        f"WARNING: {arm} is {control} by another lot, and its interval does not hold zero. Chance does that in one of "
        "twenty comparisons; else the intervals are too narrow, and no verdict here can be trusted. Run more seeds."
    )


def notes(found: Told, told: Told) -> Iterator[str]:
    """The conditions of one evaluation's intervals. found: the facts of the comparison."""
    if told["seeds"] and any("difference" in one for one in told["arms"].values()):
        text = f"seeds {listed(told['seeds'])}"
        if told["noise"] is not None:
            text += f"; {told['df']} degrees of freedom; one run varies by {told['noise']:.4f} (standard deviation)"
        yield text
    if told["left_out"]:
        yield f"left out, as some arm lacks them: seeds {listed(told['left_out'])}"
    if found["repeats"] and told["noise"] is not None:
        yield f"the intervals cover what varies with the seed of {listed(found['repeats'])} and all after, no more"
    yield from told["notes"]
    if not found["target"]:
        yield "no verdict: no target named (`target: {domain: ...}` in the recipe)"


def warnings(found: Told) -> Iterator[str]:
    """What is wrong with a comparison as a whole."""
    for defect in found["defects"]:
        times = defect["actual"] / defect["planned"]
        yield (
            f"DEFECT: {defect['stage']} was planned at {flops(defect['planned'])} FLOPs and took "
            f"{flops(defect['actual'])}: {times:.2g} times as many"
        )
    if found.get("unplanned"):  # an older version does not say
        yield f"not planned, so held against no plan: what {listed(found['unplanned'])} took"
    for twin in found["twins"]:
        yield f"ERROR: {' and '.join(twin['arms'])} are one experiment under two names (seed {twin['seed']})"
    if found["missing"]:
        there = listed(found["domains"]) or "(none)"
        yield f"ERROR: the target {named(found['missing'])} was not measured; domains that were: {there}"


def seconds(run: Run, took: Mapping[str, float], nodes: Sequence[str], num_seeds: int) -> str:
    """Seconds a seed: of stages that repeat, the mean. A dash if one of them was never at work in this folder.

    took: `run.seconds()`
    """
    if any(node not in took for node in nodes):
        return "-"
    repeats = [run.nodes.get(node, {}).get("seed") is not None for node in nodes]
    each = (took[node] / (num_seeds if again else 1) for node, again in zip(nodes, repeats, strict=True))
    return f"{sum(each):.1f}"


def beside(arm: str, one: Told, other: Told) -> str:
    """Whether an arm beats one that was told the same and uses no models."""
    told = f"`{other['arm']}` was told the same ({knowledge(one.get('told'))}) and uses no models"
    ends = other["alone"]
    number = f"{other['difference']:+.4f} bit/byte"
    if ends is None:
        return f"{told}: against it `{arm}` has {number}, of one seed, which shows nothing."
    if ends[1] < 0:
        word = f"`{arm}` beats it"
    elif ends[0] > 0:
        word = f"`{arm}` is worse than it"
    else:
        word = f"`{arm}` is not shown to beat it"
    return f"{told}: {word} ({number}, 95 % {interval(ends)} alone)."


def knowledge(told: Sequence[str] | None) -> str:
    """What an arm was told, beside the text that it chose from."""
    if told is None:
        return "not recorded"
    return ", ".join(told) or "nothing"


def costs(run: Run, told: Told, order: Sequence[str]) -> list[tuple[str, ...]]:
    """Of each arm: operations of training and of choosing, seconds of both, multiplier, its ends, net, break-even."""
    took, num_seeds = run.seconds(), len(told["seeds"])
    return [
        (
            arm,
            flops(one["training"]["actual"]),
            flops(one["overhead"]["actual"]),
            seconds(run, took, one["models"], num_seeds),
            seconds(run, took, one["overhead_stages"], num_seeds),
            multiplier(one.get("training_multiplier")),
            " to ".join(map(multiplier, one.get("training_multiplier_ends", ()))) or "-",
            multiplier(one.get("net_multiplier")),
            multiplier(one.get("break_even")),
        )
        for arm, one in ((arm, told["arms"][arm]) for arm in order)
    ]


def multiplier(bounded: Told | None) -> str:
    """A compute multiplier: 1.95x, > 4x; a dash if unknown."""
    if bounded is None:
        return "-"
    if bounded["value"] is None:
        return "never"
    return f"{bounded['bound'] and bounded['bound'] + ' '}{bounded['value']:.3g}x"


def interval(ends: Sequence[float] | None) -> str:
    """An interval of differences in bits per byte; a dash if there is none."""
    return "-" if ends is None else f"{ends[0]:+.4f} to {ends[1]:+.4f}"


def named(domains: Sequence[str]) -> str:
    """The domains of a target, in quotes."""
    text = ", ".join(map(repr, domains))
    return text if len(domains) == 1 else f"{text} (each counting the same)"


def listed(values: Iterable[Any]) -> str:
    return ", ".join(map(str, values))


def flops(number: float | None) -> str:
    """Floating-point operations: 1.23e+15; None -> a dash."""
    return "-" if number is None else f"{number:.2e}" if number else "0"


def size(num_bytes: float) -> str:
    """Bytes with a decimal unit: 1234567 -> 1.2 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if num_bytes < 1000:
            return f"{num_bytes:.0f} B" if unit == "B" else f"{num_bytes:.1f} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.1f} TB"
