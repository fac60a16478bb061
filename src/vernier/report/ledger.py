"""Where every document went, from file to training token: rows in = kept + dropped by reason + quarantined."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from vernier.core.run import Run
from vernier.report.drawing.flow import Step, flow
from vernier.report.parts import Section, figure, paragraph, table
from vernier.report.words import facts, listed

OUTSIDE = "outside"  # the reason of rows that an earlier selection had left out
Record = Mapping[str, Any]


@dataclass(frozen=True)
class Entry:
    """What one node did to the rows that came to it.

    dropped, lost   by reason: those that a selection left, those that a reader or an extractor could not read (the
                    rows of an extractor stay, without text)
    """

    record: Record
    come: int
    kept: int
    dropped: Mapping[str, int]
    lost: Mapping[str, int]

    @property
    def balanced(self) -> bool:
        """Whether no row appeared or vanished."""
        return self.come == self.kept + sum(self.dropped.values()) + sum(self.lost.values())


def section(run: Run) -> Section | None:
    """The ledger; None if the run has read nothing."""
    entries = {name: entry for name, record in run.nodes.items() if (entry := _entry(record)) is not None}
    if not entries:
        return None
    body = [_flow(run, entries), _table(entries), _ends(run, entries), _tokens(run)]
    return Section("ledger", "From file to training token", Markup("").join(body))


def _entry(record: Record) -> Entry | None:
    """A corpus or a selection as a line of the ledger; None for all else: it has the rows of what it read."""
    counts = record["counts"]
    if record["kind"] == "selection":
        return Entry(record, counts["rows"], counts["kept"], _by_reason(counts, "dropped"), {})
    if record["kind"] == "corpus" and (failed := _by_reason(counts, "failed")):
        return Entry(record, counts["rows"], counts["rows"] - sum(failed.values()), {}, failed)
    if record["kind"] == "corpus":
        lost = _by_reason(counts, "quarantined") or {"unreadable": counts.get("quarantined", 0)}
        return Entry(record, counts["rows"] + counts.get("quarantined", 0), counts["rows"], {}, lost)
    return None


def _by_reason(counts: Mapping[str, int], what: str) -> dict[str, int]:
    start = f"{what}."
    return {name.removeprefix(start): number for name, number in counts.items() if name.startswith(start)}


def _table(entries: Mapping[str, Entry]) -> Markup:
    """Every node; seeds that counted the same in one line."""
    same: dict[tuple[Any, ...], list[str]] = {}
    for name, entry in entries.items():
        counts = tuple(sorted(entry.record["counts"].items()))
        same.setdefault((_title(entry.record), entry.record["seed"] is None, counts), []).append(name)
    rows: list[tuple[object, ...]] = []
    for (title, _, _), names in same.items():
        entry = entries[names[0]]
        seeds = listed(s for name in names if (s := entries[name].record["seed"]) is not None)
        dropped, lost = _reasons(entry.dropped), _reasons(entry.lost)
        plugin = entry.record["stage"]["plugin"]
        balanced = "yes" if entry.balanced else "NO"
        rows.append((title, f"seed {seeds}" if seeds else "-", plugin, entry.come, entry.kept, dropped, lost, balanced))
    wrong = [name for name, entry in entries.items() if not entry.balanced]
    text = (
        f"The counts of {listed(wrong)} do not add up: that is a bug."
        if wrong
        else "Every line adds up: rows in = kept + dropped by reason + quarantined."
    )
    head = ("stage", "seeds", "plugin", "rows in", "kept", "dropped", "quarantined", "adds up")
    return table(head, rows, says="The ledger, in documents") + paragraph(text)


def _ends(run: Run, entries: Mapping[str, Entry]) -> Markup:
    """What became of all that was read, for each selection that no other one takes from; of several seeds the first."""
    taken = {_source(run, name) for name in entries}
    ends: list[str] = []
    for name, entry in entries.items():
        last = entry.record["kind"] == "selection" and name not in taken
        if last and not any(_alike(entries[end].record, entry.record) for end in ends):
            ends.append(name)
    if not ends:
        return Markup("")
    head = ("what is left in the end", "documents read", "left", "dropped", "quarantined", "adds up")
    rows = [_end(run, entries, name) for name in ends]
    made = table(head, rows, says="From the files to each last selection: of several seeds the first")
    if any(_by_reason(entry.record["counts"], "failed") for entry in entries.values()):
        made += paragraph(
            "A page that could not be extracted stays as a row without text: here it counts where it was dropped."
        )
    return made


def _end(run: Run, entries: Mapping[str, Entry], name: str) -> tuple[object, ...]:
    """A line from the file to a selection, or from where documents were cut into others and counted anew.

    What an editing stage failed on stays a row, without text: it counts where a selection drops it."""
    dropped, lost = dict[str, int](), dict[str, int]()
    left, at = entries[name].kept, name
    while True:
        entry = entries[at]
        title = entry.record["of"]
        dropped = {f"{title}: {why}": n for why, n in entry.dropped.items() if why != OUTSIDE} | dropped
        if not _by_reason(entry.record["counts"], "failed"):
            lost = {f"{title}: {why}": n for why, n in entry.lost.items()} | lost
        source = _source(run, at)
        if source not in entries or (entry.record["kind"] == "corpus" and entry.come != _rows_left(entries[source])):
            break
        at = source
    balanced = entry.come == left + sum(dropped.values()) + sum(lost.values())
    return (
        _title(entries[name].record),
        entry.come,
        left,
        _reasons(dropped),
        _reasons(lost),
        "yes" if balanced else "NO",
    )


def _rows_left(entry: Entry) -> int:
    counts = entry.record["counts"]
    return counts["kept"] if entry.record["kind"] == "selection" else counts["rows"]


def _title(record: Record) -> str:
    """A stage, with the arms that it is made for where it repeats."""
    return f"{record['of']} ({listed(record['arms'])})" if record["seed"] is not None else record["of"]


def _reasons(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {why.replace('_', ' ')}" for why, number in counts.items() if number) or "none"


def _flow(run: Run, entries: Mapping[str, Entry]) -> Markup:
    """Readers and selections as bars; of several seeds the mean."""
    groups: dict[str, list[str]] = {}  # the nodes of one stage and arm, by the first of them
    first: dict[str, str] = {}
    for name, entry in entries.items():
        head = next((h for h in groups if _alike(entries[h].record, entry.record)), name)
        groups.setdefault(head, []).append(name)
        first[name] = head
    parents = {head: first.get(_source(run, head) or "") for head in groups}
    steps: list[Step] = []

    def under(head: str, indent: int) -> None:
        """Each step right under the one that it takes from."""
        steps.append(_step([entries[name] for name in groups[head]], indent))
        for child in [child for child, parent in parents.items() if parent == head]:
            under(child, indent + 1)

    for head in [head for head, parent in parents.items() if parent is None]:
        under(head, 0)
    numbers = [(s.name, f"{s.kept:,.0f}", f"{sum(s.dropped.values()):,.0f}", f"{s.lost:,.0f}") for s in steps]
    return figure(
        "What is left after each step, in documents.",
        "A step stands under the one that it takes from. The full part of its bar goes on, the pale part stays behind. "
        "Of several seeds the mean.",
        flow(steps, unit="documents"),
        table(("step", "kept", "dropped", "quarantined"), numbers),
    )


def _alike(one: Record, other: Record) -> bool:
    """Whether two nodes differ in their seed only."""
    return one["seed"] is not None and (one["of"], one["arms"]) == (other["of"], other["arms"])


def _source(run: Run, node: str) -> str | None:
    """The node whose documents a node takes from."""
    inputs = run.nodes[node]["inputs"]
    return inputs.get("within", inputs.get("selection", inputs.get("corpus")))


def _step(same: Sequence[Entry], indent: int) -> Step:
    reasons = dict.fromkeys(why for entry in same for why in entry.dropped if why != OUTSIDE)
    return Step(
        _title(same[0].record),
        kept=_mean(entry.kept for entry in same),
        dropped={why: _mean(entry.dropped.get(why, 0) for entry in same) for why in reasons},
        lost=_mean(sum(entry.lost.values()) for entry in same),
        indent=indent,
    )


def _mean(values: Iterator[int]) -> float:
    every = list(values)
    return math.fsum(every) / len(every)


def _tokens(run: Run) -> Markup:
    """What the models were trained on: the last step, in tokens. Of several seeds the mean."""
    groups: list[list[str]] = []
    for name, record in run.nodes.items():
        if record["kind"] == "model" and "tokens" in facts(run, name):
            same = next((group for group in groups if _alike(run.nodes[group[0]], record)), None)
            if same is None:
                groups.append([name])
            else:
                same.append(name)
    if not groups:
        return paragraph("No model was trained in this run: the ledger ends with what was selected.")
    steps: list[Step] = []
    rows: list[tuple[object, ...]] = []
    for names in groups:
        title = _title(run.nodes[names[0]])
        trained = _mean(facts(run, name)["tokens"] for name in names)
        sources = [source for name in names if (source := _source(run, name)) in run.nodes]
        documents = [run.nodes[s]["counts"].get("kept", run.nodes[s]["rows"]) for s in sources]
        epochs = [e for name in names if (e := facts(run, name).get("epochs")) is not None]
        times = math.fsum(epochs) / len(epochs) if epochs else None
        rest = trained / times - trained if times else 0.0  # of what was there, what training did not come to
        steps.append(Step(title, trained, {"not reached": rest} if rest >= 1 else {}))
        rows.append(
            (
                title,
                f"{run.nodes[sources[0]]['of']}" if sources else "-",
                f"{_mean(iter(documents)):,.0f}" if documents else None,
                f"{trained / times:,.0f}" if times else None,
                f"{trained:,.0f}",
                None if times is None else f"{times:.2f}",
            )
        )
    head = ("model", "trained on", "documents", "tokens there", "tokens trained", "times read")
    return figure(
        "What each model was trained on, in tokens.",
        "The full part is what training read; the pale part was selected, but training ended before it. Of several "
        "seeds the mean.",
        flow(steps, unit="tokens", kept="trained on"),
        table(head, rows, says="Times read: tokens trained over tokens there"),
    )
