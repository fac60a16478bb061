"""What choosing costs and what it brings: each arm's loss against all the compute that it took, beside the ladder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from vernier.core.stats import loss_at
from vernier.report.drawing.lines import Axis, Line, Point, chart
from vernier.report.parts import figure, table
from vernier.report.words import Told, listed, multiplier


@dataclass(frozen=True)
class Spending:
    """One arm: its mean loss, FLOPs of its training, and with all that choosing took (None: unknown)."""

    arm: str
    loss: float
    training: float
    total: float | None


def spendings(told: Told, order: Sequence[str]) -> list[Spending]:
    """Those of the arms whose training says what it took; second lots of the control left out."""
    out: list[Spending] = []
    for arm in order:
        one = told["arms"][arm]
        training, choosing = one["training"]["actual"], one["overhead"]["actual"]
        if training and not one.get("second_lot"):
            total = None if choosing is None else training + choosing
            out.append(Spending(arm, one["loss"], training, total))
    return out


def benefit(stage: str, told: Told, order: Sequence[str], control: str) -> Markup:
    """The figure of one evaluation; nothing where fewer than two arms say what they took."""
    arms = [one for one in spendings(told, order) if one.arm != control]
    mine = [one for one in spendings(told, order) if one.arm == control]
    if not arms or not mine:
        return Markup("")
    rungs = [(rung["arm"], rung["flops"], rung["loss"]) for rung in told["ladder"]]
    rungs = rungs or [(control, mine[0].training, mine[0].loss)]
    looks = {arm: number for number, arm in enumerate(told["order"])}
    costs = [cost for _, cost, _ in rungs] + [cost for one in arms for cost in (one.training, one.total) if cost]
    losses = [loss for *_, loss in rungs] + [one.loss for one in arms]
    margin = 0.06 * (max(losses) - min(losses)) or 0.01
    ladder = Line(
        control, [cost for _, cost, _ in rungs], [loss for *_, loss in rungs], marked=True, look=looks[control]
    )
    # A level line from what training took to what it took with the choosing.
    paid = [
        Line(one.arm, [one.training, one.total], [one.loss, one.loss], marked=True, look=looks[one.arm])
        for one in arms
        if one.total
    ]
    unknown = [Point(one.arm, one.training, one.loss, look=looks[one.arm]) for one in arms if not one.total]
    drawing = chart(
        [ladder, *paid],
        unknown,
        Axis("FLOPs of a seed", min(costs) / 1.2, max(costs) * 1.2, log=True),
        Axis("bits per byte on what the verdict goes by", min(losses) - margin, max(losses) + margin),
        says=f"Loss of {stage} against compute, with and without what choosing took; the numbers are below",
    )
    says = [
        f"Bits per byte ({', '.join(told['on'])}), smaller is better. Each arm is a level line: its left end is what "
        "its training took, its right end that and all that choosing took.",
    ]
    if told["ladder"]:
        says.append(
            f"The falling line is {control} trained on fewer and on more tokens. An arm whose left end is below it "
            f"trains for less than {control}; one whose right end is below it has paid for its choosing in this one "
            "training. Choosing is paid once, however many models are trained on what was chosen."
        )
    if unknown:
        says.append(f"A point alone: nobody knows what choosing took ({listed(one.name for one in unknown)}).")
    return figure(f"Cost and benefit at {stage}", " ".join(says), drawing, _numbers(told, rungs, arms, control))


def _numbers(told: Told, rungs: Sequence[tuple[str, float, float]], arms: Sequence[Spending], control: str) -> Markup:
    rows: list[tuple[object, ...]] = [
        (
            control if arm == control else f"{control} as {arm}",
            f"{loss:.4f}",
            f"{cost:.3g}",
            f"{cost:.3g}",
            None,
            "1x",
            "1x",
        )
        for arm, cost, loss in rungs
    ]
    ladder = [rung["flops"] for rung in told["ladder"]], [rung["loss"] for rung in told["ladder"]]
    for one in arms:
        worth = [multiplier(told["arms"][one.arm].get(name)) for name in ("training_multiplier", "net_multiplier")]
        total = None if one.total is None else f"{one.total:.3g}"
        rows.append((one.arm, f"{one.loss:.4f}", f"{one.training:.3g}", total, _instead(ladder, one), *worth))
    head = ("arm", "bits per byte", "training FLOPs", "with choosing", f"{control} for as much", "worth", "net")
    says = f"Means over seeds. {control} for as much: the loss of its ladder at the compute of training and choosing."
    return table(head, rows, says=says)


def _instead(ladder: tuple[list[float], list[float]], one: Spending) -> str | None:
    """What the control would lose had it trained for all that the arm took."""
    if one.total is None or not ladder[0]:
        return None
    found = loss_at(*ladder, one.total)
    return f"{found.bound and found.bound + ' '}{found.value:.4f}"
