"""The toy model's answers are known in closed form: torch and transformers must agree with them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from vernier.testing import toy_bits, toy_model
from vernier.testing.toy import SEPARATOR, VOCABULARY

TEXTS = ["", "a", "ab", "hello world", "naïve \u2028 中 🙂", "aaaa", "<|endoftext|>", "x" * 63]


@pytest.mark.parametrize("bit", [0, 3])
def test_transformers_gives_whole_bits(tmp_path: Path, bit: int) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder = toy_model(tmp_path / "toy", bit=bit)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    assert model.config.vocab_size == VOCABULARY
    for text in TEXTS[1:]:
        ids = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        assert ids == list(text.encode())
        window = torch.tensor([[SEPARATOR, *ids]])
        with torch.no_grad():
            logp = torch.log_softmax(model(input_ids=window).logits[0, :-1].double(), -1)
        bits = -logp.gather(1, window[0, 1:, None]).sum().item() / math.log(2)
        assert bits == pytest.approx(toy_bits(text, bit=bit), rel=1e-6)


def test_probabilities_sum_to_one(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    model = transformers.AutoModelForCausalLM.from_pretrained(toy_model(tmp_path), dtype=torch.float32)
    with torch.no_grad():
        logits = model(input_ids=torch.arange(VOCABULARY)[None, :64]).logits.double()
    assert torch.logsumexp(logits, -1).abs().max().item() < 1e-6


def test_bits_of_a_text_by_hand() -> None:
    # separator (even) -> a (0x61, odd): 9; a -> a: 8; a -> b (even): 9
    assert [toy_bits(text) for text in ("", "a", "aa", "aab")] == [0, 9, 17, 26]
    assert toy_bits("aab", max_tokens=2) == 17


def test_same_bytes_each_time(tmp_path: Path) -> None:
    one, two = toy_model(tmp_path / "one"), toy_model(tmp_path / "two")
    names = sorted(path.name for path in one.iterdir())
    assert names == ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
    assert all((one / name).read_bytes() == (two / name).read_bytes() for name in names)
    other = toy_model(tmp_path / "other", bit=1)
    assert (one / "model.safetensors").read_bytes() != (other / "model.safetensors").read_bytes()
