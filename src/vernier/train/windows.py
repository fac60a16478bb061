"""The stream of training windows: documents in a keyed random order, the separator between them.

A window has `context` inputs and as many targets, the targets one token on; every token of the stream is a
target exactly once, the first one predicted from the separator. Windows run across document ends, and attention
with them. The order within an epoch depends on the documents' ids, the seed and the epoch, never on shards: two
selections trained under one seed meet their common documents in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vernier.core import rng
from vernier.core.errors import DataError
from vernier.core.shard import Inputs
from vernier.models.tokenizer import Tokenizer

UNNAMED = "(none)"  # documents without a domain


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


def batches(documents: Documents, sizes: list[int], *, context: int, separator: int, seed: int) -> Iterator[Windows]:
    """Batches of `sizes` windows each, epoch after epoch."""
    stream = _stream(documents, separator, seed)
    tokens = np.empty(0, dtype=np.int64)
    document = np.empty(0, dtype=np.int64)
    last = separator
    for size in sizes:
        need = size * context
        parts, owners, have = [tokens], [document], len(tokens)
        while have < need:
            piece, owner = next(stream)
            parts.append(piece)
            owners.append(np.full(len(piece), owner, dtype=np.int64))
            have += len(piece)
        tokens, document = np.concatenate(parts), np.concatenate(owners)
        targets = tokens[:need]
        yield Windows(
            inputs=np.concatenate([[last], targets[:-1]]).reshape(size, context),
            targets=targets.reshape(size, context),
            document=document[:need].reshape(size, context),
        )
        last = int(targets[-1])
        tokens, document = tokens[need:], document[need:]


def _stream(documents: Documents, separator: int, seed: int) -> Iterator[tuple[NDArray[np.int64], int]]:
    epoch = 0
    while True:
        for index in documents.order(seed, epoch):
            ids = documents.tokens[documents.starts[index] : documents.starts[index + 1]]
            yield np.append(ids.astype(np.int64), separator), int(index)
        epoch += 1
