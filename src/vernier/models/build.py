"""A small Llama-style model from a few numbers.

Touvron et al. 2023 (arXiv 2302.13971): RMSNorm, rotary positions, SwiGLU; here with tied embeddings, because at
these sizes embeddings are most of the parameters. The last matrix of each residual branch starts at zero (Zhang et
al. 2019, Fixup, arXiv 1901.09321): the model begins as one of token pairs and deeper ones learn as fast.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vernier.core.errors import RecipeError
from vernier.models.needs import needs

# Standard deviation of an initial weight times sqrt(hidden): GPT-2's 0.02 at its width of 768, kept in proportion.
INITIAL = 0.55


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The size of a model.

    hidden         width of the residual stream, a multiple of 8 (of 2 * heads if `heads` is given)
    layers         number of blocks
    heads          attention heads; by default one for each 32 of the width, from a width of 512 on for each 64
    intermediate   width of the feed-forward part; by default 8/3 of `hidden`, rounded up to a multiple of 16
    """

    hidden: int
    layers: int
    heads: int | None = None
    intermediate: int | None = None

    def __post_init__(self) -> None:
        for name in ("hidden", "layers", "heads", "intermediate"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise RecipeError(f"a model with {name}: {value} can not be built", expected="1 or more")
        if self.hidden % (2 * self.num_heads):
            raise RecipeError(
                f"a width of {self.hidden} can not be shared by {self.num_heads} attention heads",
                expected=f"hidden: a multiple of {2 * self.num_heads} (rotary positions turn pairs)",
            )

    @property
    def num_heads(self) -> int:
        return self.heads or max(1, self.hidden // (64 if self.hidden >= 512 else 32))

    @property
    def num_intermediate(self) -> int:
        return self.intermediate or -(-self.hidden * 8 // 3 // 16) * 16


def build(shape: Shape, *, vocabulary: int, context: int, separator: int, seed: int) -> Any:
    """A `LlamaForCausalLM` in float32 with weights drawn from `seed`; the global random state is left alone.

    vocabulary   number of token ids
    context      positions in a training window, and the largest that the model says it takes
    separator    id of the token between documents (written to the config as bos and eos)
    """
    needs("torch", "transformers")
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.num_heads,
        num_key_value_heads=shape.num_heads,
        intermediate_size=shape.num_intermediate,
        max_position_embeddings=context,
        tie_word_embeddings=True,
        bos_token_id=separator,
        eos_token_id=separator,
        pad_token_id=None,
        initializer_range=INITIAL * shape.hidden**-0.5,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: Any = LlamaForCausalLM(config).float()
        for layer in model.model.layers:
            torch.nn.init.zeros_(layer.self_attn.o_proj.weight)
            torch.nn.init.zeros_(layer.mlp.down_proj.weight)
        return model


def num_parameters(model: Any) -> int:
    """Parameters of a model, tied ones counted once."""
    return sum(p.numel() for p in model.parameters())
