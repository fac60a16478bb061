"""Work that may hang, eat memory or crash, done in a child process that is cut off by the kernel.

What one item can do to the child ends the child and not its parent: the item gets a reason in place of a result, and
a new child goes on behind it. The kernel holds the limits, also in foreign code that never lets go of the interpreter:
CPU time by an interval timer (ITIMER_PROF) that is set anew for each item, memory by RLIMIT_AS. Linux.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from vernier.core.errors import StageError
from vernier.exec import wire
from vernier.exec.job import rebuilt
from vernier.exec.process import ending, start

WAITING = 10  # wall seconds that an item may take for each CPU second: one that sleeps is cut off too
LEAST_WAIT_S = 60.0  # on a machine with much else to do
NO_MEMORY = (b"memory allocation of", b"bad_alloc", b"out of memory")  # last words of Rust, C++ and others at SIGABRT
LAST_WORDS = 4000  # bytes
ITEMS = 20_000  # that a child does before another takes its place: what libraries leak goes with it


class Answer(NamedTuple):
    """What became of an item: its result, or None and why not.

    why   None, or `timeout`, `memory`, `crashed` (the child died of it otherwise), `error` (it raised)
    """

    result: Any
    why: str | None


@dataclass(frozen=True)
class Limits:
    """What one item may use.

    seconds   of CPU time; ten times as much of wall time, and a minute at least
    memory    bytes of address space beyond what the child has when it is ready
    """

    seconds: float
    memory: int


class Guard:
    """`task(settings)` makes a function in a child process; the child applies it to items, one by one.

    `task` is named `package.module:function` and imported by the child alone; settings, items and results are pickled.
    What an item gets does not depend on those before it: one that ends a child that had done others is tried once more
    in a fresh one. `timeout` and `memory` depend on the machine, and nothing else does.
    """

    def __init__(self, task: str, settings: Any, limits: Limits) -> None:
        self._task, self._settings, self._limits = task, settings, limits
        self._child: _Child | None = None

    def __enter__(self) -> Guard:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the child, if there is one."""
        if self._child is not None:
            self._child.end()
            self._child = None

    def answers(self, items: Sequence[Any]) -> Iterator[Answer]:
        """One answer for each item, in order. Raises what the task raised when it was made (a VernierError as it was);
        StageError: a child died before it was ready."""
        at = 0
        while at < len(items):
            child = self._ready()
            for kind, result in child.work(items[at:]):
                if kind in ("done", "error"):
                    at += 1
                    yield Answer(result if kind == "done" else None, None if kind == "done" else "error")
                    continue
                fresh = child.done == 0
                self.close()
                if fresh or kind == "timeout":  # CPU time is the item's own; memory may have been taken before
                    at += 1
                    yield Answer(None, kind)

    def _ready(self) -> _Child:
        if self._child is not None and self._child.done >= ITEMS:
            self.close()
        if self._child is None:
            child = _Child(self._limits)
            child.begin(self._task, self._settings)
            self._child = child
        return self._child


class _Child:
    """One child process and the wire to it."""

    def __init__(self, limits: Limits) -> None:
        self.done = 0  # items that it has answered
        self._limits = limits
        self._late = False
        self._socket, theirs = socket.socketpair()
        lifeline, self._lifeline = os.pipe()
        self._words = os.memfd_create("words")  # what it printed since the last batch
        fcntl.fcntl(self._words, fcntl.F_SETFL, os.O_APPEND)
        try:
            self._process = start("guarded", theirs.fileno(), lifeline, self._words)
        except BaseException:
            self._socket.close()
            os.close(self._lifeline)
            os.close(self._words)
            raise
        finally:
            theirs.close()
            os.close(lifeline)

    def begin(self, task: str, settings: Any) -> None:
        """Have the child make its task."""
        fd = self._socket.fileno()
        try:
            wire.send(fd, (task, settings, self._limits.seconds, self._limits.memory))
            kind, body = wire.receive(fd)
        except (EOFError, OSError) as error:
            self._process.wait()
            words = self._last_words().decode(errors="replace").strip()
            self.end()
            raise StageError(
                "a guarded child died before it was ready",
                where=task,
                found=f"{ending(self._process.returncode)}; last words: {words or '(none)'}",
                expected="a process that imports the task and waits",
            ) from error
        if kind == "unready":
            self.end()
            raise rebuilt("unloadable", *body)

    def work(self, items: Sequence[Any]) -> Iterator[tuple[str, Any]]:
        """(`done`, result) or (`error`, message) for each item; behind the last of them, where the child died, why."""
        fd = self._socket.fileno()
        patience = max(LEAST_WAIT_S, WAITING * self._limits.seconds)
        os.ftruncate(self._words, 0)
        try:
            wire.send(fd, items)
            for _ in items:
                if not select.select([fd], [], [], patience)[0]:
                    self._late = True
                    self._process.kill()
                    raise EOFError
                kind, body = wire.receive(fd)
                yield kind, body
                if kind == "memory":
                    return
                self.done += 1
        except (EOFError, OSError):
            yield self._why(), None

    def _why(self) -> str:
        """Why the child died."""
        code = self._process.wait()
        if self._late or code == -signal.SIGPROF:
            return "timeout"
        words = self._last_words().lower()
        return "memory" if code == -signal.SIGABRT and any(word in words for word in NO_MEMORY) else "crashed"

    def _last_words(self) -> bytes:
        """The end of what it printed."""
        return os.pread(self._words, LAST_WORDS, max(0, os.fstat(self._words).st_size - LAST_WORDS))

    def end(self) -> None:
        """Kill the process if it runs, wait for it, free everything."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._socket.close()
        os.close(self._lifeline)
        os.close(self._words)
