"""The order in which documents go into a buffer, and where a buffer begins anew: the same for any shards.

The documents of a domain stand in the order of their source's name, their offset in it and their id. A document begins
a new run with probability num_bytes / `run`, by a lot that is its own: so runs are about `run` bytes long, and which
documents share one depends on the documents alone. As corpora are read, a run lies in one shard or in neighbours. A
shard names its first and last document of each domain and those that begin a run; from that each worker knows which
other shards hold a part of its own runs, and reads it there.

Memory: about 150 bytes in the driver and in each worker for every run.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vernier.core import rng
from vernier.core.shard import Inputs, Shard

Key = tuple[str, int, bytes]  # source, offset, document id
Run = tuple[str | None, int]  # domain, number of the run in it


@dataclass(frozen=True)
class Span:
    """What one shard holds of one domain: the first and the last document, and those that begin a run, rising."""

    first: Key
    last: Key
    starts: tuple[Key, ...]


@dataclass(frozen=True)
class Part:
    """One shard: where to read its rows, how many documents it has to give, and its spans by domain."""

    inputs: Inputs
    documents: int
    spans: dict[str | None, Span]


@dataclass(frozen=True)
class Layout:
    """All shards, and for each domain the documents that begin a run, rising."""

    parts: tuple[Part, ...]
    starts: dict[str | None, list[Key]]

    @staticmethod
    def of(parts: Sequence[Part]) -> Layout:
        domains = dict.fromkeys(domain for part in parts for domain in part.spans)
        starts = {
            domain: sorted(key for part in parts if domain in part.spans for key in part.spans[domain].starts)
            for domain in domains
        }
        return Layout(tuple(parts), starts)

    def run(self, domain: str | None, key: Key) -> Run:
        """The run of a document. Number 0 has those before the first that begins one."""
        return domain, bisect_right(self.starts[domain], key)

    def holders(self, run: Run) -> Iterator[Part]:
        """The shards that may hold documents of a run, by their first and last of its domain."""
        domain, number = run
        starts = self.starts[domain]
        for part in self.parts:
            span = part.spans.get(domain)
            if span is None or (number > 0 and span.last < starts[number - 1]):
                continue
            if number == len(starts) or span.first < starts[number]:
                yield part

    @property
    def runs(self) -> int:
        """How many runs there are."""
        firsts: dict[str | None, Key] = {}
        for part in self.parts:
            for domain, span in part.spans.items():
                firsts[domain] = min(span.first, firsts.get(domain, span.first))
        return sum(len(starts) + (self.run(domain, firsts[domain])[1] == 0) for domain, starts in self.starts.items())


@dataclass(frozen=True)
class Document:
    """A document of a run.

    row     in the shard that asked; None if it lies in another
    values  by column: those asked for
    """

    key: Key
    text: str
    row: int | None
    values: dict[str, Any]


def survey(shard: Shard, run: int) -> Part:
    """What a shard says of itself. run: bytes of text in a run, about."""
    inputs = replace(shard.inputs, artifacts={n: a for n, a in shard.inputs.artifacts.items() if a.aligned})
    rows, domains, keys = _listed(shard)
    sizes = shard.read("corpus", ["num_bytes"]).column("num_bytes").to_numpy()[rows]
    begins = rng.uniform(shard.doc_ids()[rows], 0, "corpus.chunk") < sizes / run
    by_domain: dict[str | None, list[int]] = {}
    for place, domain in enumerate(domains):
        by_domain.setdefault(domain, []).append(place)
    spans: dict[str | None, Span] = {}
    for domain, places in by_domain.items():
        ordered = sorted(places, key=keys.__getitem__)
        starts = tuple(keys[place] for place in ordered if begins[place])
        spans[domain] = Span(keys[ordered[0]], keys[ordered[-1]], starts)
    return Part(inputs.only(shard.index), len(rows), spans)


def runs(shard: Shard, layout: Layout, columns: Sequence[str]) -> Iterator[tuple[Run, list[Document]]]:
    """The whole runs that documents of a shard belong to, each in order; `columns` are read with the text.

    Holds the text of the shard, and of other shards what their part of these runs has.
    """
    _, domains, keys = _listed(shard)
    found: dict[Run, list[Document]] = {layout.run(domain, key): [] for domain, key in zip(domains, keys, strict=True)}
    for run, document in _read(shard, layout, found, columns):
        found[run].append(document)
    elsewhere: dict[str, tuple[Part, list[Run]]] = {}
    for run in found:
        for part in layout.holders(run):
            elsewhere.setdefault(_name(part.inputs, 0), (part, []))[1].append(run)
    elsewhere.pop(_name(shard.inputs, shard.index), None)
    for part, some in elsewhere.values():
        for run, document in _read(part.inputs.shard(0), layout, set(some), columns):
            found[run].append(replace(document, row=None))
    for run, documents in found.items():
        yield run, sorted(documents, key=lambda document: document.key)


def _name(inputs: Inputs, index: int) -> str:
    """Tells the shards of a corpus apart; only empty ones may have one name."""
    return inputs.artifacts["corpus"].shards[index].key


def _listed(shard: Shard) -> tuple[np.ndarray[Any, np.dtype[np.int64]], list[str | None], list[Key]]:
    """The rows that have a part in runs, those kept with any text, int64 [n]; their domains and keys."""
    table = shard.read("corpus", ["num_bytes", "domain", "source", "offset", "doc_id"])
    rows = np.flatnonzero(shard.kept() & (table.column("num_bytes").to_numpy() > 0))
    domains, *parts = (table.column(name).take(rows).to_pylist() for name in ("domain", "source", "offset", "doc_id"))
    return rows, domains, list(zip(*parts, strict=True))


def _read(
    shard: Shard, layout: Layout, wanted: Collection[Run], columns: Sequence[str]
) -> Iterator[tuple[Run, Document]]:
    rows, domains, keys = _listed(shard)
    found = [layout.run(domain, key) for domain, key in zip(domains, keys, strict=True)]
    places = {int(row): place for place, row in enumerate(rows) if found[place] in wanted}
    if not places:
        return
    at = 0
    for batch in shard.batches("corpus", ["text", *columns]):
        here = [row for row in range(at, at + batch.num_rows) if row in places]
        picked = batch.take([row - at for row in here]).to_pylist() if here else []
        at += batch.num_rows
        for row, values in zip(here, picked, strict=True):
            place = places[row]
            yield found[place], Document(keys[place], values.pop("text"), row, values)
