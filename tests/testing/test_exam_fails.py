"""The exam finds what it is there to find, and passes a plugin that keeps its promises."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vernier.core.errors import RecipeError
from vernier.testing import Failed, exam, record
from vernier.testing.toyset import ToySet

BAD = "tests.testing.bad:Bad"


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> ToySet:
    return ToySet(tmp_path_factory.mktemp("toys"))


def failed(name: str, toys: ToySet, how: str | None = None) -> set[str]:
    """The names of the checks that a plugin fails."""
    with pytest.raises(Failed) as caught:
        exam(name, examples=[{"with": {"how": how}} if how else {}], toys=toys)
    notes = [note for error in caught.value.exceptions for note in error.__notes__]
    return {note.split(", ")[1].split(":")[0].split("[")[0] for note in notes}


def test_a_good_plugin_passes(toys: ToySet) -> None:
    passed = exam(BAD, toys=toys)
    assert len(passed) >= 16
    assert {"masks_hide[0]", "says_what_it_costs[0]"} <= set(passed)


@pytest.mark.parametrize(
    ("how", "check"),
    [
        ("sees shards", "does_not_see_shards"),
        ("sees order", "does_not_see_order"),
        ("does not repeat", "repeats"),
        ("draws in secret", "draws_as_declared"),
        ("key lies", "keeps_its_key_honest"),
        ("ignores the mask", "masks_hide"),
        ("drops a row", "has_a_row_for_each_row"),
        ("costs less than nothing", "says_what_it_costs"),
        ("costs by the shard", "says_what_it_costs"),
    ],
)
def test_a_broken_promise_is_found(how: str, check: str, toys: ToySet) -> None:
    assert check in failed(BAD, toys, how)


def test_a_careless_declaration_is_found() -> None:
    from tests.testing.bad import Careless

    from vernier.testing import contract

    sitting = contract.Sitting("tests.testing.bad:Careless", Careless, (Careless(),))
    for check in (contract.is_frozen, contract.declares_itself, contract.is_documented):
        with pytest.raises(AssertionError):
            check(sitting)


def test_another_output_under_the_same_version_is_found(tmp_path: Path, toys: ToySet) -> None:
    path = record(tmp_path, BAD)
    exam(BAD, golden=tmp_path, toys=toys)
    written = json.loads(path.read_text())
    path.write_text(json.dumps(written | {"outputs": ["0" * 32]}))
    with pytest.raises(Failed, match="1 of"):
        exam(BAD, golden=tmp_path, toys=toys)
    with pytest.raises(RecipeError, match="same version"):
        record(tmp_path, BAD)
    path.write_text(json.dumps(written | {"version": 0}))
    with pytest.raises(Failed):
        exam(BAD, golden=tmp_path, toys=toys)
    record(tmp_path, BAD)
    exam(BAD, golden=tmp_path, toys=toys)
