"""Plugins that make rows out of nothing, for the selection benchmark: a corpus without text, and its scores.

Everything follows from the row's number: document ids are random bits, lengths are spread like those of web text
(log-normal, median 2 kB), domains are eight of unequal size, ten documents come from a site, scores are uniform.
Embeddings lie around a thousand centres, each as far from its centre as that from the origin.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from vernier.core import rng, tables
from vernier.core.passages import Passages, Text
from vernier.core.plugin import Piece, Unit
from vernier.core.rules import cuts, needed
from vernier.core.shard import Inputs, Shard
from vernier.corpus.records import MaxBad

DOMAINS = ("web", "code", "forum", "news", "books", "papers", "law", "help")
SHARES = (0.30, 0.20, 0.15, 0.10, 0.08, 0.07, 0.05, 0.05)
PER_SITE = 10  # documents, on average
KINDS = 15  # as many as the fields of DataMan
CENTRES = 1000
ITEMS = 5000  # of a task


@dataclass(frozen=True, kw_only=True)
class Rows:
    """A corpus of `rows` documents with empty text and made-up lengths, `per_shard` of them in a shard; the column
    `site` is of the user."""

    version: ClassVar[int] = 2
    makes: ClassVar[str] = "corpus"
    takes: ClassVar[Mapping[str, str]] = {}
    max_bad: ClassVar[MaxBad] = MaxBad()
    on_truncated: ClassVar[str] = "stop"

    rows: int
    per_shard: int = 1_000_000
    shard: int = 1

    def units(self) -> Sequence[Unit]:
        starts = range(0, self.rows, self.per_shard)
        ends = [min(start + self.per_shard, self.rows) for start in starts]
        return [
            Unit(f"rows-{start}", f"rows {start} to {end}", {"start": start, "rows": end - start})
            for start, end in zip(starts, ends, strict=True)
        ]

    def read(self, unit: Unit, start: int) -> Iterator[Piece]:
        n, first = unit.spec["rows"], unit.spec["start"]
        draw = np.random.Generator(np.random.Philox(first))
        ids = pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(tables.ID_BYTES), n, [None, pa.py_buffer(draw.bytes(n * tables.ID_BYTES))]
        )
        lengths = np.minimum(draw.lognormal(np.log(2000), 1.2, n), 1e6).astype(np.int64) + 1
        domain = pa.DictionaryArray.from_arrays(
            draw.choice(len(DOMAINS), n, p=SHARES).astype(np.int32), pa.array(DOMAINS)
        )
        nothing = pa.array([""], pa.large_string())
        columns: dict[str, Any] = {
            "doc_id": ids,
            "text": nothing.take(np.zeros(n, np.int64)),
            "num_bytes": pa.array(lengths),
            "text_hash": ids,
            "id": pa.nulls(n, pa.string()),
            "domain": domain.cast(pa.string()),
            "license": pa.nulls(n, pa.string()),
            "source": pa.repeat(pa.scalar(unit.name), n),
            "offset": pa.array(np.arange(n)),
            "extra": pa.nulls(n, pa.large_string()),
            "site": pa.array(draw.integers(0, max(1, self.rows // PER_SITE), n)).cast(pa.string()),
        }
        schema = tables.corpus_schema(["site"])
        rows = pa.Table.from_arrays([columns[name] for name in schema.names], schema=schema)
        yield Piece(rows, tables.QUARANTINE.empty_table(), n)


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Two uniform scores for each row, one of `KINDS` kinds, and a number of tokens that follows its length."""

    version: ClassVar[int] = 2
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus"}

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        ids = shard.doc_ids()
        lengths = shard.read("corpus", ["num_bytes"]).column("num_bytes").to_numpy()
        score = rng.uniform(ids, 0, "score")
        bytes_per_token = 3 + 2 * rng.uniform(ids, 0, "tokens")
        tokens = np.ceil(lengths / bytes_per_token).astype(np.int64)
        other, kind = rng.uniform(ids, 0, "other"), rng.bits(ids, 0, "kind") % np.uint64(KINDS)
        yield pa.table({"score": score, "other": other, "kind": kind.astype(np.int64), "num_tokens": tokens})


@dataclass(frozen=True, kw_only=True)
class Embeddings:
    """An embedding of `width` numbers for each row, float32."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus"}

    width: int = 64

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        ids = shard.doc_ids()
        centres = np.random.Generator(np.random.Philox(0)).standard_normal((CENTRES, self.width), np.float32)
        draw = np.random.Generator(np.random.Philox(int(ids[0, 0])))
        vectors = draw.standard_normal((len(ids), self.width), np.float32)
        vectors += centres[(rng.bits(ids, 0, "centre") % np.uint64(CENTRES)).astype(np.int64)]
        ends = np.arange(0, vectors.size + 1, self.width, dtype=np.int32)
        yield pa.table({"embedding": pa.ListArray.from_arrays(pa.array(ends), pa.array(vectors.reshape(-1)))})


@dataclass(frozen=True, kw_only=True)
class Items:
    """A benchmark of two tasks of `ITEMS` items each, all different."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "model"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus"}

    def build(self, inputs: Inputs, out: Path) -> dict[str, Any]:
        names = [(task, str(i)) for task in ("first", "second") for i in range(ITEMS)]
        texts = [Text(task, i, " ".join(f"{task}{i}x{k}" for k in range(20)), "") for task, i in names]
        Passages.of(texts, 13, 8).save(out)
        return {}


@dataclass(frozen=True, kw_only=True)
class Contamination:
    """What of `Items` each row holds, as `score.contamination` tells it: one in a hundred a part of one item."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus"}

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        ids = shard.doc_ids()
        holds = rng.uniform(ids, 0, "holds") < 0.01
        ends = pa.array(np.append(0, np.cumsum(holds)).astype(np.int32))
        item = (rng.bits(ids, 0, "item") % np.uint64(2 * ITEMS)).astype(np.int64)[holds]
        found, nothing = 1 + item % 8, np.zeros(len(item), np.int64)
        lists = {"items": item, "found": found, "ngrams": nothing + 8, "start": nothing, "end": nothing + 100}
        counts = {"num_found": np.zeros(len(ids), np.int64), "num_ngrams": np.where(holds, 8, 0)}
        counts["num_found"][holds] = found
        yield pa.table(counts | {name: pa.ListArray.from_arrays(ends, pa.array(v)) for name, v in lists.items()})


@dataclass(frozen=True, kw_only=True)
class Signals:
    """What Gopher's rules of quality look at, as columns of `score.signals`: numbers by chance."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus"}

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        ids = shard.doc_ids()
        names = needed(cuts(["gopher"], {}))
        yield pa.table({name: (1000 * rng.uniform(ids, 0, name)).astype(np.int64) for name in names})
