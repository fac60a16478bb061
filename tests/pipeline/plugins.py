"""Plugins of the tests: a selection that counts, a table made by ranks, builds that know of each other, a fold."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vernier.core import tables
from vernier.core.shard import Inputs, Shard
from vernier.models.ranks import group


@dataclass(frozen=True, kw_only=True)
class OddThrice:
    """Three times the documents of the domain `odd`, none of the others."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "selection"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus"}

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        odd = pc.equal(shard.read("corpus", ["domain"]).column("domain"), "odd").to_numpy()
        reason = pa.array([None if o else "even" for o in odd], pa.string()).cast(pa.dictionary(pa.int8(), pa.string()))
        yield pa.table([pa.array(np.where(odd, 3, 0), pa.int32()), reason], schema=tables.SELECTION)


@dataclass(frozen=True, kw_only=True)
class Letters:
    """How often each byte occurs in the text of a corpus; each rank counts its share of the shards."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "results"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus"}
    ranks: ClassVar[bool] = True

    def build(self, inputs: Inputs, out: Path) -> dict[str, Any]:
        import torch
        from torch import distributed

        counts, mine = torch.zeros(256, dtype=torch.int64), 0
        with group() as here:
            for index in range(here.rank, inputs.num_shards, here.size):
                text = "".join(inputs.shard(index).read("corpus", ["text"]).column("text").to_pylist())
                counts += torch.from_numpy(np.bincount(np.frombuffer(text.encode(), np.uint8), minlength=256))
                mine += 1
            if here.size > 1:
                assert mine < inputs.num_shards
                distributed.all_reduce(counts)
        (out / f"counts-{here.rank}.txt").write_text("".join(f"{n}\n" for n in counts.tolist()))
        return {"bytes": int(counts.sum()), "rank": here.rank}


@dataclass(frozen=True, kw_only=True)
class Meets:
    """A build that ends well only if another one is at work at the same time."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "model"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus"}

    at: str
    name: str
    other: str
    threads: int = 1

    def build(self, inputs: Inputs, out: Path) -> dict[str, Any]:
        (Path(self.at) / self.name).touch()
        until = time.monotonic() + 20
        while not (Path(self.at) / self.other).exists():
            assert time.monotonic() < until, f"{self.name} is alone"
            time.sleep(0.01)
        return {}


@dataclass(frozen=True, kw_only=True)
class Lengthens:
    """A build whose states serve it at any number of tokens; it says in the log whether another one is at work."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "model"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus"}
    resumes: ClassVar[tuple[str, ...]] = ("tokens",)

    at: str
    tokens: int
    threads: int = 1

    def build(self, inputs: Inputs, out: Path) -> dict[str, Any]:
        mark = Path(self.at) / "at-work"
        alone = not mark.exists()
        mark.touch()
        time.sleep(0.2)
        mark.unlink(missing_ok=True)
        return {"alone": alone}


@dataclass(frozen=True, kw_only=True)
class Undefined:
    """Columns `num_bytes` and `value`: null for an empty text, NaN for one beyond ASCII, else a half."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus"}

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        for batch in shard.batches("corpus", ["text", "num_bytes"]):
            texts = batch.column("text").to_pylist()
            values = [None if not text else 0.5 if text.isascii() else float("nan") for text in texts]
            yield pa.table({"num_bytes": batch.column("num_bytes"), "value": pa.array(values, pa.float64())})


class Total:
    """Rows of all shards. `packed`: how often one was packed in this process, for another."""

    packed: ClassVar[int] = 0

    def __init__(self, rows: int) -> None:
        self.rows = rows

    def __reduce__(self) -> tuple[type[Total], tuple[int]]:
        Total.packed += 1
        return Total, (self.rows,)


@dataclass(frozen=True, kw_only=True)
class Totals:
    """The number of rows of the corpus, beside each of them; found in two rounds."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus"}

    def fold(self, shard: Shard, state: Total | None) -> int:
        return shard.rows

    def merge(self, parts: Sequence[int], state: Total | None) -> tuple[Total, bool]:
        return Total(sum(parts)), state is not None

    def account(self, state: Total) -> dict[str, Any]:
        return {"rows": state.rows}

    def map(self, shard: Shard, state: Total) -> Iterator[pa.Table]:
        yield pa.table({"total": pa.array([state.rows] * shard.rows, pa.int64())})
