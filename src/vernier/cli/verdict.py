"""What a run found: every arm beside random selection, seed by seed, with intervals."""

from __future__ import annotations

from collections.abc import Mapping

from vernier.cli.words import table
from vernier.core.run import Run
from vernier.core.stats import Comparison, Difference, Interval, compare

CONTROL = "random"
Losses = Mapping[str, Mapping[int, Mapping[str, float]]]  # arm -> seed -> domain -> bits per byte


def verdict(run: Run) -> str:
    """The arms of each evaluation against `random`, as text; "" if the run has no such arms.

    Paired by seed, residual variance pooled over arms (`vernier.core.stats`). The domain is the recipe's target;
    without one it is the macro average, and nothing is concluded.
    """
    parts: list[str] = []
    for stage, losses in _losses(run).items():
        if CONTROL in losses and len(losses) > 1:
            parts.append(_against_random(run, stage, losses))
    return "\n\n".join(parts)


def _losses(run: Run) -> dict[str, dict[str, dict[int, Mapping[str, float]]]]:
    """Bits per byte by stage, arm and seed. Nodes without a seed, and arms that an evaluation shares, stay apart."""
    found: dict[str, dict[str, dict[int, Mapping[str, float]]]] = {}
    for name, record in run.nodes.items():
        if record["kind"] != "results" or record["seed"] is None:
            continue
        measured = run.artifact(name).facts.get("bits_per_byte")
        if measured:
            for arm in record["arms"]:
                found.setdefault(record["of"], {}).setdefault(arm, {})[record["seed"]] = measured
    return found


def _against_random(run: Run, stage: str, losses: Losses) -> str:
    target = (run.recipe.get("target") or {}).get("domain")
    domain = "macro" if target is None else target
    if any(domain not in measured for by_seed in losses.values() for measured in by_seed.values()):
        return f"{stage}: no verdict: no held-out document of the target domain {domain!r} was measured in every arm"
    values = {arm: {seed: measured[domain] for seed, measured in by_seed.items()} for arm, by_seed in losses.items()}
    if not set.intersection(*(set(by_seed) for by_seed in values.values())):
        return f"{stage}: no verdict: no seed is finished in every arm"
    found = compare(values, CONTROL)
    rows = [
        (arm, f"{d.difference:+.4f}", _range(d.alone), _range(d.together), "-" if target is None else _said(d))
        for arm, d in found.arms.items()
    ]
    head = ("arm", "difference", "95 % alone", "95 % together", "so")
    of = f"on the target {target!r}" if target is not None else "mean over domains"
    title = f"{stage}: bits per byte {of}, arm minus {CONTROL} (below zero is better)"
    return "\n".join([title, table(head, rows), *_notes(run, target, found)])


def _notes(run: Run, target: str | None, found: Comparison) -> list[str]:
    seeds = ", ".join(map(str, found.seeds))
    noted = found.note or f"{found.df} degrees of freedom; one run varies by {found.noise:.4f} (standard deviation)"
    lines = [f"seeds {seeds}; {noted}"]
    if found.left_out:
        lines.append(f"left out, as some arm lacks them: seeds {', '.join(map(str, found.left_out))}")
    repeated = (run.recipe.get("seeds") or {}).get("from")
    if repeated and not found.note:
        lines.append(f"the intervals cover what varies with the seed of {', '.join(repeated)} and all after, no more")
    if target is None:
        lines.append("no verdict: no target named (`target: {domain: ...}` in the recipe)")
    return lines


def _range(interval: Interval | None) -> str:
    return "-" if interval is None else f"{interval.low:+.4f} to {interval.high:+.4f}"


def _said(difference: Difference) -> str:
    """The verdict of one arm: by the interval that holds for all arms at once."""
    if difference.together is None:
        return "one seed shows nothing"
    if difference.together.high < 0:
        return "better than random"
    return "worse than random" if difference.together.low > 0 else "no difference shown"
