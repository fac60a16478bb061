"""What every executor offers, and what a task may use while it runs.

A task is a function of one item. An executor maps it over many items; folding is a map and a merge of
its results in the driver. The task and the items are pickled, so the task must be importable: a function
or a frozen dataclass at the top level of a module.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Meter(Protocol):
    """Who is told how far a map has come."""

    def update(self, done: int, rows: int) -> None:
        """`done` items are finished; `rows` counts these items' rows and the running items' rows so far."""
        ...

    def say(self, text: str) -> None:
        """Show whole lines of text: what a worker printed, or a notice."""
        ...


class Executor(Protocol):
    """Runs a task over items, somewhere."""

    def map(
        self,
        task: Callable[[T], R],
        items: Sequence[T],
        *,
        label: Callable[[int], str],
        on_done: Callable[[int, R], None],
        progress: Meter | None = None,
    ) -> list[R]:
        """Run `task` on each of `items`; the results, in the order of the items.

        `label(i)` names item `i` in errors. `on_done(i, result)` is called in the driver, in its main
        thread of work, as each item finishes: items may finish in any order.

        After the first error nothing more is started; items already running finish and reach `on_done`;
        then the error is raised. A VernierError of the task is raised as it was made, its `where` filled
        with the label if it was empty. Any other exception is a bug in the task and keeps its own type
        (or becomes TaskFailed if it can not be pickled). Both have a WorkerTraceback as their cause.
        StageError: an item's worker died three times or outgrew its memory cap. RecipeError: the task
        or an item can not be sent to another process. Interrupted: a signal asked to stop.
        """
        ...


class Interrupted(KeyboardInterrupt):
    """A signal stopped a map. What had finished was given to `on_done`.

    `signum` is the signal; a command line exits with 128 + signum.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by signal {signum}")
        self.signum = signum


class TaskFailed(Exception):
    """Stands for an exception of a task that could not be pickled: its type name and message."""


class WorkerTraceback(Exception):
    """The traceback of an exception, as the worker saw it: the cause of the exception in the driver."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f"\n{self.text}"


_sink: Callable[[int], None] | None = None


def report(rows: int) -> None:
    """Called inside a task: `rows` rows of this item are done so far. Cheap; nothing outside a worker."""
    if _sink is not None:
        _sink(rows)


def listen(sink: Callable[[int], None]) -> None:
    """Send what tasks report to `sink` from now on. An executor's worker calls this once."""
    global _sink
    _sink = sink
