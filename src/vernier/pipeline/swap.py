"""Replace a folder whole. The new one is made beside it, and takes its place by rename when it is complete.

    .NAME.<uuid>/lock    held by the process at work, so that nobody sweeps what it makes
    .NAME.<uuid>/new     the folder being made
    .NAME.<uuid>/old     the one that it replaces, for an instant

A kill leaves that folder behind; the next `replacing` of the same target sweeps it.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import shutil
import uuid
from collections.abc import Callable, Generator
from pathlib import Path

from vernier.core.errors import RecipeError, ResumeError
from vernier.core.store import room


@contextlib.contextmanager
def replacing(to: Path, check: Callable[[Path], None], mark: str) -> Generator[Path]:
    """An empty folder, which becomes `to` when the block ends well, and is gone when it does not.

    check   raises if the folder `to`, which exists, may not be replaced; called first and again before the swap
    mark    the file that a complete folder has; the block writes it last

    What is in `to` stays until then. Raises RecipeError where no folder can be replaced, ResumeError while another
    process replaces this one, SetupError if the folder above can not be written.
    """
    to = to.resolve()
    _check_place(to)
    with room(str(to.parent)):
        if to.exists():
            check(to)
        to.parent.mkdir(parents=True, exist_ok=True)
        _clear_up(to, mark)
        beside = to.with_name(f".{to.name}.{uuid.uuid4().hex}")
        (beside / "new").mkdir(parents=True)
    with _held(beside, to):
        try:
            yield beside / "new"
            with room(str(to.parent)):
                if to.exists():
                    check(to)
                    os.rename(to, beside / "old")
                os.rename(beside / "new", to)
                sync(to.parent)
        finally:
            if not to.exists() and (beside / "old").exists():
                os.rename(beside / "old", to)
            shutil.rmtree(beside)


def sync(path: Path) -> None:
    """Have a file's bytes, or a folder's entries, on the disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _check_place(to: Path) -> None:
    there = next(path for path in (to, *to.parents) if path.exists())
    if not there.is_dir():
        raise RecipeError("a file stands where a folder is to be written", where=str(there), do="name another folder")
    if os.path.ismount(to):
        raise RecipeError(
            "this folder can not be replaced: a file system is mounted there",
            where=str(to),
            do="name a folder below it",
        )


def _clear_up(to: Path, mark: str) -> None:
    """Sweep what killed processes left; one that came as far as the swap gets its result, or the old one, in place."""
    with contextlib.ExitStack() as locks:
        left = sorted(to.parent.glob(f".{glob.escape(to.name)}.{'[0-9a-f]' * 32}"))
        for folder in left:
            locks.enter_context(_held(folder, to))
        for folder in left:
            complete = [entry for entry in (folder / "new", folder / "old") if (entry / mark).exists()]
            if complete and not to.exists():
                os.rename(complete[0], to)
            shutil.rmtree(folder)


@contextlib.contextmanager
def _held(folder: Path, to: Path) -> Generator[None]:
    with open(folder / "lock", "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ResumeError(
                "another process is writing this folder", where=str(to), do="wait for it, or name another folder"
            ) from error
        yield
