"""Rate documents with a model that was made for it: the raters of QuRating (arXiv 2402.09739), of Meta-rater
(2504.14194: PRRC), of FineWeb-Edu, or one of `train.rater`.

Any Hugging Face sequence classifier (`train.read_hf`): a head for regression, one with an output for each criterion, or
one that tells classes apart, whose expected value is the rating. How a document is read is in `vernier.models.rater`.

A rater knows the documents whose labels it was told, so its ratings of these say nothing of how it rates others. It
never rates them: a document with the id or the text of one is null, as one that is not selected, and the facts say how
many there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vernier.core.artifact import Artifact
from vernier.core.errors import RecipeError
from vernier.core.shard import Inputs, Shard
from vernier.core.tables import ID_BYTES
from vernier.models import flops
from vernier.models.nll import check_settings
from vernier.models.rater import Form, Notes, form_of, load_rater
from vernier.models.threads import threads
from vernier.models.tokenizer import Tokenizer
from vernier.score.nll import bytes_per_token, counted
from vernier.score.wanted import batches, spread


@dataclass(frozen=True, kw_only=True)
class Rater:
    """For each criterion a column with the sum over segments of rating x tokens, then `num_tokens` and `num_bytes`: the
    mean rating is `by: a.CRITERION` with `per: token`. Null where a row is not selected, or its label was told to the
    rater.

    criteria   names of the columns; without them what the rater calls its outputs (one without a name: `rating`)
    values     what each class is worth, in their order: for a head that tells classes apart
    segment    most tokens read at once; by default 512, or what the rater was trained with
    threads    of PyTorch in each worker: the last bits of a rating can depend on it
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "selection": "selection?", "rater": "model"}
    masks: ClassVar[tuple[str, ...]] = ("selection",)

    criteria: tuple[str, ...] = ()
    values: tuple[float, ...] = ()
    segment: int | None = None
    threads: int = 1

    def __post_init__(self) -> None:
        check_settings(segment=self.segment, threads=self.threads)
        if len(self.values) == 1:
            raise RecipeError("a head that tells classes apart has two or more", found=f"values: {[*self.values]}")

    def facts(self, inputs: Inputs) -> dict[str, Any]:
        """Whose tokens were counted, the criteria, and how many selected documents were told to the rater."""
        folder = inputs.folder("rater")
        told = sum(int((shard.kept() & _told(shard)).sum()) for shard in inputs.shards())
        return {"tokenizer": Tokenizer(folder).digest, "criteria": list(self._form(folder).criteria), "told": told}

    def flops(self, inputs: Inputs, out: Artifact | None) -> float | None:
        """Operations to read the segments of the wanted documents; None for a model that does not say what it takes.
        Planned from their bytes. An encoder's token sees all others of its segment, a causal model's those before."""
        folder = inputs.folder("rater")
        cost, form = flops.of_folder(folder, head=False), self._form(folder)
        if cost is None:
            return None
        lengths = np.concatenate(
            [np.empty(0), *map(form.lengths, self._planned(inputs) if out is None else counted(inputs, out))]
        )
        pairs = lengths**2 if len(form.before) else lengths * (lengths + 1) / 2
        return cost.forward(float(lengths.sum()), float(pairs.sum()))

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        """One row for each document. Raises RecipeError for settings that do not fit the rater's head."""
        rater = load_rater(shard.inputs.folder("rater"), self.segment, self.criteria, self.values)
        told, at = _told(shard), 0
        for batch, selected in batches(shard, ["text", "num_bytes"]):
            wanted = selected & ~told[at : at + batch.num_rows]
            at += batch.num_rows
            with threads(self.threads):
                sums, counts = rater.rate(batch.filter(wanted).column("text").to_pylist())
            columns = {name: spread(sums[:, i], wanted) for i, name in enumerate(rater.form.criteria)}
            size = spread(batch.column("num_bytes").to_numpy()[wanted], wanted)
            yield pa.table({**columns, "num_tokens": spread(counts, wanted), "num_bytes": size})

    def _form(self, folder: Path) -> Form:
        return form_of(folder, segment=self.segment, criteria=self.criteria, values=self.values)

    def _planned(self, inputs: Inputs) -> Iterator[NDArray[np.int64]]:
        as_model = {**inputs.artifacts, "model": inputs.artifacts["rater"]}
        per_token = bytes_per_token(replace(inputs, artifacts=as_model))
        for shard in inputs.shards():
            sizes = shard.read("corpus", ["num_bytes"]).column("num_bytes").to_numpy()[shard.wanted()]
            yield np.ceil(sizes / per_token).astype(np.int64)


def _told(shard: Shard) -> NDArray[np.bool_]:
    """Which rows hold a document whose label the rater was told, by its id or by its text, bool [rows]."""
    documents, texts = _known(shard.inputs.folder("rater"))
    found = shard.read("corpus", ["doc_id", "text_hash"])
    either = pc.or_(pc.is_in(found["doc_id"], value_set=documents), pc.is_in(found["text_hash"], value_set=texts))
    return either.to_numpy()


@lru_cache(maxsize=1)
def _known(folder: Path) -> tuple[pa.Array, pa.Array]:
    notes = Notes.of(folder)
    documents, texts = ([bytes.fromhex(one) for one in sorted(some)] for some in (notes.documents, notes.texts))
    return pa.array(documents, pa.binary(ID_BYTES)), pa.array(texts, pa.binary(ID_BYTES))
