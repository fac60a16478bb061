"""Pack a task or an item for another process, and say clearly when it can not travel."""

from __future__ import annotations

import io
import pickle
from types import FunctionType
from typing import Any

from vernier.core.errors import RecipeError


class _Pickler(pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        # A worker has another `__main__`: what is defined in the driver's would be looked up there in vain.
        if isinstance(obj, type | FunctionType) and obj.__module__ == "__main__":
            raise RecipeError(
                f"{obj.__qualname__!r} is defined in the main script, where worker processes can not find it",
                do="move it to a module of its own and import it from there",
            )
        return NotImplemented


def parcel(value: Any, name: str) -> bytes:
    """The pickle of `value`. RecipeError, naming it `name`, when another process could not load it."""
    buffer = io.BytesIO()
    try:
        _Pickler(buffer, protocol=5).dump(value)
    except RecipeError as error:
        error.where = name
        raise
    except Exception as error:  # PicklingError, TypeError, AttributeError and whatever `__reduce__` raises
        raise RecipeError(
            "it can not be sent to a worker process",
            where=name,
            found=f"{type(error).__name__}: {error}",
            expected="a function or a frozen dataclass at the top level of a module, holding plain values",
        ) from error
    return buffer.getvalue()
