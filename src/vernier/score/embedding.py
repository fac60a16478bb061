"""Embed documents: what selections by similarity, such as INGENIOUS (arXiv 2305.06677), work on.

The model is a causal language model, of which a hidden state is taken (`vernier.models.hidden`), or an embedder: one of
`train.embedder`, or a folder of sentence-transformers that `train.read_hf` took in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vernier.core.artifact import Artifact
from vernier.core.errors import RecipeError
from vernier.core.shard import Inputs, Shard
from vernier.models import flops
from vernier.models.embed import load_embedder
from vernier.models.folder import MODULES
from vernier.models.hidden import layer_of, mean_states, tokens_of
from vernier.models.load import load_once
from vernier.models.nll import check_settings
from vernier.models.threads import threads
from vernier.models.tokenizer import Tokenizer
from vernier.score.nll import bytes_per_token, counted


@dataclass(frozen=True, kw_only=True)
class Embedding:
    """Column `embedding`, a list of float32; of a language model the mean state of the tokens that it read, and beside
    it `num_tokens`, how many. Null where a row is not selected. An embedding is a direction to compare with others of
    the same table: 0 in every place for a document of which nothing is known, such as an empty one.

    layer        of a language model: 0 are the embeddings of its tokens; three quarters of the way up without it
    max_tokens   of a language model: read only the first tokens of a document; 128 without it, or what the model takes
    threads      of PyTorch in each worker: the last bits of an embedding can depend on it
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "selection": "selection?", "model": "model"}
    masks: ClassVar[tuple[str, ...]] = ("selection",)

    layer: int | None = None
    max_tokens: int | None = None
    threads: int = 1

    def __post_init__(self) -> None:
        check_settings(max_tokens=self.max_tokens, threads=self.threads)
        if self.layer is not None and self.layer < 0:
            raise RecipeError("layers are numbered from 0", found=f"layer: {self.layer}", expected="0 or more")

    def facts(self, inputs: Inputs) -> dict[str, Any]:
        """Of a language model: whose tokens were read, and the layer. Raises RecipeError for settings that the model
        does not have."""
        folder = inputs.folder("model")
        if _is_embedder(folder):
            self._check_embedder()
            return {}
        tokens_of(folder, self.max_tokens)
        return {"tokenizer": Tokenizer(folder).digest, "layer": layer_of(folder, self.layer)}

    def flops(self, inputs: Inputs, out: Artifact | None) -> float | None:
        """Operations to read the first tokens of the wanted documents, each alone behind a separator, in all layers;
        None for sentence-transformers and for a model that does not say what it takes. Planned from their bytes."""
        folder = inputs.folder("model")
        if _is_embedder(folder):
            return None if (folder / MODULES).exists() else 0.0
        cost = flops.of_folder(folder, head=False)
        if cost is None:
            return None
        lengths = np.concatenate([np.empty(0), *(self._planned(inputs) if out is None else counted(inputs, out))])
        lengths = lengths[lengths > 0] + 1
        return cost.forward(float(lengths.sum()), float((lengths * (lengths + 1) / 2).sum()))

    def _planned(self, inputs: Inputs) -> Iterator[NDArray[np.int64]]:
        per_token, most = bytes_per_token(inputs), tokens_of(inputs.folder("model"), self.max_tokens)
        for shard in inputs.shards():
            sizes = shard.read("corpus", ["num_bytes"]).column("num_bytes").to_numpy()[shard.wanted()]
            yield np.minimum(np.ceil(sizes / per_token).astype(np.int64), most)

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        """One row for each document. Raises DataError for an embedding that is not finite."""
        todo, at = shard.wanted(), 0
        embed = self._of_embedder(shard) if _is_embedder(shard.inputs.folder("model")) else self._of_model(shard)
        for batch in shard.batches("corpus", ["text"]):
            wanted = todo[at : at + batch.num_rows]
            at += batch.num_rows
            with threads(self.threads):
                vectors, counts = embed(batch.filter(wanted).column("text").to_pylist())
            columns = {"embedding": _lists(vectors, wanted)}
            if counts is not None:
                full = np.zeros(len(wanted), dtype=np.int64)
                full[wanted] = counts
                columns["num_tokens"] = pa.array(full, mask=~wanted)
            yield pa.table(columns)

    def _check_embedder(self) -> None:
        given = [name for name in ("layer", "max_tokens") if getattr(self, name) is not None]
        if given:
            raise RecipeError(
                f"an embedder has no {' and no '.join(given)} to choose",
                found=f"`{given[0]}`, with an embedder as `model`",
                expected="a causal language model",
                do="leave it out",
            )

    def _of_model(self, shard: Shard) -> _Embed:
        folder = shard.inputs.folder("model")
        layer, most = layer_of(folder, self.layer), tokens_of(folder, self.max_tokens)
        model, tokenizer = load_once(folder)

        def embed(texts: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
            ids = [one.ids for one in tokenizer.encode(texts, max_tokens=most)]
            vectors = mean_states(model, ids, separator=tokenizer.separator, layer=layer)
            return vectors, np.array([len(one) for one in ids], dtype=np.int64)

        return embed

    def _of_embedder(self, shard: Shard) -> _Embed:
        self._check_embedder()
        embedder = load_embedder(shard.inputs.folder("model"))
        return lambda texts: (embedder.embed(texts) if texts else np.empty((0, 0), np.float32), None)


_Embed = Callable[[Sequence[str]], tuple[NDArray[np.float32], NDArray[np.int64] | None]]


def _is_embedder(folder: Path) -> bool:
    return any((folder / name).exists() for name in ("embedder.json", MODULES))


def _lists(vectors: NDArray[np.float32], wanted: NDArray[np.bool_]) -> pa.Array:
    """A list column: the vectors in the wanted rows, null in the others."""
    offsets = np.concatenate(([0], np.cumsum(wanted))) * vectors.shape[1]
    return pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32()), pa.array(vectors.ravel(), pa.float32()), mask=pa.array(~wanted)
    )
