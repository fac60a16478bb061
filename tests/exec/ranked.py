"""Tasks that the tests of the gang send to ranks."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.exec.tasks import Stubborn

from vernier.core.errors import DataError
from vernier.exec.gang import gang
from vernier.models.ranks import Ranks, group, ranks


@dataclass(frozen=True)
class Together:
    """Called in a worker: runs a task on that many ranks."""

    task: Any
    ranks: int = 2

    def __call__(self, item: Any) -> Any:
        return gang(self.task, item, self.ranks)


def total(value: int) -> tuple[int, list[int], dict[str, str]]:
    """The sum over the ranks of value x (rank + 1) by an all-reduce, with what rank 0 was told of itself."""
    import torch
    from torch import distributed

    with group() as here:
        tensor = torch.tensor([value * (here.rank + 1)])
        distributed.all_reduce(tensor)
    print(f"rank {here.rank} of {here.size}")
    names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR")
    return int(tensor), [here.rank, here.size], {name: os.environ[name] for name in names}


def wait_for_others(here: Ranks) -> None:
    """An all-reduce: returns when every rank has come to it."""
    import torch
    from torch import distributed

    distributed.all_reduce(torch.ones(1))


@dataclass(frozen=True)
class FailInOne:
    """Rank 1 raises while the others wait for it."""

    kind: str

    def __call__(self, _: object) -> None:
        with group() as here:
            wait_for_others(here)
            if here.rank != 1:
                wait_for_others(here)
            if self.kind == "data":
                raise DataError("bad row", where="shard 3 row 5", found="x", expected="y", do="z")
            if self.kind == "value":
                raise ValueError("wrong value")
            raise Stubborn(1, 2)


@dataclass(frozen=True)
class DieInOne:
    """Rank 1 is killed while the others wait for it, the first `times` times."""

    folder: str
    times: int

    def __call__(self, item: int) -> tuple[int, int]:
        with group() as here:
            wait_for_others(here)
            deaths = Path(self.folder) / "deaths"
            if here.rank == 1:
                with deaths.open("a") as file:
                    file.write("x")
                if len(deaths.read_text()) <= self.times:
                    os.kill(os.getpid(), signal.SIGKILL)
            wait_for_others(here)
            return item, len(deaths.read_text())


def leave(_: object) -> None:
    """Every rank ends its process, and says that all went well."""
    os._exit(0)


@dataclass(frozen=True)
class RanksWait:
    """Called in a worker: its ranks touch FOLDER/started-RANK-PID, then wait for FOLDER/go."""

    folder: str

    def __call__(self, item: int) -> int:
        Path(self.folder, f"worker-{os.getpid()}").touch()
        return gang(_Wait(self.folder), item, 2)


@dataclass(frozen=True)
class _Wait:
    folder: str

    def __call__(self, item: int) -> int:
        Path(self.folder, f"started-{ranks().rank}-{os.getpid()}").touch()
        while not Path(self.folder, "go").exists():
            time.sleep(0.01)
        return item
