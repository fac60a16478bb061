"""The folder of real data for tests. Without it a test that asks for it skips by name; with it none may."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

PROJECT = Path(__file__).parent.parent

# Two threads of PyTorch that wait for each other on busy cores take a hundred times as long as one (docs/log.md).
os.environ.setdefault("OMP_NUM_THREADS", "1")

# No test asserts a time, so hypothesis does not either; `make mutants` brings a profile of its own.
settings.register_profile("house", deadline=None)
if settings.get_current_profile_name() == "default":
    settings.load_profile("house")

# What a shell runs in the background ignores SIGINT, and so would every process that a test starts and then interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _data_folder() -> Path | None:
    named = os.environ.get("VERNIER_DATA")
    if named is not None:
        folder = Path(named)
        if not folder.is_dir():
            raise pytest.UsageError(f"VERNIER_DATA names {folder}, which is not a folder")
        return folder.resolve()
    folder = PROJECT.parent / "shared" / "data"
    return folder if folder.is_dir() else None


DATA = _data_folder()


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real data (`corpus/`, `web/`, `dedup/` ...)."""
    if DATA is None:
        pytest.skip("no real data: VERNIER_DATA is not set and ../shared/data does not exist")
    return DATA


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test of real data that skips although the data is there has lost its file: that is a failure."""
    report = yield
    if report.skipped and DATA is not None and "data" in getattr(item, "fixturenames", ()):
        report.outcome = "failed"
        report.longrepr = f"skipped although the real data is at {DATA}: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def s3_server() -> Generator[str]:
    """A real S3 server of our own, on loopback."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Generator[str]:
    """The URL of a new bucket; this process and those it starts find the server by their environment."""
    import s3fs

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    s3fs.S3FileSystem.clear_instance_cache()
    bucket = f"bucket-{uuid.uuid4().hex}"
    s3fs.S3FileSystem().mkdir(bucket)
    yield f"s3://{bucket}"
    s3fs.S3FileSystem.clear_instance_cache()
