"""Training windows: a stream of documents cut into equal pieces, any of which is found by its number.

Documents stand in a keyed random order with the separator behind each. A window has `context` inputs and as many
targets, the targets one token on; every token of the stream is a target exactly once, the first one predicted from the
separator. Windows run across document ends, and attention with them. The order within an epoch depends on the
documents' ids, the seed and the epoch, never on shards: two selections trained under one seed meet their common
documents in the same order.

A stream has no state: the number of the next window is all that training needs to go on where it stopped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vernier.core import rng
from vernier.core.errors import DataError
from vernier.core.shard import Inputs
from vernier.models.tokenizer import Tokenizer

UNNAMED = "(none)"  # documents without a domain
FILE = "windows.parquet"


def schema(context: int) -> pa.Schema:
    """One row a window: what `corpus.pack` writes and `Packed` reads.

    tokens      context + 1 ids: the inputs are all but the last, the targets all but the first
    documents   the documents that the targets come from, in order: `start` is the first target of each in the window,
                `offset` the number of that token in the document (its last one is the separator)
    """
    span = [
        pa.field("doc_id", pa.binary(16), nullable=False),
        pa.field("domain", pa.string(), nullable=False),
        pa.field("start", pa.int32(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
    ]
    return pa.schema([("tokens", pa.list_(pa.uint32(), context + 1)), ("documents", pa.list_(pa.struct(span)))])


@dataclass(frozen=True)
class Windows:
    """Some windows, [B, context] each.

    inputs     int64, token ids
    targets    int64, the tokens one further on
    document   int64, which document each target is of (its separator counts as its own)
    """

    inputs: NDArray[np.int64]
    targets: NDArray[np.int64]
    document: NDArray[np.int64]


class Source(Protocol):
    """Where training takes its windows from.

    epoch_tokens   targets in one epoch
    ids            uint64 [N, 2], document ids
    domain         int64 [N], index of each document into `domains`
    domains        names, sorted
    """

    @property
    def epoch_tokens(self) -> int: ...
    @property
    def ids(self) -> NDArray[np.uint64]: ...
    @property
    def domain(self) -> NDArray[np.int64]: ...
    @property
    def domains(self) -> tuple[str, ...]: ...
    def take(self, first: int, number: int) -> Windows:
        """The windows `first .. first + number - 1` of the endless sequence, epoch after epoch."""
        ...


@dataclass(frozen=True)
class Documents:
    """The selected documents as tokens.

    tokens    uint32 [total], all documents one after another
    starts    int64 [N + 1], where each begins
    ids       uint64 [N, 2], document ids
    counts    int64 [N], how often each is wanted in an epoch
    domain    int64 [N], index into `domains`
    domains   names, sorted
    """

    tokens: NDArray[np.uint32]
    starts: NDArray[np.int64]
    ids: NDArray[np.uint64]
    counts: NDArray[np.int64]
    domain: NDArray[np.int64]
    domains: tuple[str, ...]

    @property
    def epoch_tokens(self) -> int:
        """Tokens in one epoch, separators included."""
        return int(((np.diff(self.starts) + 1) * self.counts).sum())

    def order(self, seed: int, epoch: int) -> NDArray[np.int64]:
        """The documents of one epoch, each as often as it is wanted, in keyed random order."""
        index: list[NDArray[np.int64]] = []
        key: list[NDArray[np.uint64]] = []
        for copy in range(int(self.counts.max(initial=0))):
            wanted = np.flatnonzero(self.counts > copy)
            index.append(wanted)
            key.append(rng.bits(self.ids[wanted], seed, f"train.order {epoch} {copy}"))
        all_index = np.concatenate(index)
        # equal keys are decided by the id, so that the order of shards never matters
        return all_index[np.lexsort((*self.ids[all_index].T, np.concatenate(key)))]


class Stream:
    """Windows cut from documents as they are needed."""

    def __init__(self, documents: Documents, *, context: int, separator: int, seed: int) -> None:
        self.documents, self.context, self.separator = documents, context, separator
        self.epoch_tokens, self.ids = documents.epoch_tokens, documents.ids
        self.domain, self.domains = documents.domain, documents.domains

        @lru_cache(maxsize=2)
        def epoch_of(number: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
            order = documents.order(seed, number)
            return order, np.cumsum(np.diff(documents.starts)[order] + 1)

        self._epoch = epoch_of

    def take(self, first: int, number: int) -> Windows:
        """The windows `first .. first + number - 1`."""
        begin, need = first * self.context, number * self.context
        before = self.separator if begin == 0 else int(self._tokens(begin - 1, begin)[0][0])
        targets, document = self._tokens(begin, begin + need)
        shape = (number, self.context)
        return Windows(
            inputs=np.concatenate([[before], targets[:-1]]).reshape(shape),
            targets=targets.reshape(shape),
            document=document.reshape(shape),
        )

    def _tokens(self, begin: int, end: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The tokens `begin .. end - 1` of the endless stream, and the document of each."""
        pieces = list(self._pieces(begin, end))
        owners = [np.full(len(piece), owner, dtype=np.int64) for piece, owner in pieces]
        return np.concatenate([piece for piece, _ in pieces]), np.concatenate(owners)

    def _pieces(self, begin: int, end: int) -> Iterator[tuple[NDArray[np.int64], int]]:
        documents = self.documents
        while begin < end:
            epoch, at = divmod(begin, self.epoch_tokens)
            order, ends = self._epoch(epoch)
            place = int(np.searchsorted(ends, at, side="right"))
            while begin < end and place < len(order):
                index = order[place]
                ids = documents.tokens[documents.starts[index] : documents.starts[index + 1]].astype(np.int64)
                start = at - (int(ends[place]) - len(ids) - 1)
                piece = np.append(ids, self.separator)[start : start + end - begin]
                yield piece, int(index)
                begin, at, place = begin + len(piece), at + len(piece), place + 1


class Packed:
    """Windows that `corpus.pack` wrote: each epoch takes all of them, in a keyed random order of its own."""

    def __init__(self, folder: Path, *, seed: int) -> None:
        if not (folder / FILE).is_file():
            raise DataError("this folder holds no windows", where=str(folder), found=f"no {FILE}")
        table = pq.read_table(folder / FILE)
        width: int = table.schema.field("tokens").type.list_size
        self.context, self._number = width - 1, table.num_rows
        self._tokens = table.column("tokens").combine_chunks().flatten().to_numpy().reshape(-1, width)
        spans = table.column("documents").combine_chunks()
        self._first, span = spans.offsets.to_numpy(), spans.flatten()
        self._start = span.field("start").to_numpy()
        raw = np.frombuffer(b"".join(span.field("doc_id").to_pylist()), np.uint64).reshape(-1, 2)
        self.ids, first, owner = np.unique(raw, axis=0, return_index=True, return_inverse=True)
        self._owner = owner.ravel().astype(np.int64)
        names = np.array(span.field("domain").to_pylist(), dtype=object)[first]
        listed, self.domain = np.unique(names, return_inverse=True)
        self.domains = tuple(str(name) for name in listed)

        @lru_cache(maxsize=2)
        def epoch_of(number: int) -> NDArray[np.int64]:
            numbers = np.stack([np.arange(self._number), np.zeros(self._number)], axis=1).astype(np.uint64)
            return np.argsort(rng.bits(numbers, seed, f"train.windows {number}"), kind="stable")

        self._epoch = epoch_of

    @property
    def epoch_tokens(self) -> int:
        """Targets in one epoch."""
        return self._number * self.context

    def take(self, first: int, number: int) -> Windows:
        """The windows `first .. first + number - 1`."""
        wanted = [self._epoch(n // self._number)[n % self._number] for n in range(first, first + number)]
        tokens = self._tokens[wanted].astype(np.int64)
        document = np.stack([self._owners(int(n)) for n in wanted])
        return Windows(tokens[:, :-1], tokens[:, 1:], document)

    def _owners(self, window: int) -> NDArray[np.int64]:
        """The document of each target of a window."""
        part = slice(self._first[window], self._first[window + 1])
        lengths = np.diff(np.append(self._start[part], self.context))
        return np.repeat(self._owner[part], lengths)


def read_documents(inputs: Inputs, tokenizer: Tokenizer, max_tokens: int | None) -> Documents:
    """The selected documents that have tokens. Raises DataError if there is none."""
    tokens: list[NDArray[np.uint32]] = []
    ids: list[NDArray[np.uint64]] = []
    counts: list[int] = []
    domains: list[str] = []
    for shard in inputs.shards():
        if "selection" in shard:
            wanted = shard.read("selection", ["count"]).column("count").to_numpy().astype(np.int64)
        else:
            wanted = np.ones(shard.rows, dtype=np.int64)
        doc_ids, at = shard.doc_ids(), 0
        for batch in shard.batches("corpus", ["text", "domain"]):
            rows = at + np.flatnonzero(wanted[at : at + batch.num_rows])
            picked = batch.take(pa.array(rows - at))
            at += batch.num_rows
            encoded = tokenizer.encode(picked.column("text").to_pylist(), max_tokens=max_tokens)
            for row, domain, one in zip(rows, picked.column("domain").to_pylist(), encoded, strict=True):
                if len(one.ids):
                    tokens.append(one.ids)
                    ids.append(doc_ids[row])
                    counts.append(int(wanted[row]))
                    domains.append(UNNAMED if domain is None else domain)
    if not tokens:
        raise DataError(
            "there is nothing to train on",
            found="no selected document with text",
            do="look at the selection: `vernier show RUN STAGE`",
        )
    names, domain = np.unique(np.array(domains, dtype=object), return_inverse=True)
    return Documents(
        tokens=np.concatenate(tokens),
        starts=np.concatenate([[0], np.cumsum([len(t) for t in tokens])]).astype(np.int64),
        ids=np.stack(ids),
        counts=np.array(counts, dtype=np.int64),
        domain=domain.astype(np.int64),
        domains=tuple(str(name) for name in names),
    )
