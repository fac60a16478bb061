"""How the scores that selections went by are spread, domain by domain, and where the cuts lie."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from vernier.core.run import Run
from vernier.report.choices import Choice, Score, scores
from vernier.report.drawing import axes
from vernier.report.drawing.histogram import Cut, Strip, strips
from vernier.report.parts import Section, figure, paragraph, table
from vernier.report.pool import PLANTED, Names, range_of, scored

TAIL = 0.005  # share of the values that may lie beyond each end of the axis
BINS = 40  # at most
MOST = 24  # domains drawn by themselves, the largest ones; the others are one group
OTHERS = "all other domains"
TEXT = ("corpus", "selection", "windows", "init")  # inputs of a training that say what its model has read
EQUAL = {"excess_loss": 0.0, "quality_factor": 1.0}  # what a pair measures where both models lose the same


@dataclass(frozen=True)
class Histogram:
    """The counts of a score in a pool. They add up to the documents in the pool.

    edges       [bins + 1], rising, at round numbers
    counts      by domain: int64 [bins]
    below, above, undefined, not_scored  by domain: documents that are in no bin
    """

    edges: NDArray[np.float64]
    counts: dict[str, NDArray[np.int64]]
    below: dict[str, int]
    above: dict[str, int]
    undefined: dict[str, int]
    not_scored: dict[str, int]

    def documents(self, domain: str) -> int:
        outside = (self.below, self.above, self.undefined, self.not_scored)
        return int(self.counts[domain].sum()) + sum(by[domain] for by in outside)

    @property
    def domains(self) -> list[str]:
        """The largest first, then what was joined, planted noise last."""
        return sorted(self.counts, key=lambda name: (name == PLANTED, name == OTHERS, -self.documents(name), name))


def section(run: Run) -> Section | None:
    """A histogram by domain for each score that a selection went by; None if none went by any."""
    figures = [drawn for score in scores(run) for drawn in _figure(run, score)]
    if not figures:
        return None
    says = (
        "What decided over the documents. A score that sets one domain apart chooses domains as much as documents: "
        "see where its cut lies in each."
    )
    return Section("scores", "How are the scores spread?", paragraph(says) + Markup("").join(figures))


def histogram(run: Run, score: Score) -> Histogram | None:
    """Counts in bins that hold all but the outermost values of a score; None if it is defined for no document."""
    ends = range_of(scored(run, score, Names()), TAIL)
    if ends is None:
        return None
    edges = bins(*ends)
    size, names = len(edges) + 3, Names()  # bins, then below, above, undefined, not scored
    counts = np.zeros((0, size), dtype=np.int64)
    for part in scored(run, score, names):
        place = np.searchsorted(edges, part.values, side="right") - 1
        place[part.values == edges[-1]] = len(edges) - 2  # the last bin has both its ends
        place[part.values < edges[0]] = size - 4
        place[part.values > edges[-1]] = size - 3
        place[~np.isfinite(part.values)] = size - 2
        place[~part.scored] = size - 1
        counts = np.concatenate([counts, np.zeros((len(names.all) - len(counts), size), dtype=np.int64)])
        counts += np.bincount(part.domains * size + place, minlength=counts.size).reshape(counts.shape)
    present = {name: row for name, row in zip(names.all, counts, strict=True) if row.any()}
    below, above, undefined, not_scored = (
        {name: int(row[size - 4 + place]) for name, row in present.items()} for place in range(4)
    )
    return Histogram(
        edges, {name: row[: size - 4] for name, row in present.items()}, below, above, undefined, not_scored
    )


def bins(low: float, high: float) -> NDArray[np.float64]:
    """Edges at round numbers, evenly apart, at most BINS + 1 of them, of which the first and last hold the range."""
    if not high > low:
        width = max(1e-6, abs(low) * 1e-3)
        return np.array([low - width, low + width])
    apart = axes.step(low, high, BINS - 1)
    first, last = int(np.floor(low / apart + 1e-9)), int(np.ceil(high / apart - 1e-9))
    edges = np.arange(first, max(last, first + 1) + 1, dtype=np.float64) * apart
    edges[0], edges[-1] = min(edges[0], low), max(edges[-1], high)  # where rounding moved them
    return edges


def joined(found: Histogram, most: int = MOST) -> Histogram:
    """The smallest domains as one, so that at most `most` and the planted one are left."""
    real = [name for name in found.domains if name != PLANTED]
    if len(real) <= most:
        return found
    small = real[most - 1 :]
    kept = [name for name in found.counts if name not in small]

    def merge(by: dict[str, Any], zero: Any) -> dict[str, Any]:
        return {name: by[name] for name in kept} | {OTHERS: sum((by[name] for name in small), zero)}

    return Histogram(
        found.edges,
        merge(found.counts, np.zeros(len(found.edges) - 1, dtype=np.int64)),
        *(merge(by, 0) for by in (found.below, found.above, found.undefined, found.not_scored)),
    )


def _figure(run: Run, score: Score) -> list[Markup]:
    found = histogram(run, score)
    if found is None:
        return [paragraph(f"{score.title} is defined for no document of the pool.")]
    found = joined(found)
    cuts = [cut for choice in score.choices for cut in _cuts(run, choice)]
    groups = [Strip(name, found.counts[name], name == PLANTED) for name in found.domains]
    drawing = strips(
        groups,
        found.edges,
        cuts,
        title=f"{score.by} ({score.unit}): more wanted to the right",
        says=f"Histograms of {score.title} by domain; the numbers are in the table below",
    )
    drawn = figure(f"{score.title}, {score.unit}", _says(score, found, cuts), drawing, _numbers(found, cuts))
    share = behind(run, score)
    if share is None or share <= 0.5:
        return [drawn]
    warning = (
        f"{score.b} lost more than {score.a} on {100 * share:.0f} % of the documents, though its model is larger and "
        "was trained on the same text. So their difference says how the models were trained, not what documents are "
        "worth: train the larger one at a lower rate, or for longer."
    )
    return [Markup('<p class="alarm">{}</p>').format(warning), drawn]


def behind(run: Run, score: Score) -> float | None:
    """On which share of the documents the larger of two models, trained on the same text, loses more than the smaller.

    None for what is no such pair: a model that was trained on other text may well lose more.
    """
    if score.by not in EQUAL or score.b is None:
        return None
    models = [run.nodes.get(run.nodes[name]["inputs"].get("model", "")) for name in (score.a, score.b)]
    small, large = (
        (one["facts"].get("parameters", 0), [one["inputs"].get(i) for i in TEXT]) if one else (0, []) for one in models
    )
    if not 0 < small[0] < large[0] or small[1] != large[1]:
        return None
    lost = known = 0
    for part in scored(run, score, Names()):
        values = part.values[part.defined]
        lost, known = lost + int((values < EQUAL[score.by]).sum()), known + len(values)
    return lost / known if known else None


def _says(score: Score, found: Histogram, cuts: list[Cut]) -> str:
    used = ", ".join(choice.name for choice in score.choices)
    parts = [
        f"Used by {used}: {score.doc}. Each strip shows the documents of one domain, as high as its fullest bin.",
    ]
    if cuts:
        parts.append("What lies right of the dashed line was kept, as far as the budget went.")
    if PLANTED in found.counts:
        parts.append("★ is planted noise, which nobody wants.")
    beyond = sum(found.below.values()), sum(found.above.values())
    if any(beyond):
        parts.append(f"{sum(beyond):,} documents lie beyond the ends ({beyond[0]:,} left, {beyond[1]:,} right).")
    absent = sum(found.undefined.values()), sum(found.not_scored.values())
    if any(absent):
        parts.append(f"Not drawn: {absent[0]:,} for which it is undefined, {absent[1]:,} not scored.")
    return " ".join(parts)


def _cuts(run: Run, choice: Choice) -> list[Cut]:
    """Where a selection cut the score at its lowest seed; none where chance was added to it, or each group had one."""
    record = run.nodes[choice.node]
    if "temperature" in record["stage"]["settings"]:
        return []
    facts = {**record["stage"]["settings"], **record["facts"]}
    named = {"cut": "cut of", "min": "least for", "max": "most for", "from": "from, for", "to": "up to, for"}
    return [
        Cut(f"{says} {choice.name}:", float(facts[name]))
        for name, says in named.items()
        if isinstance(facts.get(name), (int, float))
    ]


def _numbers(found: Histogram, cuts: list[Cut]) -> Markup:
    names = found.domains
    cut = cuts[0].at if len(cuts) == 1 else None
    head = ["domain", "documents", "10 % below", "half below", "90 % below", "beyond left", "beyond right"]
    head += ["undefined", "not scored", *(["right of the cut"] if cut is not None else [])]
    rows = []
    for name in names:
        row: list[object] = [name, found.documents(name), *(_quantile(found, name, q) for q in (0.1, 0.5, 0.9))]
        row += [found.below[name], found.above[name], found.undefined[name], found.not_scored[name]]
        rows.append([*row, axes.percent(_right_of(found, name, cut))] if cut is not None else row)
    says = "Quantiles are read off the bins, to a part of a bin."
    whole = table(head, rows, says=says)
    edges = [axes.number(edge) for edge in found.edges]
    by_bin = [
        [f"{low} to {high}", *(int(found.counts[name][place]) for name in names)]
        for place, (low, high) in enumerate(pairwise(edges))
    ]
    return whole + table(["bin", *names], by_bin, says="Documents in each bin.")


def _quantile(found: Histogram, domain: str, share: float) -> str | None:
    """Where `share` of a domain's values lie below, evenly spread within a bin; a bound beyond the ends."""
    counts = np.concatenate([[found.below[domain]], found.counts[domain], [found.above[domain]]])
    rank = np.cumsum(counts)
    if not rank[-1]:
        return None
    place = int(np.searchsorted(rank, share * rank[-1]))
    if place == 0:
        return f"< {axes.number(found.edges[0])}"
    if place == len(counts) - 1:
        return f"> {axes.number(found.edges[-1])}"
    low, high = found.edges[place - 1], found.edges[place]
    return axes.number(float(low + (high - low) * (share * rank[-1] - rank[place - 1]) / counts[place]))


def _right_of(found: Histogram, domain: str, cut: float) -> float | None:
    """The share of a domain's values above a cut, evenly spread within the bin that it cuts."""
    counts, edges = found.counts[domain], found.edges
    total = int(counts.sum()) + found.below[domain] + found.above[domain]
    if not total or not edges[0] <= cut <= edges[-1]:
        return None
    parts = np.clip((edges[1:] - cut) / np.diff(edges), 0, 1)
    return (float((parts * counts).sum()) + found.above[domain]) / total
