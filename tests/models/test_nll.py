"""NLL against plain transformers, known answers, and the property that every token is predicted once."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.models.conftest import CONTEXT, Trained

from vernier.core.errors import DataError, RecipeError
from vernier.models import nll
from vernier.models.build import Shape, build
from vernier.models.load import load, load_pair
from vernier.models.threads import threads
from vernier.testing.toy import toy_bits, toy_model

WINDOW = 16
LENGTHS = (0, 1, WINDOW - 1, WINDOW, WINDOW + 1, 5 * WINDOW, 3 * WINDOW + 5)


def sharp(model: Any) -> Any:
    """Large random weights, so that what stands before a token matters as much as in a trained model."""
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.normal_(std=0.3, generator=random)
    return model.eval()


@pytest.fixture(scope="module")
def model() -> Any:
    shape = Shape(hidden=32, layers=2)
    return sharp(build(shape, vocabulary=61, context=WINDOW, separator=0, seed=1))


def of_length(length: int) -> NDArray[np.uint32]:
    return np.random.default_rng(length).integers(0, 300, length).astype(np.uint32)


@pytest.fixture(scope="module")
def middling() -> Any:
    """Large enough for matrix products whose last bits depend on the number of rows."""
    return sharp(build(Shape(hidden=64, layers=2), vocabulary=300, context=64, separator=0, seed=1))


@pytest.fixture(scope="module")
def alone(middling: Any) -> dict[int, float]:
    """The NLL of a document of each length, measured with no other."""
    lengths = (0, 1, 2, 3, 5, 8, 13, 21, 31, 40, 63, 64, 65, 100, 300)
    with threads(1):
        found = {n: nll.document_nll(middling, [of_length(n)], separator=0, window=64) for n in lengths}
    return {n: float(one[0]) for n, one in found.items()}


@pytest.fixture(scope="module")
def documents() -> list[NDArray[np.uint32]]:
    random = np.random.default_rng(0)
    return [random.integers(0, 61, n).astype(np.uint32) for n in LENGTHS * 2]


def one_by_one(model: Any, ids: NDArray[np.uint32], window: int, separator: int = 0) -> list[float]:
    """The loss of each token the slow obvious way: one forward pass for each, ended right before it."""
    text = [separator, *ids.tolist()]
    n, losses = len(ids), list[float]()
    for t in range(1, n + 1):
        end = window
        while end < t:
            end += window // 2
        start = max(0, min(end, n) - window)
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([text[start:t]]), use_cache=False).logits[0, -1].double()
        losses.append(-float(torch.log_softmax(logits, 0)[text[t]]))
    return losses


def all_at_once(model: Any, ids: NDArray[np.uint32], separator: int) -> list[float]:
    """The loss of each token of a document that one window holds, by plain transformers."""
    text = torch.tensor([[separator, *ids.tolist()]])
    with torch.no_grad():
        logits = model(input_ids=text[:, :-1], use_cache=False).logits[0].double()
    return (-torch.log_softmax(logits, 1)).gather(1, text[0, 1:, None])[:, 0].tolist()


@given(st.integers(0, 70), st.integers(1, 17))
def test_every_token_counts_once_with_enough_before_it(length: int, window: int) -> None:
    counted: list[int] = []
    parts = list(nll.windows(length, window))
    for one in parts:
        assert 0 <= one.start < one.first <= one.end <= length
        assert one.end - one.start == (min(length, window) if len(parts) == 1 else window)
        for t in range(one.first, one.end + 1):
            assert t - one.start >= min(t, window - window // 2)
            counted.append(t)
    assert counted == list(range(1, length + 1))


@pytest.mark.parametrize("together", [1, 2 * WINDOW, 4096])
def test_equals_plain_transformers(
    model: Any, documents: list[NDArray[np.uint32]], together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nll, "TOGETHER", together)
    found = nll.document_nll(model, documents, separator=0, window=WINDOW)
    wanted = [sum(one_by_one(model, ids, WINDOW)) for ids in documents]
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    assert found[0] == 0.0


@dataclass(frozen=True)
class Known:
    """Documents of a trained model and what plain transformers makes of each of their tokens, in nat."""

    model: Any
    separator: int
    documents: list[NDArray[np.uint32]]
    losses: list[list[float]]


@pytest.fixture(scope="module")
def known(trained: Trained) -> Known:
    model, tokenizer = load_pair(trained.folder)
    (unseen,) = tokenizer.encode([trained.text])
    lengths = (0, 1, CONTEXT - 1, CONTEXT, CONTEXT + 1, 5 * CONTEXT) * 2
    documents = [unseen.ids[7 * i : 7 * i + n] for i, n in enumerate(lengths)]
    assert [len(ids) for ids in documents] == list(lengths)
    losses = [
        all_at_once(model, ids, tokenizer.separator)
        if 0 < len(ids) <= CONTEXT
        else one_by_one(model, ids, CONTEXT, tokenizer.separator)
        for ids in documents
    ]
    return Known(model, tokenizer.separator, documents, losses)


def test_the_trained_model_has_learnt_something(trained: Trained, known: Known) -> None:
    """Far from ln 257 = 5.55 on text that it has not seen: what stands before a token matters."""
    assert trained.final_loss < 2.5
    assert np.mean(known.losses[-1]) < 3.5


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_a_trained_model_by_plain_transformers(known: Known, data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.integers(0, len(known.documents) - 1), max_size=6))
    documents = [known.documents[i] for i in chosen]
    sums = nll.document_nll(known.model, documents, separator=known.separator, window=CONTEXT)
    tokens = nll.token_nll(known.model, documents, separator=known.separator, window=CONTEXT)
    np.testing.assert_allclose(sums, [sum(known.losses[i]) for i in chosen], rtol=1e-5)
    for i, ids, found in zip(chosen, documents, tokens, strict=True):
        assert found.dtype == np.float32 and len(found) == len(ids)
        np.testing.assert_allclose(found, known.losses[i], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("logits", [61 * 3, nll.LOGITS])
@pytest.mark.parametrize("together", [1, 3 * WINDOW, 4096])
def test_token_losses_add_up_to_the_document(
    model: Any, documents: list[NDArray[np.uint32]], logits: int, together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nll, "LOGITS", logits)
    monkeypatch.setattr(nll, "TOGETHER", together)
    tokens = nll.token_nll(model, documents, separator=0, window=WINDOW)
    sums = nll.document_nll(model, documents, separator=0, window=WINDOW)
    np.testing.assert_allclose([one.sum(dtype=np.float64) for one in tokens], sums, rtol=1e-12)


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_company_does_not_move_a_bit(middling: Any, alone: dict[int, float], data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.sampled_from(sorted(alone)), max_size=8))
    with threads(1):
        found = nll.document_nll(middling, [of_length(n) for n in lengths], separator=0, window=64)
    assert found.tolist() == [alone[n] for n in lengths]


def test_as_many_threads_as_were_set_for_it(middling: Any, alone: dict[int, float]) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with threads(1):
            found = nll.document_nll(middling, [of_length(n) for n in alone], separator=0, window=64)
    finally:
        torch.set_num_threads(before)
    assert found.tolist() == list(alone.values())


def test_logits_in_small_pieces_change_nothing(
    model: Any, documents: list[NDArray[np.uint32]], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = nll.document_nll(model, documents, separator=0, window=WINDOW)
    monkeypatch.setattr(nll, "LOGITS", 61 * 3)
    pieces = nll.document_nll(model, documents, separator=0, window=WINDOW)
    np.testing.assert_allclose(pieces, whole, rtol=1e-6)


def test_full_logits_never_exist(
    model: Any, documents: list[NDArray[np.uint32]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trap: two models of 12 x 1,024 x 50,257 logits at once. Whatever the length, a few rows of logits are held."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Largest(TorchDispatchMode):
        rows = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = func(*args, **(kwargs or {}))
            if isinstance(out, torch.Tensor) and out.ndim > 1 and out.shape[-1] == 61:
                self.rows = max(self.rows, out.numel() // 61)
            return out

    monkeypatch.setattr(nll, "LOGITS", 61 * 8)
    with Largest() as seen:
        nll.document_nll(model, documents, separator=0, window=WINDOW)
    assert seen.rows == 8 < max(LENGTHS)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_softmax_of_a_model_in_half_precision_is_in_float32(middling: Any, dtype: torch.dtype) -> None:
    """Trap: a loss computed in half precision has steps of 1/32 nat. And nor here does company move a bit."""
    half = copy.deepcopy(middling).to(dtype)
    documents = [of_length(n) for n in (1, 5, 21, 40, 63)]
    with threads(1):
        found = nll.document_nll(half, documents, separator=0, window=64)
        again = [nll.document_nll(half, [ids], separator=0, window=64)[0] for ids in documents]
        wanted = [sum(all_at_once(half, ids, 0)) for ids in documents]
        each = nll.token_nll(half, documents, separator=0, window=64)
    assert found.tolist() == again
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    steps = np.concatenate(each).astype(np.float64) * 128
    assert (steps != np.round(steps)).any()


def test_an_architecture_that_scales_its_logits(documents: list[NDArray[np.uint32]]) -> None:
    from transformers import GraniteConfig, GraniteForCausalLM

    torch.manual_seed(0)
    config = GraniteConfig(
        vocab_size=61,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=WINDOW,
        logits_scaling=0.05,
    )
    model = sharp(GraniteForCausalLM(config))
    found = nll.document_nll(model, documents, separator=0, window=WINDOW)
    np.testing.assert_allclose(found, [sum(one_by_one(model, ids, WINDOW)) for ids in documents], rtol=1e-5)


def test_toy_model_gives_whole_bits(tmp_path: Path) -> None:
    texts = ["", "a", "ab" * 31, "x" * 64, "é" * 33, "abc" * 200]
    model, tokenizer = load_pair(toy_model(tmp_path, positions=64))
    measured = nll.measure(model, tokenizer, texts)
    np.testing.assert_allclose(measured.nll, [toy_bits(t) * math.log(2) for t in texts], rtol=1e-6)
    assert measured.num_tokens.tolist() == measured.num_bytes.tolist() == [len(t.encode()) for t in texts]


def test_each_token_of_the_toy_model_is_whole_bits(tmp_path: Path) -> None:
    texts = ["", "a", "é" * 33, "abc" * 50]
    model, tokenizer = load_pair(toy_model(tmp_path, positions=64))
    found = nll.measure_tokens(model, tokenizer, texts)
    for text, losses in zip(texts, found.nll, strict=True):
        n = len(text.encode())
        bits = np.diff([toy_bits(text, max_tokens=t) for t in range(n + 1)])
        np.testing.assert_allclose(losses, bits * math.log(2), rtol=1e-6)


def test_max_tokens_reads_a_beginning(tmp_path: Path) -> None:
    texts = ["abcdefgh" * 20, "abc"]
    model, tokenizer = load_pair(toy_model(tmp_path))
    measured = nll.measure(model, tokenizer, texts, max_tokens=10)
    bits = [toy_bits(t, max_tokens=10) for t in texts]
    np.testing.assert_allclose(measured.nll, [b * math.log(2) for b in bits], rtol=1e-6)
    assert measured.num_tokens.tolist() == measured.num_bytes.tolist() == [10, 3]


def test_a_model_with_nan_weights_is_an_error(tmp_path: Path) -> None:
    model, tokenizer = load_pair(toy_model(tmp_path))
    with torch.no_grad():
        model.get_input_embeddings().weight[ord("q")] = math.nan
    for how in (nll.measure, nll.measure_tokens):
        with pytest.raises(DataError, match="not a number") as told:
            how(model, tokenizer, ["fine", "quit"])
        assert "'quit'" in str(told.value) and "1 of 2 documents" in str(told.value)


def test_a_text_that_tokenises_to_nothing_has_no_loss(tmp_path: Path) -> None:
    path = toy_model(tmp_path) / "tokenizer.json"
    written = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(written | {"normalizer": {"type": "Strip", "strip_left": True, "strip_right": True}}))
    model, tokenizer = load_pair(tmp_path)
    texts = [" \n\t ", "ab", ""]
    measured, each = nll.measure(model, tokenizer, texts), nll.measure_tokens(model, tokenizer, texts)
    assert measured.num_tokens.tolist() == measured.num_bytes.tolist() == [0, 2, 0]  # or it had 0 bits per byte
    assert measured.nll[[0, 2]].tolist() == [0, 0] and measured.nll[1] > 0
    assert [(len(losses), len(ends)) for losses, ends in zip(each.nll, each.ends, strict=True)] == [
        (0, 0),
        (2, 2),
        (0, 0),
    ]


def test_a_token_without_an_embedding_is_an_error(model: Any) -> None:
    with pytest.raises(DataError, match="does not fit"):
        nll.document_nll(model, [np.array([61], np.uint32)], separator=0, window=WINDOW)


def test_a_window_beyond_the_positions_is_an_error(model: Any) -> None:
    assert nll.window_of(model) == WINDOW
    with pytest.raises(RecipeError, match="longer than the model"):
        nll.window_of(model, WINDOW + 1)


def test_load_gives_the_same_loss_as_before_saving(model: Any, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    ids = [np.arange(1, 40, dtype=np.uint32)]
    before = nll.document_nll(model, ids, separator=0, window=WINDOW)
    after = nll.document_nll(load(tmp_path), ids, separator=0, window=WINDOW)
    assert before[0] == after[0]
