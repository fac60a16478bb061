"""One bench a test."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.methods.lab import Lab


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """Corpora of several shards, one of them empty."""
    return Lab(tmp_path, (3, 0, 5))
