"""The child of a guard (`vernier.exec.guard`): does one item after the other within the limits of the kernel.

Started as `python -c ... WIRE LIFELINE PATHS`. It ends when its parent does, as a worker ends with its driver.
"""

from __future__ import annotations

import importlib
import os
import resource
import signal
import sys
from typing import Any

from vernier.exec import wire, worker


def main() -> None:
    wire_fd, lifeline = int(sys.argv[1]), int(sys.argv[2])
    for fd in (wire_fd, lifeline):
        os.set_inheritable(fd, False)
    worker.ignore_stop_signals()
    worker.die_with_driver(lifeline)
    serve(wire_fd)


def serve(fd: int) -> None:
    """Make the task, say so, then answer each item of each batch until the parent closes the wire.

    Answers: ("ready", None), ("unready", what `worker.told` says), then for each item ("done", result),
    ("error", its exception's type and message) or ("memory", None), after which the child leaves.
    """
    task_name, settings, seconds, memory = wire.receive(fd)
    try:
        module, _, name = task_name.partition(":")
        task = getattr(importlib.import_module(module), name)(settings)
    except BaseException as error:  # noqa: BLE001 - the parent raises it
        wire.send(fd, ("unready", worker.told(error)))
        return
    held = _address_space()
    resource.setrlimit(resource.RLIMIT_AS, (held + memory, held + memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    wire.send(fd, ("ready", None))
    while True:
        try:
            batch = wire.receive(fd)
        except (EOFError, ConnectionError):
            return
        for item in batch:
            kind, body = _answer(task, item, seconds)
            wire.send(fd, (kind, body))
            if kind == "memory":
                return


def _answer(task: Any, item: Any, seconds: float) -> tuple[str, Any]:
    signal.setitimer(signal.ITIMER_PROF, seconds)  # CPU time, foreign code too: the kernel ends the process
    try:
        answer: tuple[str, Any] = ("done", task(item))
    except MemoryError:
        answer = ("memory", None)
    except Exception as error:  # noqa: BLE001 - it is the item's, and the parent records it
        answer = ("error", f"{type(error).__name__}: {error}")
    signal.setitimer(signal.ITIMER_PROF, 0)
    return answer


def _address_space() -> int:
    """Bytes of address space that this process has."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
