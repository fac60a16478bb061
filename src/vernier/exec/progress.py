"""The view of a running map on stderr: one live line on a terminal, plain lines everywhere else.

    keep  ━━━━━━━━╺━━━━━  7/12 shards  1.2M rows  34k rows/s  41 s left

Plain: a line at the start, one about every ten seconds, one at the end. Rich is imported only when live.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import IO, Any


class Progress:
    """Shows how far a stage has come; a `Meter` for `Executor.map`, and a context manager.

    `items` shards in all, of which `reused` were done before this map; `rows` in all of the remaining ones,
    if known: it makes the time left exact. `quiet` shows nothing but what workers print. `every_s` is the
    pause between plain lines. `unit` names the items.
    """

    def __init__(
        self,
        label: str,
        items: int,
        rows: int | None = None,
        *,
        reused: int = 0,
        quiet: bool = False,
        unit: str = "shards",
        every_s: float = 10.0,
        stream: IO[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.label, self.items, self.rows_all, self.reused, self.unit = label, items, rows, reused, unit
        self.quiet, self.every_s, self.stream, self.clock = quiet, every_s, stream or sys.stderr, clock
        self.done = self.rows = 0
        self._start = self._shown = clock()
        self._bar: Any = None
        if quiet:
            return
        if self.stream.isatty() and os.environ.get("TERM") != "dumb":
            self._bar = _bar(self.stream)
            self._bar.add_task(label, total=self._total(), told="")
            self._bar.start()
        else:
            self._line(f"{label}: {items} {unit}" + (f", {reused} of them done before" if reused else ""))

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def update(self, done: int, rows: int) -> None:
        """`done` items of this map are finished; `rows` rows are done, of running items too."""
        self.done, self.rows = done, rows
        if self.quiet:
            return
        if self._bar is not None:  # Rich redraws on its own clock; this only sets numbers
            self._bar.update(0, completed=self._completed(), told=self._told())
        elif self.clock() - self._shown >= self.every_s:
            self._shown = self.clock()
            self._line(f"{self.label}: {self._told()}")

    def say(self, text: str) -> None:
        """Show whole lines of text above the live line."""
        if self._bar is not None:
            self._bar.console.out(text.removesuffix("\n"), highlight=False)
        else:
            self.stream.write(text)
            self.stream.flush()

    def close(self) -> None:
        """End the view with a last line that stays."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        if self.quiet:
            return
        rows = f", {short(self.rows)} rows" if self.rows else ""
        done, spent = self.done + self.reused, span(self.clock() - self._start)
        verb = "done" if done == self.items else "stopped"
        self._line(f"{self.label}: {verb}, {done}/{self.items} {self.unit}{rows} in {spent}")

    def _total(self) -> int:
        return self.rows_all or self.items - self.reused

    def _completed(self) -> int:
        return self.rows if self.rows_all else self.done

    def _told(self) -> str:
        """7/12 shards, 1.2M rows, 34k rows/s, 41 s left."""
        parts = [f"{self.done + self.reused}/{self.items} {self.unit}"]
        spent, completed = self.clock() - self._start, self._completed()
        if self.rows and spent > 0:
            parts += [f"{short(self.rows)} rows", f"{short(self.rows / spent)} rows/s"]
        if completed:
            parts.append(f"{span(max(0.0, self._total() - completed) * spent / completed)} left")
        return ", ".join(parts)

    def _line(self, text: str) -> None:
        self.stream.write(text + "\n")
        self.stream.flush()


def _bar(stream: IO[str]) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Rich

    columns = TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.fields[told]}")
    return Rich(*columns, console=Console(file=stream), transient=True, refresh_per_second=4)


def short(count: float) -> str:
    """A count in at most four characters: 950, 1.2k, 34k, 1.2M."""
    for limit, unit in ((1e3, ""), (1e6, "k"), (1e9, "M"), (1e12, "G")):
        if count < limit * 0.9995 or unit == "G":
            value = count / limit * 1e3
            return f"{value:.1f}{unit}" if unit and value < 9.95 else f"{value:.0f}{unit}"
    raise AssertionError


def span(seconds: float) -> str:
    """A time in its two largest units: 41 s, 3 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
