"""How much of each domain each arm kept; planted noise stands beside the real domains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from vernier.core.run import Run
from vernier.report import pool, read
from vernier.report.choices import Choice, choices
from vernier.report.drawing import axes
from vernier.report.drawing.bars import Column, columns
from vernier.report.parts import Section, figure, paragraph, table

MOST = 30  # groups drawn, the largest ones; the table has all
ALL = "all domains"
KIND = "planted: "  # before the name of a kind of noise
NOT_PLANTED = ""  # the kind of real documents


@dataclass(frozen=True)
class Kept:
    """What of each group was kept. A document that is wanted twice counts once.

    groups   domains, the largest first, planted noise and its kinds behind them; the last is all domains
    unit     of the second amount: tokens or bytes
    pool     documents and unit in the pool, int64 [2, groups]
    kept     for each choice, by seed: the same of what it kept
    """

    groups: list[str]
    unit: str
    pool: NDArray[np.int64]
    kept: dict[str, dict[int | None, NDArray[np.int64]]]

    def shares(self, name: str, amount: int) -> NDArray[np.float64]:
        """Of the documents (0) or of the unit (1) that were in the pool, [seeds, groups]; NaN where that is nothing."""
        all_kept = np.array([by_seed[amount] for by_seed in self.kept[name].values()], dtype=np.float64)
        out = np.full(all_kept.shape, np.nan)
        return np.divide(all_kept, self.pool[amount], out=out, where=self.pool[amount] > 0)


def section(run: Run) -> Section | None:
    """Keep rates by domain and arm; None if the run has no selections to compare."""
    figures: list[Markup] = []
    stages: dict[tuple[str, str], list[Choice]] = {}
    for choice in choices(run):
        stages.setdefault((choice.stage, run.nodes[choice.node]["inputs"]["corpus"]), []).append(choice)
    for (stage, _), here in stages.items():
        figures += _figure(keep_rates(run, here), here, stage if len(stages) > 1 else "")
    if not figures:
        return None
    says = (
        "A selection that only prefers some domains could be had without a score. Within a domain, and against planted "
        "noise, it has to show that it reads documents."
    )
    return Section("kept", "What was kept of each domain?", paragraph(says) + Markup("").join(figures))


def keep_rates(run: Run, here: Sequence[Choice]) -> Kept:
    """What the choices of one stage kept of each group, of all rows that any of them could have kept."""
    records = [run.nodes[choice.node] for choice in here]
    lengths = {record["inputs"].get("lengths") for record in records}
    tokens = lengths.pop() if len(lengths) == 1 else None
    within = {record["inputs"].get("within") for record in records}
    nodes = {run.nodes[node]["content"]: node for choice in here for node in choice.nodes.values()}
    by_domain, by_kind = _Tally(len(nodes)), _Tally(len(nodes))
    for number, shard in enumerate(read.shards(run, records[0]["inputs"]["corpus"])):
        domains = pool.domains(shard, by_domain.names)
        sizes = pool.counted(read.shards(run, tokens)[number], "num_tokens") if tokens else None
        if sizes is None:
            sizes = pool.counted(shard, "num_bytes")
        inside = np.any([pool.wanted(run, node, number, len(sizes)) for node in within], axis=0)
        masks = [inside, *(pool.wanted(run, node, number, len(sizes)) for node in nodes.values())]
        by_domain.add(domains, sizes, masks)
        if pool.PLANTED in read.columns(shard):
            kinds = pool.domains(shard, by_kind.names, pool.PLANTED, NOT_PLANTED)
            by_kind.add(kinds, sizes, masks)
    groups, sums = _ordered(by_domain, by_kind)
    place = {content: number for number, content in enumerate(nodes, 1)}
    kept = {
        choice.name: {seed: sums[place[run.nodes[node]["content"]]] for seed, node in choice.nodes.items()}
        for choice in here
    }
    return Kept(groups, "tokens" if tokens else "bytes", sums[0], kept)


class _Tally:
    """Documents and sizes by group, of the pool and of each selection: int64 [selections + 1, 2, groups]."""

    def __init__(self, selections: int) -> None:
        self.names = pool.Names()
        self.sums = np.zeros((selections + 1, 2, 0), dtype=np.int64)

    def add(self, groups: NDArray[np.int64], sizes: NDArray[np.int64], masks: Sequence[NDArray[np.bool_]]) -> None:
        """One shard: the group and the size of each row; whether it is in the pool, and in each selection."""
        size = len(self.names.all)
        self.sums = np.concatenate(
            [self.sums, np.zeros((*self.sums.shape[:2], size - self.sums.shape[2]), np.int64)], 2
        )
        for number, mask in enumerate(masks):
            inside = groups[mask & masks[0]]
            self.sums[number, 0] += np.bincount(inside, minlength=size)
            # Sums are float64: exact up to 2^53.
            self.sums[number, 1] += np.bincount(inside, sizes[mask & masks[0]], size).astype(np.int64)


def _ordered(by_domain: _Tally, by_kind: _Tally) -> tuple[list[str], NDArray[np.int64]]:
    """Names of groups and their sums: domains by size, then what was planted, its kinds, and all together."""
    found = dict(zip(by_domain.names.all, np.moveaxis(by_domain.sums, 2, 0), strict=True))
    real = sorted((name for name in found if name != pool.PLANTED), key=lambda name: (-found[name][0, 1], name))
    names, rows = [name for name in real if found[name][0, 0]], [found[name] for name in real if found[name][0, 0]]
    if pool.PLANTED in found and found[pool.PLANTED][0, 0]:
        names.append(pool.PLANTED)
        rows.append(found[pool.PLANTED])
    kinds = dict(zip(by_kind.names.all, np.moveaxis(by_kind.sums, 2, 0), strict=True))
    for kind in sorted(kinds.keys() - {NOT_PLANTED}):
        if kinds[kind][0, 0]:
            names.append(f"{KIND}{kind}")
            rows.append(kinds[kind])
    names.append(ALL)
    rows.append(by_domain.sums.sum(axis=2))
    return names, np.stack(rows, axis=2)


def _figure(found: Kept, here: Sequence[Choice], stage: str) -> list[Markup]:
    if not found.pool[0, -1]:
        return []
    drawn = _drawn(found)
    names = [found.groups[place] for place in drawn]
    marked = frozenset(name for name in names if name == pool.PLANTED or name.startswith(KIND))
    arms = []
    for choice in here:
        amounts, documents = (_mean(found.shares(choice.name, amount)) for amount in (1, 0))
        shares = [[None if np.isnan(by[place]) else float(by[place]) for place in drawn] for by in (amounts, documents)]
        arms.append(Column(choice.name, shares[0], shares[1], float(amounts[-1])))
    title = f"Share of the pool's {found.unit} that was kept" + (f" at `{stage}`" if stage else "")
    drawing = columns(
        names,
        arms,
        marked=marked,
        says=f"Share of {found.unit} kept by domain and arm; the numbers are in the table below",
    )
    return [figure(title, _says(found, here, len(drawn), bool(marked)), drawing, _numbers(found, here))]


def _drawn(found: Kept) -> list[int]:
    """Places of the groups that are drawn: all but the smallest domains, if there are too many."""
    real = [place for place, name in enumerate(found.groups) if name != pool.PLANTED and not name.startswith(KIND)]
    return [place for place in range(len(found.groups)) if place not in real[MOST:-1]]


def _says(found: Kept, here: Sequence[Choice], drawn: int, planted: bool) -> str:
    parts = [
        f"A bar is the share of a domain's {found.unit} that an arm kept, with its number; the black stroke is the "
        "share of its documents, the dotted line the arm's share of all. Bars that follow that line say that the arm did "
        "not choose by domain."
    ]
    if planted:
        parts.append("★ is planted noise, which nobody wants: a good selection keeps none of it.")
    seeds = max(len(choice.nodes) for choice in here)
    if seeds > 1:
        parts.append(f"Means over {seeds} seeds.")
    if drawn < len(found.groups):
        parts.append(f"The {len(found.groups) - drawn} smallest domains are in the table only.")
    parts += [
        f"{choice.name} stands for {', '.join(choice.also)} too: the same selection." for choice in here if choice.also
    ]
    return " ".join(parts)


def _numbers(found: Kept, here: Sequence[Choice]) -> Markup:
    head = ["domain", "documents in the pool", f"{found.unit} in the pool"]
    head += [f"{choice.name}: {of}" for choice in here for of in ("documents", found.unit)]
    each = [found.shares(choice.name, amount) for choice in here for amount in (0, 1)]
    rows = [
        [name, int(found.pool[0, place]), int(found.pool[1, place]), *(_told(shares[:, place]) for shares in each)]
        for place, name in enumerate(found.groups)
    ]
    return table(
        head, rows, says="Share kept, mean over seeds; in brackets the lowest and the highest seed, where they differ."
    )


def _mean(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    return shares.mean(axis=0)


def _told(shares: NDArray[np.float64]) -> str | None:
    if np.isnan(shares).any():
        return None
    mean, low, high = (axes.percent(float(value)) for value in (shares.mean(), shares.min(), shares.max()))
    return f"{mean}" if low == high else f"{mean} ({low} to {high})"
