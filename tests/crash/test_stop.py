"""Asked to stop, a run ends clean; two runs on one store do not disturb each other, whoever is killed."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path

import pytest
from tests.crash.world import Driver, Fault, Place, Reference, Starter
from tests.pipeline.small import tree


def wait_until(driver: Driver, place: Place, stage: str) -> None:
    """Until the run has come to a stage."""
    while not any(e.get("node") == stage for e in place.events()):
        assert driver.poll() is None, driver.words()
        time.sleep(0.002)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("signum", "stage"), [(signal.SIGTERM, "clean"), (signal.SIGINT, "bpe")])
def test_a_stop_signal_commits_what_is_being_worked_on(
    signum: signal.Signals, stage: str, tmp_path: Path, source: Path, reference: Reference, starter: Starter
) -> None:
    """The signal comes while workers hold units: those are finished, committed and logged, nothing else is begun."""
    place = Place.make(tmp_path, source, workers=1)
    points = tmp_path / "points.jsonl"
    driver = starter.start(place, place.argv(), {"VERNIER_FAULT_LOG": str(points)})
    begun = f'"unit.started", "stage": "{stage}"'
    while not (points.exists() and begun in points.read_text()):
        assert driver.poll() is None, driver.words()
        time.sleep(0.002)
    os.kill(driver.pid, signum)
    assert driver.wait() == 128 + signum, driver.words()
    words = driver.words()
    assert "finished shards are committed" in words and "Traceback" not in words
    done, undone = place.redone(), reference.undone(place)
    assert len([unit for unit in done if unit[0] == stage]) == points.read_text().count(begun)
    assert undone.isdisjoint(done) and undone
    again = starter.start(place, place.argv())
    assert again.wait() == 0, again.words()
    reference.check_redone(place.redone(), undone)
    reference.check_whole(place)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [0, 1])
def test_two_runs_on_one_store_and_one_of_them_killed(
    seed: int, tmp_path: Path, source: Path, reference: Reference, starter: Starter
) -> None:
    rng = random.Random(seed)
    store = tmp_path / "store"
    places = [Place.make(tmp_path / name, source, workers=1, store=store) for name in ("one", "two")]
    drivers = [starter.start(place, place.argv()) for place in places]
    victim = rng.randrange(2)
    wait_until(drivers[victim], places[victim], rng.choice(["clean", "surf", "pool"]))
    os.killpg(drivers[victim].pid, signal.SIGKILL)
    assert drivers[victim].wait() == -signal.SIGKILL
    other = 1 - victim
    assert drivers[other].wait() == 0, drivers[other].words()
    reference.check_whole(places[other])
    again = starter.start(places[victim], places[victim].argv())
    assert again.wait() == 0, again.words()
    assert places[victim].redone() == [], "the other run has done it all"
    reference.check_whole(places[victim])


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kills", ["self", "group"])
def test_a_killed_export_is_no_export_and_can_be_made_again(
    kills: str, tmp_path: Path, reference: Reference, starter: Starter
) -> None:
    place = Place(tmp_path, reference.place.recipe, reference.place.store, reference.place.out)
    argv = ["export", str(place.out), "keep", "--to", "out", "--format", "jsonl.zst"]
    assert starter.start(place, [*argv[:4], "whole", *argv[5:]]).wait() == 0
    killed = starter.start(place, argv, Fault("export.shard", "*", kills).env(place))
    code = killed.wait()
    assert not (tmp_path / "once").exists()
    if kills == "self":  # a worker alone: its file is written again
        assert code == 0, killed.words()
    else:
        assert code == -signal.SIGKILL
        assert not (tmp_path / "out").exists() and len(list(tmp_path.glob(".out.*/new/train-*"))) >= 1
        again = starter.start(place, argv)
        assert again.wait() == 0, again.words()
    files = [{p.name: p.read_bytes() for p in (tmp_path / name).iterdir()} for name in ("out", "whole")]
    assert files[0] == files[1] and "_export.json" in files[0]
    assert not list(tmp_path.glob(".out.*"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("point", ["export.shard", "record.written"])
@pytest.mark.parametrize("form", [["dolma"], ["megatron", "--tokenizer", "bpe"]])
def test_a_killed_export_for_other_trainers_comes_out_the_same(
    form: list[str], point: str, tmp_path: Path, reference: Reference, starter: Starter
) -> None:
    """Killed with a shard done, or with all done but what marks it complete."""
    place = Place(tmp_path, reference.place.recipe, reference.place.store, reference.place.out)
    argv = ["export", str(place.out), "keep", "--to", "out", "--format", *form]
    assert starter.start(place, [*argv[:4], "whole", *argv[5:]]).wait() == 0
    killed = starter.start(place, argv, Fault(point, "*", "group").env(place))
    assert killed.wait() == -signal.SIGKILL
    assert not (tmp_path / "out").exists() and len(list(tmp_path.glob(".out.*/new/*"))) >= 1
    again = starter.start(place, argv)
    assert again.wait() == 0, again.words()
    assert tree(tmp_path / "out") == tree(tmp_path / "whole") and "_export.json" in tree(tmp_path / "out")
    assert not list(tmp_path.glob(".out.*"))


def test_an_earlier_export_stays_whole_until_the_next_is_complete(
    tmp_path: Path, reference: Reference, starter: Starter
) -> None:
    place = Place(tmp_path, reference.place.recipe, reference.place.store, reference.place.out)
    argv = ["export", str(place.out), "keep", "--to", "out"]
    assert starter.start(place, argv).wait() == 0
    before = tree(tmp_path / "out")
    other = ["export", str(place.out), "rand", "--to", "out"]
    killed = starter.start(place, other, Fault("export.shard", "*", "group").env(place))
    assert killed.wait() == -signal.SIGKILL
    assert tree(tmp_path / "out") == before and len(list(tmp_path.glob(".out.*"))) == 1
    again = starter.start(place, other)
    assert again.wait() == 0, again.words()
    assert json.loads((tmp_path / "out" / "_export.json").read_text())["selection"] == "rand"
    assert not list(tmp_path.glob(".out.*"))
