"""Errors, named by who must act. The exit code tells a script the same thing the class tells a reader.

    RecipeError   the recipe (or the command line) must change      2
    DataError     the input data must change                        3
    SetupError    the machine or the installation must change       4
    ResumeError   something earlier on disk stands in the way       5
    StageError    a stage failed while it worked                    6

Any other exception is a bug in Vernier (exit code 1).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class VernierError(Exception):
    """One problem, told in full: what was wrong, where, what was found, what was expected, what to do."""

    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        found: str | None = None,
        expected: str | None = None,
        do: str | None = None,
    ) -> None:
        super().__init__(what)
        self.what, self.where, self.found, self.expected, self.do = what, where, found, expected, do

    def __str__(self) -> str:
        lines = [self.what]
        for label, value in (
            ("where", self.where),
            ("found", self.found),
            ("expected", self.expected),
            ("do", self.do),
        ):
            if value is not None:
                lines.append(f"  {label + ':':<10}{value}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep every part when the error crosses from a worker to the driver."""
        return _rebuild, (type(self), self.what, self.where, self.found, self.expected, self.do)


def _rebuild(
    cls: type[VernierError],
    what: str,
    where: str | None,
    found: str | None,
    expected: str | None,
    do: str | None,
) -> VernierError:
    return cls(what, where=where, found=found, expected=expected, do=do)


class RecipeError(VernierError):
    """The recipe or the command line must change."""

    exit_code = 2


class DataError(VernierError):
    """The input data must change."""

    exit_code = 3


class SetupError(VernierError):
    """The machine or the installation must change."""

    exit_code = 4


class ResumeError(VernierError):
    """Something earlier on disk stands in the way."""

    exit_code = 5


class StageError(VernierError):
    """A stage failed while it worked."""

    exit_code = 6


def nearest(name: str, known: Iterable[str]) -> str:
    """A sentence fragment that helps with a mistyped name: the nearest known one, else all of them."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"one of: {', '.join(known) or '(none)'}"
