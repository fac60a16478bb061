"""Train a small Llama-style model on the selected documents, or go on with any causal language model.

The loop is in `vernier.train.loop`, what it keeps in `vernier.train.state`, the learning rate in
`vernier.train.schedule`. The same inputs, seed and number of threads give the same weights, bit for bit, however often
the training was killed on the way.
"""

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from vernier.core import rng
from vernier.core.artifact import Artifact
from vernier.core.config import Count
from vernier.core.errors import RecipeError
from vernier.core.shard import Inputs
from vernier.models import flops
from vernier.models.build import Shape, build, num_parameters
from vernier.models.device import device
from vernier.models.load import load, misfit
from vernier.models.loss import output_matrix
from vernier.models.needs import needs
from vernier.models.ranks import group
from vernier.models.terms import Terms
from vernier.models.threads import deterministic, threads
from vernier.models.tokenizer import Tokenizer
from vernier.models.windows import Packed, Source, Stream, read_documents
from vernier.train.loop import Plan, train
from vernier.train.schedule import Schedule
from vernier.train.state import write_metrics

CONTEXT = 256
SMALL = Shape(hidden=64, layers=3)
SHARE = 0.5  # of a teacher's soft targets: MiniPLM's code for vanilla distillation (arXiv 2410.17215)
WARMUP = 0.05  # of the steps, where a cosine's warm-up is not given


@dataclass(frozen=True, kw_only=True)
class Pretrain:
    """A model trained from random weights, or further from those of `init`, on documents or on packed windows.

    model        its size; by default that of `init`, else a width of 64 and 3 layers
    tokens       tokens to train on, rounded down to whole windows, in as many epochs as it takes; by default one
    context      tokens in a window, by default 256; packed windows have their own
    max_tokens   train only on the first tokens of a document
    batch        windows in a step
    accumulate   pieces in which a step's windows go through the model: less memory, the same step
    lr           highest learning rate
    schedule     cosine; or constant, which trainings of several lengths share until their decay begins
    warmup       tokens while the rate rises; by default a twentieth of all (must be given with `constant`)
    decay        share of the steps in which a constant rate falls at the end
    share        of the input `teacher` in the loss, the token that came weighing the rest; 0.5 if not given
    precision    of matrix products: auto is bfloat16 on a GPU, float32 elsewhere
    threads      of PyTorch: more than one only helps models of some size (see `vernier.models.threads`)
    checkpoint   steps between two states that are kept, for the case that the training is killed
    """

    version: ClassVar[int] = 2
    makes: ClassVar[str] = "model"
    takes: ClassVar[Mapping[str, str]] = {
        "corpus": "corpus?",
        "selection": "selection?",
        "windows": "windows?",
        "tokenizer": "model",
        "init": "model?",
        "teacher": "model?",
    }
    draws: ClassVar[bool] = True
    ranks: ClassVar[bool] = True
    resumes: ClassVar[tuple[str, ...]] = ("tokens", "decay")

    model: Shape | None = None
    tokens: Count | None = None
    context: int | None = None
    max_tokens: int | None = None
    batch: int = 8
    accumulate: int = 1
    lr: float = 5e-3
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: Count | None = None
    decay: float = 0.2
    share: float | None = None
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    threads: int = 1
    checkpoint: int = field(default=500, metadata={"key": False})

    def __post_init__(self) -> None:
        for name in ("tokens", "context", "max_tokens", "batch", "accumulate", "threads", "lr", "checkpoint"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise RecipeError(f"`{name}` must be positive", found=f"{name}: {value}", expected="more than 0")
        if self.share is not None and not 0 < self.share <= 1:
            raise RecipeError("a teacher's `share` is above 0 and at most 1", found=f"share: {self.share}")
        if not 0 < self.decay < 1:
            raise RecipeError("`decay` is a share of the steps", found=f"decay: {self.decay}", expected="0 < decay < 1")
        if self.schedule == "constant" and self.warmup is None:
            raise RecipeError(
                "a constant schedule needs its `warmup`",
                found="none, and a share of all tokens would depend on where the training ends",
                do="write a number of tokens, `warmup: 50k`",
            )

    def check(self, given: Container[str]) -> None:
        """Raises RecipeError unless the training reads either a corpus or windows."""
        if ("corpus" in given) == ("windows" in given):
            raise RecipeError(
                "a training reads documents or packed windows",
                found="both" if "corpus" in given else "neither",
                expected="the input `corpus`, or `windows` from corpus.pack",
            )
        for name, value in (("selection", None), ("max_tokens", self.max_tokens), ("context", self.context)):
            if "windows" in given and (name in given or value is not None):
                raise RecipeError(
                    f"packed windows are fixed: `{name}` has no effect on them", do=f"give `{name}` to corpus.pack"
                )
        if "windows" not in given:
            self._check_tokens(self.context or CONTEXT)
        if "teacher" not in given and self.share is not None:
            raise RecipeError("there is no teacher", found=f"share: {self.share}", do="give the input `teacher`")

    def _check_tokens(self, context: int) -> None:
        if self.tokens is not None and self.tokens < context:
            raise RecipeError(
                "the token budget is smaller than one window",
                found=f"tokens: {self.tokens}, in windows of {context}",
                expected="at least one window",
            )

    def build(self, inputs: Inputs, out: Path) -> dict[str, Any]:
        """Writes a Hugging Face model folder with its tokenizer, and metrics.parquet (one row a step).

        Raises DataError if nothing is selected, StageError if a loss is not finite (the batch is kept).
        """
        needs("torch", "transformers", "safetensors")
        from transformers.utils import logging

        self.check(inputs.artifacts)
        tokenizer = Tokenizer(inputs.folder("tokenizer"))
        with threads(self.threads), deterministic(), group() as ranks:
            source, context = self._source(inputs, tokenizer)
            model = self._start(inputs, tokenizer, context).to(device())
            plan = self._plan(inputs, tokenizer, source, context)
            trained = train(model, source, plan, inputs, ranks)
            if ranks.rank > 0:
                return {}  # what the first rank returns and writes is the result
            logging.disable_progress_bar()
            model.save_pretrained(out)  # with the code of a model that came with some
        if "init" in inputs and Terms.of(inputs.folder("init")).trust_remote_code:
            Terms(trust_remote_code=True).save(out)
        tokenizer.copy_to(out)
        write_metrics(out / "metrics.parquet", trained)
        tokens, losses = sum(plan.sizes) * context, [row["loss"] for row in trained.metrics]
        operations = _operations(flops.of_folder(out), inputs, sum(plan.sizes), context)
        last = losses[-max(1, len(losses) // 10) :]
        return {
            "parameters": num_parameters(model),
            "tokens": tokens,
            "steps": len(plan.sizes),
            "epochs": round(tokens / source.epoch_tokens, 6),
            "final_loss": round(math.fsum(last) / len(last), 6),
            "tokens_by_domain": dict(zip(source.domains, trained.targets.tolist(), strict=True)),
            "windows": trained.windows,
            "flops": operations,
            "tokenizer": tokenizer.digest,
        }

    def flops(self, inputs: Inputs, out: Artifact | None) -> float | None:
        """Operations of the training, and of its teacher's forward passes, from the first step on, wherever states
        came from. Planned from the settings (None without `tokens`: one epoch is not counted beforehand)."""
        if out is not None:
            return out.facts["flops"]
        context: int = inputs.facts("windows")["context"] if "windows" in inputs else self.context or CONTEXT
        tokens = self.tokens or (inputs.facts("windows")["tokens"] if "windows" in inputs else None)
        if tokens is None:
            return None
        if "init" in inputs:
            cost = flops.of_folder(inputs.folder("init"))
        else:
            shape, vocabulary = self.model or SMALL, Tokenizer(inputs.folder("tokenizer")).vocabulary
            cost = flops.of_shape(shape, vocabulary)
        return _operations(cost, inputs, max(1, tokens // context), context)

    def _source(self, inputs: Inputs, tokenizer: Tokenizer) -> tuple[Source, int]:
        """Where windows come from, and their length."""
        if "windows" not in inputs:
            documents, context = read_documents(inputs, tokenizer, self.max_tokens), self.context or CONTEXT
            return Stream(documents, context=context, separator=tokenizer.separator, seed=inputs.seed), context
        _same_tokenizer(inputs.facts("windows").get("tokenizer"), tokenizer, "windows")
        packed = Packed(inputs.folder("windows"), seed=inputs.seed)
        self._check_tokens(packed.context)
        return packed, packed.context

    def _plan(self, inputs: Inputs, tokenizer: Tokenizer, source: Source, context: int) -> Plan:
        num_windows = max(1, (self.tokens or source.epoch_tokens) // context)
        sizes = [min(self.batch, num_windows - at) for at in range(0, num_windows, self.batch)]
        steps = len(sizes)
        share = WARMUP * steps if self.warmup is None else self.warmup / (self.batch * context)
        decay = max(1, round(self.decay * steps)) if self.schedule == "constant" else 0
        gpu = device().type != "cpu"
        return Plan(
            sizes=sizes,
            schedule=Schedule(self.schedule, steps, math.ceil(share), decay),
            lr=self.lr,
            accumulate=self.accumulate,
            checkpoint=self.checkpoint,
            bfloat16=self.precision == "bfloat16" or (self.precision == "auto" and gpu),
            teacher=self._teacher(inputs, tokenizer, context),
            share=SHARE if self.share is None else self.share,
        )

    def _teacher(self, inputs: Inputs, tokenizer: Tokenizer, context: int) -> Any:
        """The model whose soft targets are learnt from, or None."""
        if "teacher" not in inputs:
            return None
        folder = inputs.folder("teacher")
        _same_tokenizer(Tokenizer(folder).digest, tokenizer, "teacher")
        teacher = load(folder).requires_grad_(False)
        _reads(teacher, context)
        matrix = output_matrix(teacher)
        if matrix is None or len(matrix) < tokenizer.vocabulary:
            raise RecipeError(
                "this model can not be a teacher",
                where=str(folder),
                found="logits that are not its output matrix times its last states, or too few of them",
            )
        return teacher

    def _start(self, inputs: Inputs, tokenizer: Tokenizer, context: int) -> Any:
        """The model before the first step."""
        if "init" not in inputs:
            seed = int.from_bytes(rng.id_of(f"train.init {inputs.seed}")[:7], "little")
            return build(
                self.model or SMALL,
                vocabulary=tokenizer.vocabulary,
                context=context,
                separator=tokenizer.separator,
                seed=seed,
            )
        if self.model is not None:
            raise RecipeError(
                "a model that goes on from `init` has its size already",
                found="`model` and `init` together",
                do="leave out one of them",
            )
        folder = inputs.folder("init")
        _same_tokenizer(Tokenizer(folder).digest, tokenizer, "init")
        model = load(folder).float()  # whatever its terms say: AdamW needs float32
        rows = model.config.vocab_size
        if tokenizer.vocabulary > rows:
            raise misfit(folder, tokenizer.vocabulary, rows)
        _reads(model, context)
        return model


def _operations(cost: flops.Cost | None, inputs: Inputs, windows: int, context: int) -> float | None:
    """Of training a model of this cost on so many windows; None where the model or its teacher does not say it."""
    met = windows * context, windows * flops.pairs(context)
    teacher = flops.of_folder(inputs.folder("teacher")) if "teacher" in inputs else flops.Cost(0.0, 0.0)
    return None if cost is None or teacher is None else cost.training(*met) + teacher.forward(*met)


def _same_tokenizer(digest: str | None, tokenizer: Tokenizer, name: str) -> None:
    """Raises RecipeError if an input was made with another tokenizer."""
    if digest != tokenizer.digest:
        raise RecipeError(
            f"the input `{name}` was made with another tokenizer",
            found=f"`{name}` has {(digest or 'none')[:8]}, `tokenizer` has {tokenizer.digest[:8]}",
            expected="the same tokenizer: ids of tokens mean nothing in another one",
        )


def _reads(model: Any, context: int) -> None:
    """Raises RecipeError if a window is longer than a model can read."""
    positions = getattr(model.config, "max_position_embeddings", None)
    if positions is not None and positions < context:
        raise RecipeError(
            "a window is longer than the model can read", found=f"context: {context}", expected=f"at most {positions}"
        )
