"""The chunked loss against the plain one: value, gradients, memory that does not grow with the vocabulary's rows."""

from __future__ import annotations

from typing import Any

import pytest

from vernier.models import loss as module
from vernier.models.loss import Teacher, linear_cross_entropy


def plain(hidden: Any, weight: Any, targets: Any, teacher: Teacher | None) -> Any:
    """The docstring's equation on full logits."""
    import torch

    log_p = (hidden @ weight.T).log_softmax(1)
    hard = -log_p.gather(1, targets[:, None]).sum()
    if teacher is None:
        return hard
    q = (teacher.hidden @ teacher.weight.T)[:, : len(weight)].softmax(1)
    return (1 - teacher.share) * hard - teacher.share * torch.sum(q * log_p)


def make(rows: int, vocabulary: int, share: float, dtype: Any) -> tuple[Any, Any, Any, Teacher | None]:
    import torch

    torch.manual_seed(rows)
    hidden = torch.randn(rows, 12, dtype=dtype, requires_grad=True)
    weight = torch.randn(vocabulary, 12, dtype=dtype, requires_grad=True)
    targets = torch.randint(vocabulary, (rows,))
    teacher = Teacher(torch.randn(rows, 5, dtype=dtype), torch.randn(vocabulary + 3, 5, dtype=dtype), share)
    return hidden, weight, targets, teacher if share else None


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("rows", [1, 7, 64, 65])
def test_value_and_gradients_are_those_of_full_logits(monkeypatch: Any, rows: int, share: float) -> None:
    import torch

    monkeypatch.setattr(module, "LOGITS", 16 * 37)  # 16 rows at a time: one piece, several, a rest of one
    hidden, weight, targets, teacher = make(rows, 37, share, torch.float64)
    ours = linear_cross_entropy(hidden, weight, targets, teacher)
    got = torch.autograd.grad(3 * ours, [hidden, weight])
    theirs = plain(hidden, weight, targets, teacher)
    wanted = torch.autograd.grad(3 * theirs, [hidden, weight])
    assert torch.allclose(ours, theirs, rtol=1e-12)
    for one, other in zip(got, wanted, strict=True):
        assert torch.allclose(one, other, rtol=1e-10, atol=1e-12)


def test_float32_errs_no_more_than_the_plain_form_does() -> None:
    import torch

    hidden, weight, targets, _ = make(300, 2048, 0.0, torch.float64)
    truth = plain(hidden, weight, targets, None)
    exact = torch.autograd.grad(truth, [hidden, weight])
    low = [t.detach().float().requires_grad_() for t in (hidden, weight)]
    errors = []
    for function in (linear_cross_entropy, plain):
        value = function(*low, targets, None)
        grads = torch.autograd.grad(value, low)
        far = [float((a.double() - b).abs().max()) for a, b in zip(grads, exact, strict=True)]
        errors.append([abs(float((value.double() - truth).detach())), *far])
    for ours, naive in zip(*errors, strict=True):
        assert ours <= naive + 1e-4


def test_a_teacher_that_agrees_pulls_nowhere() -> None:
    import torch

    hidden, weight, targets, _ = make(9, 20, 0.0, torch.float64)
    same = Teacher(hidden.detach(), weight.detach(), 1.0)
    grads = torch.autograd.grad(linear_cross_entropy(hidden, weight, targets, same), [hidden, weight])
    assert all(float(grad.abs().max()) < 1e-12 for grad in grads)


def test_full_logits_never_exist() -> None:
    """No tensor of the loss has more than the given number of elements, but the gradients themselves."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    class Largest(TorchDispatchMode):
        elements = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = func(*args, **(kwargs or {}))
            if isinstance(out, torch.Tensor):
                self.elements = max(self.elements, out.numel())
            return out

    rows, vocabulary = 4096, 4096
    hidden, weight, targets, _ = make(rows, vocabulary, 0.0, torch.float32)
    with Largest() as seen:
        linear_cross_entropy(hidden, weight, targets).backward()
    assert seen.elements <= module.LOGITS < rows * vocabulary
