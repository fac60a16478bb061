"""Cross-entropy of a large vocabulary in pieces, with its gradients: full logits never exist.

    loss = sum_t [ -(1 - r) ln p(y_t) - r sum_v q_t(v) ln p_t(v) ]        nat

p is the model's distribution, y the token that came, q a teacher's distribution and r its weight (0 without one: plain
cross-entropy). This is the loss of vanilla knowledge distillation as MiniPLM's code has it (arXiv 2410.17215: the
forward KL divergence up to the teacher's entropy, which has no gradient).

The gradient of a piece of logits is p - (1 - r) onehot(y) - r q. It is multiplied through to hidden states and output
matrix while the piece is there, so that backward only scales what forward made.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from vernier.models.nll import head_of

if TYPE_CHECKING:
    import torch

LOGITS = 1 << 21  # float32 logits held at once, 8 MB: a change moves the last bits


@dataclass(frozen=True)
class Teacher:
    """What a teacher says of the same tokens.

    hidden   [N, d'], its last hidden states
    weight   [V', d'], its output matrix; tokens that only one of the two models has weigh nothing
    share    r, the weight of its soft targets
    """

    hidden: torch.Tensor
    weight: torch.Tensor
    share: float


def linear_cross_entropy(
    hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, teacher: Teacher | None = None
) -> torch.Tensor:
    """The summed loss of `hidden @ weight.T` against `targets`, a float32 scalar with gradients.

    hidden    [N, d], last hidden states
    weight    [V, d], output matrix
    targets   int64 [N]
    Memory: the gradients of hidden and weight, and `LOGITS` logits (as many again for a teacher).
    """
    soft = (None, None, 0.0) if teacher is None else (teacher.hidden, teacher.weight, teacher.share)
    return _function().apply(hidden, weight, targets, *soft)


def output_matrix(model: Any) -> Any:
    """The matrix whose product with the last hidden states is the model's logits, [V, d]; None if there is none."""
    import torch

    with torch.no_grad():
        head = head_of(model)
    return None if head is None or getattr(head, "bias", None) is not None else head.weight


@cache
def _function() -> Any:
    import torch

    class LinearCrossEntropy(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, hidden: Any, weight: Any, targets: Any, soft: Any, soft_weight: Any, share: float) -> Any:
            kind = hidden.device.type
            low = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden.dtype
            states, matrix = hidden.to(low), weight.to(low)
            grad_hidden = torch.empty_like(states)
            grad_weight = torch.zeros_like(weight, dtype=torch.promote_types(weight.dtype, torch.float32))
            total = torch.zeros((), dtype=torch.float64, device=hidden.device)
            step = max(1, LOGITS // len(weight))
            for at in range(0, len(targets), step):
                part, wanted = states[at : at + step], targets[at : at + step, None]
                logits = (part @ matrix.T).to(grad_weight.dtype)
                log_p = logits.log_softmax(1)
                total -= (1 - share) * log_p.gather(1, wanted).double().sum()
                said = None
                if share:
                    said = (soft[at : at + step] @ soft_weight.T)[:, : len(weight)].to(logits.dtype).softmax(1)
                    said = torch.nn.functional.pad(said, (0, len(weight) - said.shape[1]))
                    total -= share * (said * log_p).sum(1).double().sum()
                grad = log_p.exp_()
                grad.scatter_add_(1, wanted, torch.full_like(wanted, share - 1, dtype=grad.dtype))
                if said is not None:
                    grad.sub_(said, alpha=share)
                grad = grad.to(low)
                torch.matmul(grad, matrix, out=grad_hidden[at : at + step])
                grad_weight += grad.T @ part
            ctx.save_for_backward(grad_hidden, grad_weight)
            ctx.dtypes = hidden.dtype, weight.dtype
            return total.to(grad_weight.dtype)

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            grad_hidden, grad_weight = ctx.saved_tensors
            hidden_dtype, weight_dtype = ctx.dtypes
            by_hidden = (grad_hidden * grads[0]).to(hidden_dtype)
            return by_hidden, (grad_weight * grads[0]).to(weight_dtype), None, None, None, None

    return LinearCrossEntropy
