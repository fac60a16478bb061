"""Tasks that the tests of the gang send to ranks."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.exec.tasks import Stubborn

from vernier.core.errors import DataError
from vernier.exec.gang import gang
from vernier.models.ranks import group


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
    sys.stderr.write(f"rank {here.rank} of {here.size}\n")
    names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR")
    return int(tensor), [here.rank, here.size], {name: os.environ[name] for name in names}


def meet() -> None:
    """Returns when every rank has come to it."""
    import torch
    from torch import distributed

    distributed.all_reduce(torch.ones(1))


@dataclass(frozen=True)
class FailInOne:
    """Rank 1 raises while rank 0 waits for it."""

    kind: str

    def __call__(self, _: object) -> None:
        with group() as here:
            meet()
            if here.rank == 0:
                meet()
            if self.kind == "data":
                raise DataError("bad row", where="shard 3 row 5", found="x", expected="y", do="z")
            raise Stubborn(1, 2)


@dataclass(frozen=True)
class DieInOne:
    """Rank 1 ends its process while rank 0 waits for it: one way in each try, until there are no more `ways`."""

    folder: str
    ways: tuple[str, ...]

    def __call__(self, item: int) -> tuple[int, int]:
        """The item, and in how many tries rank 1 came so far."""
        tries = Path(self.folder) / "tries"
        with group() as here:
            meet()
            if here.rank == 1:
                with tries.open("a") as file:
                    file.write("x")
                way = (*self.ways, "go on")[len(tries.read_text()) - 1]
                if way == "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
                if way == "exit":
                    os._exit(0)
            meet()
        return item, len(tries.read_text())


@dataclass(frozen=True)
class RanksWait:
    """Called in a worker. Its ranks touch FOLDER/started-PID, then wait for FOLDER/go."""

    folder: str

    def __call__(self, item: int) -> int:
        return gang(Wait(self.folder), item, 2)


@dataclass(frozen=True)
class Wait:
    folder: str

    def __call__(self, item: int) -> int:
        Path(self.folder, f"started-{os.getpid()}").touch()
        while not Path(self.folder, "go").exists():
            time.sleep(0.01)
        return item
