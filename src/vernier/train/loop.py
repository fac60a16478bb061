"""The training loop, plain: take windows, loss, backward, clip, step, count; now and then keep the state.

AdamW (betas 0.9 and 0.95, weight decay 0.1 on matrices, none on norms), gradients clipped at norm 1: the recipe of
Brown et al. 2020 (arXiv 2005.14165, appendix B). Several ranks train one model on the same windows as one rank does:
rank r of n takes the windows r, r + n, ... of each batch, and gradients are averaged (PyTorch's DDP).
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vernier.core import rng
from vernier.core.errors import RecipeError, StageError
from vernier.core.shard import Inputs
from vernier.core.states import States
from vernier.models.loss import Teacher, linear_cross_entropy, output_matrix
from vernier.models.ranks import Ranks
from vernier.models.windows import Source, Windows
from vernier.train import state
from vernier.train.schedule import Schedule
from vernier.train.state import Trained

if TYPE_CHECKING:
    from vernier.core.artifact import ShardRef

BETAS = (0.9, 0.95)
WEIGHT_DECAY = 0.1
CLIP = 1.0


@dataclass(frozen=True)
class Plan:
    """What to do with a model.

    sizes        windows in each step
    schedule     of the learning rate
    lr           the highest
    accumulate   pieces of a step's windows, one after another through the model
    checkpoint   steps between two kept states
    bfloat16     whether matrix products are made in bfloat16 (torch.autocast)
    teacher      a model whose soft targets weigh `share`, or None
    """

    sizes: Sequence[int]
    schedule: Schedule
    lr: float
    accumulate: int
    checkpoint: int
    bfloat16: bool
    teacher: Any
    share: float


def train(model: Any, source: Source, plan: Plan, inputs: Inputs, ranks: Ranks) -> Trained:
    """Train `model` in place; what it was trained on. Raises StageError for a loss that is not finite."""
    import torch

    matrices = [p for p in model.parameters() if p.ndim >= 2]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": WEIGHT_DECAY}, {"params": vectors, "weight_decay": 0.0}],
        lr=plan.lr,
        betas=BETAS,
        fused=True,
    )
    kept = _Kept(inputs.states(), plan, ranks)
    start = kept.newest()
    trained = Trained(np.zeros(len(source.domains), dtype=np.int64))
    if start is not None:
        trained = state.restore(kept.states.folder(start), model, optimizer)
    objective = _objective(model, plan, ranks)
    model.train()
    first = sum(plan.sizes[: trained.step])
    tokens = int(trained.metrics[-1]["tokens"]) if trained.metrics else 0
    with _board(inputs if ranks.rank == 0 else None, tokens) as board, torch.random.fork_rng():
        for step in range(trained.step, len(plan.sizes)):
            rate = plan.lr * plan.schedule.rate(step)
            for group in optimizer.param_groups:
                group["lr"] = rate
            batch = source.take(first, plan.sizes[step])
            # A model from elsewhere may have dropout: what it draws depends on the step, not on what was drawn before.
            torch.manual_seed(_number(inputs.seed, step, ranks.rank))
            loss = _gradients(objective, batch, plan, ranks)
            norm = float(torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP))
            if not np.isfinite([loss, norm]).all():
                raise _not_finite(step, loss, norm, batch, source)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            first += plan.sizes[step]
            tokens += batch.targets.size
            row = {"step": step, "tokens": tokens, "loss": loss, "rate": rate, "grad_norm": norm}
            trained.add(batch, source.domain, row)
            board(row)
            kept.after(trained, model, optimizer)
    model.eval()
    return trained


def _objective(model: Any, plan: Plan, ranks: Ranks) -> Any:
    """A module that gives the summed loss of some windows (nat): what DDP wraps."""
    import torch

    matrix, teacher = output_matrix(model), plan.teacher
    if matrix is None and teacher is not None:
        raise RecipeError(
            "this model can not learn from a teacher",
            found=f"{type(model).__name__}: its logits are not its output matrix times its last states",
            do="leave out the input `teacher`",
        )
    teacher_matrix = None if teacher is None else output_matrix(teacher)

    class Objective(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, inputs: Any, targets: Any) -> Any:
            if matrix is None:
                logits = self.model(input_ids=inputs, use_cache=False).logits.flatten(0, 1)
                return torch.nn.functional.cross_entropy(logits.float(), targets.flatten(), reduction="sum")
            hidden = self.model.base_model(input_ids=inputs, use_cache=False).last_hidden_state.flatten(0, 1)
            soft = None
            if teacher is not None and teacher_matrix is not None:
                with torch.no_grad():
                    said = teacher.base_model(input_ids=inputs, use_cache=False).last_hidden_state.flatten(0, 1)
                soft = Teacher(said, teacher_matrix, plan.share)
            return linear_cross_entropy(hidden, matrix, targets.flatten(), soft)

    objective = Objective()
    if ranks.size == 1:
        return objective
    return torch.nn.parallel.DistributedDataParallel(objective)


def _gradients(objective: Any, batch: Windows, plan: Plan, ranks: Ranks) -> float:
    """Backward through the mean loss of a batch, over all ranks; the loss, nat a token."""
    import torch

    where = next(objective.parameters()).device
    rows = np.arange(len(batch.inputs))[ranks.rank :: ranks.size]
    # DDP waits for every rank: one without a window reads one that counts nothing.
    weight = 1.0 if len(rows) else 0.0
    pieces = [piece for piece in np.array_split(rows, plan.accumulate) if len(piece)] or [np.zeros(1, dtype=np.int64)]
    total = torch.zeros((), dtype=torch.float64, device=where)
    for number, piece in enumerate(pieces):
        inputs = torch.from_numpy(batch.inputs[piece]).to(where)
        targets = torch.from_numpy(batch.targets[piece]).to(where)
        last = number == len(pieces) - 1
        together = contextlib.nullcontext() if last or ranks.size == 1 else objective.no_sync()
        with together:
            with torch.autocast(where.type, torch.bfloat16, enabled=plan.bfloat16):
                loss = weight * objective(inputs, targets) / batch.targets.size
            (loss * ranks.size).backward()  # DDP divides by the number of ranks
        total += loss.detach().double()
    if ranks.size > 1:
        torch.distributed.all_reduce(total)
    return float(total)


class _Kept:
    """The states of one training in the store.

    The state before step `schedule.open_until` serves a training of any length and stays when all is done: a longer one
    begins there. Of the others only the newest is kept, and only until the model is committed.
    """

    def __init__(self, states: States, plan: Plan, ranks: Ranks) -> None:
        self.states, self.plan, self.ranks = states, plan, ranks
        self._last: ShardRef | None = None

    def newest(self) -> ShardRef | None:
        """The state to go on from, the same on every rank."""
        until = self.plan.schedule.open_until
        usable = [found for found in self.states.all() if self.states.owns(found) or found.facts["step"] <= until]
        self._last = max(usable, key=lambda found: found.facts["step"], default=None)
        if self.ranks.size > 1:
            import torch

            chosen = [self._last]
            torch.distributed.broadcast_object_list(chosen)
            self._last = chosen[0]
        return self._last

    def after(self, trained: Trained, model: Any, optimizer: Any) -> None:
        """Keep the state after a step if it is time; the one before it is no longer wanted."""
        step, until = trained.step, self.plan.schedule.open_until
        if self.ranks.rank > 0 or not (step == until or step % self.plan.checkpoint == 0):
            return
        before = self._last
        self._last = self.states.keep(
            lambda folder: state.save(folder, model, optimizer, trained), {"step": step}, lasting=step == until
        )
        if before is not None and not before.facts["lasting"]:
            self.states.discard(before)


@contextlib.contextmanager
def _board(inputs: Inputs | None, tokens: int) -> Iterator[Any]:
    """A function that shows a row of metrics in TensorBoard, where the run has a log; what a kill left stays.

    tokens   trained on so far: rows behind them come again
    """
    if inputs is None or not inputs.log:
        yield lambda row: None
        return
    from torch.utils.tensorboard import SummaryWriter

    # The event file holds times and the host's name: it belongs to the log, not to the artifact.
    with SummaryWriter(inputs.log, purge_step=tokens + 1) as writer:

        def show(row: dict[str, float]) -> None:
            for name in ("loss", "rate", "grad_norm"):
                writer.add_scalar(name, row[name], row["tokens"])

        yield show


def _number(*parts: int) -> int:
    """A number for a generator that depends on all of `parts`."""
    return int.from_bytes(rng.id_of("train.step " + " ".join(map(str, parts)))[:7], "little")


def _not_finite(step: int, loss: float, norm: float, batch: Windows, source: Source) -> StageError:
    folder = Path(tempfile.mkdtemp(prefix="vernier-batch-"))
    np.savez(
        folder / "batch.npz",
        inputs=batch.inputs,
        targets=batch.targets,
        doc_ids=source.ids[np.unique(batch.document)],
    )
    return StageError(
        "training diverged: the loss or its gradient is not a finite number",
        where=f"step {step}; its batch is kept in {folder / 'batch.npz'}",
        found=f"loss {loss}, gradient norm {norm}",
        do="lower `lr`, or look at the documents of the batch",
    )
