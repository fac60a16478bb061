"""Operations counted from shapes, beside PyTorch's own count of a real model at work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from vernier.core.errors import DataError
from vernier.models.build import Shape, build
from vernier.models.flops import Cost, of_folder, of_shape, pairs, reading, window_in
from vernier.models.nll import windows

WINDOW = 24


def gpt2(folder: Path) -> Path:
    """Convolutions instead of linear layers, learned positions, a tied head; as many positions as it is wide."""
    config = GPT2Config(vocab_size=97, n_positions=32, n_embd=32, n_layer=3, n_head=4)
    GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


def llama(folder: Path) -> Path:
    """Grouped keys, a head size of its own, a head of its own, a feed-forward part as wide as the vocabulary."""
    config = LlamaConfig(
        vocab_size=96,
        hidden_size=32,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        tie_word_embeddings=False,
    )
    LlamaForCausalLM(config).save_pretrained(folder, max_shard_size="20KB")
    return folder


def ours(folder: Path) -> Path:
    build(Shape(hidden=32, layers=2), vocabulary=300, context=64, separator=0, seed=0).save_pretrained(folder)
    return folder


def counted(folder: Path, window: int, *, backward: bool = False) -> int:
    """What PyTorch counts. Its eager attention computes all window^2 pairs."""
    model: Any = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager")
    with FlopCounterMode(display=False) as counter:
        logits = model(input_ids=torch.arange(window)[None], use_cache=False).logits
        if backward:
            logits.sum().backward()
    return counter.get_total_flops()


@pytest.mark.parametrize("make", [gpt2, llama, ours])
def test_as_many_as_torch_counts(make: Any, tmp_path: Path) -> None:
    folder = make(tmp_path / "model")
    cost = of_folder(folder)
    assert cost is not None
    for window in (1, WINDOW):
        assert cost.forward(window, window**2) == counted(folder, window)
    assert cost.training(WINDOW, WINDOW**2) == counted(folder, WINDOW, backward=True)


def test_a_shape_costs_what_its_model_does(tmp_path: Path) -> None:
    assert of_shape(Shape(hidden=32, layers=2), 300) == of_folder(ours(tmp_path / "model"))


@given(st.lists(st.integers(0, 60), max_size=8), st.integers(1, 16))
def test_documents_are_read_as_they_are_measured(lengths: list[int], window: int) -> None:
    every = [w.end - w.start for length in lengths for w in windows(length, window)]
    slow = sum(every), sum(sum(range(1, size + 1)) for size in every)
    assert reading(np.array(lengths, np.int64), window) == slow


def test_causal_pairs_are_half_a_square() -> None:
    assert [pairs(w) for w in (1, 2, 3, 256)] == [1, 3, 6, 256 * 257 // 2]


def test_a_model_that_does_not_say_is_not_guessed(tmp_path: Path) -> None:
    folder = ours(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    del config["num_attention_heads"]
    (folder / "config.json").write_text(json.dumps(config))
    assert of_folder(folder) is None


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    folder = ours(tmp_path / "model")
    (folder / "model.safetensors").write_bytes(b"\xff" * 20)
    with pytest.raises(DataError, match="can not be read"):
        of_folder(folder)


def test_the_window_of_a_model(tmp_path: Path) -> None:
    assert window_in(gpt2(tmp_path / "a"), None) == 32 and window_in(tmp_path / "a", 8) == 8
    assert window_in(ours(tmp_path / "b"), None) == 64


def test_a_cost_is_a_sum() -> None:
    assert Cost(10, 2).forward(3, 6) == 42 and Cost(10, 2).training(3, 6) == 126
