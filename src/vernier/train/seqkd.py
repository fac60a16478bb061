"""Sequence-level distillation: a corpus whose longer documents a teacher has gone on with (SeqKD).

Kim and Rush 2016 (arXiv 1606.07947); as a baseline of MiniPLM (arXiv 2410.17215): the first 768 tokens of a window of
1,024 are the prompt, the teacher writes the rest, and a student trains on the result as on any corpus:

    taught: {do: train.seqkd, in: {corpus: clean, teacher: large}, with: {prompt: 192, tokens: 256}}
    train:  {do: train.pretrain, in: {corpus: taught, selection: keep, tokenizer: bpe}, with: {tokens: 50M}}

The teacher writes once, whatever number of students read it; its soft targets at every step are `teacher` of
`train.pretrain`. Rows and ids stay, so selections of the corpus hold for what was made of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from vernier.core import rng, tables
from vernier.core.artifact import Artifact
from vernier.core.errors import RecipeError
from vernier.core.shard import Inputs, Shard
from vernier.models import flops
from vernier.models.load import load_once
from vernier.models.threads import threads
from vernier.models.tokenizer import Tokenizer

PURPOSE = "train.seqkd"


@dataclass(frozen=True, kw_only=True)
class SeqKD:
    """The corpus with the same rows: a document of more than `prompt` tokens is cut there, and the teacher goes on
    until it has as many tokens as before, at most `tokens`, or ends it. Shorter documents stay as they are.

    prompt       tokens of a document that stay
    tokens       of prompt and continuation, at most
    temperature  of the teacher's draws; 0 takes the likeliest token
    threads      of PyTorch in each worker: the last bits of a probability can depend on it
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "corpus"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "teacher": "model"}
    draws: ClassVar[bool] = True

    prompt: int = 768
    tokens: int = 1024
    temperature: float = 1.0
    threads: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.prompt < self.tokens:
            raise RecipeError(
                "a prompt is shorter than the whole",
                found=f"prompt: {self.prompt}, tokens: {self.tokens}",
                expected="0 < prompt < tokens",
            )
        if not (math.isfinite(self.temperature) and self.temperature >= 0) or self.threads < 1:
            raise RecipeError(
                "a temperature is 0 or more, and there is at least one thread",
                found=f"temperature: {self.temperature}, threads: {self.threads}",
            )

    def flops(self, inputs: Inputs, out: Artifact | None) -> float | None:
        """Operations of the teacher over all that it read and wrote: known when it has written it."""
        folder = inputs.folder("teacher")
        cost = flops.of_folder(folder)
        if out is None or cost is None:
            return None
        tokenizer, whole = Tokenizer(folder), 0.0
        for shard in replace(inputs, artifacts={"corpus": out}).shards():
            for batch in shard.batches("corpus", ["text"]):
                for one in tokenizer.encode(batch.column("text").to_pylist(), max_tokens=self.tokens):
                    if len(one.ids) > self.prompt:
                        whole += cost.forward(len(one.ids), flops.pairs(len(one.ids)))
        return whole

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        """One row for each document. Raises RecipeError for a teacher that reads fewer than `tokens`."""
        model, tokenizer = load_once(shard.inputs.folder("teacher"))
        positions = getattr(model.config, "max_position_embeddings", None)
        if positions is not None and positions < self.tokens:
            raise RecipeError(
                "the teacher can not read so much", found=f"tokens: {self.tokens}", expected=f"at most {positions}"
            )
        ids, row = shard.doc_ids(), 0
        seeds = rng.bits(ids, shard.seed, PURPOSE)
        for batch in shard.batches("corpus", shard.columns("corpus")):
            texts = batch.column("text").to_pylist()
            with threads(self.threads):
                for place, one in enumerate(tokenizer.encode(texts, ends=True)):
                    if len(one.ids) > self.prompt:
                        head = texts[place].encode()[: int(one.ends[self.prompt - 1])].decode()
                        more = min(len(one.ids), self.tokens) - self.prompt
                        tail = self._continue(model, tokenizer, one.ids[: self.prompt], more, int(seeds[row + place]))
                        texts[place] = head + tail
            row += batch.num_rows
            yield _with(batch, texts)

    def _continue(self, model: Any, tokenizer: Tokenizer, prompt: np.ndarray, most: int, seed: int) -> str:
        """At most so many tokens behind a prompt, as text; what the teacher has not finished writing is left out."""
        import torch

        start = torch.tensor(prompt.astype(np.int64), device=model.device)[None]
        how: dict[str, Any] = {"do_sample": False}
        if self.temperature:
            how = {"do_sample": True, "temperature": self.temperature, "top_k": 0, "top_p": 1.0}
        end, gpus = tokenizer.separator, [] if model.device.type == "cpu" else [model.device]
        with torch.random.fork_rng(devices=gpus), torch.inference_mode():
            torch.manual_seed(seed >> 1)  # PyTorch wants it below 2^63
            out = model.generate(
                start,
                attention_mask=torch.ones_like(start),
                max_new_tokens=most,
                eos_token_id=end,
                pad_token_id=end,
                **how,
            )
        written = [token for token in out[0, len(prompt) :].tolist() if token != end]
        return tokenizer.decode(written)


def _with(table: pa.Table, texts: list[str]) -> pa.Table:
    """A corpus table with other texts."""
    raw = [text.encode() for text in texts]
    new = {
        "text": texts,
        "num_bytes": [len(one) for one in raw],
        "text_hash": [blake2b(one, digest_size=tables.ID_BYTES).digest() for one in raw],
    }
    for name, values in new.items():
        place = table.schema.get_field_index(name)
        field = table.schema.field(name)
        table = table.set_column(place, field, pa.array(values, field.type))
    return table
