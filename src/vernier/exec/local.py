"""Run a map on this machine's own processes: `with Pool(workers=4) as pool: pool.map(...)`.

A worker that dies (a signal, the kernel short of memory, `os._exit`) costs its item one try of three, on a
fresh worker each time. First SIGINT or SIGTERM: nothing more is started, running items finish, then
Interrupted is raised. Second: the workers are killed at once. Signals are handled only while a map runs in
the main thread.
"""

from __future__ import annotations

import selectors
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType, TracebackType

from vernier.core.errors import SetupError, StageError
from vernier.exec.base import Interrupted, Meter, R, T
from vernier.exec.job import Job, show
from vernier.exec.parcel import parcel
from vernier.exec.process import Worker, resident

TICK_S = 0.25  # between two looks at the workers' memory
LEAVE_S = 5.0  # an idle worker told to leave is killed after this


class Pool:
    """At most `workers` processes, started when first needed and kept warm from one map to the next.

    `memory`: bytes of resident memory that one worker may use; above it, it is killed and StageError raised.
    The worker's own processes are not counted. `recycle`: items after which a worker is replaced; it is also
    replaced between items when it holds more than half of `memory`. `env`: added to the workers' environment.
    One map at a time. Raises what `Executor.map` raises, and SetupError when no process can be started.
    """

    def __init__(
        self,
        workers: int,
        *,
        memory: int | None = None,
        recycle: int | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        if workers < 1 or (recycle is not None and recycle < 1) or (memory is not None and memory < 1):
            raise ValueError(f"workers, recycle and memory are at least 1: {workers}, {recycle}, {memory}")
        self.workers, self.memory, self.recycle = workers, memory, recycle
        self.env = dict(env or {})
        self._staff: list[Worker] = []
        self._leaving: list[Worker] = []
        self._selector = selectors.DefaultSelector()
        self._num_maps = 0

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Send the workers home and wait for them."""
        for worker in list(self._staff):
            self._dismiss(worker)
        for worker in self._leaving:
            show(worker.end(LEAVE_S))
        self._leaving.clear()
        self._selector.close()

    def map(
        self,
        task: Callable[[T], R],
        items: Sequence[T],
        *,
        label: Callable[[int], str],
        on_done: Callable[[int, R], None],
        progress: Meter | None = None,
    ) -> list[R]:
        """Run `task` on each of `items`; see `exec.base.Executor.map`."""
        if any(worker.index is not None for worker in self._staff):
            raise RuntimeError("this pool is already running a map")
        self._num_maps += 1
        job = Job(self._num_maps, parcel(task, "the task"), items, label, on_done, progress)
        with self._stop_signals(job):
            try:
                self._drive(job)
            except BaseException:
                for worker in list(self._staff):
                    if worker.index is not None:
                        job.say(self._end(worker))
                raise
        return job.outcome()

    def _drive(self, job: Job[T, R]) -> None:
        next_look = time.monotonic() + TICK_S
        while True:
            self._dispatch(job)
            if not any(worker.index is not None for worker in self._staff):
                break
            for key, _ in self._selector.select(TICK_S):
                worker, channel = key.data
                if worker not in self._staff:
                    continue  # ended by an earlier event of this round
                if channel == "words":
                    job.say(worker.hear())
                    if worker.silent:
                        self._selector.unregister(worker.words)
                else:
                    self._answer(worker, job)
            if time.monotonic() >= next_look:
                next_look = time.monotonic() + TICK_S
                self._look(job)
            job.tell()
        for worker in self._staff:
            job.say(worker.hear())

    def _dispatch(self, job: Job[T, R]) -> None:
        """Give waiting items to idle workers, starting workers as needed."""
        while job.waiting and not job.stopping:
            worker = next((worker for worker in self._staff if worker.index is None), None)
            if worker is not None and worker.dead():
                job.say(self._end(worker))
            elif worker is not None:
                self._give(worker, job)
            elif len(self._staff) < self.workers:
                self._start()
            else:
                return

    def _give(self, worker: Worker, job: Job[T, R]) -> None:
        index = job.take()
        try:
            item = parcel(job.items[index], job.label(index))
        except Exception as error:  # noqa: BLE001 - raised by the job when the running items are done
            job.fail(index, error)
            return
        try:
            worker.give(index, job.id, job.task, item)
        except OSError:
            self._lost(worker, job)

    def _start(self) -> None:
        try:
            worker = Worker(self.env)
        except OSError as error:
            raise SetupError(
                "can not start a worker process",
                found=str(error),
                do="use fewer workers, or raise the limits (ulimit -u for processes, ulimit -n for files)",
            ) from error
        self._staff.append(worker)
        self._selector.register(worker.wire, selectors.EVENT_READ, (worker, "wire"))
        self._selector.register(worker.words, selectors.EVENT_READ, (worker, "words"))

    def _answer(self, worker: Worker, job: Job[T, R]) -> None:
        """Take one message of a worker."""
        try:
            kind, rows, body = worker.receive()
        except (EOFError, OSError):
            self._lost(worker, job)
            return
        index = worker.index
        if index is None:
            return  # a thread that the task left behind still reports rows
        job.running_rows[index] = rows
        if kind == "rows":
            return
        worker.index = None
        worker.items += 1
        job.say(worker.hear())
        if kind == "done":
            job.done(index, body)
        else:
            job.failed(index, kind, *body)
        worn = self.recycle is not None and worker.items >= self.recycle
        if worn or (self.memory is not None and self._size(worker) > self.memory // 2):
            self._dismiss(worker)

    def _look(self, job: Job[T, R]) -> None:
        """Notice workers that died or outgrew their memory, and those that have left."""
        for worker in [worker for worker in self._staff if worker.index is not None]:
            if worker.dead():
                self._lost(worker, job)
            elif self.memory is not None and self._size(worker) > self.memory:
                index, peak, cap = worker.index, worker.peak, self.memory
                assert index is not None
                job.say(self._end(worker))
                job.fail(index, _outgrown(peak, cap))
        for worker in [worker for worker in self._leaving if worker.dead()]:
            job.say(worker.end())
            self._leaving.remove(worker)

    def _size(self, worker: Worker) -> int:
        pid = worker.process.pid
        size = resident([pid]).get(pid, 0)
        worker.peak = max(worker.peak, size)
        return size

    def _lost(self, worker: Worker, job: Job[T, R]) -> None:
        """A worker has died: put its item back, or give the item up."""
        index = worker.index
        job.say(self._end(worker))
        if index is not None:
            job.retry(index, worker)

    def _dismiss(self, worker: Worker) -> None:
        self._forget(worker)
        worker.dismiss()
        self._leaving.append(worker)

    def _end(self, worker: Worker) -> str:
        self._forget(worker)
        return worker.end()

    def _forget(self, worker: Worker) -> None:
        self._staff.remove(worker)
        self._selector.unregister(worker.wire)
        if worker.words in self._selector.get_map():
            self._selector.unregister(worker.words)

    @contextmanager
    def _stop_signals(self, job: Job[T, R]) -> Iterator[None]:
        """While a map runs: the first stop signal drains the workers, the second kills them."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def stop(signum: int, _: FrameType | None) -> None:
            if job.signum is not None:
                for worker in self._staff:
                    worker.process.kill()
                raise Interrupted(signum)
            job.signum = signum

        before = {
            signum: handler
            for signum in (signal.SIGINT, signal.SIGTERM)
            # `nohup` and background shells ignore SIGINT on purpose; a handler not set from Python stays
            if (handler := signal.getsignal(signum)) not in (signal.SIG_IGN, None)
        }
        try:
            for signum in before:
                signal.signal(signum, stop)
            yield
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)


def _outgrown(peak: int, cap: int) -> StageError:
    return StageError(
        "a worker outgrew its memory",
        found=f"{peak / 1e6:,.0f} MB resident",
        expected=f"at most {cap / 1e6:,.0f} MB",
        do="raise `on: {memory: ...}` for this stage, or make the shards smaller",
    )
