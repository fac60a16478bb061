"""The store: what is committed is whole and stays; what is not committed is not there."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from vernier.core.artifact import Artifact, ShardRef
from vernier.core.errors import DataError, ResumeError, SetupError
from vernier.core.fingerprint import key_of
from vernier.core.store import Store, write_atomically

KEY = key_of("some unit")


def commit(store: Store, key: str = KEY, **files: bytes) -> ShardRef:
    with store.workspace() as folder:
        for name, raw in (files or {"data.parquet": b"rows"}).items():
            (folder / name).write_bytes(raw)
        return store.commit_unit(key, folder, rows=3, counts={"rows": 3})


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "local":
        yield Store(str(tmp_path / "store"))
        return
    yield Store(f"{request.getfixturevalue('s3')}/prefix")


def test_a_unit_comes_back_as_committed(store: Store) -> None:
    ref = commit(store, **{"data.parquet": b"rows", "quarantine.parquet": b"bad"})
    assert store.unit(KEY) == ref
    assert ref.rows == 3 and set(ref.files) == {"data.parquet", "quarantine.parquet"}
    with store.open(ref.data) as file:
        assert file.read() == b"rows"
    assert (store.local_folder(ref) / "quarantine.parquet").read_bytes() == b"bad"


def test_content_leaves_the_quarantine_out(store: Store) -> None:
    a = commit(store, key_of("a"), **{"data.parquet": b"rows"})
    b = commit(store, key_of("b"), **{"data.parquet": b"rows", "quarantine.parquet": b"bad"})
    c = commit(store, key_of("c"), **{"data.parquet": b"other"})
    assert a.content == b.content != c.content


def test_nothing_is_there_before_its_record(store: Store) -> None:
    assert store.unit(KEY) is None
    assert store.artifact(KEY) is None
    ref = commit(store)
    artifact = Artifact("scores", KEY, "rows", (ref,), {"plugin": "x"})
    assert store.artifact(KEY) is None
    store.commit_artifact(artifact, {})
    assert store.artifact(KEY) == artifact


def test_committing_again_is_harmless(store: Store) -> None:
    first = commit(store)
    assert commit(store) == first == store.unit(KEY)


def test_a_lost_or_cut_file_is_not_a_unit(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    ref = commit(store)
    path = Path(store.path(ref.data))
    path.write_bytes(b"row")
    assert store.unit(KEY) is None
    path.unlink()
    assert store.unit(KEY) is None
    with pytest.raises(DataError, match="missing"):
        store.open(ref.data)


def test_a_damaged_unit_is_replaced_by_committing_again(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    ref = commit(store)
    path = Path(store.path(ref.data))
    path.write_bytes(b"rowz")
    commit(store)
    assert path.read_bytes() == b"rows"


def test_two_runs_commit_the_same_unit_at_once(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    with ThreadPoolExecutor(8) as threads:
        refs = list(threads.map(lambda _: commit(store), range(64)))
    assert all(ref == refs[0] for ref in refs)
    assert store.unit(KEY) == refs[0]
    assert not list((tmp_path / "store" / "tmp").iterdir())


def test_different_content_under_one_key_never_mixes(tmp_path: Path) -> None:
    """Two library versions may write other bytes: whichever record is last names one whole folder."""
    store = Store(str(tmp_path / "store"))
    commit(store, a=b"1", b=b"1")
    last = commit(store, a=b"2", b=b"2")
    assert store.unit(KEY) == last
    assert {p.read_bytes() for p in store.local_folder(last).iterdir()} == {b"2"}


def test_data_is_synced_before_it_is_renamed_and_renamed_before_its_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a power cut can not undo: each file and folder synced, in this order."""
    store = Store(str(tmp_path / "store"))
    steps: list[tuple[str, str]] = []
    fsync, rename = os.fsync, os.rename

    def logged_fsync(fd: int) -> None:
        steps.append(("fsync", os.readlink(f"/proc/self/fd/{fd}")))
        fsync(fd)

    def logged_rename(source: str | Path, target: str | Path) -> None:
        steps.append(("rename", str(target)))
        rename(source, target)

    monkeypatch.setattr(os, "fsync", logged_fsync)
    monkeypatch.setattr(os, "rename", logged_rename)
    ref = commit(store)
    final, record = store.path(ref.folder), f"{Path(store.path(ref.folder)).parent}/done.json"
    renamed, recorded = steps.index(("rename", final)), steps.index(("rename", record))
    before = [path for what, path in steps[:renamed] if what == "fsync"]
    assert any(path.endswith("/data.parquet") for path in before)
    assert any(Path(path).parent.name == "tmp" for path in before), "the folder itself is synced"
    between = steps[renamed + 1 : recorded]
    assert ("fsync", str(Path(final).parent)) in between, "the rename is synced before the record is written"
    assert any(what == "fsync" and "done.json" in path for what, path in between), "the record before its rename"
    assert ("fsync", str(Path(record).parent)) in steps[recorded + 1 :]


def test_work_that_fails_leaves_nothing(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    with pytest.raises(ZeroDivisionError), store.workspace() as folder:
        (folder / "data.parquet").write_bytes(b"half")
        raise ZeroDivisionError
    assert not list((tmp_path / "store" / "tmp").iterdir())


def test_the_first_user_sweeps_and_others_do_not(tmp_path: Path) -> None:
    left = tmp_path / "store" / "tmp" / "left-by-a-killed-run"
    left.mkdir(parents=True)
    store = Store(str(tmp_path / "store"))
    with store.in_use():
        assert not left.exists()
        with store.workspace() as folder, Store(store.url).in_use():
            assert folder.exists()


def test_deletion_waits_for_nobody(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    with store.in_use(), pytest.raises(ResumeError, match="in use"), Store(store.url).alone():
        pytest.fail("two users")
    with store.alone():
        pass


def test_siblings_are_units_of_one_base(store: Store) -> None:
    base = key_of("base")
    for name in ("one", "two"):
        with store.workspace() as folder:
            (folder / "data.parquet").write_bytes(name.encode())
            store.commit_unit(key_of(name), folder, base=base)
    assert {ref.key for ref in store.siblings(base)} == {key_of("one"), key_of("two")}
    assert store.siblings(key_of("other base")) == []


def test_a_damaged_record_marks_nothing(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    ref = commit(store)
    record = Path(store.path(ref.folder)).parent / "done.json"
    record.write_bytes(record.read_bytes()[:-20])
    assert store.unit(KEY) is None
    assert commit(store) == store.unit(KEY)


def test_records_hold_no_time_or_place(tmp_path: Path) -> None:
    """The same work in two folders leaves the same bytes."""
    trees: list[dict[str, bytes]] = []
    for name in ("one", "two"):
        store = Store(str(tmp_path / name))
        store.commit_artifact(Artifact("scores", KEY, "rows", (commit(store),), {}), {"python": "3"})
        files = (p for p in (tmp_path / name).rglob("*") if p.is_file())
        trees.append({p.relative_to(tmp_path / name).as_posix(): p.read_bytes() for p in files})
    assert trees[0] == trees[1] and json.loads(trees[0][f"artifacts/{KEY[:2]}/{KEY}.json"])["kind"] == "scores"


def test_a_place_that_can_not_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with (
        pytest.raises(SetupError, match="can not be written"),
        Store(str(tmp_path / "file" / "store")).workspace(),
    ):
        pytest.fail("there is no such folder")


def test_atomic_write_replaces_whole(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert [p.name for p in tmp_path.iterdir()] == ["record.json"]


def test_an_atomic_write_that_fails_leaves_the_old_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "record.json"
    write_atomically(path, b"one")

    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SetupError, match="No space left"):
        write_atomically(path, b"two")
    assert path.read_bytes() == b"one" and [p.name for p in tmp_path.iterdir()] == ["record.json"]
