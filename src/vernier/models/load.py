"""Load any Hugging Face causal language model folder: safetensors only, none of its code, nothing guessed."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from vernier.core.errors import DataError
from vernier.models.needs import needs
from vernier.models.tokenizer import Tokenizer

PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")


def load(folder: Path) -> Any:
    """The model in `folder`, float32, in evaluation mode, on the CPU.

    Raises DataError for a folder without a config or weights, with pickled weights only, with damaged or
    missing parameters, and for an architecture that only code from the folder could run.
    """
    needs("torch", "transformers", "safetensors")
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    _check_files(folder)
    logging.disable_progress_bar()
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=torch.float32,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise DataError("a model can not be loaded", where=str(folder), found=str(error)) from error
    model, info = loaded
    # transformers fills what is missing with random numbers and only warns
    missing = sorted(info["missing_keys"]) + sorted(str(k) for k in info.get("mismatched_keys", ()))
    if missing:
        raise DataError(
            "the weights do not fit the model's config",
            where=str(folder),
            found=f"{len(missing)} parameters without weights, first: {missing[0]}",
            expected="a weight for every parameter",
        )
    return model.eval()


def load_pair(folder: Path) -> tuple[Any, Tokenizer]:
    """The model and the tokenizer in `folder`. Raises DataError if they do not fit each other."""
    tokenizer = Tokenizer(folder)
    rows = config_of(folder).get("vocab_size")
    if rows is not None and tokenizer.vocabulary > rows:
        raise misfit(folder, tokenizer.vocabulary, rows)
    return load(folder), tokenizer


@lru_cache(maxsize=1)
def load_once(folder: Path) -> tuple[Any, Tokenizer]:
    """`load_pair`, kept for the next shard that this process scores (folders of the store never change)."""
    return load_pair(folder)


def misfit(folder: Path | str, tokens: int, rows: int) -> DataError:
    return DataError(
        "the tokenizer does not fit the model",
        where=str(folder),
        found=f"token ids up to {tokens - 1}, but only {rows} embeddings",
        expected="the tokenizer that the model was trained with",
    )


def config_of(folder: Path) -> dict[str, Any]:
    """The model's config.json. Raises DataError if there is none."""
    path = folder / "config.json"
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise DataError(
            "this folder holds no model",
            where=str(folder),
            found="no config.json",
            expected="a Hugging Face model folder: config.json, *.safetensors, tokenizer.json",
        ) from error
    except ValueError as error:
        raise DataError("a model's config is damaged", where=str(path), found=str(error)) from error


def _check_files(folder: Path) -> None:
    config_of(folder)
    if any(folder.glob("*.safetensors")):
        return
    pickled = sorted(p.name for pattern in PICKLED for p in folder.glob(pattern))
    if pickled:
        raise DataError(
            "the model's weights are pickled, and unpickling can run any code",
            where=str(folder / pickled[0]),
            expected="*.safetensors",
            do="if you trust them: AutoModelForCausalLM.from_pretrained(FOLDER).save_pretrained(NEW)",
        )
    raise DataError(
        "the model folder has no weights", where=str(folder), found="no *.safetensors", expected="model.safetensors"
    )
