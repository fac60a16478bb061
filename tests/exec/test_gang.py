"""Ranks that work together, fail together and never outlive their worker. Starting two takes seconds: few tests, each
with much in it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.exec import ranked
from tests.exec.processes import alive, children, until
from tests.exec.tasks import Stubborn

from vernier.core.errors import DataError, StageError
from vernier.exec.base import TaskFailed, WorkerTraceback
from vernier.exec.local import Pool
from vernier.models.ranks import Ranks, group

Start = Callable[[], subprocess.Popen[str]]
PROJECT = Path(__file__).parents[2]
DRIVER = """
import sys
from tests.exec import ranked
from vernier.exec.base import Interrupted
from vernier.exec.local import Pool

done = []
try:
    with Pool(1) as pool:
        pool.map(ranked.RanksWait(sys.argv[1]), range(2), label=str, on_done=lambda i, _: done.append(i))
except Interrupted as stop:
    print("interrupted", stop.signum, *done)
"""


class Words:
    """Hears what workers print."""

    def __init__(self) -> None:
        self.text = ""

    def update(self, done: int, rows: int) -> None: ...

    def say(self, text: str) -> None:
        self.text += text


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    """One warm worker, as a run has: it imports PyTorch once."""
    with Pool(1) as pool:
        yield pool


def together(pool: Pool, task: Any, item: Any = 5) -> tuple[Any, str]:
    """The result of two ranks, and what was printed."""
    words = Words()
    (out,) = pool.map(ranked.Together(task), [item], label=str, on_done=lambda _i, _r: None, progress=words)
    return out, words.text


def test_ranks_reduce_together_and_rank_0_answers(pool: Pool) -> None:
    (total, here, environment), words = together(pool, ranked.total)
    assert (total, here) == (5 + 10, [0, 2])
    assert environment == {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
    assert sorted(words.strip().split("\n")) == ["rank 0 of 2", "rank 1 of 2"]


def test_what_one_rank_raises_is_raised_though_another_waits_for_it(pool: Pool) -> None:
    with pytest.raises(DataError) as caught:
        together(pool, ranked.FailInOne("data"))
    error = caught.value
    assert (error.what, error.where, error.found) == ("bad row", "shard 3 row 5", "x")
    assert (error.expected, error.do) == ("y", "z")
    assert isinstance(error.__cause__, WorkerTraceback) and "ranked.py" in str(error.__cause__)


def test_an_exception_that_can_not_travel_is_told_with_the_traceback_of_its_rank(pool: Pool) -> None:
    with pytest.raises(TaskFailed, match="stubborn 1 2") as caught:
        together(pool, ranked.FailInOne("stubborn"))
    assert Stubborn.__name__ in str(caught.value) and "in __call__" in str(caught.value.__cause__)


def test_ranks_of_which_one_was_killed_start_again(pool: Pool, tmp_path: Path) -> None:
    out, words = together(pool, ranked.DieInOne(str(tmp_path), ("kill",)))
    assert out == (5, 2)
    assert "rank 1 ended with signal 9 (SIGKILL); all 2 ranks start again, try 2 of 3" in words


def test_ranks_that_die_every_time_are_given_up(pool: Pool, tmp_path: Path) -> None:
    with pytest.raises(StageError, match="ranks died in 3 tries") as caught:
        together(pool, ranked.DieInOne(str(tmp_path), ("kill", "kill", "exit")))
    assert caught.value.found == "rank 1 ended with exit code 0"


def test_one_process_alone_is_the_only_rank() -> None:
    with group() as here:
        assert here == Ranks(0, 1)


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Start]:
    """Starts a driver with one worker, whose two ranks wait for `go`."""
    drivers: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(tmp_path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=PROJECT,
            start_new_session=True,
        )
        drivers.append(process)
        return process

    yield start
    for process in drivers:
        process.kill()
        process.communicate()


def started(folder: Path) -> list[int]:
    return [int(file.name.removeprefix("started-")) for file in folder.glob("started-*")]


def helpers(driver: int) -> tuple[int, list[int]]:
    """The worker of a driver, and the worker's own processes: its ranks and Python's keeper of semaphores."""
    (worker,) = children(driver) or [0]
    return worker, children(worker) if worker else []


def test_no_rank_survives_a_killed_worker_or_driver(driver: Start, tmp_path: Path) -> None:
    process = driver()
    assert until(lambda: len(started(tmp_path)) == 2, 60)
    worker, pids = helpers(process.pid)
    assert len(pids) == 3 and set(started(tmp_path)) < set(pids)
    os.kill(worker, signal.SIGKILL)
    assert until(lambda: not any(map(alive, pids)), 2)
    # The item gets a second worker. Its ranks are no more than begun when the driver is killed.
    assert until(lambda: helpers(process.pid)[0] not in (0, worker) and len(helpers(process.pid)[1]) == 3, 60)
    worker, pids = helpers(process.pid)
    process.kill()
    assert until(lambda: not any(map(alive, [worker, *pids])), 2)
    assert len(started(tmp_path)) == 2


def test_the_first_stop_signal_disturbs_no_rank(driver: Start, tmp_path: Path) -> None:
    process = driver()
    assert until(lambda: len(helpers(process.pid)[1]) == 3, 60)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does, while the ranks are only starting
    assert until(lambda: len(started(tmp_path)) == 2, 60)
    for pid in started(tmp_path):
        os.kill(pid, signal.SIGTERM)
    (tmp_path / "go").touch()
    out, err = process.communicate(timeout=60)
    assert out.split() == ["interrupted", str(int(signal.SIGINT)), "0"]
    assert "start again" not in err and "Traceback" not in err
