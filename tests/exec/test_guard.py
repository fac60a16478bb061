"""One item can end the child and neither its parent nor another item."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from hypothesis import strategies as st
from tests.fuzz import for_seconds

from vernier.core.errors import SetupError, StageError
from vernier.exec import guard as guard_module
from vernier.exec.guard import Answer, Guard, Limits

TASK = "tests.exec.guarded_tasks:hostile"
LIMITS = Limits(seconds=2, memory=80 << 20)
ENDS = {
    "spin": "timeout",
    "segfault": "crashed",
    "killed": "crashed",
    "exit": "crashed",
    "ask": "memory",
    "eat": "memory",
    "abort": "crashed",
    "starved": "memory",
    "what": "error",
}


@pytest.mark.parametrize(("item", "why"), ENDS.items())
def test_the_items_around_one_that_ends_the_child_are_done(item: str, why: str) -> None:
    with Guard(TASK, 2, LIMITS) as guard:
        found = list(guard.answers([1, item, 3, 4]))
        assert found == [Answer(2, None), Answer(None, why), Answer(6, None), Answer(8, None)]
        assert list(guard.answers([5])) == [Answer(10, None)]


@pytest.mark.timeout(40)
def test_one_that_spins_is_cut_off_by_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the wall is waited for."""
    monkeypatch.setattr(guard_module, "LEAST_WAIT_S", 10_000.0)
    with Guard(TASK, 2, Limits(1, 80 << 20)) as guard:
        assert list(guard.answers([1, "spin", 3])) == [Answer(2, None), Answer(None, "timeout"), Answer(6, None)]


def test_one_that_sleeps_is_cut_off_by_the_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard_module, "LEAST_WAIT_S", 0.2)
    monkeypatch.setattr(guard_module, "WAITING", 1)
    with Guard(TASK, 2, LIMITS) as guard:
        assert list(guard.answers(["sleep", 1])) == [Answer(None, "timeout"), Answer(2, None)]


def test_what_items_before_left_in_memory_does_not_decide() -> None:
    """Each of three takes 60 of 80 MiB and keeps them: the second and third are done in a fresh child."""
    with Guard(TASK, 2, LIMITS) as guard:
        assert list(guard.answers(["leak", "leak", "leak"])) == [Answer(1, None)] * 3


def test_a_child_stays_and_is_replaced_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard_module, "ITEMS", 4)
    with Guard(TASK, 2, LIMITS) as guard:
        pids = [answer.result for _ in range(3) for answer in guard.answers(["pid", "pid"])]
    assert len(set(pids[:4])) == 1
    assert pids[4] == pids[5] != pids[0]


def test_no_item_starts_no_child() -> None:
    with Guard("no.such.module:task", 2, LIMITS) as guard:
        assert list(guard.answers([])) == []


def test_a_task_that_can_not_be_made_says_why() -> None:
    unready, stillborn = (Guard(f"tests.exec.guarded_tasks:{name}", 2, LIMITS) for name in ("unready", "stillborn"))
    with unready, pytest.raises(SetupError, match="there is no such library"):
        list(unready.answers([1]))
    with stillborn, pytest.raises(StageError, match="exit code 7"):
        list(stillborn.answers([1]))


PARENT = """
import sys
from vernier.exec.guard import Guard, Limits
guard = Guard("tests.exec.guarded_tasks:hostile", 2, Limits(60, 200 << 20))
print(next(guard.answers(["pid"])).result, flush=True)
list(guard.answers(["spin"]))
"""


def test_a_child_ends_with_its_parent() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert os.path.exists(f"/proc/{child}")
    parent.kill()
    parent.wait()
    parent.stdout.close()
    for _ in range(500):
        if not os.path.exists(f"/proc/{child}"):
            return
        time.sleep(0.02)
    raise AssertionError("the child outlived its parent by ten seconds")


def check_answers(items: list[int | str], batch: int) -> None:
    wanted = [Answer(i * 2, None) if isinstance(i, int) else Answer(None, ENDS[i]) for i in items]
    with Guard(TASK, 2, Limits(1, 50 << 20)) as guard:
        found = [a for start in range(0, len(items), batch) for a in guard.answers(items[start : start + batch])]
    assert found == wanted


@pytest.mark.fuzz
@pytest.mark.timeout(600)
def test_any_order_of_items_in_any_batches() -> None:
    some = st.one_of(st.integers(-9, 9), st.sampled_from(sorted(ENDS)))
    for_seconds(40, check_answers, items=st.lists(some, max_size=12), batch=st.integers(1, 5))
