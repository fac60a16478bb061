"""Looks at processes from outside."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable


def until(true: Callable[[], bool], seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def alive(pid: int) -> bool:
    """Whether the process runs (a zombie that its new parent has not reaped yet does not)."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


def children(pid: int) -> list[int]:
    """The processes that `pid` has started."""
    command = ["ps", "-o", "pid=", "--ppid", str(pid)]
    return [int(child) for child in subprocess.run(command, capture_output=True, check=False).stdout.split()]
