"""What a plugin sees of its inputs: `Inputs` as a whole, `Shard` for one shard of the corpus and its tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vernier.core import rng, tables
from vernier.core.artifact import Artifact
from vernier.core.errors import RecipeError
from vernier.core.plugin import Unit
from vernier.core.states import States
from vernier.core.store import Store


@dataclass(frozen=True)
class Inputs:
    """The inputs of a stage by name; a list input `scores` appears as `scores[0]`, `scores[1]` ...

    store      URL of the store that holds them
    artifacts  by input name; optional inputs that the recipe does not give are absent
    seed       of this stage
    units      what the plugin takes from the outside world, if it has `units()`
    states_of  of a plugin that `resumes`: the key that its states share, and the key of its own work
    log        folder for what is no part of the output (TensorBoard, times); "" where nothing is logged
    """

    store: str
    artifacts: Mapping[str, Artifact]
    seed: int = 0
    units: tuple[Unit, ...] = ()
    states_of: tuple[str, str] | None = None
    log: str = ""

    def __contains__(self, name: str) -> bool:
        return name in self.artifacts

    def names(self, name: str) -> list[str]:
        """The entries of a list input, in the recipe's order (also right for a single one)."""
        if name in self.artifacts:
            return [name]
        return [n for n in self.artifacts if n.startswith(f"{name}[")]

    def check_aligned(self, apart: Sequence[str] = ()) -> None:
        """Raises RecipeError if two tables, but for those named `apart`, do not describe the same rows."""
        first = ""
        for name, artifact in self.artifacts.items():
            if not artifact.aligned or name.partition("[")[0] in apart:
                continue
            if not first:
                first = name
            want = self.artifacts[first]
            if artifact.rows_of != want.rows_of or len(artifact.shards) != len(want.shards):
                raise RecipeError(
                    f"the inputs {first!r} and {name!r} do not describe the same rows",
                    found=f"{first!r} is about corpus {want.rows_of[:8]}, {name!r} about {artifact.rows_of[:8]}",
                    expected="tables made from the same corpus (or from one with the same rows)",
                    do=f"make {name!r} from the corpus that {first!r} was made from",
                )

    @property
    def rows_of(self) -> str:
        """Which rows the aligned inputs describe; "" if there are none."""
        return next((a.rows_of for a in self.artifacts.values() if a.aligned), "")

    @property
    def num_shards(self) -> int:
        return next((len(a.shards) for a in self.artifacts.values() if a.aligned), 0)

    def only(self, index: int) -> Inputs:
        """These inputs with one shard of each table: what a worker needs for one unit."""
        return replace(self, artifacts={n: a.only(index) if a.aligned else a for n, a in self.artifacts.items()})

    def shard(self, index: int) -> Shard:
        return Shard(self, index)

    def shards(self) -> Iterator[Shard]:
        return (Shard(self, i) for i in range(self.num_shards))

    def texts(self) -> Iterator[str]:
        """The text of each selected document once, in order."""
        for shard in self.shards():
            kept, at = shard.kept(), 0
            for batch in shard.batches("corpus", ["text"]):
                here = kept[at : at + batch.num_rows]
                at += batch.num_rows
                yield from batch.filter(here).column("text").to_pylist()

    def draw(self, number: int, seed: int, purpose: str) -> list[str]:
        """The texts of at most `number` selected documents that have any, the first in a keyed random order.

        Memory: 24 bytes for each selected document, and the drawn texts.
        """
        keys, shards, rows = [np.empty(0, np.uint64)], [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for shard in self.shards():
            filled = shard.read("corpus", ["num_bytes"]).column("num_bytes").to_numpy() > 0
            found = np.flatnonzero(shard.kept() & filled)
            keys.append(rng.bits(shard.doc_ids()[found], seed, purpose))
            shards.append(np.full(len(found), shard.index))
            rows.append(found)
        order = np.argsort(np.concatenate(keys), kind="stable")[:number]
        shard_of, row_of = np.concatenate(shards)[order], np.concatenate(rows)[order]
        texts = [""] * len(order)
        for index in np.unique(shard_of):
            at = 0
            for batch in self.shard(int(index)).batches("corpus", ["text"]):
                here = np.flatnonzero((shard_of == index) & (row_of >= at) & (row_of < at + batch.num_rows))
                picked = batch.column("text").take(pa.array(row_of[here] - at)).to_pylist()
                for place, text in zip(here, picked, strict=True):
                    texts[place] = text
                at += batch.num_rows
        return texts

    def folder(self, name: str) -> Path:
        """The files of a model, tokenizer or results input as a local folder."""
        return Store(self.store).local_folder(self.artifacts[name].shards[0])

    def facts(self, name: str) -> Mapping[str, Any]:
        return self.artifacts[name].facts

    def states(self) -> States:
        """What this stage kept on the way, here or before it was killed."""
        return States(Store(self.store), *(self.states_of or ("", "")))


class Shard:
    """One shard of the corpus and, row by row, of every table aligned to it."""

    def __init__(self, inputs: Inputs, index: int) -> None:
        self.inputs, self.index, self.seed = inputs, index, inputs.seed
        self._refs = {n: a.shards[index] for n, a in inputs.artifacts.items() if a.aligned}
        self.rows = next(iter(self._refs.values())).rows
        self.skip: NDArray[np.bool_] | None = None  # rows that the pipeline has from an earlier run
        self.left_out = Counter[str]()  # by reason: what a map that makes new rows left out, for the ledger
        self.failed = Counter[str]()  # by reason: rows that a map which edits text kept without any, for the ledger

    def __contains__(self, name: str) -> bool:
        return name in self.inputs

    @cached_property
    def _store(self) -> Store:
        return Store(self.inputs.store)

    def columns(self, name: str) -> list[str]:
        """The columns that the table `name` has."""
        with self._store.open(self._refs[name].data) as file:
            return tables.open_parquet(file).schema_arrow.names

    def read(self, name: str, columns: Sequence[str]) -> pa.Table:
        """Columns of the table `name`, all rows of the shard."""
        path = self._refs[name].data
        with self._store.open(path) as file:
            return tables.read_columns(file, columns, where=self._store.path(path))

    def batches(self, name: str, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Columns of the table `name`, one row group at a time (at most 4 MB of text); one empty table if empty."""
        path = self._refs[name].data
        with self._store.open(path) as file:
            yield from tables.read_groups(file, columns, where=self._store.path(path))

    def doc_ids(self) -> NDArray[np.uint64]:
        """The document ids of the shard's corpus, uint64 [rows, 2]."""
        return self._words("doc_id")

    def text_hashes(self) -> NDArray[np.uint64]:
        """The hashes of the texts of the shard's corpus, uint64 [rows, 2]: those of copies are equal."""
        return self._words("text_hash")

    def kept(self, name: str = "selection") -> NDArray[np.bool_]:
        """Which rows a selection input keeps, bool [rows]; all of them if the recipe gives none."""
        if name not in self:
            return np.ones(self.rows, dtype=bool)
        return self.read(name, ["count"]).column("count").to_numpy() > 0

    def wanted(self, mask: str = "selection") -> NDArray[np.bool_]:
        """Which rows a plugin with masks has to work on, bool [rows]: kept by the mask and not known from before."""
        kept = self.kept(mask)
        return kept if self.skip is None else kept & ~self.skip

    def _words(self, name: str) -> NDArray[np.uint64]:
        """A column of the corpus of 16 bytes each."""
        chunks = [c for c in self.read("corpus", [name]).column(name).chunks if len(c)]
        words = [np.frombuffer(c.buffers()[1], np.uint64)[2 * c.offset : 2 * (c.offset + len(c))] for c in chunks]
        return np.concatenate(words or [np.empty(0, np.uint64)]).reshape(-1, 2)
