"""Which rank this process is, for a plugin that several processes build together (`on: {ranks: N}`).

Who started them does not matter: the names are those that every launcher of PyTorch's sets.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from dataclasses import dataclass

from vernier.core.errors import SetupError
from vernier.models.device import device
from vernier.models.needs import needs


@dataclass(frozen=True)
class Ranks:
    """This process among those that work together: `rank` of `size`, from 0."""

    rank: int = 0
    size: int = 1


def ranks() -> Ranks:
    """From the environment; the only one if it says nothing."""
    return Ranks(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))


@contextlib.contextmanager
def group() -> Generator[Ranks]:
    """The process group of PyTorch over all ranks: gloo on the CPU, NCCL on GPUs (rank N computes on `cuda:N`).

    One rank alone gets none: whoever is the only one has nobody to talk to. Raises SetupError when there are fewer
    GPUs than ranks. After an exception the group is left as it is, since closing it could wait for ranks that never
    come: the process should end.
    """
    here = ranks()
    if here.size == 1:
        yield here
        return
    needs("torch")
    import torch
    from torch import distributed

    on_gpu = device().type == "cuda"
    if on_gpu:
        if torch.cuda.device_count() < here.size:
            raise SetupError(
                "there are fewer GPUs than ranks",
                found=f"{torch.cuda.device_count()} GPUs",
                expected=f"{here.size}, one for each rank",
                do="lower `on: {ranks: ...}`",
            )
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))  # from now on `cuda` means this one
    distributed.init_process_group("nccl" if on_gpu else "gloo")
    yield here
    distributed.destroy_process_group()
