"""Where every document went, from file to training token: rows in = kept + dropped by reason + quarantined."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from vernier.core.run import Run
from vernier.report.drawing.flow import Step, flow
from vernier.report.parts import Section, figure, paragraph, table
from vernier.report.words import facts, listed, size

OUTSIDE = "outside"  # the reason of rows that an earlier selection had left out
Record = Mapping[str, Any]


@dataclass(frozen=True)
class Entry:
    """One line of the ledger: a node, or those of several seeds that counted the same."""

    names: tuple[str, ...]
    record: Record
    come: int
    kept: int
    dropped: Mapping[str, int]
    lost: Mapping[str, int]

    @property
    def stage(self) -> str:
        """The stage, with its arms where not all nodes of it have the same."""
        return self.names[0].rsplit("@", 1)[0] if self.record["seed"] is not None else self.names[0]

    @property
    def balanced(self) -> bool:
        return self.come == self.kept + sum(self.dropped.values()) + sum(self.lost.values())


def section(run: Run) -> Section | None:
    """The ledger; None if the run has read nothing."""
    entries = _entries(run)
    if not entries:
        return None
    body = [_flow(run, entries), _table(entries), _tokens(run)]
    return Section("ledger", "From file to training token", Markup("").join(body))


def _entries(run: Run) -> list[Entry]:
    """Readers and selections in the order of the run; seeds that counted the same are one."""
    out: dict[tuple[Any, ...], Entry] = {}
    for name, record in run.nodes.items():
        counts = record["counts"]
        if record["kind"] == "corpus":
            lost = _by_reason(counts, "quarantined")
            if not lost and counts.get("quarantined"):
                lost = {"quarantined": counts["quarantined"]}
            come, kept, dropped = counts["rows"] + sum(lost.values()), counts["rows"], dict[str, int]()
        elif record["kind"] == "selection":
            lost = dict[str, int]()
            come, kept, dropped = counts["rows"], counts["kept"], _by_reason(counts, "dropped")
        else:
            continue
        key = (record["of"], tuple(record["arms"]), record["seed"] is None, tuple(sorted(counts.items())))
        names = (*out[key].names, name) if key in out else (name,)
        out[key] = Entry(names, record, come, kept, dropped, lost)
    return list(out.values())


def _by_reason(counts: Mapping[str, int], what: str) -> dict[str, int]:
    start = f"{what}."
    return {name.removeprefix(start): number for name, number in counts.items() if name.startswith(start)}


def _table(entries: Sequence[Entry]) -> Markup:
    rows = [
        (
            _title(entry),
            entry.record["stage"]["plugin"],
            entry.come,
            entry.kept,
            _reasons(entry.dropped),
            _reasons(entry.lost),
            "yes" if entry.balanced else "NO",
        )
        for entry in entries
    ]
    wrong = [entry.names[0] for entry in entries if not entry.balanced]
    said = (
        f"The counts of {listed(wrong)} do not add up: that is a bug."
        if wrong
        else "Every line adds up: rows in = kept + dropped by reason + quarantined."
    )
    head = ("stage", "plugin", "rows in", "kept", "dropped", "quarantined", "adds up")
    return table(head, rows, says="The ledger, in documents") + paragraph(said)


def _title(entry: Entry) -> str:
    """The node; of several seeds that counted the same, all of them."""
    if len(entry.names) == 1:
        return entry.names[0]
    return f"{entry.stage}, seeds {listed(name.rsplit('@', 1)[1] for name in entry.names)}"


def _reasons(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {why.replace('_', ' ')}" for why, number in counts.items() if number) or "none"


def _flow(run: Run, entries: Sequence[Entry]) -> Markup:
    """Readers and selections as bars; of several seeds the mean."""
    by_stage: dict[str, list[Entry]] = {}
    for entry in entries:
        by_stage.setdefault(entry.stage, []).extend([entry] * len(entry.names))
    depths: dict[str, int] = {}
    steps: list[Step] = []
    for stage, same in by_stage.items():
        depth = _depth(run, same[0].names[0], depths)
        dropped = {
            why: sum(e.dropped.get(why, 0) for e in same) / len(same)
            for why in dict.fromkeys(why for e in same for why in e.dropped)
            if why != OUTSIDE
        }
        kept = sum(e.kept for e in same) / len(same)
        lost = sum(sum(e.lost.values()) for e in same) / len(same)
        steps.append(Step(stage, kept, dropped, lost, depth))
    numbers = [
        (s.name, f"{s.kept:,.0f}", f"{sum(s.dropped.values()):,.0f}", f"{s.lost:,.0f}") for s in _nested(run, steps)
    ]
    return figure(
        "What is left after each step, in documents.",
        "A step stands under the one that it takes from, and is as wide as what that one left: the full part goes on, "
        "the pale part stays behind. Of several seeds the mean.",
        flow(_nested(run, steps), unit="documents"),
        table(("step", "kept", "dropped", "quarantined"), numbers),
    )


def _nested(run: Run, steps: Sequence[Step]) -> list[Step]:
    """Each step right under the one that it takes from."""
    by_name = {step.name: step for step in steps}
    parents = {step.name: _parent(run, step.name) for step in steps}

    def under(name: str) -> Iterator[Step]:
        yield by_name[name]
        for child, parent in parents.items():
            if parent == name and child != name:
                yield from under(child)

    return [step for name, parent in parents.items() if parent not in by_name for step in under(name)]


def _parent(run: Run, stage: str) -> str | None:
    """The stage, as it stands in the figure, whose documents a stage takes from."""
    name = next(n for n in run.nodes if n == stage or n.rsplit("@", 1)[0] == stage)
    inputs: Mapping[str, Any] = run.nodes[name]["inputs"]
    before = inputs.get("within", inputs.get("selection", inputs.get("corpus")))
    if not isinstance(before, str) or before not in run.nodes:
        return None
    return before.rsplit("@", 1)[0] if run.nodes[before]["seed"] is not None else before


def _depth(run: Run, name: str, known: dict[str, int]) -> int:
    stage = name.rsplit("@", 1)[0] if run.nodes[name]["seed"] is not None else name
    if stage not in known:
        parent = _parent(run, stage)
        there = parent is not None and any(n == parent or n.rsplit("@", 1)[0] == parent for n in run.nodes)
        known[stage] = 0
        if there and parent is not None and parent != stage:
            first = next(n for n in run.nodes if n == parent or n.rsplit("@", 1)[0] == parent)
            known[stage] = 1 + _depth(run, first, known)
    return known[stage]


def _tokens(run: Run) -> Markup:
    """What the models were trained on: the last step, in tokens."""
    rows: list[tuple[object, ...]] = []
    for name, record in run.nodes.items():
        made = facts(run, name)
        if record["kind"] != "model" or "tokens" not in made:
            continue
        chosen = record["inputs"].get("selection")
        counts = run.nodes[chosen]["counts"] if chosen in run.nodes else {}
        reached = facts(run, chosen).get("reached", {}) if chosen in run.nodes else {}
        epochs = made.get("epochs")
        rows.append(
            (
                name,
                chosen or "-",
                counts.get("kept"),
                size(reached["bytes"]) if "bytes" in reached else None,
                reached.get("tokens"),
                made["tokens"],
                None if epochs is None else f"{epochs:.2f}",
            )
        )
    if not rows:
        return paragraph("No model was trained in this run: the ledger ends with what was selected.")
    head = ("model", "trained on", "documents", "text", "tokens selected", "tokens trained", "times read")
    says = (
        "From documents to training tokens; times read: tokens trained over tokens there, below 1 some were not reached"
    )
    return table(head, rows, says=says)
