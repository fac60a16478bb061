"""SIGKILL at random times over a whole web recipe: archives, guarded extraction, folds, rules, what comes out.

The long campaign (`make crash`) writes bench/results/crash_web.json.
"""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pytest
from bench.measure import result, save
from tests.corpus.warcs import packed, response
from tests.crash.chance import Aim, campaign, demand, verdict
from tests.crash.web import HANGS, KINDS, WEB, WEB_IDS, write_archives
from tests.crash.world import PATIENCE_S, Driver, Place, Reference, Starter, guarded, processes, wait_for_orphans

from vernier.score.signals import Signals

SEED, KILLS = 0, 30
BUSY_S = 1.0  # CPU seconds: a child has begun its page long before
SOON_S = 5.0  # in the campaign; the tests of one kill wait longer
GUARDED = """\
vernier: 1
name: hangs
store: STORE
stages:
  pages: {do: corpus.read_warc, with: {paths: ["DATA"]}, on: {workers: N}}
  text: {do: corpus.extract, in: {corpus: pages}, with: {by: resiliparse, seconds: 3600}, on: {workers: N}}
"""


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("web") / "data"
    write_archives(folder)
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, archives: Path, starter: Starter) -> Reference:
    """The web recipe, run once, after what is compiled for it: that is kept, and would be time of the first run."""
    Signals().count(pa.array(["A text."], pa.large_string()))
    place = Place.make(tmp_path_factory.mktemp("whole"), archives, recipe=WEB)
    driver = starter.start(place, place.argv())
    assert driver.wait() == 0, driver.words()
    return Reference.of(place, WEB_IDS)


def test_the_archive_becomes_several_shards_and_every_stage_has_work(whole: Reference) -> None:
    assert len(whole.units["pages", "large.warc.gz"]) >= 4
    assert {node for node, _ in whole.units} == KINDS.keys()
    counts = {node: record["counts"] for node, record in whole.nodes.items()}
    assert counts["text"]["failed.empty"] and counts["lines"]["left_out.lines.boilerplate"]
    assert counts["english"]["dropped.below_cut"] and counts["keep"]["dropped.few_words"]
    assert 10 < counts["clean"]["rows"] < counts["pages"]["rows"] == WEB_IDS.total()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_five_kills_at_random_times(tmp_path: Path, archives: Path, whole: Reference, starter: Starter) -> None:
    stages = [Aim("pages", halfway=True), *map(Aim, ("text", "lines", "clean"))]
    rows = campaign(
        random.Random(SEED),
        5,
        stages,
        tmp_path,
        lambda folder: Place.make(folder, archives, recipe=WEB),
        whole,
        starter.start,
        KINDS,
    )
    for row in rows:
        print(row)
    assert len(rows) >= 5 and {row["kind"] for row in rows} >= {KINDS[aim.stage] for aim in stages}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("target", ["worker", "driver"])
def test_a_guarded_child_that_hangs_dies_with_its_worker_and_its_driver(
    target: str, tmp_path: Path, starter: Starter
) -> None:
    """It is in the middle of a page, in foreign code, for minutes."""
    data = tmp_path / "x.warc.gz"
    data.write_bytes(packed([response(0, HANGS.encode())]))
    place = Place.make(tmp_path / "place", data, recipe=GUARDED, workers=1)
    driver = starter.start(place, place.argv())
    try:
        hang_and_kill(driver, target)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(driver.pid, signal.SIGKILL)
    assert driver.wait() == -signal.SIGKILL


def hang_and_kill(driver: Driver, target: str) -> None:
    """Wait until the guarded child is at work, kill, see that it goes."""
    until = time.monotonic() + PATIENCE_S
    while not (children := guarded(driver.pid)) or cpu_s(children[0]) < BUSY_S:
        assert driver.poll() is None and time.monotonic() < until, driver.words()
        time.sleep(0.02)
    (worker,) = [pid for pid, parent, _ in processes() if parent == driver.pid]
    victim = worker if target == "worker" else driver.pid
    os.kill(victim, signal.SIGKILL)
    while victim in [pid for pid, _, _ in processes()]:
        assert time.monotonic() < until, "a killed process is still there"
        time.sleep(0.002)
    wait_for_orphans(driver.pid)
    assert children[0] not in [pid for pid, _, _ in processes()]
    if target == "worker":
        assert driver.poll() is None, "the driver goes on, with another worker"


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has used."""
    try:
        ticks = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[11:13]
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


@pytest.mark.crash
@pytest.mark.timeout(3600)
def test_campaign_over_the_web(tmp_path: Path, archives: Path, whole: Reference, starter: Starter) -> None:
    rows = campaign(
        random.Random(SEED),
        KILLS,
        # Two more aims where most is begun, and stands in files and processes.
        [Aim("pages", halfway=True), *map(Aim, KINDS), Aim("text")],
        tmp_path,
        lambda folder: Place.make(folder, archives, recipe=WEB),
        whole,
        starter.start_cold,
        KINDS,
    )
    halves = sum(row["units_half_done"] > 0 for row in rows)
    guards = sum(row["guards"] > 0 for row in rows)
    longest = max(row["orphans_s"] for row in rows)
    found = result(
        "crash_web",
        "Is a web recipe that was killed, and run again, equal to one that was not, and is nothing done twice?",
        rows,
        [
            *verdict(rows, set(KINDS.values()), rows),
            demand("some with an archive half read", halves >= 1, kills=halves),
            demand("some while guarded children extract", guards >= 3, kills=guards),
            demand(f"no process {SOON_S:g} s after the one that started it", longest < SOON_S, longest_s=longest),
        ],
        seed=SEED,
        kills=len(rows),
        reruns=sum(row["target"] != "worker" for row in rows),
    )
    save(found | {"command": "python -m pytest -q -m crash tests/crash/test_web.py"}, small=False)
    assert all(one["holds"] for one in found["verdict"])
