"""Where models compute: the device that a stage's `on: {device: cuda}` names, the CPU without one."""

from __future__ import annotations

import os
from typing import Any

from vernier.core.errors import SetupError
from vernier.models.needs import needs

VARIABLE = "VERNIER_DEVICE"  # set by the pipeline in the worker processes of the stage


def device() -> Any:
    """The `torch.device` of this process. Raises SetupError if this machine does not have it."""
    needs("torch")
    import torch

    name = os.environ.get(VARIABLE, "cpu")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise SetupError(
            f"the device {name!r} is not there",
            found=f"torch {torch.__version__} sees no GPU",
            do="leave out `on: {device: ...}` to compute on the CPU",
        )
    return torch.device(name)
