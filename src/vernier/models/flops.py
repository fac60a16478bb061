"""How many floating-point operations a transformer takes, counted from its matrices.

A multiply-add is two operations. A forward pass takes for each token 2 operations for every weight of every matrix
that the token is multiplied by, the output head included (also where it is the input embedding again), looking the
embedding up not; and for each pair of a token and a key that it sees 4 x layers x heads x head size (QK^T and AV).
A causal window of W inputs has W (W + 1) / 2 such pairs. A backward pass takes twice a forward pass. Norms,
activations and the softmax are left out: a few in a thousand at any size worth counting.

Kaplan et al. 2020 (arXiv 2001.08361, section 2.1) and Hoffmann et al. 2022 (2203.15556, appendix F), but for the
causal half, which they count whole.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vernier.core.errors import DataError
from vernier.models.build import Shape
from vernier.models.load import config_of
from vernier.models.nll import WINDOW

TRAINING = 3  # forward, and backward at twice its cost
# The same numbers under the names of different architectures.
LAYERS = ("num_hidden_layers", "n_layer", "num_layers")
HEADS = ("num_attention_heads", "n_head", "num_heads")
WIDTH = ("hidden_size", "n_embd", "d_model")
POSITIONS = ("max_position_embeddings", "n_positions", "n_ctx")
LOOKED_UP = ("wpe.", "position", "token_type")  # tables that a token is looked up in, not multiplied by


@dataclass(frozen=True)
class Cost:
    """What a model takes for one forward pass.

    linear      operations for each token
    attention   operations for each pair of a token and a key that it sees, itself among them
    """

    linear: float
    attention: float

    def forward(self, num_tokens: float, num_pairs: float) -> float:
        """Operations to read so many tokens that see so many keys."""
        return self.linear * num_tokens + self.attention * num_pairs

    def training(self, num_tokens: float, num_pairs: float) -> float:
        """Operations to train on them: forward and backward."""
        return TRAINING * self.forward(num_tokens, num_pairs)


def of_shape(shape: Shape, vocabulary: int) -> Cost:
    """The cost of a model that `vernier.models.build` makes."""
    layer = 4 * shape.hidden**2 + 3 * shape.hidden * shape.num_intermediate
    return Cost(2 * (shape.layers * layer + vocabulary * shape.hidden), 4 * shape.layers * shape.hidden)


def of_folder(folder: Path, *, head: bool = True) -> Cost | None:
    """The cost of the model in a folder, from its config.json and the headers of its safetensors files; `head`: with
    the output layer.

    None for a model whose matrices do not say it: experts (a token meets few of them), packed weights (their shapes
    are not those of the matrices), no attention heads. Raises DataError for a folder without a config or with a
    damaged file.
    """
    config = config_of(folder)
    layers, heads, width = (_first(config, names) for names in (LAYERS, HEADS, WIDTH))
    vocabulary = config.get("vocab_size")
    if not (layers and heads and width and vocabulary):
        return None
    weights = 0
    for name, tensor in _tensors(folder):
        shape = tensor["shape"]
        if len(shape) != 2 or any(part in name for part in LOOKED_UP):
            continue
        if "expert" in name or not tensor["dtype"].startswith(("F", "BF")):
            return None
        # Layers are numbered. Outside of them stand the embedding and the head, of which one is multiplied by.
        if shape[0] != vocabulary or any(part.isdigit() for part in name.split(".")):
            weights += shape[0] * shape[1]
    head_size = config.get("head_dim") or width // heads
    return Cost(2 * (weights + head * vocabulary * width), 4 * layers * heads * head_size)


def pairs(window: int) -> int:
    """Pairs of a token and a key in a causal window of so many inputs."""
    return window * (window + 1) // 2


def reading(lengths: NDArray[np.int64], window: int) -> tuple[float, float]:
    """Tokens and pairs that a model meets when it reads documents as `vernier.models.nll` does.

    lengths   int64 [N], tokens of each document; a token that is read in two windows counts in both
    window    most inputs at once
    """
    stride = max(1, window // 2)
    several = np.where(lengths > window, 1 + -(-(lengths - window) // stride), 0).sum()
    one = lengths[lengths <= window].astype(np.float64)
    tokens = float(one.sum()) + float(several) * window
    return tokens, float((one * (one + 1) / 2).sum()) + float(several) * pairs(window)


def window_in(folder: Path, wanted: int | None) -> int:
    """The window that `vernier.models.nll` reads the model in a folder with, from its config alone."""
    return wanted or min(WINDOW, _first(config_of(folder), POSITIONS) or WINDOW)


def _first(config: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    return next((config[name] for name in names if config.get(name) is not None), None)


def _tensors(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name, shape and dtype of each tensor of a model; no weight is read.

    A safetensors file begins with the length of its header (8 bytes, little-endian) and the header, which is JSON.
    """
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        files = sorted({folder / name for name in json.loads(index.read_bytes())["weight_map"].values()})
    else:
        files = sorted(folder.glob("*.safetensors"))
    for path in files:
        try:
            with open(path, "rb") as file:
                (length,) = struct.unpack("<Q", file.read(8))
                header = json.loads(file.read(min(length, path.stat().st_size)))
        except (OSError, struct.error, ValueError) as error:
            raise DataError("a model's weights can not be read", where=str(path), found=str(error)) from error
        yield from ((name, tensor) for name, tensor in header.items() if name != "__metadata__")
