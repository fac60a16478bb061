"""Tasks that do to their process what a hostile page would."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable
from typing import Any

from vernier.core.errors import SetupError


def hostile(settings: Any) -> Callable[[Any], Any]:
    """A function that doubles numbers and does what a text says."""
    held: list[bytearray] = []

    def task(item: Any) -> Any:
        match item:
            case int():
                return item * settings
            case "spin":
                while True:
                    pass
            case "sleep":
                time.sleep(1000)
            case "segfault":
                ctypes.string_at(0)
            case "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            case "exit":
                os._exit(3)
            case "ask":
                return len(bytearray(1 << 40))
            case "eat":
                while True:
                    held.append(bytearray(1 << 20))
            case "leak":
                held.append(bytearray(60 << 20))
                return len(held)
            case "pid":
                return os.getpid()
            case "starved":  # as a library in Rust ends that gets no memory
                os.write(2, b"memory allocation of 1048576 bytes failed\n")
                os.abort()
            case "abort":
                os.abort()
            case _:
                raise ValueError(item)

    return task


def unready(settings: Any) -> Callable[[Any], Any]:
    raise SetupError("there is no such library", do="install it")


def stillborn(settings: Any) -> Callable[[Any], Any]:
    os._exit(7)
