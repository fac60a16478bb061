"""On which terms a model folder is loaded: what `train.read_hf` was told, kept beside the weights in `vernier.json`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vernier.core.errors import DataError

FILE = "vernier.json"
DTYPES = ("float32", "bfloat16", "float16", "auto")


@dataclass(frozen=True)
class Terms:
    """A folder without the file is loaded as float32, and none of its code is run.

    dtype               what the model computes in; `auto`: what its weights are stored in
    trust_remote_code   run Python files of the folder
    """

    dtype: str = "float32"
    trust_remote_code: bool = False

    @staticmethod
    def of(folder: Path) -> Terms:
        """The terms of a folder. Raises DataError if they can not be read."""
        path = folder / FILE
        if not path.exists():
            return Terms()
        try:
            said: Any = json.loads(path.read_text("utf-8"))
            terms = Terms(said["dtype"], said["trust_remote_code"])
        except (ValueError, KeyError, TypeError) as error:
            raise DataError("a model's vernier.json is damaged", where=str(path), found=repr(error)) from error
        if terms.dtype not in DTYPES or not isinstance(terms.trust_remote_code, bool):
            raise DataError("a model's vernier.json is damaged", where=str(path), found=str(said))
        return terms

    def save(self, folder: Path) -> None:
        (folder / FILE).write_text(json.dumps(asdict(self), indent=1, sort_keys=True) + "\n", encoding="utf-8")

    def torch_dtype(self) -> Any:
        """The `dtype` that `from_pretrained` takes."""
        import torch

        return self.dtype if self.dtype == "auto" else getattr(torch, self.dtype)
