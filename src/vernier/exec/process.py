"""The driver's side of one worker process: start it, talk to it, hear what it prints, weigh it, end it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from vernier.exec import wire

_START = "import sys; sys.path[:] = sys.argv[3].split('\\n'); from vernier.exec.{} import main; main()"
_LAST_WORDS = 4000  # bytes of a worker's output kept for the error that tells of its death
_LONGEST_LINE = 65536
_PROC = os.path.exists("/proc/self/statm")


class Worker:
    """One worker process and the item that it works on."""

    def __init__(self, env: Mapping[str, str]) -> None:
        """OSError when the machine will not give another process."""
        self.index: int | None = None  # the item it works on
        self.task_id = -1  # the task that it was last sent
        self.items = 0  # items finished
        self.peak = 0  # bytes, the largest resident size measured
        self.silent = False  # its output is closed: nothing more can be heard
        self._partial = b""
        self._tail = b""
        self._lifeline = self.words = -1
        self._open = True
        self._socket, theirs = socket.socketpair()
        lifeline = words = -1
        try:
            lifeline, self._lifeline = os.pipe()
            self.words, words = os.pipe()
            os.set_blocking(self.words, False)
            self.wire = self._socket.fileno()
            self.process = start("worker", theirs.fileno(), lifeline, words, env)
        except BaseException:  # the second stop signal may arrive here too
            self._close()
            raise
        finally:
            theirs.close()
            _close(lifeline, words)

    def give(self, index: int, task_id: int, task: bytes, item: bytes) -> None:
        """Send an item. The task goes along when this worker has not seen it. OSError: the worker is dead."""
        self.index = index
        wire.send(self.wire, (task_id, task if task_id != self.task_id else None, item))
        self.task_id = task_id

    def receive(self) -> tuple[str, int, Any]:
        """(kind, rows, body), see `exec.worker`. EOFError or OSError: the worker is dead."""
        return wire.receive(self.wire)

    def hear(self) -> str:
        """The whole lines that the worker has printed since the last call; never waits."""
        with suppress(BlockingIOError):  # there is nothing more for now
            while not self.silent:
                chunk = os.read(self.words, 65536)
                self.silent = not chunk
                self._tail = (self._tail + chunk)[-_LAST_WORDS:]
                self._partial += chunk
        cut = self._partial.rfind(b"\n") + 1
        if not self._open or len(self._partial) > _LONGEST_LINE:
            cut = len(self._partial)
        lines, self._partial = self._partial[:cut], self._partial[cut:]
        return lines.decode(errors="replace")

    def last_words(self, num_lines: int = 12) -> str:
        """The end of what the worker printed."""
        return "\n".join(self._tail.decode(errors="replace").strip().split("\n")[-num_lines:])

    def dismiss(self) -> None:
        """Ask the idle worker to leave; `gone` or `end` must follow."""
        self.index = None
        self._socket.shutdown(socket.SHUT_RDWR)

    def dead(self) -> bool:
        """Whether the process has ended."""
        return self.process.poll() is not None

    def end(self, patience_s: float = 0.0) -> str:
        """Wait `patience_s`, then kill the process; free everything; returns the lines not heard yet."""
        if not self._open:
            return ""
        try:
            self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._open = False
        text = self.hear()
        self._close()
        return text

    def _close(self) -> None:
        self._socket.close()
        _close(self._lifeline, self.words)

    def how_it_ended(self) -> str:
        """In words, of a process that has ended: its signal or its exit code."""
        return ending(self.process.returncode)


def ending(code: int) -> str:
    """An exit status in words: `exit code 7`, `signal 9 (SIGKILL)` for -9."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"signal {-code}"


def _close(*fds: int) -> None:
    for fd in fds:
        if fd >= 0:
            os.close(fd)


def start(
    module: str, wire_fd: int, lifeline: int, words: int, env: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start `main` of a module of `vernier.exec` in an interpreter of its own, with both stop signals blocked, so that
    none hits it too early. What it prints goes to `words`."""
    paths = "\n".join(os.path.abspath(path) if path == "" else path for path in sys.path)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        return subprocess.Popen(
            [sys.executable, "-c", _START.format(module), str(wire_fd), str(lifeline), paths],
            pass_fds=(wire_fd, lifeline),
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            env={**os.environ, **(env or {})},
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def resident(pids: Iterable[int]) -> dict[int, int]:
    """Bytes of resident memory of each process that still exists (shared pages included, like `top`)."""
    pids = list(pids)
    sizes: dict[int, int] = {}
    if _PROC:
        page = os.sysconf("SC_PAGE_SIZE")
        for pid in pids:
            try:
                with open(f"/proc/{pid}/statm", "rb") as file:
                    sizes[pid] = int(file.read().split()[1]) * page
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended between two looks
        return sizes
    if pids:  # macOS and the BSDs
        command = ["ps", "-o", "pid=,rss=", "-p", ",".join(map(str, pids))]
        listing = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        for line in listing.split("\n"):
            if line.strip():
                pid, size = line.split()
                sizes[int(pid)] = int(size) * 1024
    return sizes
