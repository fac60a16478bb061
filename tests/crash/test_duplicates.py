"""SIGKILL while duplicates are searched and after it: a search is made again whole, and the bytes are the same."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from tests.crash.test_points import run_on
from tests.crash.world import Fault, Place, Reference, Starter

from vernier.core.run import Run

RECIPE = """\
vernier: 1
name: copies
store: STORE
stages:
  clean: {do: corpus.read_jsonl, with: {paths: ["DATA/*.jsonl"]}, on: {workers: 1}}
  found: {do: select.duplicates, in: {corpus: clean}, with: {memory: 256MiB}, on: {workers: 1}}
  unique: {do: select.unique, in: {corpus: clean, duplicates: found}, on: {workers: 1}}
"""
FAULTS = (
    Fault("commit.written", "found/0", "group"),  # searched and written, not committed
    Fault("commit.done", "found/0", "parent"),
    Fault("unit.started", "unique/1", "group"),
)


def make(folder: Path, data: Path) -> Place:
    folder.mkdir()
    (folder / "recipe.yaml").write_text(RECIPE.replace("STORE", str(folder / "store")).replace("DATA", str(data)))
    return Place(folder, folder / "recipe.yaml", folder / "store", folder / "run")


def write_data(folder: Path) -> None:
    """Two files: of each of a hundred texts three copies."""
    folder.mkdir()
    for name in ("a", "b"):
        lines = [json.dumps({"text": f"Text number {n} of a hundred."}) + "\n" for n in range(100) for _ in range(3)]
        (folder / f"{name}.jsonl").write_text("".join(lines))


@pytest.mark.timeout(600)
def test_a_killed_search_is_made_again_whole(tmp_path: Path, starter: Starter) -> None:
    write_data(tmp_path / "data")
    never = make(tmp_path / "never", tmp_path / "data")
    assert starter.start(never, never.argv()).wait() == 0
    reference = Reference.of(never)
    assert Run.open(never.out).nodes["found"]["facts"]["duplicates"] == 500
    place = make(tmp_path / "killed", tmp_path / "data")
    driver = starter.start(place, place.argv())
    while not list(place.store.glob("tmp/**/scratch/*")):  # the search is at work
        assert driver.poll() is None, driver.words()
        time.sleep(0.002)
    os.killpg(driver.pid, signal.SIGKILL)
    assert driver.wait() == -signal.SIGKILL
    assert reference.undone(place) == {("found", "0"), ("unique", "0"), ("unique", "1")}
    for fault in FAULTS:
        run_on(place, reference, starter, fault)
    assert ("found", "0") not in reference.undone(place)
    run_on(place, reference, starter, None)
    assert place.tree() == never.tree()
    assert Run.open(place.out).nodes == reference.nodes
