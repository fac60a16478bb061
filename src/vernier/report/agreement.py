"""How far two arms chose the same documents: the share that both kept of what either kept (Jaccard 1901)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from vernier.core.run import Run
from vernier.report import pool, read
from vernier.report.choices import Choice, choices
from vernier.report.drawing import axes
from vernier.report.drawing.heat import matrix
from vernier.report.parts import Section, figure, paragraph, table


@dataclass(frozen=True)
class Agreement:
    """What the choices of one stage share.

    documents  in the pool
    kept       documents of each choice, mean over seeds
    shared     [choices, choices], the mean over seeds that both have; on the diagonal the mean over every two seeds of
               the same choice; None where there are none, or nothing is kept
    """

    names: list[str]
    documents: int
    kept: list[float]
    shared: list[list[float | None]]

    def by_chance(self, one: int, other: int) -> float | None:
        """What two independent lots of these sizes would share: pq / (p + q - pq) for shares p and q of the pool."""
        if not self.documents:
            return None
        p, q = self.kept[one] / self.documents, self.kept[other] / self.documents
        return p * q / (p + q - p * q) if p + q > 0 else None


def section(run: Run) -> Section | None:
    """A matrix for each stage at which arms differ; None if there are no two arms to compare."""
    stages: dict[tuple[str, str], list[Choice]] = {}
    for choice in choices(run):
        stages.setdefault((choice.stage, run.nodes[choice.node]["inputs"]["corpus"]), []).append(choice)
    figures = [
        _figure(agreement(run, here), here, stage if len(stages) > 1 else "")
        for (stage, _), here in stages.items()
        if len(here) > 1
    ]
    if not figures:
        return None
    says = "Arms that chose nearly the same documents can not differ much in what they train."
    return Section("agreement", "How far do the arms agree?", paragraph(says) + Markup("").join(figures))


def agreement(run: Run, here: Sequence[Choice]) -> Agreement:
    """What the choices of one stage share; selections that are equal are read once."""
    records = [run.nodes[choice.node] for choice in here]
    nodes = {run.nodes[node]["content"]: node for choice in here for node in choice.nodes.values()}
    within = {record["inputs"].get("within") for record in records}
    both, documents = np.zeros((len(nodes), len(nodes)), dtype=np.int64), 0
    for number, shard in enumerate(read.shards(run, records[0]["inputs"]["corpus"])):
        rows = read.read(shard, ["num_bytes"]).num_rows
        documents += int(np.any([pool.wanted(run, node, number, rows) for node in within], axis=0).sum())
        kept = np.stack([pool.wanted(run, node, number, rows) for node in nodes.values()]).astype(np.float64)
        both += (kept @ kept.T).astype(np.int64)  # sums of ones in float64: exact up to 2^53
    place = {content: number for number, content in enumerate(nodes)}
    at = [{seed: place[run.nodes[node]["content"]] for seed, node in choice.nodes.items()} for choice in here]
    shared = [[_shared(both, at[i], at[j], i == j) for j in range(len(here))] for i in range(len(here))]
    sizes = np.diag(both)
    kept_by = [float(np.mean([sizes[number] for number in seeds.values()])) for seeds in at]
    return Agreement([choice.name for choice in here], documents, kept_by, shared)


def _shared(
    both: NDArray[np.int64], one: dict[int | None, int], other: dict[int | None, int], same: bool
) -> float | None:
    pairs = list(combinations(one.values(), 2)) if same else [(one[seed], other[seed]) for seed in one if seed in other]
    found = [jaccard(int(both[i, j]), int(both[i, i]), int(both[j, j])) for i, j in pairs]
    known = [share for share in found if share is not None]
    return float(np.mean(known)) if known else None


def jaccard(both: int, one: int, other: int) -> float | None:
    """What both kept, as a share of what either kept; None if nothing was kept."""
    either = one + other - both
    return both / either if either else None


def _figure(found: Agreement, here: Sequence[Choice], stage: str) -> Markup:
    names = found.names
    title = "Share of documents in common, of those that either of two arms kept" + (f" at `{stage}`" if stage else "")
    says = [
        "100 %: the same documents; 0 %: none in common. The column of an arm has the number that stands before its name.",
    ]
    if len(max((choice.nodes for choice in here), key=len)) > 1:
        says.append("In the frame: the same arm at two seeds. Means over seeds.")
    chance = found.by_chance(0, 1)
    if chance is not None:
        says.append(f"{names[0]} and {names[1]} would share {100 * chance:.0f} % if both were drawn by lot.")
    drawing = matrix(names, found.shared, says="Agreement of every two arms; the numbers are in the table below")
    rows = [
        [
            f"{names[i]}, two seeds" if i == j else f"{names[i]} and {names[j]}",
            axes.percent(found.shared[i][j]),
            axes.percent(found.by_chance(i, j)),
        ]
        for i in range(len(names))
        for j in range(i, len(names))
        if found.shared[i][j] is not None
    ]
    numbers = table(
        ["arms", "in common", "by lot"], rows, says="By lot: what two independent draws of these sizes share."
    )
    sizes = table(
        ["arm", "documents kept", "of the pool"],
        [
            [name, round(kept), axes.percent(kept / found.documents if found.documents else None)]
            for name, kept in zip(names, found.kept, strict=True)
        ],
        says="Mean over seeds.",
    )
    return figure(title, " ".join(says), drawing, numbers + sizes)
