"""A language model with known answers: every probability is a power of one half, so every NLL is whole bits.

A real Hugging Face folder (LlamaForCausalLM in safetensors, byte-level tokenizer) that any loader takes. The
next byte depends on the one before it, through bit `bit` of both:

    p(byte | previous) = 2^-8 if they agree in that bit, 2^-9 if not;  p(separator | previous) = 2^-2

which sums to 128/256 + 128/512 + 1/4 = 1. A prediction that is shifted, dropped, repeated or made without the
token before it shows as a wrong number of bits. How: attention and MLP write nothing to the residual stream,
so a position holds only its own token's embedding, one-hot in that bit; sizes are chosen so that RMSNorm divides
by exactly one.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

HIDDEN = 16
HEADS = 2
VOCABULARY = 257
SEPARATOR = 256  # the token id of `<|endoftext|>`, which is bos and eos
AGREES, DIFFERS, SEPARATES = 8, 9, 2  # bits


def toy_model(folder: Path, *, bit: int = 0, positions: int = 64) -> Path:
    """Write the model and its tokenizer into `folder`; returns it.

    bit         which bit of a byte predicts the next one's (0 to 7): models with different bits disagree
    positions   the longest window that the model takes, in tokens
    """
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file(_weights(bit), folder / "model.safetensors", metadata={"format": "pt"})
    _write(
        folder / "config.json",
        {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "vocab_size": VOCABULARY,
            "hidden_size": HIDDEN,
            "intermediate_size": HIDDEN,
            "num_hidden_layers": 1,
            "num_attention_heads": HEADS,
            "num_key_value_heads": HEADS,
            "max_position_embeddings": positions,
            "rms_norm_eps": 0.0,
            "tie_word_embeddings": False,
            "bos_token_id": SEPARATOR,
            "eos_token_id": SEPARATOR,
            "dtype": "float32",
        },
    )
    byte_tokenizer(folder)
    return folder


def toy_bits(text: str, *, bit: int = 0, max_tokens: int | None = None) -> int:
    """The NLL of a text under `toy_model(bit=bit)` in bits, the first byte predicted from the separator."""
    ids = [SEPARATOR, *text.encode()[:max_tokens]]
    return sum(AGREES if (a >> bit) & 1 == (b >> bit) & 1 else DIFFERS for a, b in itertools.pairwise(ids))


def toy_rater(folder: Path, *, told: Sequence[str] = ()) -> Path:
    """Write a rater with two criteria into `folder`; returns it.

    It reads 20 bytes at once and rates them by the last: `even` is 1 and `odd` 0 if it is even, else 0 and 2.

    told   texts whose labels it was told
    """
    from safetensors.numpy import load_file, save_file

    from vernier.models.rater import Notes

    toy_model(folder)
    weights, config = load_file(folder / "model.safetensors"), json.loads((folder / "config.json").read_text())
    del weights["lm_head.weight"]
    weights["score.weight"] = np.zeros((2, HIDDEN), dtype=np.float32)
    weights["score.weight"][[0, 1], [0, 1]] = np.array([1, 2]) / math.sqrt(HIDDEN)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    _write(
        folder / "config.json",
        {**config, "architectures": ["LlamaForSequenceClassification"], "id2label": {"0": "even", "1": "odd"}},
    )
    hashes = frozenset(hashlib.blake2b(text.encode(), digest_size=16).hexdigest() for text in told)
    Notes(segment=20, texts=hashes).save(folder)
    return folder


def byte_tokenizer(folder: Path) -> None:
    """Write a tokenizer whose token ids are the bytes of UTF-8, and `<|endoftext|>` behind them."""
    from tokenizers import Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE

    library = Tokenizer(BPE({character: byte for byte, character in enumerate(_alphabet())}, []))
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    library.decoder = decoders.ByteLevel()
    library.add_special_tokens(["<|endoftext|>"])
    library.save(str(folder / "tokenizer.json"))
    _write(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": "<|endoftext|>",
            "eos_token": "<|endoftext|>",
            "clean_up_tokenization_spaces": False,
        },
    )


def _weights(bit: int) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """Weights by their Llama names; matrices are [out, in]."""
    previous = np.array([(token >> bit) & 1 for token in range(VOCABULARY)])
    # RMSNorm divides by sqrt(mean of squares): one entry of sqrt(HIDDEN) among zeros makes that exactly 1.
    scale = math.sqrt(HIDDEN)
    embedding = np.zeros((VOCABULARY, HIDDEN), dtype=np.float32)
    embedding[np.arange(VOCABULARY), previous] = scale
    head = np.zeros((VOCABULARY, HIDDEN), dtype=np.float32)
    for state in (0, 1):
        bits = np.where(previous == state, AGREES, DIFFERS)
        bits[SEPARATOR] = SEPARATES
        head[:, state] = -bits * math.log(2) / scale
    zeros, ones = np.zeros((HIDDEN, HIDDEN), dtype=np.float32), np.ones(HIDDEN, dtype=np.float32)
    layer = "model.layers.0"
    attention = {f"{layer}.self_attn.{name}_proj.weight": zeros.copy() for name in "qkvo"}
    mlp = {f"{layer}.mlp.{name}_proj.weight": zeros.copy() for name in ("gate", "up", "down")}
    norms = (f"{layer}.input_layernorm", f"{layer}.post_attention_layernorm", "model.norm")
    return {
        "model.embed_tokens.weight": embedding,
        "lm_head.weight": head,
        **attention,
        **mlp,
        **{f"{norm}.weight": ones.copy() for norm in norms},
    }


def _alphabet() -> list[str]:
    """The characters by which byte-level tokenizers write the bytes 0 to 255 (GPT-2's table).

    Printable ones stand for themselves, the others follow from U+0100 on.
    """
    printable = {*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")
