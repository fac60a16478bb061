"""Train a small Llama-style model on the selected documents: a plain loop.

AdamW (betas 0.9 and 0.95, weight decay 0.1 on matrices, none on norms), linear warm-up and cosine decay,
gradients clipped at norm 1, float32: the recipe of Brown et al. 2020 (arXiv 2005.14165, appendix B) at a small
scale. The same inputs, seed and number of threads give the same weights, bit for bit.
"""

from __future__ import annotations

import contextlib
import math
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from vernier.core import rng
from vernier.core.config import Count
from vernier.core.errors import RecipeError, StageError
from vernier.core.shard import Inputs
from vernier.models.build import Shape, build, num_parameters
from vernier.models.load import load, misfit
from vernier.models.needs import needs
from vernier.models.threads import threads
from vernier.models.tokenizer import Tokenizer
from vernier.train.windows import Documents, Windows, batches, read_documents

BETAS = (0.9, 0.95)
WEIGHT_DECAY = 0.1
CLIP = 1.0
FLOOR = 0.1  # the learning rate's last value, as a share of its highest


@dataclass(frozen=True, kw_only=True)
class Pretrain:
    """A model trained from random weights, or further from those of `init`.

    model        its size; by default that of `init`, else a width of 64 and 3 layers
    tokens       tokens to train on, rounded down to whole windows, in as many epochs as it takes; by default one
    context      tokens in a window
    max_tokens   train only on the first tokens of a document
    batch        windows in a step
    lr           highest learning rate
    warmup       share of the steps in which the rate rises
    threads      of PyTorch: more than one only helps models of some size (see `vernier.models.threads`)
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "model"
    takes: ClassVar[Mapping[str, str]] = {
        "corpus": "corpus",
        "selection": "selection?",
        "tokenizer": "model",
        "init": "model?",
    }
    draws: ClassVar[bool] = True

    model: Shape | None = None
    tokens: Count | None = None
    context: int = 256
    max_tokens: int | None = None
    batch: int = 8
    lr: float = 5e-3
    warmup: float = 0.05
    threads: int = 1

    def __post_init__(self) -> None:
        for name in ("tokens", "context", "max_tokens", "batch", "threads", "lr"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise RecipeError(f"`{name}` must be positive", found=f"{name}: {value}", expected="more than 0")
        if not 0 <= self.warmup < 1:
            raise RecipeError(
                "`warmup` is a share of the steps",
                found=f"warmup: {self.warmup}",
                expected="0 <= warmup < 1",
            )
        if self.tokens is not None and self.tokens < self.context:
            raise RecipeError(
                "the token budget is smaller than one window",
                found=f"tokens: {self.tokens}, context: {self.context}",
                expected="at least `context` tokens",
            )

    def build(self, inputs: Inputs, out: Path) -> dict[str, Any]:
        """Writes a Hugging Face model folder with its tokenizer.

        Raises DataError if nothing is selected, StageError if a loss is not finite (the batch is kept).
        """
        needs("torch", "transformers", "safetensors")
        from transformers.utils import logging

        tokenizer = Tokenizer(inputs.folder("tokenizer"))
        documents = read_documents(inputs, tokenizer, self.max_tokens)
        num_windows = max(1, (self.tokens or documents.epoch_tokens) // self.context)
        sizes = [min(self.batch, num_windows - at) for at in range(0, num_windows, self.batch)]
        targets = np.zeros(len(documents.counts), dtype=np.int64)  # of each document, as they are trained on
        with threads(self.threads), _deterministic():
            model = self._start(inputs, tokenizer)
            losses = self._train(model, sizes, documents, tokenizer.separator, inputs.seed, targets)
            logging.disable_progress_bar()
            model.save_pretrained(out)
        tokenizer.copy_to(out)
        by_domain = np.bincount(documents.domain, targets, len(documents.domains)).astype(np.int64)
        last = losses[-max(1, len(losses) // 10) :]
        return {
            "parameters": num_parameters(model),
            "tokens": num_windows * self.context,
            "steps": len(sizes),
            "epochs": round(num_windows * self.context / documents.epoch_tokens, 6),
            "final_loss": round(math.fsum(last) / len(last), 6),
            "tokens_by_domain": dict(zip(documents.domains, by_domain.tolist(), strict=True)),
            "tokenizer": tokenizer.digest,
        }

    def _start(self, inputs: Inputs, tokenizer: Tokenizer) -> Any:
        """The model before the first step."""
        if "init" not in inputs:
            seed = int.from_bytes(rng.id_of(f"train.init {inputs.seed}")[:7], "little")
            return build(
                self.model or Shape(hidden=64, layers=3),
                vocabulary=tokenizer.vocabulary,
                context=self.context,
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
        model = load(folder)
        if Tokenizer(folder).digest != tokenizer.digest:
            raise RecipeError(
                "the model to go on from was trained with another tokenizer",
                found=f"`init` has {Tokenizer(folder).digest[:8]}, `tokenizer` has {tokenizer.digest[:8]}",
                do="give the stage `init` also as its `tokenizer`",
            )
        rows = model.config.vocab_size
        if tokenizer.vocabulary > rows:
            raise misfit(folder, tokenizer.vocabulary, rows)
        if model.config.max_position_embeddings < self.context:
            raise RecipeError(
                "a window is longer than the model can read",
                found=f"context: {self.context}",
                expected=f"at most {model.config.max_position_embeddings}",
            )
        return model

    def _train(
        self,
        model: Any,
        sizes: list[int],
        documents: Documents,
        separator: int,
        seed: int,
        targets: NDArray[np.int64],
    ) -> list[float]:
        """The loop. Returns the mean loss of each step (nat/token); counts in `targets` what it trained on."""
        import torch
        from torch.nn import functional

        model.train()
        matrices = [p for p in model.parameters() if p.ndim >= 2]
        vectors = [p for p in model.parameters() if p.ndim < 2]
        optimizer = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": WEIGHT_DECAY}, {"params": vectors, "weight_decay": 0.0}],
            lr=self.lr,
            betas=BETAS,
            fused=True,
        )
        losses: list[float] = []
        stream = batches(documents, sizes, context=self.context, separator=separator, seed=seed)
        for step, batch in enumerate(stream):
            for group in optimizer.param_groups:
                group["lr"] = self.lr * schedule(step, len(sizes), self.warmup)
            inputs = torch.from_numpy(batch.inputs)
            logits = model(input_ids=inputs, use_cache=False).logits
            wanted = torch.from_numpy(batch.targets).flatten()
            loss = functional.cross_entropy(logits.flatten(0, 1).float(), wanted)
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            if not (torch.isfinite(loss) and torch.isfinite(norm)):
                raise _not_finite(step, float(loss.detach()), float(norm), batch, documents)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            losses.append(float(loss.detach()))
            targets += np.bincount(batch.document.ravel(), minlength=len(targets))
        model.eval()
        return losses


def schedule(step: int, steps: int, warmup: float) -> float:
    """The learning rate of a step (0, 1, ...) as a share of the highest: linear warm-up, cosine decay."""
    rising = math.ceil(warmup * steps)
    if step < rising:
        return (step + 1) / rising
    done = (step - rising) / max(1, steps - 1 - rising)
    return FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


@contextlib.contextmanager
def _deterministic() -> Iterator[None]:
    """PyTorch without operations whose result depends on timing."""
    import torch

    was = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(was)


def _not_finite(step: int, loss: float, norm: float, batch: Windows, documents: Documents) -> StageError:
    folder = Path(tempfile.mkdtemp(prefix="vernier-batch-"))
    np.savez(
        folder / "batch.npz",
        inputs=batch.inputs,
        targets=batch.targets,
        doc_ids=documents.ids[np.unique(batch.document)],
    )
    return StageError(
        "training diverged: the loss or its gradient is not a finite number",
        where=f"step {step}; its batch is kept in {folder / 'batch.npz'}",
        found=f"loss {loss}, gradient norm {norm}",
        do="lower `lr`, or look at the documents of the batch",
    )
