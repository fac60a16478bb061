"""A folder is replaced whole, and whatever stops it half-way, a whole one is there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vernier.core.errors import RecipeError, ResumeError
from vernier.pipeline.swap import replacing

LEFT = ".out." + "0a" * 16


def allow(_: Path) -> None:
    """Any folder may be replaced."""


def make(folder: Path, name: str = "mark") -> None:
    folder.mkdir(parents=True)
    (folder / name).write_text(str(folder.name))


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_the_old_folder_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    make(tmp_path / "out", "old")
    with replacing(tmp_path / "out", allow, "mark") as new:
        (new / "mark").touch()
        assert names(tmp_path / "out") == ["old"]
    assert names(tmp_path / "out") == ["mark"] and names(tmp_path) == ["out"]


def test_an_error_leaves_the_old_folder_and_nothing_else(tmp_path: Path) -> None:
    make(tmp_path / "out", "old")
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "out", allow, "mark") as new:
        (new / "mark").touch()
        raise ZeroDivisionError
    assert names(tmp_path / "out") == ["old"] and names(tmp_path) == ["out"]


def test_what_came_into_the_folder_meanwhile_is_not_lost(tmp_path: Path) -> None:
    def nothing(folder: Path) -> None:
        if any(folder.iterdir()):
            raise ResumeError("not empty")

    with pytest.raises(ResumeError, match="not empty"), replacing(tmp_path / "out", nothing, "mark") as new:
        (new / "mark").touch()
        make(tmp_path / "out", "came")
    assert names(tmp_path / "out") == ["came"] and names(tmp_path) == ["out"]


@pytest.mark.parametrize(("left", "back"), [(["old"], "old"), (["old", "new"], "new"), ([], None)])
def test_after_a_kill_at_the_swap_a_whole_folder_is_put_in_place(
    tmp_path: Path, left: list[str], back: str | None
) -> None:
    for name in left:
        make(tmp_path / LEFT / name)
    make(tmp_path / ".out.of-mine")
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "out", allow, "mark"):
        raise ZeroDivisionError
    assert names(tmp_path) == [".out.of-mine", *(["out"] if back else [])]
    assert back is None or (tmp_path / "out" / "mark").read_text() == back


def test_what_a_kill_left_half_made_is_swept(tmp_path: Path) -> None:
    make(tmp_path / LEFT / "new", "half")
    make(tmp_path / "out", "old")
    with replacing(tmp_path / "out", allow, "mark") as new:
        assert not (tmp_path / LEFT).exists()
        (new / "mark").touch()
    assert names(tmp_path) == ["out"]


def test_two_at_once_do_not_sweep_each_other(tmp_path: Path) -> None:
    with replacing(tmp_path / "out", allow, "mark") as new:
        (new / "mark").touch()
        with (
            pytest.raises(ResumeError, match="another process"),
            replacing(tmp_path / "out", allow, "mark"),
        ):
            pass
        with replacing(tmp_path / "other", allow, "mark") as other:
            (other / "mark").touch()
    assert names(tmp_path) == ["other", "out"]


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    for to in (tmp_path / "out", tmp_path / "out" / "below"):
        with pytest.raises(RecipeError, match="a file stands"), replacing(to, allow, "mark"):
            pass
    assert (tmp_path / "out").read_text() == "mine" and names(tmp_path) == ["out"]


def test_a_link_to_a_folder_stays_a_link(tmp_path: Path) -> None:
    make(tmp_path / "real", "old")
    (tmp_path / "out").symlink_to("real")
    with replacing(tmp_path / "out", allow, "mark") as new:
        (new / "mark").touch()
    assert (tmp_path / "out").is_symlink() and names(tmp_path / "real") == ["mark"]
