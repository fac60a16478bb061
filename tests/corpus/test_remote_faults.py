"""Stores that fail now and then: the same corpus comes out; stores that fail for good: an error that names the URL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.corpus.drive import rows, write
from tests.corpus.faulty import FaultyFileSystem, Proxy, cycle, every
from tests.corpus.test_object_store import make, readers

from vernier.core import files
from vernier.core.errors import DataError, RecipeError, SetupError
from vernier.corpus.read_jsonl import ReadJsonl

fsspec.register_implementation("faulty", FaultyFileSystem, clobber=True)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "PAUSE_S", 0.001)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("local")
    make(folder)
    return folder


@pytest.fixture
def faulty(local: Path) -> Iterator[str]:
    fs = fsspec.filesystem("memory")
    fs.put(str(local) + "/", "memory://faults", recursive=True)
    FaultyFileSystem.plan(lambda number: "ok")
    files.remote.cache_clear()
    yield "faulty://faults"
    fs.rm("/faults", recursive=True)


@pytest.mark.parametrize("fault", ["error", "reset", "short", "empty"])
@pytest.mark.parametrize("number", [5, 7])
def test_every_reader_survives(faulty: str, local: Path, fault: str, number: int) -> None:
    FaultyFileSystem.plan(every(number, fault))
    for there, here in zip(readers(faulty), readers(str(local)), strict=True):
        assert rows(there).equals(rows(here)), type(there).__name__
    assert len(FaultyFileSystem.requests) > 50


@pytest.mark.parametrize("fault", ["error", "reset"])
def test_a_store_that_is_down(faulty: str, fault: str) -> None:
    for reader in readers(faulty):
        FaultyFileSystem.plan(lambda number: "ok")
        unit = reader.units()[0]
        FaultyFileSystem.plan(lambda number: fault)
        with pytest.raises(SetupError, match=r"(?s)can not be reached.*faulty:///?faults/.*one of 5 tries"):
            list(reader.read(unit, 0))
        assert 1 <= len(FaultyFileSystem.requests) <= files.TRIES
        with pytest.raises(SetupError, match=r"faulty:///?faults/"):
            reader.units()


def test_a_file_that_the_store_cuts_for_good(faulty: str) -> None:
    for reader in readers(faulty):
        FaultyFileSystem.plan(lambda number: "ok")
        unit = reader.units()[0]
        FaultyFileSystem.plan(lambda number: "empty")
        with pytest.raises(SetupError, match="no bytes at 0 of"):
            list(reader.read(unit, 0))


@pytest.mark.parametrize("path", ["j", "j/**/*.jsonl*"])
def test_a_folder_that_can_not_be_listed_is_not_left_out(faulty: str, path: str) -> None:
    FaultyFileSystem.plan(
        lambda number: "reset" if FaultyFileSystem.requests[-1].startswith("ls /faults/j/m") else "ok"
    )
    with pytest.raises(SetupError, match="connection reset by the store"):
        ReadJsonl(paths=[f"{faulty}/{path}"]).units()


def test_a_missing_file_is_not_asked_for_again(faulty: str) -> None:
    reader = readers(faulty)[2]
    (unit,) = reader.units()
    fsspec.filesystem("memory").rm("/faults/j/a.jsonl")
    FaultyFileSystem.plan(lambda number: "ok")
    with pytest.raises(DataError, match="vanished"):
        list(reader.read(unit, 0))
    assert len(FaultyFileSystem.requests) == 1


@settings(max_examples=40)
@given(
    st.lists(st.sampled_from(["ok", "error", "reset", "short", "empty"]), min_size=1, max_size=12), st.integers(1, 900)
)
def test_any_plan_gives_the_bytes_or_an_error(plan: list[str], size: int) -> None:
    data = bytes(range(256)) * 20
    fsspec.filesystem("memory").pipe_file("/some/file", data)
    FaultyFileSystem.plan(lambda number: "ok")
    files.remote.cache_clear()
    (file,) = files.find(["faulty://some/file"], None, ("",))
    FaultyFileSystem.plan(cycle(plan))
    got = b""
    try:
        with files.opened(file) as source:
            source.seek(7)
            while part := source.read(size):
                assert len(part) == min(size, len(data) - 7 - len(got))
                got += part
                assert source.tell() == 7 + len(got)
    except SetupError:
        assert data[7:].startswith(got)
        assert len(set(plan)) > 1 or plan[0] != "ok"
    else:
        assert got == data[7:]


@pytest.fixture
def proxy(s3: str, s3_server: str, local: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Proxy, str]]:
    """A bucket that holds `local`, behind a proxy that the readers reach it by."""
    import s3fs

    s3fs.S3FileSystem().put(str(local) + "/", f"{s3}/data", recursive=True, ACL="public-read")
    server = Proxy(s3_server)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")  # of botocore's own
    s3fs.S3FileSystem.clear_instance_cache()
    files.remote.cache_clear()
    yield server, s3
    files.remote.cache_clear()
    server.close()


@pytest.mark.parametrize("fault", ["error", "cut", "slow"])
def test_s3_that_fails_in_the_middle(proxy: tuple[Proxy, str], local: Path, fault: str) -> None:
    server, bucket = proxy
    server.plan(every(3, fault))
    for there, here in zip(readers(f"{bucket}/data"), readers(str(local)), strict=True):
        assert rows(there).equals(rows(here)), type(there).__name__
    assert server.requests > 10


@pytest.mark.parametrize("fault", ["error", "cut", "slow"])
def test_http_that_fails_in_the_middle(proxy: tuple[Proxy, str], local: Path, fault: str) -> None:
    server, bucket = proxy
    base = f"{server.url}/{bucket.removeprefix('s3://')}/data"
    server.plan(every(3, fault))
    for place, name in ((0, "j/a.jsonl"), (6, "w/x.warc.gz"), (7, "m/x.html"), (4, "p/x.parquet")):
        there = type(readers("")[place])(paths=[f"{base}/{name}"])
        here = type(there)(paths=[f"{local}/{name}"])
        assert rows(there).equals(rows(here)), name
    assert server.requests > 3


def test_http_that_is_down(proxy: tuple[Proxy, str]) -> None:
    server, bucket = proxy
    url = f"{server.url}/{bucket.removeprefix('s3://')}/data/w/x.warc.gz"
    reader = type(readers("")[6])(paths=[url])
    (unit,) = reader.units()
    server.plan(lambda number: "cut")
    with pytest.raises(SetupError, match=r"x\.warc\.gz"):
        list(reader.read(unit, 0))
    assert server.requests <= files.TRIES


def test_http_that_forbids(proxy: tuple[Proxy, str], monkeypatch: pytest.MonkeyPatch) -> None:
    import s3fs

    server, bucket = proxy
    s3fs.S3FileSystem().pipe_file(f"{bucket}/secret.jsonl", b'{"text": "x"}')
    monkeypatch.setattr(files.time, "sleep", lambda pause: pytest.fail("tried again"))
    with pytest.raises(SetupError, match=r"(?s)can not be read.*secret\.jsonl.*403"):
        ReadJsonl(paths=[f"{server.url}/{bucket.removeprefix('s3://')}/secret.jsonl"]).units()


def test_http_that_fails_at_first(proxy: tuple[Proxy, str]) -> None:
    """Of a file that is there, and of one that is not, while the server is down and when it is back."""
    server, bucket = proxy
    base = f"{server.url}/{bucket.removeprefix('s3://')}/data"
    server.down = True
    with pytest.raises(SetupError, match=r"(?s)can not be reached.*a\.jsonl"):
        ReadJsonl(paths=[f"{base}/j/a.jsonl"]).units()
    server.down = False
    assert len(ReadJsonl(paths=[f"{base}/j/a.jsonl"]).units()) == 1
    with pytest.raises(RecipeError, match="no file matches"):
        ReadJsonl(paths=[f"{base}/j/nothing.jsonl"]).units()


def test_local_files_are_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "x.jsonl", b"{}")
    (file,) = files.find([path], None, ("",))
    Path(path).unlink()
    monkeypatch.setattr(files.time, "sleep", lambda pause: pytest.fail("slept"))
    with pytest.raises(DataError, match="vanished"), files.opened(file):
        pass
