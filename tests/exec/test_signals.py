"""What happens to workers when their driver is told to stop, or is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.exec import tasks
from tests.exec.processes import alive, children, until

from vernier.exec.base import Interrupted
from vernier.exec.local import Pool

PROJECT = Path(__file__).parents[2]
DRIVER = """
import sys
from tests.exec import tasks
from vernier.exec.base import Interrupted
from vernier.exec.local import Pool

folder, task = sys.argv[1], getattr(tasks, sys.argv[2])
done = []
try:
    with Pool(2) as pool:
        pool.map(task(folder), range(6), label=str, on_done=lambda i, _: done.append(i))
except Interrupted as stop:
    print("interrupted", stop.signum, *sorted(done))
    sys.exit(128 + stop.signum)
print("finished", *done)
"""


class Driver:
    def __init__(self, folder: Path, task: str) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(folder), task],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=PROJECT,
            start_new_session=True,
        )

    def workers(self) -> list[int]:
        return [int(file.name.rsplit("-", 1)[1]) for file in self.folder.glob("started-*")]

    def children(self) -> list[int]:
        return children(self.process.pid)

    def wait_for_workers(self) -> list[int]:
        assert until(lambda: len(self.workers()) >= 2), self.process.stderr
        return self.workers()

    def go(self) -> None:
        (self.folder / "go").touch()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Driver]]:
    drivers: list[Driver] = []

    def start(task: str = "MarkThenWait") -> Driver:
        drivers.append(Driver(tmp_path, task))
        return drivers[-1]

    yield start
    for driver in drivers:
        for pid in [driver.process.pid, *driver.workers()]:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
        driver.process.communicate()


@pytest.mark.parametrize("task", ["MarkThenWait", "HoldLock"])
def test_no_worker_survives_a_killed_driver(start: Callable[..., Driver], task: str) -> None:
    if task == "HoldLock" and sys.platform != "linux":
        pytest.skip("only Linux can end a process that holds the interpreter lock")
    driver = start(task)
    pids = driver.wait_for_workers()
    assert all(alive(pid) for pid in pids)
    driver.process.kill()
    assert until(lambda: not any(alive(pid) for pid in pids), seconds=2)


def test_workers_that_are_still_starting_do_not_survive_either(start: Callable[..., Driver]) -> None:
    driver = start()
    assert until(lambda: bool(driver.children()))
    pids = driver.children()
    driver.process.kill()
    assert until(lambda: not any(alive(pid) for pid in pids), seconds=2)


def test_workers_that_are_still_starting_are_not_hit_by_the_signal(start: Callable[..., Driver]) -> None:
    driver = start()
    assert until(lambda: len(driver.children()) == 2)  # so the first of them has been given its item
    os.killpg(driver.process.pid, signal.SIGINT)
    driver.go()
    out, err = driver.process.communicate(timeout=20)
    assert out.startswith("interrupted 2 0")
    assert "Traceback" not in err and "its worker ended" not in err


def test_a_worker_of_a_system_without_kernel_help_dies_too() -> None:
    read, write = os.pipe()
    code = (
        "import fcntl, sys, time\n"
        "vars(fcntl).pop('F_SETSIG', None)\n"
        "from vernier.exec.worker import die_with_driver\n"
        "die_with_driver(int(sys.argv[1]))\n"
        "print(flush=True)\n"
        "time.sleep(60)\n"
    )
    worker = subprocess.Popen([sys.executable, "-c", code, str(read)], pass_fds=(read,), stdout=subprocess.PIPE)
    assert worker.stdout is not None
    worker.stdout.read(1)
    os.close(read)
    os.close(write)
    assert worker.wait(timeout=20) == 1
    worker.stdout.close()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("group", [True, False])
def test_first_signal_lets_running_items_finish(
    start: Callable[..., Driver], signum: signal.Signals, group: bool
) -> None:
    driver = start()
    driver.wait_for_workers()
    if group:  # as a terminal does
        os.killpg(driver.process.pid, signum)
    else:
        os.kill(driver.process.pid, signum)
    assert driver.process.stderr is not None
    assert signum.name in driver.process.stderr.readline()
    driver.go()
    out, err = driver.process.communicate(timeout=20)
    assert out.split() == ["interrupted", str(int(signum)), "0", "1"]
    assert driver.process.returncode == 128 + signum
    assert "Traceback" not in err
    assert len(driver.workers()) == 2


def test_second_signal_ends_at_once(start: Callable[..., Driver]) -> None:
    driver = start()
    pids = driver.wait_for_workers()
    os.killpg(driver.process.pid, signal.SIGINT)
    assert driver.process.stderr is not None
    driver.process.stderr.readline()
    os.killpg(driver.process.pid, signal.SIGTERM)
    out, _ = driver.process.communicate(timeout=20)  # nothing let the items go on
    assert out.split() == ["interrupted", str(int(signal.SIGTERM))]
    assert driver.process.returncode == 128 + signal.SIGTERM
    assert not any(alive(pid) for pid in pids)


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)]
    with Pool(1) as pool:
        pool.map(tasks.double, [1], label=str, on_done=lambda _i, _r: None)
        assert [signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)] == before


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Pool(1) as pool:
            items = pool.map(
                tasks.double, [1, 2], label=str, on_done=lambda _i, _r: os.kill(os.getpid(), signal.SIGINT)
            )
        assert items == [2, 4]
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_signal_after_the_last_item_is_not_lost() -> None:
    with Pool(1) as pool, pytest.raises(Interrupted) as caught:
        pool.map(tasks.double, [1], label=str, on_done=lambda _i, _r: os.kill(os.getpid(), signal.SIGTERM))
    assert caught.value.signum == signal.SIGTERM


def test_a_map_runs_in_any_thread_and_its_workers_outlive_that_thread() -> None:
    results: list[list[int]] = []
    with Pool(1) as pool:

        def work() -> None:
            results.append(pool.map(tasks.pid, [1], label=str, on_done=lambda _i, _r: None))

        for _ in range(2):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
    assert results[0] == results[1] != []


def test_a_script_without_a_guard_runs_once(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "print('started')\n"
        "from vernier.exec.local import Pool\n"
        "with Pool(2) as pool:\n"
        "    print(pool.map(abs, [-1, -2, -3], label=str, on_done=lambda i, r: None))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("started\n[1, 2, 3]\n", "")


@pytest.mark.parametrize("task", ["task", "Task()"])
def test_a_task_of_the_main_script_is_refused_with_the_remedy(tmp_path: Path, task: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from vernier.exec.local import Pool\n"
        "def task(item): return item\n"
        "class Task:\n"
        "    def __call__(self, item): return item\n"
        "with Pool(2) as pool:\n"
        f"    pool.map({task}, [1], label=str, on_done=lambda i, r: None)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"RecipeError: {task.removesuffix('()')!r} is defined in the main script" in done.stderr
    assert "move it to a module of its own" in done.stderr


def test_a_driver_that_forgets_to_close_leaves_nothing(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from tests.exec import tasks\n"
        "from vernier.exec.local import Pool\n"
        "print(*Pool(2).map(tasks.pid, [1, 2], label=str, on_done=lambda i, r: None))\n"
    )
    env = {**os.environ, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True, env=env)
    pids = [int(pid) for pid in done.stdout.split()]
    assert until(lambda: not any(alive(pid) for pid in pids), seconds=2)
