"""How PyTorch computes: with how many threads (a setting, because the last bits of a result can depend on it), and
without operations whose result depends on timing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from vernier.models.needs import needs


@contextlib.contextmanager
def threads(number: int) -> Iterator[None]:
    """PyTorch with `number` threads.

    One is the default of every stage. The same bits then come out on any machine with such cores, shards are scored
    side by side by one worker each, and a busy machine costs no more than its share: with two threads that wait
    for each other on two busy cores, a training step of a small model took 7 to 18 times as long.
    """
    needs("torch")
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def deterministic() -> Iterator[None]:
    """PyTorch without operations whose result depends on timing."""
    import torch

    was = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(was)
