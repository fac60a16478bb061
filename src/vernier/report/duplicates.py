"""The duplicates of a run: how many, how alike, in which domains, and the largest clusters; in the terminal as well.

Likenesses are read whole, as are the domains and ids of a corpus, a part at a time; text is read of ten documents.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from markupsafe import Markup
from numpy.typing import NDArray

from vernier.core import tables
from vernier.core.artifact import DUPLICATES
from vernier.core.run import Run
from vernier.report import pool, read
from vernier.report.drawing.axes import percent
from vernier.report.drawing.histogram import Strip, strips
from vernier.report.parts import Section, figure, paragraph, table
from vernier.report.words import facts

SEARCH = "select.duplicates"
BINS = 40
WORDS = 160  # characters shown of a kept text
MOST = 20  # domains in a table, the largest ones


@dataclass(frozen=True)
class Cluster:
    """A kept document with its duplicates. doc_id: in hex; node: the corpus that it is in; name: the user's own id."""

    doc_id: str
    node: str
    duplicates: int
    name: str | None
    words: str


@dataclass(frozen=True)
class Found:
    """What one search found.

    node     of the run
    told     its account
    first    domains that are kept before others
    by       what likeness is, in words
    edges    float64 [bins + 1], from the least likeness to 1; empty if only equal documents are duplicates
    counts   int64 [bins]
    same     duplicates that are alike by 1
    domains  documents that were searched and those found to be duplicates, by domain, the largest first
    largest  clusters
    """

    node: str
    told: Mapping[str, Any]
    first: list[str]
    by: str
    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    same: int
    domains: dict[str, tuple[int, int]]
    largest: list[Cluster]

    @property
    def prefers(self) -> str:
        """Which of several documents stays."""
        by = self.told["prefer"]
        rule = {"first": "the first", "longest": "the longest"}.get(by, f"that of the highest {by}")
        return f"{rule}; before others those of {', '.join(self.first)}" if self.first else rule

    @property
    def rows(self) -> list[tuple[str, str]]:
        """The account, a line each."""
        told = self.told
        documents, dropped = told["documents"], told["duplicates"]
        share = percent(dropped / documents if documents else 0.0)
        lines = [
            ("documents", f"{documents:,}"),
            ("duplicates", f"{dropped:,} ({share}), {self.same:,} of them alike by 1"),
            ("kept documents that have some", f"{told['originals']:,}"),
            ("likeness", f"{self.by}, {told['at_least']:g} or more"),
            ("kept of several", self.prefers),
        ]
        if told["of_old"]:
            lines.insert(2, ("duplicates of earlier documents", f"{told['of_old']:,}"))
        if told["left_out"]:
            lines.append(("kept documents beyond `bucket`, not compared", f"{told['left_out']:,}"))
        return lines


def found(run: Run, node: str) -> Found | None:
    """What a search found; None of any other stage."""
    record = run.nodes[node]
    if record["stage"]["plugin"] != SEARCH:
        return None
    told = facts(run, node)
    edges = np.linspace(told["at_least"], 1, BINS + 1) if told["at_least"] < 1 else np.zeros(0)
    counts, same = np.zeros(max(0, len(edges) - 1), np.int64), 0
    starts = _starts(run, record["inputs"]["corpus"])
    dropped = [np.empty(0, np.int64)]
    with read.open_file(run, node, DUPLICATES) as file:
        for some in tables.read_groups(file, ["row", "likeness"], where=f"{node}/{DUPLICATES}"):
            values = some.column("likeness").to_numpy()
            same += int((values >= 1).sum())
            if len(edges):
                counts += np.histogram(np.clip(values, edges[0], 1), edges)[0]
            dropped.append(some.column("row").to_numpy())
    domains = _domains(run, record["inputs"], starts, np.concatenate(dropped))
    first, by = record["stage"]["settings"].get("domains", []), likeness(run, node)
    return Found(node, told, first, by, edges, counts, same, domains, list(_largest(run, node)))


def likeness(run: Run, node: str) -> str:
    """What a search goes by, in words."""
    told = facts(run, node)
    keys = run.nodes[node]["inputs"].get("keys")
    how: Mapping[str, Any] = facts(run, keys)["likeness"] if keys else {"by": "equal"}
    if told["likeness"] == "jaccard":
        return f"Jaccard index of {how['shingles']['by']} {how['shingles']['ngram']}-grams"
    if told["likeness"] == "containment":
        return f"share of its {how['lines']['unit']}s, by their length, that the other has"
    if told["likeness"] == "cosine":
        return "cosine of their vectors"
    return "equal hashes of what is left of the text after normalisation" if keys else "equal texts"


def corpora(inputs: Mapping[str, str], old: int | None) -> str:
    """The node of the corpus that a kept document is in: `old` as the table of duplicates has it."""
    return inputs["corpus"] if old is None else several(inputs, "old_corpus")[old]


def several(inputs: Mapping[str, str], name: str) -> list[str]:
    """The nodes of an input that may be a list, in order."""
    return [source for label, source in inputs.items() if label.partition("[")[0] == name]


def section(run: Run) -> Section | None:
    """Account, figure and tables for each search; None without any."""
    every = [one for node in run.nodes if (one := found(run, node)) is not None]
    if not every:
        return None
    says = (
        "Each duplicate is as much like a document that stays as is asked for: never only like another one that goes. "
        "`vernier why RUN DOC` says of one document what it is a copy of and where the two differ first."
    )
    return Section(
        "duplicates", "What is there more than once?", paragraph(says) + Markup("").join(map(_figures, every))
    )


def _figures(one: Found) -> Markup:
    parts = [table(["", one.node], one.rows)]
    if len(one.counts) and one.told["duplicates"]:
        ends = list(zip(one.edges[:-1], one.edges[1:], one.counts.tolist(), strict=True))
        parts.append(
            figure(
                f"How alike the duplicates of {one.node} are",
                f"To the document that is kept, by the {one.by}. Many right above {one.told['at_least']:g}, the least "
                "that counts, are a reason to look at some of them.",
                strips(
                    [Strip("duplicates", one.counts)],
                    one.edges,
                    [],
                    title=one.by,
                    says="How alike duplicates are; the numbers are in the table below",
                ),
                table(["from", "to", "duplicates"], [(f"{low:.4g}", f"{high:.4g}", n) for low, high, n in ends]),
            )
        )
    if len(one.domains) > 1:
        parts.append(table(["domain", "documents", "duplicates", "share"], by_domain(one), says=f"{one.node}: domains"))
    if one.largest:
        rows = [(c.doc_id, c.node, c.name, c.duplicates, c.words) for c in one.largest]
        head = ["kept document", "corpus", "id", "duplicates", "text"]
        parts.append(table(head, rows, says=f"{one.node}: the largest clusters"))
    return Markup("").join(parts)


def by_domain(one: Found) -> list[tuple[object, ...]]:
    """Documents, duplicates and their share for each of the largest domains, then for all others together."""
    rows = list(one.domains.items())
    rest = [numbers for _, numbers in rows[MOST:]]
    if rest:
        rows = [*rows[:MOST], (f"{len(rest)} others", (sum(n for n, _ in rest), sum(n for _, n in rest)))]
    return [(name, number, gone, percent(gone / number if number else 0.0)) for name, (number, gone) in rows]


def _starts(run: Run, corpus: str) -> list[int]:
    """The row at which each shard of a corpus begins, and behind the last one their number."""
    starts = [0]
    for shard in read.shards(run, corpus):
        starts.append(starts[-1] + read.num_rows(shard))
    return starts


def _domains(
    run: Run, inputs: Mapping[str, str], starts: list[int], dropped: NDArray[np.int64]
) -> dict[str, tuple[int, int]]:
    names = pool.Names()
    searched, gone = np.zeros(0, np.int64), np.zeros(0, np.int64)
    for number, shard in enumerate(read.shards(run, inputs["corpus"])):
        codes = pool.domains(shard, names)
        low, high = np.searchsorted(dropped, starts[number : number + 2])
        inside = codes[pool.wanted(run, inputs.get("within"), number, len(codes))]
        size = len(names.all)
        counts = [np.bincount(some, minlength=size) for some in (inside, codes[dropped[low:high] - starts[number]])]
        searched, gone = (
            np.pad(sums, (0, size - len(sums))) + more for sums, more in zip((searched, gone), counts, strict=True)
        )
    numbers = zip(names.all, zip(searched.tolist(), gone.tolist(), strict=True), strict=True)
    return dict(sorted(((name, both) for name, both in numbers if both[0]), key=lambda one: (-one[1][0], one[0])))


def _largest(run: Run, node: str) -> Iterator[Cluster]:
    """The clusters that the account names, with the first words of what is kept."""
    inputs = run.nodes[node]["inputs"]
    clusters = [(bytes.fromhex(one["doc_id"]), one) for one in facts(run, node)["largest"]]
    wanted: dict[str, set[bytes]] = {}
    for document, one in clusters:
        wanted.setdefault(corpora(inputs, one["old"]), set()).add(document)
    rows = {(corpus, row["doc_id"]): row for corpus, ids in wanted.items() for row in _rows(run, corpus, ids)}
    for document, one in clusters:
        corpus = corpora(inputs, one["old"])
        row: dict[str, Any] = rows[corpus, document]
        words = " ".join(row["text"][: 2 * WORDS].split())
        words = words if len(words) <= WORDS else f"{words[:WORDS]}..."
        yield Cluster(one["doc_id"], corpus, one["duplicates"], row["id"], words)


def _rows(run: Run, corpus: str, documents: set[bytes]) -> Iterator[dict[str, object]]:
    left = pa.array(sorted(documents), pa.binary(tables.ID_BYTES))
    number = len(left)
    for shard in read.shards(run, corpus):
        places = np.flatnonzero(pc.is_in(read.read(shard, ["doc_id"]).column("doc_id"), left).to_numpy())
        yield from read.rows(shard, places.tolist(), ["doc_id", "id", "text"])
        number -= len(places)
        if not number:
            return
