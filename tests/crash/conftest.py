"""The data, a warm process that starts drivers, and runs that nobody killed."""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from tests.crash.world import Place, Reference, Starter, write_data


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of input files."""
    folder = tmp_path_factory.mktemp("crash") / "data"
    write_data(folder)
    return folder


@pytest.fixture(scope="session")
def starter() -> Generator[Starter]:
    if not sys.platform.startswith("linux"):
        pytest.skip("crash tests read /proc")
    made = Starter()
    yield made
    made.close()


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory, source: Path, starter: Starter) -> Reference:
    """The quick recipe, run once."""
    place = Place.make(tmp_path_factory.mktemp("reference"), source)
    driver = starter.start(place, place.argv())
    assert driver.wait() == 0, driver.words()
    return Reference.of(place)
