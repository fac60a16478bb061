"""The packages that models need, and one clear sentence when they are not there."""

from __future__ import annotations

import importlib

from vernier.core.errors import SetupError


def needs(*modules: str, extra: str = "train") -> None:
    """Raises SetupError naming the extra to install if one of `modules` can not be imported."""
    for name in modules:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or error.name.partition(".")[0] != name:
                raise
            raise SetupError(
                f"this stage needs the package {name!r}, which is not installed",
                do=f"pip install vernier[{extra}]",
            ) from error
