"""Hidden states of a causal language model as embeddings of documents: the mean over the tokens of a document.

A document of T tokens is read as `separator, t_1 .. t_T`; the state that layer L writes at t_i counts, the separator's
does not. Documents are read one at a time, so nothing is padded and an embedding depends on its document and the model
alone, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vernier.core.errors import DataError, RecipeError
from vernier.models.flops import LAYERS, POSITIONS
from vernier.models.load import config_of, misfit
from vernier.models.nll import WINDOW

TOKENS = 128  # of a document: the length of a sequence in INGENIOUS


def layer_of(folder: Path, wanted: int | None) -> int:
    """The layer to take: `wanted`, or three quarters of the way up, the 9th of 12 in INGENIOUS (arXiv 2305.06677).

    Raises RecipeError for one that the model in the folder does not have; layer 0 are the embeddings of the tokens.
    """
    config = config_of(folder)
    layers = next((config[name] for name in LAYERS if config.get(name) is not None), None)
    if layers is None:
        raise DataError("the model does not say how many layers it has", where=str(folder), found="its config.json")
    if wanted is None:
        return max(1, round(0.75 * layers))
    if wanted > layers:
        raise RecipeError("the model has no such layer", found=f"layer: {wanted}", expected=f"0 to {layers}")
    return wanted


def tokens_of(folder: Path, wanted: int | None) -> int:
    """Most tokens of a document that are read: `wanted`, else `TOKENS` or as many as the model takes.

    Raises RecipeError for more than the model takes.
    """
    config = config_of(folder)
    positions = next((config[name] for name in POSITIONS if config.get(name) is not None), WINDOW)
    if wanted is None:
        return min(TOKENS, positions - 1)
    if wanted >= positions:
        raise RecipeError(
            f"{wanted} tokens and the separator are more than the model can read",
            found=f"max_tokens: {wanted}",
            expected=f"at most {positions - 1}",
        )
    return wanted


def mean_states(
    model: Any, documents: Sequence[NDArray[np.uint32]], *, separator: int, layer: int
) -> NDArray[np.float32]:
    """The mean state of each document's tokens in a layer, float32 [N, hidden]; 0 for one without tokens.

    documents   N arrays of token ids, uint32 [T_i]
    layer       from 0, the embeddings of tokens, to the number of layers; the last one's states are normalised
    Raises DataError for a token id that the model has no embedding for, and for a state that is not finite.
    """
    import torch

    rows, width = model.get_input_embeddings().weight.shape[0], model.config.hidden_size
    out = np.zeros((len(documents), width), dtype=np.float32)
    for i, ids in enumerate(documents):
        if not len(ids):
            continue
        if int(ids.max()) >= rows:
            raise misfit(getattr(model.config, "name_or_path", "") or "the model", int(ids.max()) + 1, rows)
        with torch.inference_mode():
            text = torch.from_numpy(np.concatenate(([separator], ids)).astype(np.int64)).to(model.device)[None]
            states = model.base_model(input_ids=text, use_cache=False, output_hidden_states=True).hidden_states
            out[i] = states[layer][0, 1:].double().mean(dim=0).float().cpu().numpy()
    bad = np.flatnonzero(~np.isfinite(out).all(axis=1))
    if len(bad):
        raise DataError(
            "the model gives an embedding that is not a number",
            where=getattr(model.config, "name_or_path", "") or "the model",
            found=f"{len(bad)} of {len(out)} documents",
            expected="finite states",
            do="look at the model: its weights may hold NaN",
        )
    return out
