"""Every plugin in the folders passes the exam; and the exam fails what it should."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.examples import EXAMPLES

from vernier.core import plugin
from vernier.testing import exam
from vernier.testing.toyset import ToySet

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> ToySet:
    return ToySet(tmp_path_factory.mktemp("toys"))


@pytest.mark.parametrize("name", plugin.names())
def test_plugin(name: str, toys: ToySet) -> None:
    exam(name, examples=EXAMPLES.get(name, [{}]), golden=GOLDEN, toys=toys)


def test_no_example_or_golden_output_is_left_over() -> None:
    assert not set(EXAMPLES) - set(plugin.names())
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(plugin.names())
