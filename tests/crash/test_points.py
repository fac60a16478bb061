"""SIGKILL at every named fault point, of the driver, of a worker, of all at once.

A chain of kills strikes one store again and again, each run coming a little further than the last: after each kill
what is committed stays untouched, and the next run redoes nothing that has its done record.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.crash.world import Fault, Place, Reference, Starter

from vernier.core import fault

IN_WORKERS = (
    ("unit.started", "clean/a.jsonl+0"),
    ("commit.done", "clean/b.jsonl.zst"),  # one of its shards is there, two are not
    ("commit.synced", "clean/b.jsonl.zst"),
    ("commit.renamed", "surf/2"),
    ("record.written", "short/1"),
    ("commit.written", "bpe/0"),
    ("unit.started", "keep/3"),  # in a round of the fold
    ("commit.renamed", "keep/1"),
    ("record.written", "part/0"),  # of the index of equal work
    ("commit.written", "out/4"),  # made in one wave with `part`, which comes before it
    ("commit.done", "more/0"),
)
IN_DRIVER = (
    ("record.written", "-/-"),  # the recipe in the run folder
    ("stage.units_done", "clean/-"),
    ("record.written", "surf/-"),  # the manifest
    ("stage.manifest", "bpe/-"),
    ("run.linked", "short/-"),
    ("run.recorded", "keep/-"),
    ("stage.units_done", "out/-"),
    ("run.recorded", "out/-"),
)
ALONE = (  # one for each of a few stages: each run below goes on to the next of them
    ("commit.done", "clean/b.jsonl.zst"),
    ("commit.renamed", "surf/2"),
    ("record.written", "short/1"),
    ("commit.written", "bpe/0"),
    ("unit.started", "keep/3"),
    ("commit.synced", "rand/1"),
)
ONCE_EACH = [at for at in IN_WORKERS if at[1] == dict(IN_WORKERS)[at[0]]]  # the last place of each point
CHAINS = {
    "driver-by-worker": [Fault(point, where, "parent") for point, where in IN_WORKERS],
    "group-by-worker": [Fault(point, where, "group") for point, where in ONCE_EACH],
    "driver": [Fault(point, where, "self") for point, where in IN_DRIVER],
    "group-by-driver": [Fault(point, where, "group") for point, where in IN_DRIVER[1::2]],
}


def test_every_point_of_a_run_is_in_the_chains() -> None:
    of_runs = {point for point in fault.POINTS if not point.startswith("export.")}
    assert {point for point, _ in IN_WORKERS + IN_DRIVER} == of_runs
    assert {point for point, _ in ALONE} == {point for point, _ in IN_WORKERS}


def run_on(place: Place, reference: Reference, starter: Starter, fault: Fault | None) -> int:
    """Run, killed at `fault` or not: it redoes only what has no done record, and touches nothing that has one."""
    undone, before = reference.undone(place), place.commits()
    driver = starter.start(place, place.argv(), fault.env(place) if fault else None)
    code = driver.wait()
    redone, now = place.redone(), place.commits()
    assert len(redone) == len(set(redone))
    assert undone.issuperset(redone), f"{fault}: {set(redone) - undone} were done already"
    assert {name: now[name] for name in before} == before, f"{fault}: a committed file was written again"
    if fault is None or fault.spares_the_driver:
        assert code == 0, driver.words()
        reference.check_redone(redone, undone)
    else:
        assert code == -9, f"{fault}: {driver.words()}"
    assert fault is None or not (place.folder / "once").exists(), f"{fault}: not reached"
    return code


@pytest.mark.timeout(600)
@pytest.mark.parametrize("chain", CHAINS)
def test_kills_lose_nothing_and_double_nothing(
    chain: str, tmp_path: Path, source: Path, reference: Reference, starter: Starter
) -> None:
    place = Place.make(tmp_path, source, workers=1)
    for one in CHAINS[chain]:
        run_on(place, reference, starter, one)
    run_on(place, reference, starter, None)
    reference.check_whole(place)


@pytest.mark.timeout(600)
def test_a_killed_worker_costs_its_unit_a_second_try_and_the_run_nothing(
    tmp_path: Path, source: Path, reference: Reference, starter: Starter
) -> None:
    """The driver tries the unit again on a new worker; the run ends as ever."""
    place = Place.make(tmp_path, source, workers=1)
    for point, where in ALONE:
        one = Fault(point, where, "self")
        driver = starter.start(place, place.argv("--to", where.split("/")[0]), one.env(place))
        code, words = driver.wait(), driver.words()
        assert code == 0, words
        assert not (place.folder / "once").exists(), f"{one}: not reached"
        assert "signal 9 (SIGKILL); try 2 of 3" in words
    run_on(place, reference, starter, None)
    reference.check_whole(place)
