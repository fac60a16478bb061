"""Tasks that the tests of the executors send to worker processes."""

from __future__ import annotations

import io
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from vernier.core.errors import DataError
from vernier.exec import base


def double(x: int) -> int:
    return 2 * x


def pid(_: object) -> int:
    return os.getpid()


def parent(_: object) -> int:
    return os.getppid()


def environ(name: str) -> str | None:
    return os.environ.get(name)


def modules(_: object) -> list[str]:
    return sorted(sys.modules)


def num_fds(_: object) -> int:
    return len(os.listdir("/proc/self/fd"))


def sleep_then(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


@dataclass(frozen=True)
class Meet:
    """Waits until `parties` items are running at once."""

    folder: str
    parties: int

    def __call__(self, item: int) -> int:
        Path(self.folder, str(item)).touch()
        while len(os.listdir(self.folder)) < self.parties:
            time.sleep(0.005)
        return os.getpid()


@dataclass(frozen=True)
class DieOnce:
    """Ends its process the first `times` times that it meets `victim`."""

    folder: str
    victim: int
    how: str
    times: int = 1

    def __call__(self, item: int) -> int:
        deaths = Path(self.folder) / "deaths"
        if item == self.victim:
            with deaths.open("a") as file:
                file.write(f"{os.getpid()}\n")
            if len(deaths.read_text().split()) <= self.times:
                print("last words", file=sys.stderr, flush=True)
                if self.how == "exit":
                    os._exit(7)
                os.kill(os.getpid(), getattr(signal, self.how))
        return 2 * item


@dataclass(frozen=True)
class Fail:
    """Raises on one item; the others wait until it has."""

    folder: str
    kind: str
    victim: int = 0

    def __call__(self, item: int) -> int:
        flag = Path(self.folder) / "failed"
        if item == self.victim:
            flag.touch()
            self.fail()
        while not flag.exists():
            time.sleep(0.005)
        time.sleep(0.1)
        return item

    def fail(self) -> NoReturn:
        if self.kind == "data":
            raise DataError("bad row", where="shard 3 row 5", found="x", expected="y", do="z")
        if self.kind == "no where":
            raise DataError("bad row")
        if self.kind == "value":
            raise ValueError("wrong value")
        if self.kind == "exit":
            sys.exit("out")
        raise Stubborn(1, 2)


class Stubborn(Exception):
    """Can be pickled but not loaded."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__(f"stubborn {a} {b}")


def grow(megabytes: int) -> int:
    block = bytearray(megabytes << 20)
    block[::4096] = b"x" * len(block[::4096])
    time.sleep(20)
    return len(block)


@dataclass(frozen=True)
class Hold:
    """Keeps what it allocates after the item is done."""

    megabytes: int

    def __call__(self, _: int) -> int:
        block = bytearray(self.megabytes << 20)
        block[::4096] = b"x" * len(block[::4096])
        _HELD.append(block)
        return os.getpid()


_HELD: list[bytearray] = []


def report_rows(rows: int) -> int:
    for row in range(1, rows + 1):
        base.report(row)
    return rows


def say(text: str) -> None:
    print(f"out {text}")
    print(f"err {text}", file=sys.stderr)


def close_output(_: object) -> None:
    """Close the output that the driver listens to, then go on for a while."""
    os.close(1)
    os.close(2)
    sys.stdout = sys.stderr = io.StringIO()
    time.sleep(1)


@dataclass(frozen=True)
class LeaveChild:
    """Forks a child that outlives the worker, as data loaders do, and dies."""

    folder: str

    def __call__(self, _: object) -> int:
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
        Path(self.folder, str(child)).touch()
        os.kill(os.getpid(), signal.SIGKILL)
        return 0


def stop_child(_: object) -> int:
    """Start a process and end it by SIGTERM, which this worker itself ignores; its exit status."""
    import subprocess

    child = subprocess.Popen([sys.executable, "-c", "import time; print(flush=True); time.sleep(30)"], stdout=-1)
    assert child.stdout is not None
    child.stdout.read(1)
    child.terminate()
    return child.wait()


def unsendable(_: object) -> object:
    return lambda: None


@dataclass(frozen=True)
class Unloadable:
    """Can be sent and not be loaded."""

    def __reduce__(self) -> tuple[object, ...]:
        return _no_module, ()

    def __call__(self, item: int) -> int:
        return item


def _no_module() -> NoReturn:
    raise ImportError("no module named 'elsewhere'")


@dataclass(frozen=True)
class MarkThenWait:
    """Touches FOLDER/started-ITEM, then waits for FOLDER/go."""

    folder: str

    def __call__(self, item: int) -> int:
        Path(self.folder, f"started-{item}-{os.getpid()}").touch()
        while not Path(self.folder, "go").exists():
            time.sleep(0.01)
        return item


@dataclass(frozen=True)
class HoldLock:
    """Stays in one call of C code that never gives up the interpreter lock: no other thread can run."""

    folder: str

    def __call__(self, item: int) -> int:
        Path(self.folder, f"started-{item}-{os.getpid()}").touch()
        return sum(range(1 << 40))


@dataclass(frozen=True)
class ReportThenDie:
    """Reports its rows and dies, the first time."""

    folder: str

    def __call__(self, rows: int) -> int:
        base.report(rows)
        flag = Path(self.folder) / "died"
        if not flag.exists():
            flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return rows
