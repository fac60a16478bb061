"""Run one task on several ranks of this machine together: `gang(task, item, ranks=2)`, inside a worker.

The ranks are started, told who they are (RANK, LOCAL_RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT) and, when one dies,
started again by PyTorch's elastic agent, which `torchrun` runs too. What it leaves open is settled here:

* It would restart for an exception as for a death. Here a rank sends what it raised through a pipe, and the gang
  ends with that.
* It stops ranks with SIGTERM and 30 seconds of patience. Ranks leave SIGTERM to the driver, as workers do, and one that
  waits for the others inside a collective hears nothing anyway: they are killed.
* Its ranks outlive it when it is killed. Here each holds the read end of a lifeline, as a worker does.

All traffic stays on the loopback, so a machine without a network, or with one that nobody may use, will do.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from vernier.core.errors import SetupError, StageError, VernierError
from vernier.exec import wire, worker
from vernier.exec.base import R, T
from vernier.exec.job import TRIES, rebuilt, show
from vernier.exec.parcel import parcel
from vernier.exec.process import ending

LOOPBACK = "127.0.0.1"
LOOK_S = 0.05  # between two looks at the ranks
SETTLE_S = 1.0  # a rank's exception may only be the echo of another rank's death: wait so long for that to show


def gang(task: Callable[[T], R], item: T, ranks: int) -> R:
    """Run `task(item)` on `ranks` processes that know of each other; the result of rank 0.

    An exception in any rank ends the others and is raised as `exec.base.Executor.map` raises it: a VernierError as
    it was made, any other with its own type or as TaskFailed, with the rank's traceback as cause; of several, the
    first. A rank that dies ends the others, and all start again (the task goes on from what it has saved).
    StageError: ranks died in three tries. RecipeError: the task or the item can not be sent to another process.
    SetupError: there is no PyTorch. Call it in the main thread of a worker.
    """
    crew = _Crew(parcel(task, "the task"), parcel(item, "its item"), ranks)
    with _quiet(), contextlib.closing(crew):
        _launch(crew)
    if crew.fallen is not None:
        raise _dead(crew)
    return wire.unpack(crew.answers[0][2])


class _Crew:
    """The ranks of one try: their processes, what they answered, and whether all is well."""

    def __init__(self, task: bytes, item: bytes, ranks: int) -> None:
        self.task, self.item, self.ranks = task, item, ranks
        self.tries = 0
        self.fallen: str | None = None  # which rank died in this try, and how
        self.answers: dict[int, tuple[float, str, Any]] = {}  # rank -> when, kind and body, see `exec.worker`
        self._processes: dict[int, BaseProcess] = {}
        self._ears: list[Connection] = []
        self._lifelines: list[Connection] = []
        self._theirs: tuple[list[Connection], list[Connection]] = ([], [])

    def begin(self) -> tuple[Any, ...]:
        """The arguments of `_rank` for a new try."""
        self.close()
        if self.fallen is not None:
            show(f"{self.fallen}; all {self.ranks} ranks start again, try {self.tries + 1} of {TRIES}\n")
        self.tries, self.fallen, self.answers = self.tries + 1, None, {}
        for _ in range(self.ranks):
            lifeline, ours = multiprocessing.Pipe(duplex=False)
            ear, mouth = multiprocessing.Pipe(duplex=False)
            self._lifelines.append(ours)
            self._ears.append(ear)
            self._theirs[0].append(lifeline)
            self._theirs[1].append(mouth)
        return self.task, self.item, *self._theirs

    def started(self, pids: Mapping[int, int]) -> None:
        """The ranks have these process ids. A rank that still imports PyTorch is on its lifeline already."""
        children = {child.pid: child for child in multiprocessing.active_children()}
        self._processes = {rank: children[pid] for rank, pid in pids.items() if pid in children}
        for rank, pid in pids.items():
            worker.kill_at_end(self._theirs[0][rank].fileno(), pid)
        self._close_theirs()

    def look(self) -> bool:
        """Whether every rank is at work or has returned. Raises what a rank raised; sets `fallen` when one died."""
        codes = {rank: process.exitcode for rank, process in self._processes.items()}
        for rank, ear in enumerate(self._ears):
            if rank not in self.answers and ear.poll():
                with contextlib.suppress(EOFError, OSError):  # it died before it had said it all
                    self.answers[rank] = wire.unpack(ear.recv_bytes())
        raised = min((a for a in self.answers.values() if a[1] != "done"), key=lambda a: a[0], default=None)
        error = None if raised is None else rebuilt(raised[1], *raised[2])
        if isinstance(error, VernierError):
            raise error
        for rank, code in codes.items():
            kind = self.answers[rank][1] if rank in self.answers else ""
            if code is not None and (not kind or (kind == "done" and code != 0)):
                self.fallen = f"rank {rank} ended with {ending(code)}"
                return False
        if raised is not None and error is not None and time.monotonic() - raised[0] > SETTLE_S:
            raise error
        return error is None

    def close(self) -> None:
        """Close every pipe: a rank that still runs ends."""
        self._close_theirs()
        for pipe in (*self._ears, *self._lifelines):
            pipe.close()
        self._ears, self._lifelines = [], []

    def _close_theirs(self) -> None:
        for pipe in (*self._theirs[0], *self._theirs[1]):
            pipe.close()
        self._theirs = ([], [])


def _launch(crew: _Crew) -> None:
    """Start the ranks and stay until all have returned, one has raised, or they died too often."""
    try:
        from torch import distributed
        from torch.distributed.elastic.agent.server.api import RunResult, WorkerSpec, WorkerState
        from torch.distributed.elastic.agent.server.local_elastic_agent import LocalElasticAgent
        from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
        from torch.distributed.elastic.rendezvous import RendezvousHandler, RendezvousInfo, RendezvousStoreInfo
    except ModuleNotFoundError as error:
        raise SetupError(
            "several ranks need the package 'torch'", found=str(error), do="pip install vernier[train]"
        ) from error

    agent: Any = LocalElasticAgent

    class Agent(agent):
        """The agent, with the three methods replaced that its documentation names for it."""

        def _start_workers(self, worker_group: Any) -> dict[int, Any]:
            worker_group.spec.args = crew.begin()
            pids = super()._start_workers(worker_group)
            crew.started(pids)
            return pids

        def _monitor_workers(self, worker_group: Any) -> Any:
            if not crew.look():
                return RunResult(state=WorkerState.FAILED if crew.fallen else WorkerState.HEALTHY)
            result = super()._monitor_workers(worker_group)
            if result.is_failed():
                crew.look()  # a rank died since the last look
            return result

        def _shutdown(self, death_sig: signal.Signals = signal.SIGTERM, timeout: int = 30) -> None:
            super()._shutdown(signal.SIGKILL, timeout)

    class Meeting(RendezvousHandler):
        """One node that meets itself: a new store for each try, since keys of the last one would mislead gloo."""

        @property
        def use_agent_store(self) -> bool:
            return True  # by the ranks

        def next_rendezvous(self) -> RendezvousInfo:
            # PyTorch would listen on every interface of the machine.
            listener = socket.create_server((LOOPBACK, 0))
            port = listener.getsockname()[1]
            store = distributed.TCPStore(  # pyright: ignore[reportPrivateImportUsage]
                LOOPBACK, port, is_master=True, wait_for_workers=False, master_listen_fd=listener.detach()
            )
            return RendezvousInfo(store, 0, 1, RendezvousStoreInfo(LOOPBACK, port))

        def get_backend(self) -> str:
            return "loopback"

        def get_run_id(self) -> str:
            return f"vernier-{os.getpid()}"

        def num_nodes_waiting(self) -> int:
            return 0

        def is_closed(self) -> bool:
            return False

        def set_closed(self) -> None:
            pass

        def shutdown(self) -> bool:
            return True

    spec = WorkerSpec(
        role="rank",
        local_world_size=crew.ranks,
        entrypoint=_rank,
        rdzv_handler=Meeting(),
        max_restarts=TRIES - 1,
        monitor_interval=LOOK_S,
        local_addr=LOOPBACK,
    )
    # Without a folder for logs the ranks write where this worker writes.
    Agent(spec, DefaultLogsSpecs(log_dir=os.devnull), start_method="spawn").run()


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """Keep stop signals from ranks that are still starting, the agent from handling any, and its log to ourselves."""
    # Python's helper of semaphores unblocks the signals when it starts.
    resource_tracker.ensure_running()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    logged, handled = logging.root.manager.disable, "TORCHELASTIC_SIGNALS_TO_HANDLE"
    logging.disable(logging.WARNING)  # among them: that it could not find the signal named ""
    before = os.environ.get(handled)
    os.environ[handled] = ""
    try:
        yield
    finally:
        logging.disable(logged)
        os.environ.pop(handled)
        if before is not None:
            os.environ[handled] = before
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _rank(task: bytes, item: bytes, lifelines: Sequence[Connection], mouths: Sequence[Connection]) -> None:
    """What each rank does. Only the result of rank 0 is sent."""
    rank = int(os.environ["RANK"])
    worker.ignore_stop_signals()
    worker.die_with_driver(lifelines[rank].fileno())
    for other, mouth in enumerate(mouths):
        if other != rank:
            mouth.close()  # so that its end is heard
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # pyright: ignore[reportAttributeAccessIssue]
    # Gloo would take the interface that the name of this machine leads to, if it leads to any.
    os.environ.setdefault("GLOO_SOCKET_IFNAME", next(name for _, name in socket.if_nameindex() if name[:2] == "lo"))
    try:
        work, on = wire.unpack(task), wire.unpack(item)
    except BaseException as error:  # noqa: BLE001 - the worker tells it
        kind, body = "unloadable", worker.told(error)
    else:
        kind, body = worker.answer(work, on)
    if kind == "done" and rank > 0:
        body = None
    mouths[rank].send_bytes(wire.pack((time.monotonic(), kind, body)))
    if kind != "done":
        os._exit(1)  # at once: to take down a process group in which others still wait may take for ever


def _dead(crew: _Crew) -> StageError:
    hint = ""
    if "SIGKILL" in str(crew.fallen):
        hint = "; the kernel kills so when memory runs out: use fewer ranks or smaller batches"
    return StageError(
        f"ranks died in {crew.tries} tries",
        found=crew.fallen,
        expected="ranks that return or raise",
        do=f"run the stage without `on: {{ranks: ...}}` to see what ends the process{hint}",
    )
