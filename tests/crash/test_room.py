"""A full disk: a small tmpfs that grows later. Mounting one needs root."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Generator
from pathlib import Path

import pytest
from tests.crash.world import Place, Reference, Starter, processes

from vernier.core.errors import SetupError
from vernier.core.fingerprint import key_of
from vernier.core.store import Store

SETUP_ERROR = SetupError("", do="").exit_code
PAGE = os.sysconf("SC_PAGE_SIZE")


class Disk:
    """A tmpfs of some pages."""

    def __init__(self, folder: Path, pages: int) -> None:
        self.folder = folder
        self._mount(pages, "size={},noatime")

    def _mount(self, pages: int, options: str) -> None:
        told = options.format(pages * PAGE)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", told, "tmpfs", self.folder], capture_output=True, text=True
        )
        if done.returncode:
            pytest.skip(f"no tmpfs can be mounted here: {done.stderr.strip()}")

    def grow(self, pages: int) -> None:
        self._mount(pages, "remount,size={}")

    def pages_used(self) -> int:
        state = os.statvfs(self.folder)
        return (state.f_blocks - state.f_bfree) * state.f_frsize // PAGE


@pytest.fixture
def disk(tmp_path: Path) -> Generator[Disk]:
    if shutil.which("mount") is None or os.geteuid() != 0:
        pytest.skip("mounting a tmpfs needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    made = Disk(folder, 4096)
    yield made
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("everything", [False, True], ids=["store", "store-and-run-folder"])
def test_a_full_disk_stops_the_run_and_room_lets_it_go_on(
    everything: bool, disk: Disk, tmp_path: Path, source: Path, reference: Reference, starter: Starter
) -> None:
    """The room grows a little at a time: each run comes further, none commits anything twice."""
    place = Place.make(tmp_path, source, store=disk.folder / "store")
    if everything:
        place.out = disk.folder / "run"
    place.folder = tmp_path
    size = sum(-(-len(raw) // PAGE) for raw in reference.tree.values())
    for share in (0.1, 0.5, 0.9):
        disk.grow(int(size * share))
        undone, before = reference.undone(place), place.commits()
        driver = starter.start(place, place.argv())
        code, words = driver.wait(), driver.words()
        assert code == SETUP_ERROR, words
        assert re.search(r"SetupError: a folder can not be written\n.*where: +" + re.escape(str(disk.folder)), words)
        assert "No space left on device" in words and "Traceback" not in words
        now = place.commits()
        assert {name: now[name] for name in before} == before
        assert reference.undone(place) <= undone
    disk.grow(100 * size)
    undone = reference.undone(place)
    driver = starter.start(place, place.argv())
    assert driver.wait() == 0, driver.words()
    reference.check_redone(place.redone(), undone)
    reference.check_whole(place)


def test_no_room_for_the_record_of_a_commit(disk: Disk) -> None:
    """The data is under its final name when the disk is full: without a record it is not there."""
    store = Store(str(disk.folder / "store"))
    key = key_of("unit")
    filler = disk.folder / "filler"
    with pytest.raises(SetupError, match="No space left"), store.workspace() as folder:
        (folder / "data.parquet").write_bytes(b"rows")
        with open(filler, "wb") as file, pytest.raises(OSError, match="No space left"):
            while True:
                file.write(bytes(PAGE))
                file.flush()
        store.commit_unit(key, folder, rows=3)
    assert store.unit(key) is None
    assert list((disk.folder / "store" / "tmp").iterdir()) == []
    filler.unlink()
    with store.workspace() as folder:
        (folder / "data.parquet").write_bytes(b"rows")
        ref = store.commit_unit(key, folder, rows=3)
    assert store.unit(key) == ref


@pytest.mark.timeout(600)
def test_a_full_disk_and_a_killed_driver_at_once(
    disk: Disk, tmp_path: Path, source: Path, reference: Reference, starter: Starter
) -> None:
    place = Place.make(tmp_path, source, store=disk.folder / "store")
    disk.grow(sum(-(-len(raw) // PAGE) for raw in reference.tree.values()) // 2)
    driver = starter.start(place, place.argv())
    while driver.poll() is None and place.stage_at_work() != "surf":
        time.sleep(0.002)
    for pid, _, group in processes():
        if group == driver.pid:
            os.kill(pid, 9)
    driver.wait()
    disk.grow(4096)
    again = starter.start(place, place.argv())
    assert again.wait() == 0, again.words()
    reference.check_whole(place)
