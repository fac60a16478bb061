"""Models from elsewhere: trained further, taught, and found again afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.train.test_pretrain import corpus

from vernier.core.artifact import Artifact
from vernier.core.errors import RecipeError
from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.models.load import load
from vernier.testing.make import build, make_folder
from vernier.testing.toy import SEPARATOR, byte_tokenizer
from vernier.train.pretrain import Pretrain

FURTHER = Pretrain(tokens=640, context=32, batch=4)
Make = Callable[..., Artifact]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


@pytest.fixture
def gpt2(store: Store, tmp_path: Path) -> Make:
    """Makes a small GPT-2 with so many embeddings and so much dropout."""

    def make(name: str, *, rows: int = 257, dropout: float = 0.0) -> Artifact:
        import torch
        from transformers import GPT2Config, GPT2LMHeadModel

        config = GPT2Config(
            vocab_size=rows,
            n_positions=64,
            n_embd=16,
            n_layer=1,
            n_head=2,
            bos_token_id=SEPARATOR,
            eos_token_id=SEPARATOR,
            resid_pdrop=dropout,
            embd_pdrop=dropout,
            attn_pdrop=dropout,
        )
        with torch.random.fork_rng():
            torch.manual_seed(len(name))
            GPT2LMHeadModel(config).save_pretrained(tmp_path / name)
        byte_tokenizer(tmp_path / name)
        return make_folder(store, "model", tmp_path / name)

    return make


def inputs_of(store: Store, init: Artifact, *, seed: int = 0, **more: Artifact) -> Inputs:
    return Inputs(store.url, {"corpus": corpus(store), "tokenizer": init, "init": init, **more}, seed)


def test_dropout_draws_by_step_and_seed(store: Store, gpt2: Make, tmp_path: Path) -> None:
    """The same bits whatever was drawn before; others with another seed, and others than without dropout."""
    import torch

    with_dropout = gpt2("dropout", dropout=0.2)
    made: list[str] = []
    for number, init in enumerate((with_dropout, with_dropout, gpt2("without"))):
        torch.rand(number)
        made.append(build(FURTHER, inputs_of(store, init), tmp_path / f"{number}")[0]["model.safetensors"])
    assert made[0] == made[1] != made[2]
    before = torch.random.get_rng_state()
    build(FURTHER, inputs_of(store, with_dropout), tmp_path / "again")
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_teacher_may_have_fewer_or_more_embeddings(store: Store, gpt2: Make, tmp_path: Path) -> None:
    """Padding of either one weighs nothing: the tokenizer is the same."""
    narrow, wide = gpt2("narrow"), gpt2("wide", rows=304)
    for name, init, teacher in (("a", wide, narrow), ("b", narrow, wide)):
        _, facts = build(replace(FURTHER, share=1.0), inputs_of(store, init, teacher=teacher), tmp_path / name)
        assert 0 < facts["final_loss"] < 6.0


def test_a_model_that_scales_its_logits_is_trained_but_not_taught(store: Store, gpt2: Make, tmp_path: Path) -> None:
    from transformers import CohereConfig, CohereForCausalLM

    config = CohereConfig(
        vocab_size=257,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=64,
        logit_scale=0.25,
        bos_token_id=SEPARATOR,
        eos_token_id=SEPARATOR,
        pad_token_id=None,
    )
    CohereForCausalLM(config).save_pretrained(tmp_path / "cohere")
    byte_tokenizer(tmp_path / "cohere")
    scaled = make_folder(store, "model", tmp_path / "cohere")
    _, facts = build(FURTHER, inputs_of(store, scaled), tmp_path / "alone")
    assert facts["steps"] == 5
    with pytest.raises(RecipeError, match="can not learn from a teacher"):
        build(FURTHER, inputs_of(store, scaled, teacher=gpt2("teacher")), tmp_path / "taught")


CODE = """\
from transformers import LlamaConfig, LlamaForCausalLM


class MineConfig(LlamaConfig):
    model_type = "mine"


class Mine(LlamaForCausalLM):
    config_class = MineConfig
"""


def test_a_model_that_came_with_code_is_found_again(store: Store, tmp_path: Path) -> None:
    """What was trained from it is trusted as it was, or the training was for nothing."""
    import json

    from vernier.models.terms import Terms
    from vernier.testing.toy import toy_model

    folder = toy_model(tmp_path / "mine")
    (folder / "mine.py").write_text(CODE)
    config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    config |= {
        "model_type": "mine",
        "architectures": ["Mine"],
        "auto_map": {"AutoConfig": "mine.MineConfig", "AutoModelForCausalLM": "mine.Mine"},
        "rms_norm_eps": 1e-6,
    }
    (folder / "config.json").write_text(json.dumps(config))
    Terms(trust_remote_code=True).save(folder)
    build(FURTHER, inputs_of(store, make_folder(store, "model", folder)), tmp_path / "further")
    assert type(load(tmp_path / "further")).__name__ == "Mine"


def test_budget_and_warm_up_that_can_not_be(store: Store, gpt2: Make, tmp_path: Path) -> None:
    init = gpt2("any")
    with pytest.raises(RecipeError, match="smaller than one window"):
        Pretrain(tokens=128).check({"corpus": None, "tokenizer": None})
    Pretrain(tokens=128).check({"windows": None, "tokenizer": None})  # those may be shorter
    with pytest.raises(RecipeError, match="`context` has no effect"):
        Pretrain(context=32).check({"windows": None, "tokenizer": None})
    long = replace(FURTHER, schedule="constant", warmup=5 * 128, decay=0.2)
    with pytest.raises(RecipeError, match="warm-up is longer"):
        build(long, inputs_of(store, init), tmp_path / "long")
