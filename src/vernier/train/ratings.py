"""Train a rater: what it loses on, epoch by epoch, and how often it is right about what it did not see.

Of pairs (Bradley and Terry 1952; QuRating, arXiv 2402.09739): the model gives each text a score s for each criterion,
sigmoid(s_B - s_A) is its probability that B is preferred, and the loss is the cross-entropy with the label p. It is
computed from the difference itself: of a sigmoid that has rounded to 0 or 1, as it does in low precision, nothing could
be learnt any more. Of classes: the cross-entropy of their softmax.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vernier.core import rng
from vernier.core.errors import StageError
from vernier.models.rater import TOGETHER, head_outputs
from vernier.train.schedule import Schedule

if TYPE_CHECKING:
    import torch

BETAS = (0.9, 0.999)  # of AdamW, as the authors' trainer (transformers) has it; so is the norm to clip at
CLIP = 1.0
WARMUP = 0.1  # of the steps; QuRating
WEIGHT_DECAY = 0.1  # on matrices; QuRating

# Scores of K examples, float32 [K, texts, outputs], and what is wanted, float32 [K, C] -> a summed loss with gradients
Loss = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Examples:
    """ids: uint64 [N, 2]; tokens: N tuples of token ids, one for each text; wanted: float64 [N, C], NaN = no entry."""

    ids: NDArray[np.uint64]
    tokens: Sequence[tuple[NDArray[np.uint32], ...]]
    wanted: NDArray[np.float64]

    def take(self, rows: NDArray[np.int64]) -> Examples:
        return Examples(self.ids[rows], [self.tokens[row] for row in rows], self.wanted[rows])

    @property
    def entries(self) -> int:
        return int((~np.isnan(self.wanted)).sum())


@dataclass(frozen=True)
class Plan:
    """epochs: at most; batch: examples in a step; lr: the highest rate; seed: of the order and of dropout; pairs:
    whether examples are pairs."""

    epochs: int
    batch: int
    lr: float
    seed: int
    pairs: bool


@dataclass(frozen=True)
class Epoch:
    """right: float64 [C], share of the held-out entries that the model is right about (NaN: none); loss: their mean."""

    right: NDArray[np.float64]
    loss: float


def pair_loss(scores: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Summed cross-entropy of sigmoid(s_B - s_A) with p over the entries that there are. The gradient by s_B is
    sigmoid(s_B - s_A) - p.

    scores  [K, 2, C]
    wanted  [K, C], p of B; NaN = no entry
    """
    import torch

    there = ~wanted.isnan()
    difference = (scores[:, 1] - scores[:, 0])[there]
    return torch.nn.functional.binary_cross_entropy_with_logits(difference, wanted[there], reduction="sum")


def class_loss(scores: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Summed cross-entropy of classes. scores: [K, 1, classes]; wanted: [K, 1], class numbers."""
    import torch

    return torch.nn.functional.cross_entropy(scores[:, 0], wanted[:, 0].long(), reduction="sum")


def fit(model: Any, learn: Examples, held: Examples, plan: Plan) -> tuple[list[Epoch], int]:
    """Train `model` in place and leave it as it was after its best epoch: the first of those that are right most often
    about `held`, and of these with the lowest loss. Returns what each epoch came to, and the best one's number.

    Raises StageError for a loss that is not finite.
    """
    import torch

    matrices = [p for p in model.parameters() if p.ndim >= 2]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": WEIGHT_DECAY}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=plan.lr, betas=BETAS)
    a_epoch = math.ceil(len(learn.tokens) / plan.batch)
    steps = plan.epochs * a_epoch
    schedule = Schedule("cosine", steps, math.ceil(WARMUP * steps), 0)
    epochs: list[Epoch] = []
    best, weights = 0, copy.deepcopy(model.state_dict())
    with torch.random.fork_rng():
        for epoch in range(plan.epochs):
            order = np.argsort(rng.bits(learn.ids, plan.seed, f"train.rater epoch {epoch}"), kind="stable")
            model.train()
            for number in range(a_epoch):
                step = epoch * a_epoch + number
                for group in optimizer.param_groups:
                    group["lr"] = plan.lr * schedule.rate(step)
                torch.manual_seed(int.from_bytes(rng.id_of(f"train.rater {plan.seed} {step}")[:7], "little"))
                _learn(model, learn.take(order[number * plan.batch : (number + 1) * plan.batch]), plan, step)
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            model.eval()
            epochs.append(tried(model, held, plan))
            if epoch == 0 or _rank(epochs[-1]) > _rank(epochs[best]):
                best, weights = epoch, copy.deepcopy(model.state_dict())
    model.load_state_dict(weights)
    return epochs, best


def tried(model: Any, held: Examples, plan: Plan) -> Epoch:
    """How a model does on examples. A pair is right if the preferred text has the higher score: a tie is not."""
    import torch

    loss, right, entries = 0.0, np.zeros(held.wanted.shape[1]), np.zeros(held.wanted.shape[1])
    for at in range(0, len(held.tokens), TOGETHER):
        some = held.take(np.arange(at, min(at + TOGETHER, len(held.tokens))))
        with torch.inference_mode():
            scores, wanted = _scores(model, some)
            loss += float((pair_loss if plan.pairs else class_loss)(scores, wanted))
        said = scores.double().cpu().numpy()
        if plan.pairs:
            good = (said[:, 1] - said[:, 0]) * (some.wanted - 0.5) > 0
        else:
            good = said[:, 0].argmax(axis=1, keepdims=True) == some.wanted
        right += good.sum(axis=0)
        entries += (~np.isnan(some.wanted)).sum(axis=0)
    shares = np.divide(right, entries, out=np.full(len(right), math.nan), where=entries > 0)
    return Epoch(shares, loss / held.entries)


def _learn(model: Any, some: Examples, plan: Plan, step: int) -> None:
    """Gradients of the mean loss over the entries of a step, in pieces of TOGETHER examples."""
    import torch

    total = 0.0
    for at in range(0, len(some.tokens), TOGETHER):
        piece = some.take(np.arange(at, min(at + TOGETHER, len(some.tokens))))
        loss = (pair_loss if plan.pairs else class_loss)(*_scores(model, piece)) / some.entries
        loss.backward()
        total += float(loss.detach())
    norm = float(torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP))
    if not np.isfinite([total, norm]).all():
        raise StageError(
            "training a rater diverged: the loss or its gradient is not a finite number",
            where=f"step {step}",
            found=f"loss {total}, gradient norm {norm}",
            do="lower `lr`",
        )


def _scores(model: Any, some: Examples) -> tuple[torch.Tensor, torch.Tensor]:
    """What the head says of each text, [K, texts, outputs], and what is wanted, [K, C]."""
    import torch

    flat = head_outputs(model, [ids for one in some.tokens for ids in one])
    wanted = torch.from_numpy(some.wanted.astype(np.float32)).to(flat.device)
    return flat.view(len(some.tokens), -1, flat.shape[1]), wanted


def _rank(epoch: Epoch) -> tuple[float, float]:
    return float(np.nanmean(epoch.right)), -epoch.loss
