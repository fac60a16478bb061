"""The state of one map in the driver: what waits, what came back, and why it stops early."""

from __future__ import annotations

import signal
import sys
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic

from vernier.core.errors import SetupError, StageError, VernierError
from vernier.exec import wire
from vernier.exec.base import Interrupted, Meter, R, T, TaskFailed, WorkerTraceback
from vernier.exec.process import Worker

TRIES = 3  # workers that one item may cost


class Job(Generic[T, R]):
    """One map. Whoever runs it takes items and tells what became of each."""

    def __init__(
        self,
        id: int,
        task: bytes,
        items: Sequence[T],
        label: Callable[[int], str],
        on_done: Callable[[int, R], None],
        progress: Meter | None,
    ) -> None:
        self.id, self.task, self.items, self.label, self.on_done = id, task, items, label, on_done
        self.progress = progress
        self.waiting = deque(range(len(items)))
        self.results: dict[int, R] = {}
        self.tries: dict[int, int] = {}
        self.running_rows: dict[int, int] = {}  # of the items that a worker has now
        self.done_rows = 0
        self.error: Exception | None = None
        self.signum: int | None = None
        self._told_of_stop = False

    @property
    def stopping(self) -> bool:
        return self.error is not None or self.signum is not None

    def take(self) -> int:
        """The next item to run."""
        index = self.waiting.popleft()
        self.running_rows[index] = 0
        return index

    def done(self, index: int, body: bytes) -> None:
        self.done_rows += self.running_rows.pop(index)
        try:
            result = wire.unpack(body)
            self.on_done(index, result)
        except Exception as error:  # noqa: BLE001 - the items still running reach `on_done` before it is raised
            self.fail(index, error)
        else:
            self.results[index] = result

    def retry(self, index: int, worker: Worker) -> None:
        self.running_rows.pop(index, None)
        tries = self.tries[index] = self.tries.get(index, 0) + 1
        label, end = self.label(index), worker.how_it_ended()
        if tries >= TRIES:
            self.fail(index, _poison(label, tries, end, worker.last_words()))
        elif not self.stopping:
            self.waiting.appendleft(index)
            self.say(f"{label}: its worker ended with {end}; try {tries + 1} of {TRIES}\n")

    def failed(self, index: int, kind: str, body: bytes | None, line: str, text: str) -> None:
        """The task raised (`kind` error) or could not be loaded (unloadable); see `exec.worker`."""
        self.fail(index, rebuilt(kind, body, line, text))

    def fail(self, index: int, error: Exception) -> None:
        """The first error is raised once the running items are done; later ones are noted on it."""
        self.running_rows.pop(index, None)
        if self.error is None:
            if isinstance(error, VernierError):
                error.where = error.where or self.label(index)
            else:
                error.add_note(f"in {self.label(index)}")
            self.error = error
        else:
            self.error.add_note(f"{self.label(index)} failed too: {type(error).__name__}: {error}")

    def tell(self) -> None:
        if self.progress is not None:
            self.progress.update(len(self.results), self.done_rows + sum(self.running_rows.values()))
        if self.signum is not None and not self._told_of_stop:
            self._told_of_stop = True
            name, running = signal.Signals(self.signum).name, len(self.running_rows)
            self.say(f"stopping ({name}): {running} running items go on to their end; once more stops them too\n")

    def say(self, text: str) -> None:
        if text and self.progress is not None:
            self.progress.say(text)
        else:
            show(text)

    def outcome(self) -> list[R]:
        if self.error is not None:
            raise self.error
        if self.signum is not None:
            raise Interrupted(self.signum)
        return [self.results[index] for index in range(len(self.items))]


def show(text: str) -> None:
    """Print lines of a worker where no view of the progress does."""
    if text:
        sys.stderr.write(text)
        sys.stderr.flush()


def rebuilt(kind: str, body: bytes | None, line: str, text: str) -> Exception:
    """The exception of a task as it was; TaskFailed when it can not cross, or when it is no Exception."""
    error: Any = None
    if body is not None:
        try:
            error = wire.unpack(body)
        except Exception:  # noqa: BLE001 - an exception class with its own `__init__` often can not be loaded
            error = None
    if kind == "unloadable" and not isinstance(error, VernierError):
        error = SetupError(
            "a worker process can not import the task",
            found=line,
            do="install the package that the task comes from, or start from where it can be imported",
        )
    elif not isinstance(error, Exception):
        error = TaskFailed(line)
    error.__cause__ = WorkerTraceback(text)
    return error


def _poison(label: str, tries: int, end: str, words: str) -> StageError:
    hint = ""
    if "SIGKILL" in end:
        hint = "; the kernel kills so when memory runs out: make the shards smaller or use fewer workers"
    return StageError(
        f"{tries} workers died on the same item",
        where=label,
        found=f"{end}; last words: {words or '(none)'}",
        expected="a worker that returns or raises",
        do=f"run that item alone to see what kills the process{hint}",
    )
