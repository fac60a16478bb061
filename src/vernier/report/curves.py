"""How training went: the loss of each arm's models as they trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from vernier.core.run import Run
from vernier.core.written import COMPARISON
from vernier.report import read
from vernier.report.choices import arms
from vernier.report.drawing.lines import Axis, Line, chart
from vernier.report.parts import Section, figure, table

POINTS = 24  # of a smoothed curve, at most
SHOWN = 0.1  # of the training: what came before may lie above the figure
METRICS = "metrics.parquet"


@dataclass(frozen=True)
class Curve:
    """The smoothed training loss of one arm, a point for the mean over `steps` steps of each seed.

    tokens   [points]: trained on at the end of each
    loss     [seeds, points] in nat per token
    """

    arm: str
    seeds: tuple[int | None, ...]
    steps: int
    tokens: NDArray[np.float64]
    loss: NDArray[np.float64]


def section(run: Run) -> Section | None:
    """Curves of the evaluated models; None if the run has none."""
    figures = [_training(stage, found, run) for stage, found in curves(run).items()]
    if not figures:
        return None
    return Section("training", "How did training go?", Markup("").join(figures))


def curves(run: Run) -> dict[str, list[Curve]]:
    """By stage, the curves of the models that the run evaluated; rungs of a ladder are left to the ladder."""
    rungs = {
        rung["arm"] for told in _evaluations(run).values() for rung in told["ladder"] if rung["arm"] not in told["arms"]
    }
    models = {record["inputs"].get("model") for record in run.nodes.values() if record["kind"] == "results"}
    found: dict[str, dict[str, dict[int | None, str]]] = {}
    for node in models:
        record = run.nodes.get(node or "")
        if record is not None and metrics(run, node) is not None:
            for arm in record["arms"] or [record["of"]]:
                found.setdefault(record["of"], {}).setdefault(arm, {})[record["seed"]] = node
    order = {arm: place for place, arm in enumerate(arms(run))}
    out: dict[str, list[Curve]] = {}
    for stage, by_arm in sorted(found.items()):
        for arm in sorted(by_arm.keys() - rungs or by_arm.keys(), key=lambda arm: (order.get(arm, 0), arm)):
            out.setdefault(stage, []).append(_curve(run, arm, by_arm[arm]))
    return out


def metrics(run: Run, node: str) -> str | None:
    """Where the metrics of a model's training are; None for one that was not trained here."""
    path = run.folder / node / METRICS
    address = path.with_name(f"{METRICS}.url")
    if address.exists():
        return address.read_text().strip()
    return str(path) if path.is_symlink() or path.exists() else None


def smoothed(tokens: NDArray[np.int64], loss: NDArray[np.float64], steps: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Means of so many steps each, and the tokens at their ends; the last may be of fewer steps."""
    starts = np.arange(0, len(loss), steps)
    sizes = np.diff(starts, append=len(loss))
    return tokens[starts + sizes - 1].astype(np.float64), np.add.reduceat(loss, starts) / sizes


def _curve(run: Run, arm: str, nodes: Mapping[int | None, str]) -> Curve:
    """The curve of all seeds, as far as the shortest went."""
    seeds = tuple(sorted(nodes, key=lambda seed: seed or 0))
    tables = [read.read(metrics(run, nodes[seed]) or "", ["tokens", "loss"]) for seed in seeds]
    length = min(one.num_rows for one in tables)
    steps = max(1, -(-length // POINTS))
    smooth = [
        smoothed(one.column("tokens").to_numpy()[:length], one.column("loss").to_numpy()[:length], steps)
        for one in tables
    ]
    return Curve(arm, seeds, steps, smooth[0][0], np.stack([loss for _, loss in smooth]))


def _training(stage: str, found: Sequence[Curve], run: Run) -> Markup:
    looks = _looks(run)
    lines = [
        Line(
            one.arm,
            one.tokens.tolist(),
            one.loss.mean(axis=0).tolist(),
            *((one.loss.min(axis=0).tolist(), one.loss.max(axis=0).tolist()) if len(one.seeds) > 1 else ((), ())),
            look=looks.get(one.arm, number),
        )
        for number, one in enumerate(found)
    ]
    most = max(float(one.tokens[-1]) for one in found)
    # What is drawn is the later training: at the start every model loses more than arms ever differ by.
    late = [one.loss[:, one.tokens >= SHOWN * most] for one in found]
    low = min(float(np.nanmin(part)) for part in late if part.size)
    high = max(float(np.nanmax(part)) for part in late if part.size)
    margin = 0.05 * (high - low) or 0.1
    drawing = chart(
        lines,
        [],
        Axis("tokens trained on", 0, most),
        Axis("training loss, nat per token", low - margin, high + margin),
        says=f"Training loss of {stage} by arm against tokens; the numbers are in the table below",
    )
    steps = sorted({one.steps for one in found})
    smooth = (
        f"Smoothed: each point is the mean of {' or '.join(map(str, steps))} steps" if steps != [1] else "Not smoothed"
    )
    says = [
        "Each arm's loss on the text that it trains on itself: an arm of easy text has a low curve, and may still be "
        "the worse one. Read from it that training was steady; which arm is better is measured on held-out text.",
        f"{smooth}; what lies above the figure, at the start, is not drawn.",
    ]
    if any(len(one.seeds) > 1 for one in found):
        says.append("Lines are means over seeds, bands reach from the lowest to the highest seed.")
    places = np.unique(np.linspace(0, len(found[0].tokens) - 1, 12).round().astype(int)).tolist()
    rows = [
        [
            one.arm,
            int(one.tokens[place]),
            *(
                f"{value:.4f}"
                for value in (one.loss[:, place].mean(), one.loss[:, place].min(), one.loss[:, place].max())
            ),
        ]
        for one in found
        for place in places
        if place < len(one.tokens)
    ]
    numbers = table(
        ["arm", "tokens", "mean", "lowest seed", "highest seed"], rows, says="Some of the points, nat per token."
    )
    return figure(f"Training loss of {stage} against tokens", " ".join(says), drawing, numbers)


def _evaluations(run: Run) -> Mapping[str, Any]:
    return run.nodes.get(COMPARISON, {}).get("facts", {}).get("evaluations", {})


def _looks(run: Run) -> dict[str, int]:
    """The number by which each arm is drawn: the same in every figure of the section."""
    compared = [arm for told in _evaluations(run).values() for arm in told["order"]]
    return {arm: number for number, arm in enumerate(dict.fromkeys([*compared, *arms(run)]))}
