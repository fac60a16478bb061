"""One worker process: takes items one by one, runs the task on each, sends the result back.

Started by `exec.process` as `python -c ... WIRE LIFELINE PATHS`, not by multiprocessing, which would import
the user's main script again. Imports only the standard library until the first task names something else.

A worker never outlives its driver. Nobody but the driver holds the write end of the lifeline pipe, so
its end means that the driver is gone, whatever killed it. Two things watch for that: a thread, and
on Linux the kernel itself (F_SETSIG), which also reaches a worker stuck in foreign code with the
interpreter lock held. PR_SET_PDEATHSIG is not used: it fires when the *thread* that started the worker ends.
"""

from __future__ import annotations

import _thread
import fcntl
import os
import signal
import sys
import time
from types import FrameType
from typing import Any

from vernier.exec import base, wire

REPORT_EVERY_S = 0.2


def main() -> None:
    wire_fd, lifeline = int(sys.argv[1]), int(sys.argv[2])
    for fd in (wire_fd, lifeline):
        os.set_inheritable(fd, False)
    ignore_stop_signals()
    die_with_driver(lifeline)
    sys.stdout.reconfigure(line_buffering=True)  # pyright: ignore[reportAttributeAccessIssue]
    serve(wire_fd)


def ignore_stop_signals() -> None:
    """Leave SIGINT and SIGTERM, which a terminal sends to the whole group, to the driver.

    A handler and not SIG_IGN, which processes started by a task would inherit; a task's own forks get the
    default back at their first signal. The driver starts workers with both signals blocked.
    """
    worker = os.getpid()

    def drop(signum: int, _: FrameType | None) -> None:
        if os.getpid() != worker:
            signal.signal(signum, signal.SIG_DFL)
            os.kill(os.getpid(), signum)

    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, drop)
        signal.siginterrupt(signum, False)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))


def die_with_driver(lifeline: int) -> None:
    """End this process as soon as the write end of `lifeline` is closed."""
    _thread.start_new_thread(_watch, (lifeline,))
    kill_at_end(lifeline, os.getpid())


def kill_at_end(lifeline: int, pid: int) -> None:
    """Let the kernel kill the process `pid`, which holds `lifeline` too, when its write end is closed (on Linux)."""
    if hasattr(fcntl, "F_SETSIG"):
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, pid)
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_ASYNC)


def _watch(lifeline: int) -> None:
    os.read(lifeline, 1)
    os._exit(1)


def serve(fd: int) -> None:
    """Answer messages until the driver closes the wire."""
    out = _Out(fd)
    base.listen(out.report)
    task_id, task = -1, None
    while True:
        try:
            new_id, task_bytes, item_bytes = wire.receive(fd)
        except (EOFError, ConnectionError):
            return
        out.rows = 0
        try:
            if new_id != task_id:
                task_id, task = new_id, wire.unpack(task_bytes)
            item = wire.unpack(item_bytes)
        except BaseException as error:  # noqa: BLE001 - the driver tells it
            task_id = -1
            out.send("unloadable", told(error))
        else:
            out.send(*answer(task, item))
            del item


def answer(task: Any, item: Any) -> tuple[str, Any]:
    """("done", pickle of the result) or ("error", what `told` says)."""
    try:
        out = "done", wire.pack(task(item))
    except BaseException as error:  # noqa: BLE001 - SystemExit too: the driver tells it
        out = "error", told(error)
    sys.stdout.flush()
    sys.stderr.flush()
    return out


class _Out:
    """Sends messages to the driver; a task's own threads may report rows while the result goes out."""

    def __init__(self, fd: int) -> None:
        self.fd, self.rows = fd, 0
        self.lock = _thread.allocate_lock()
        self.next_report = 0.0

    def send(self, kind: str, body: Any) -> None:
        with self.lock:
            wire.send(self.fd, (kind, self.rows, body))

    def report(self, rows: int) -> None:
        self.rows = rows
        now = time.monotonic()
        if now >= self.next_report:
            self.next_report = now + REPORT_EVERY_S
            self.send("rows", None)


def told(error: BaseException) -> tuple[bytes | None, str, str]:
    """(pickle of the exception if it has one, its type name and message, its traceback)."""
    import traceback  # a worker without errors starts faster

    if error.__traceback__ is not None:  # drop this module's own frame
        error.__traceback__ = error.__traceback__.tb_next or error.__traceback__
    text = "".join(traceback.format_exception(error))
    line = "".join(traceback.format_exception_only(error)).strip()
    try:
        return wire.pack(error), line, text
    except Exception:  # noqa: BLE001 - the driver then raises TaskFailed with the line and the traceback
        return None, line, text
