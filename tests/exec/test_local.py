from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.exec import tasks

from vernier.core.errors import DataError, RecipeError, SetupError, StageError
from vernier.exec.base import TaskFailed, WorkerTraceback, report
from vernier.exec.local import Pool

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def run(pool: Pool, task: Callable[[Any], Any], items: Any, **more: Any) -> list[Any]:
    return pool.map(task, items, label=lambda i: f"unit/{i}", on_done=more.pop("on_done", lambda _i, _r: None), **more)


@pytest.fixture
def pool() -> Iterator[Pool]:
    with Pool(2) as pool:
        yield pool


def fds() -> int:
    return len(os.listdir("/proc/self/fd"))


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


class Recorder:
    """Stands for the view of the progress."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []
        self.text = ""

    def update(self, done: int, rows: int) -> None:
        self.seen.append((done, rows))

    def say(self, text: str) -> None:
        self.text += text


# results


def test_results_come_in_the_order_of_the_items(pool: Pool) -> None:
    told: list[tuple[int, float]] = []
    waits = [0.3, 0.0, 0.0, 0.1]
    assert run(pool, tasks.sleep_then, waits, on_done=lambda i, r: told.append((i, r))) == waits
    assert sorted(told) == list(enumerate(waits))
    assert told[0][0] != 0  # on_done is called when an item finishes, not in order


def test_no_items(pool: Pool) -> None:
    assert run(pool, tasks.double, []) == []


def test_a_thousand_tiny_items(pool: Pool) -> None:
    assert run(pool, tasks.double, range(1000)) == [2 * x for x in range(1000)]


def test_large_items_and_results(pool: Pool) -> None:
    block = bytes(range(256)) * 20_000  # far more than a socket buffers
    assert run(pool, bytes, [block, block, block]) == [block] * 3


def test_workers_run_at_the_same_time(tmp_path: Path) -> None:
    with Pool(3) as pool:
        pids = run(pool, tasks.Meet(str(tmp_path), 3), range(3))
    assert len(set(pids)) == 3


def test_one_worker_is_another_process() -> None:
    with Pool(1) as pool:
        assert os.getpid() not in run(pool, tasks.pid, range(2))


@linux
def test_workers_start_when_needed_and_stay_warm(tmp_path: Path) -> None:
    before = children()
    with Pool(3) as pool:
        assert children() == before
        assert len(set(run(pool, tasks.pid, range(1)))) == 1
        assert len(children() - before) == 1
        first = set(run(pool, tasks.Meet(str(tmp_path), 3), range(3)))
        assert set(run(pool, tasks.pid, range(20))) <= first
        assert {int(child) for child in children() - before} == first


def test_on_done_runs_in_the_driver_and_its_error_is_raised() -> None:
    seen: list[int] = []

    def on_done(index: int, _: int) -> None:
        seen.append(os.getpid())
        if index == 0:
            raise OSError("no space left")

    with Pool(1) as pool, pytest.raises(OSError, match="no space left"):
        run(pool, tasks.double, range(50), on_done=on_done)
    assert seen == [os.getpid()]


def test_one_map_at_a_time(pool: Pool) -> None:
    with pytest.raises(RuntimeError, match="already running"):
        run(pool, tasks.sleep_then, [0, 1], on_done=lambda _i, _r: run(pool, abs, [1]))


def test_settings_are_checked() -> None:
    for wrong in (lambda: Pool(0), lambda: Pool(1, recycle=0), lambda: Pool(1, memory=0)):
        with pytest.raises(ValueError, match="at least 1"):
            wrong()


# what a worker is


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_DRIVER", "yes")
    with Pool(1, env={"OMP_NUM_THREADS": "3"}) as pool:
        assert run(pool, tasks.environ, ["OMP_NUM_THREADS", "FROM_DRIVER"]) == ["3", "yes"]


def test_a_worker_imports_only_what_the_task_needs() -> None:
    with Pool(1) as pool:
        (loaded,) = run(pool, tasks.modules, [0])
    assert not {"numpy", "pyarrow", "rich", "pytest", "multiprocessing"} & {name.split(".")[0] for name in loaded}


def test_tasks_are_found_where_the_driver_found_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pool: Pool
) -> None:
    (tmp_path / "only_here.py").write_text("def seven(_):\n    return 7\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    only_here = importlib.import_module("only_here")

    assert run(pool, only_here.seven, [0]) == [7]


def test_what_workers_print_reaches_stderr_in_whole_lines(pool: Pool, capfd: pytest.CaptureFixture[str]) -> None:
    run(pool, tasks.say, ["a", "b"])
    out, err = capfd.readouterr()
    assert out == ""
    assert sorted(err.split("\n")) == ["", "err a", "err b", "out a", "out b"]


def test_a_worker_that_closes_its_output_does_not_keep_the_driver_busy(pool: Pool) -> None:
    recorder = Recorder()
    run(pool, tasks.close_output, [0], progress=recorder)
    assert len(recorder.seen) < 100  # one update a turn: a driver that spins for that second makes thousands


def test_a_task_can_end_its_own_processes(pool: Pool) -> None:
    assert run(pool, tasks.stop_child, [0]) == [-15]


@linux
def test_nothing_is_left_after_close(tmp_path: Path) -> None:
    fds_before, children_before = fds(), children()
    with Pool(3, recycle=2) as pool:
        run(pool, tasks.DieOnce(str(tmp_path), 4, "SIGKILL"), range(20))
        with pytest.raises(ValueError, match="wrong value"):
            run(pool, tasks.Fail(str(tmp_path), "value"), range(3))
        run(pool, tasks.num_fds, range(3))
        assert children() != children_before
    assert (fds(), children()) == (fds_before, children_before)


@linux
def test_workers_hold_no_descriptors_of_their_siblings(tmp_path: Path) -> None:
    with Pool(1) as pool:
        (alone,) = run(pool, tasks.num_fds, [0])
    with Pool(3) as pool:
        run(pool, tasks.Meet(str(tmp_path), 3), range(3))
        assert set(run(pool, tasks.num_fds, range(9))) == {alone}


# errors


def test_an_error_for_the_user_comes_through_unchanged(tmp_path: Path, pool: Pool) -> None:
    with pytest.raises(DataError) as caught:
        run(pool, tasks.Fail(str(tmp_path), "data"), [0])
    error = caught.value
    told = (error.what, error.where, error.found, error.expected, error.do)
    assert told == ("bad row", "shard 3 row 5", "x", "y", "z")
    assert isinstance(error.__cause__, WorkerTraceback)
    assert "tasks.py" in str(error.__cause__)


def test_an_error_that_does_not_say_where_gets_the_label(tmp_path: Path, pool: Pool) -> None:
    with pytest.raises(DataError) as caught:
        run(pool, tasks.Fail(str(tmp_path), "no where"), [0])
    assert caught.value.where == "unit/0"


def test_a_bug_keeps_its_type_and_the_workers_traceback(tmp_path: Path, pool: Pool) -> None:
    with pytest.raises(ValueError, match="wrong value") as caught:
        run(pool, tasks.Fail(str(tmp_path), "value"), [0])
    assert "in unit/0" in caught.value.__notes__
    trace = str(caught.value.__cause__)
    assert "tasks.py" in trace and "in fail" in trace and "ValueError: wrong value" in trace


def test_a_bug_that_can_not_travel_is_told_by_its_name(tmp_path: Path, pool: Pool) -> None:
    with pytest.raises(TaskFailed, match="Stubborn: stubborn 1 2") as caught:
        run(pool, tasks.Fail(str(tmp_path), "stubborn"), [0])
    assert "in fail" in str(caught.value.__cause__)


def test_sys_exit_in_a_task_is_a_bug(tmp_path: Path, pool: Pool) -> None:
    with pytest.raises(TaskFailed, match="SystemExit: out"):
        run(pool, tasks.Fail(str(tmp_path), "exit"), [0])


def test_running_items_finish_after_an_error_and_no_other_starts(tmp_path: Path, pool: Pool) -> None:
    done: list[int] = []
    with pytest.raises(ValueError, match="wrong value"):
        run(pool, tasks.Fail(str(tmp_path), "value"), range(10), on_done=lambda i, _: done.append(i))
    assert done == [1]
    assert run(pool, tasks.double, [4]) == [8]  # the pool is still good


def test_a_result_that_can_not_travel_is_a_bug_with_its_place(pool: Pool) -> None:
    with pytest.raises(Exception, match="lambda") as caught:
        run(pool, tasks.unsendable, [0])
    assert "in unit/0" in caught.value.__notes__


def test_a_task_that_can_not_be_sent(pool: Pool) -> None:
    with pytest.raises(RecipeError) as caught:
        run(pool, lambda item: item, [0])
    told = str(caught.value)
    assert "the task" in told and "lambda" in told and "top level of a module" in told


def test_an_item_that_can_not_be_sent(pool: Pool) -> None:
    with pytest.raises(RecipeError) as caught:
        run(pool, tasks.pid, [0, lambda: None])
    assert caught.value.where == "unit/1"


def test_a_task_that_the_worker_can_not_import(pool: Pool) -> None:
    with pytest.raises(SetupError, match="can not import the task") as caught:
        run(pool, tasks.Unloadable(), [0])
    assert caught.value.found == "ImportError: no module named 'elsewhere'"
    assert run(pool, tasks.double, [4]) == [8]


# workers that die


@pytest.mark.parametrize("how", ["SIGKILL", "SIGSEGV", "exit"])
def test_the_item_of_a_dead_worker_is_done_by_another(
    tmp_path: Path, pool: Pool, how: str, capfd: pytest.CaptureFixture[str]
) -> None:
    counts = dict.fromkeys(range(6), 0)

    def on_done(index: int, _: int) -> None:
        counts[index] += 1

    assert run(pool, tasks.DieOnce(str(tmp_path), 2, how), range(6), on_done=on_done) == [0, 2, 4, 6, 8, 10]
    assert set(counts.values()) == {1}
    first, second = (tmp_path / "deaths").read_text().split()
    assert first != second
    err = capfd.readouterr().err
    assert "last words\n" in err
    end = "exit code 7" if how == "exit" else f"({how})"
    assert f"{end}; try 2 of 3" in err


def test_two_deaths_are_forgiven(tmp_path: Path, pool: Pool) -> None:
    assert run(pool, tasks.DieOnce(str(tmp_path), 0, "SIGKILL", times=2), [0, 1]) == [0, 2]


def test_a_poison_item_is_given_up_after_three_workers(tmp_path: Path, pool: Pool) -> None:
    with pytest.raises(StageError) as caught:
        run(pool, tasks.DieOnce(str(tmp_path), 1, "SIGKILL", times=99), [0, 1])
    told = str(caught.value)
    assert len((tmp_path / "deaths").read_text().split()) == 3
    assert "3 workers died" in told and "SIGKILL" in told and "last words" in told
    assert caught.value.where == "unit/1" and "memory" in (caught.value.do or "")


def test_a_worker_that_can_not_start_is_told_with_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [path for path in sys.path if "nothing" in path])
    with Pool(1) as pool, pytest.raises(StageError) as caught:
        run(pool, abs, [0])
    assert "exit code 1" in (caught.value.found or "") and "ModuleNotFoundError" in (caught.value.found or "")


def test_no_process_to_be_had(monkeypatch: pytest.MonkeyPatch, pool: Pool) -> None:
    before = fds()
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(SetupError, match="can not start a worker") as caught:
        run(pool, tasks.double, [0])
    assert "/no/such/python" in (caught.value.found or "")
    assert fds() == before


@linux
def test_an_idle_worker_that_dies_costs_nothing(pool: Pool) -> None:
    for _ in range(4):
        for pid in set(run(pool, tasks.pid, range(8))):
            os.kill(pid, 9)
        assert run(pool, tasks.double, range(4)) == [0, 2, 4, 6]


@linux
def test_a_death_is_noticed_although_a_fork_holds_the_connection(tmp_path: Path, pool: Pool) -> None:
    with pytest.raises(StageError, match="3 workers died"):
        run(pool, tasks.LeaveChild(str(tmp_path)), [0])
    forks = [int(file.name) for file in tmp_path.iterdir()]
    assert len(forks) == 3
    for fork in forks:
        os.kill(fork, 9)  # ProcessLookupError if the driver had waited for it to end


# memory and recycling


def test_a_worker_above_its_memory_is_killed() -> None:
    with Pool(2, memory=100 << 20) as pool:
        with pytest.raises(StageError) as caught:
            run(pool, tasks.grow, [150])
        assert caught.value.where == "unit/0"
        told = str(caught.value)
        assert "outgrew its memory" in told and "at most 105 MB" in told and "on: {memory:" in told
        assert run(pool, tasks.double, [1]) == [2]


def test_a_worker_that_keeps_half_of_its_memory_is_replaced() -> None:
    with Pool(1, memory=100 << 20) as pool:
        assert len(set(run(pool, tasks.Hold(60), range(3)))) == 3
        assert len(set(run(pool, tasks.Hold(1), range(3)))) == 1


def test_a_worker_is_replaced_after_so_many_items() -> None:
    with Pool(1, recycle=3) as pool:
        pids = run(pool, tasks.pid, range(8))
    assert [pids.index(pid) for pid in pids] == [0, 0, 0, 3, 3, 3, 6, 6]


# progress


def test_rows_are_reported_while_items_run(pool: Pool, capfd: pytest.CaptureFixture[str]) -> None:
    recorder = Recorder()
    run(pool, tasks.report_rows, [100, 200, 300], progress=recorder)
    assert recorder.seen[-1] == (3, 600)
    assert recorder.seen == sorted(recorder.seen, key=lambda seen: seen[0])
    run(pool, tasks.say, ["hello"], progress=recorder)
    assert "out hello\n" in recorder.text and capfd.readouterr().err == ""


def test_rows_of_a_try_that_died_are_not_counted(tmp_path: Path, pool: Pool) -> None:
    recorder = Recorder()
    run(pool, tasks.ReportThenDie(str(tmp_path)), [50], progress=recorder)
    assert recorder.seen[-1] == (1, 50)


def test_report_outside_a_worker_does_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    report(5)
    assert capfd.readouterr() == ("", "")
