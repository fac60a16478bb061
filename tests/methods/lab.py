"""A bench for whole methods: texts and models in a store, scored and selected by the plugins that a recipe names."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from safetensors.numpy import load_file, save_file

from vernier.core.artifact import Artifact
from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.core.tables import SELECTION
from vernier.score.nll import NLL
from vernier.select.top_k import TopK
from vernier.testing.make import build, corpus_table, make_artifact, make_folder, run, settle
from vernier.testing.toy import HIDDEN, VOCABULARY, byte_tokenizer, toy_model
from vernier.train.pretrain import Pretrain


@dataclass(frozen=True)
class Kept:
    """What a selection keeps: row numbers, why each other row was dropped, and the account."""

    rows: list[int]
    reasons: list[str | None]
    account: dict[str, Any]


class Lab:
    """Artifacts of one test, all in one store. sizes: how many rows each shard has, the rest in the last."""

    def __init__(self, folder: Path, sizes: Sequence[int] = ()) -> None:
        self.folder, self.sizes = folder, tuple(sizes)
        self.store = Store(str(folder / "store"))
        self._numbers = itertools.count()

    def corpus(self, texts: Sequence[str], **more: Any) -> Artifact:
        """Documents; which rows they are is told by the texts, so tables about other texts do not fit."""
        rows_of = hashlib.sha256("\0".join(texts).encode()).hexdigest()
        return self._table("corpus", corpus_table(texts, **more), rows_of)

    def table(self, corpus: Artifact, **columns: Any) -> Artifact:
        """A score table about a corpus, made with one tokenizer."""
        return self._table("scores", pa.table(columns), corpus.rows_of, tokenizer="bytes")

    def selection(self, corpus: Artifact, counts: Sequence[int]) -> Artifact:
        reason = [None if count else "outside" for count in counts]
        whole = pa.table({"count": list(counts), "reason": reason}, schema=SELECTION)
        return self._table("selection", whole, corpus.rows_of)

    def toy(self, bit: int = 0) -> Artifact:
        """A bigram model of whole bits."""
        return make_folder(self.store, "model", toy_model(self._new(), bit=bit))

    def unigram(self, p: Mapping[str, float]) -> Artifact:
        """A model that gives a byte its probability whatever came before; those not named share what is left."""
        probability = np.full(VOCABULARY, (1 - sum(p.values())) / (VOCABULARY - len(p)))
        for character, value in p.items():
            probability[ord(character)] = value
        folder = toy_model(self._new())
        weights = load_file(folder / "model.safetensors")
        scale = np.sqrt(HIDDEN)  # every token is embedded as one: RMSNorm divides it by exactly 1
        columns = {"model.embed_tokens.weight": scale, "lm_head.weight": np.log(probability) / scale}
        for name, column in columns.items():
            weights[name] = np.zeros_like(weights[name])
            weights[name][:, 0] = column
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        return make_folder(self.store, "model", folder)

    def bytes(self) -> Artifact:
        """A tokenizer whose tokens are bytes, to train with."""
        folder = self._new()
        folder.mkdir()
        byte_tokenizer(folder)
        return make_folder(self.store, "model", folder)

    def train(self, plugin: Pretrain, **inputs: Artifact) -> Artifact:
        folder = self._new()
        _, facts = build(plugin, Inputs(self.store.url, inputs), folder)
        return make_folder(self.store, "model", folder, facts=facts)

    def nll(self, corpus: Artifact, model: Artifact, selection: Artifact | None = None) -> Artifact:
        """The table that score.nll makes."""
        inputs = self._inputs(corpus=corpus, model=model, selection=selection)
        facts = NLL().facts(inputs)
        return make_artifact(self.store, "scores", run(NLL(), inputs), rows_of=corpus.rows_of, facts=facts)

    def top_k(self, plugin: TopK, **inputs: Artifact | None) -> Kept:
        given = self._inputs(**inputs)
        given.check_aligned()
        made = pa.concat_tables(run(plugin, given))
        rows = np.flatnonzero(made.column("count").to_numpy()).tolist()
        return Kept(rows, made.column("reason").to_pylist(), plugin.account(settle(plugin, given)))

    def columns(self, table: Artifact) -> dict[str, Any]:
        """The columns of a table, all its shards in order."""
        shards = self._inputs(table=table).shards()
        whole = pa.concat_tables([shard.read("table", shard.columns("table")) for shard in shards])
        return {name: whole.column(name).to_numpy() for name in whole.column_names}

    def lowest_ids(self, corpus: Artifact, rows: Sequence[int], number: int) -> list[int]:
        """So many of the rows, those of the lowest document ids."""
        ids = self.columns(corpus)["doc_id"]
        return sorted(sorted(rows, key=lambda row: ids[row])[:number])

    def _inputs(self, **given: Artifact | None) -> Inputs:
        return Inputs(self.store.url, {name: artifact for name, artifact in given.items() if artifact is not None})

    def _table(self, kind: str, whole: pa.Table, rows_of: str, **facts: Any) -> Artifact:
        ends = [0, *(min(end, len(whole)) for end in itertools.accumulate(self.sizes)), len(whole)]
        shards = [whole.slice(start, end - start) for start, end in itertools.pairwise(ends)]
        return make_artifact(self.store, kind, shards, rows_of=rows_of, facts=facts)

    def _new(self) -> Path:
        return self.folder / f"made-{next(self._numbers)}"
