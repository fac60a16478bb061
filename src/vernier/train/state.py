"""The state of a training between two steps: all that it needs to go on as if it had never stopped.

    state.safetensors   parameters, and the two moments of AdamW
    state.json          step, what was trained on so far
    metrics.parquet     one row a step (`METRICS`)

Windows are found by their number (`vernier.models.windows`), and what a model draws (dropout) depends on the number of
the step, so these three are the whole state; bit for bit, since tensors are kept as they are.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vernier.models.windows import Windows

METRICS = pa.schema(
    [
        ("step", pa.int64()),
        ("tokens", pa.int64()),  # trained on up to the end of the step
        ("loss", pa.float64()),  # nat a token, mean over the batch (of soft and hard targets with a teacher)
        ("rate", pa.float64()),  # learning rate
        ("grad_norm", pa.float64()),  # before clipping
    ]
)
MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # what AdamW holds for each parameter


@dataclass
class Trained:
    """What was trained on so far.

    step       steps done
    metrics    a row each, as in `METRICS`
    targets    int64 [D], targets of each domain
    windows    digest of all windows in their order
    """

    targets: NDArray[np.int64]
    step: int = 0
    metrics: list[dict[str, float]] = field(default_factory=list[dict[str, float]])
    windows: str = ""

    def add(self, batch: Windows, domain: NDArray[np.int64], row: dict[str, float]) -> None:
        """Count a step. domain: int64 [N], the domain of each document."""
        self.step += 1
        self.metrics.append(row)
        self.targets += np.bincount(domain[batch.document.ravel()], minlength=len(self.targets))
        raw = batch.targets.astype(np.uint32).tobytes()
        self.windows = hashlib.blake2b(raw, digest_size=16, key=self.windows.encode()).hexdigest()


def save(folder: Path, model: Any, optimizer: Any, trained: Trained) -> None:
    """Write the state into an empty folder."""
    from safetensors.torch import save_file

    tensors = {f"model.{name}": p.detach() for name, p in model.named_parameters()}
    names = [name for name, _ in _in_order(model, optimizer)]
    for number, held in optimizer.state_dict()["state"].items():
        tensors |= {f"{part}.{names[number]}": held[part] for part in MOMENTS}
    save_file({name: tensor.cpu().contiguous() for name, tensor in tensors.items()}, folder / "state.safetensors")
    told = {"step": trained.step, "targets": trained.targets.tolist(), "windows": trained.windows}
    (folder / "state.json").write_text(json.dumps(told) + "\n", encoding="utf-8")
    write_metrics(folder / "metrics.parquet", trained)


def restore(folder: Path, model: Any, optimizer: Any) -> Trained:
    """Bring model and optimizer back to a state."""
    import torch
    from safetensors.torch import load_file

    tensors = load_file(folder / "state.safetensors")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(tensors[f"model.{name}"])
    whole = optimizer.state_dict()
    whole["state"] = {
        number: {part: tensors[f"{part}.{name}"] for part in MOMENTS}
        for number, (name, _) in enumerate(_in_order(model, optimizer))
        if f"step.{name}" in tensors  # a parameter that no loss has reached has none
    }
    optimizer.load_state_dict(whole)
    told = json.loads((folder / "state.json").read_text("utf-8"))
    return Trained(
        targets=np.array(told["targets"], dtype=np.int64),
        step=told["step"],
        metrics=pq.read_table(folder / "metrics.parquet").to_pylist(),
        windows=told["windows"],
    )


def write_metrics(path: Path, trained: Trained) -> None:
    """One row a step."""
    pq.write_table(pa.Table.from_pylist(trained.metrics, METRICS), path)


def _in_order(model: Any, optimizer: Any) -> list[tuple[str, Any]]:
    """Name and parameter in the optimizer's own order, by which it numbers them."""
    names = {id(p): name for name, p in model.named_parameters()}
    return [(names[id(p)], p) for group in optimizer.param_groups for p in group["params"]]
