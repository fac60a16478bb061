"""One store for all tests of this folder."""

from __future__ import annotations

import pytest
from tests.select.world import World


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(str(tmp_path_factory.mktemp("world")))
