"""Negative log-likelihood of documents under a causal language model, every token predicted exactly once.

A document of T tokens is read as `separator, t_1 .. t_T`: the separator (bos, else eos) stands before the
first token, so that it is predicted too; nothing is predicted after the last. A document longer than the window
W is read in windows of W inputs: the first predicts W tokens, each later one moves on by at most W // 2 and
counts only the tokens not yet predicted, so these have at least W - W // 2 tokens before them.

    nll(x) = -sum_t ln p(x_t | x_<t)        nat, summed in float64

A document is measured by itself. What shares a matrix product with it moves its last bits, so a loss that depends
on the document and the model alone, bit for bit, has no company: only windows of one document, all of W inputs,
are read together, in fixed numbers. Nothing is padded. Logits exist for a few rows at a time: a long document
under a large vocabulary needs no more memory than a short one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vernier.core.errors import DataError, RecipeError
from vernier.models.load import misfit
from vernier.models.tokenizer import Tokenizer

if TYPE_CHECKING:
    import torch

TOGETHER = 4096  # inputs of a long document's windows in one forward pass: a change moves the last bits
# float32 logits held at once, 32 MB: with a quarter of them the output layer of a large vocabulary reads its weights
# for so few rows that scoring falls behind a plain loop. A change moves the last bits.
LOGITS = 1 << 23
WINDOW = 2048  # longest window by default, for models that take far more positions than memory does


@dataclass(frozen=True)
class Window:
    """Inputs `start .. end - 1` of `separator, t_1 .. t_T`; the predictions of `first .. end` count."""

    start: int
    end: int
    first: int


def windows(length: int, window: int) -> Iterator[Window]:
    """The windows of a document of so many tokens: together they count each token once.

    One window of all inputs, or several of exactly `window` inputs.
    """
    stride = max(1, window // 2)
    first, end = 1, 0
    while end < length:
        end = min(length, window if end == 0 else end + stride)
        yield Window(max(0, end - window), end, first)
        first = end + 1


def window_of(model: Any, wanted: int | None = None) -> int:
    """The window to read a model with. Raises RecipeError for one longer than the model's positions."""
    positions = getattr(model.config, "max_position_embeddings", None)
    if wanted is None:
        return min(WINDOW, positions or WINDOW)
    if positions is not None and wanted > positions:
        raise RecipeError(
            f"a window of {wanted} tokens is longer than the model can read",
            found=f"window: {wanted}",
            expected=f"at most {positions}",
        )
    return wanted


def document_nll(
    model: Any, documents: Sequence[NDArray[np.uint32]], *, separator: int, window: int
) -> NDArray[np.float64]:
    """The NLL of each document: the same bits whatever the other documents are.

    documents     N arrays of token ids, uint32 [T_i]; an empty one has NLL 0
    separator     id of the token before the first
    window        most inputs at once
    Returns float64 [N], nat. Raises DataError for a token id that the model has no embedding for.
    """
    total = np.zeros(len(documents), dtype=np.float64)
    for i, passes in enumerate(_losses(model, documents, separator, window)):
        for pieces in passes:  # sums of sums: another order of adding moves the last bits
            together = 0.0
            for losses in pieces:
                together += float(losses.double().sum())
            total[i] += together
    return total


def token_nll(
    model: Any, documents: Sequence[NDArray[np.uint32]], *, separator: int, window: int
) -> list[NDArray[np.float32]]:
    """-ln p of each token of each document, nat: N arrays, float32 [T_i], that `document_nll` is the sum of.

    Arguments and errors as there.
    """
    nothing = np.empty(0, dtype=np.float32)
    return [
        np.concatenate([nothing, *(losses.numpy() for pieces in passes for losses in pieces)])
        for passes in _losses(model, documents, separator, window)
    ]


@dataclass(frozen=True)
class Measured:
    """What a model makes of N texts.

    nll          float64 [N], nat
    num_tokens   int64 [N], predicted tokens
    num_bytes    int64 [N], bytes of UTF-8 that these tokens stand for
    """

    nll: NDArray[np.float64]
    num_tokens: NDArray[np.int64]
    num_bytes: NDArray[np.int64]


def measure(
    model: Any,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    *,
    window: int | None = None,
    max_tokens: int | None = None,
) -> Measured:
    """The NLL of texts, of each the first `max_tokens` tokens; one without tokens (an empty one) has 0 nat.

    Raises DataError for a loss that is not finite.
    """
    encoded = list(tokenizer.encode(texts, max_tokens=max_tokens))
    nll = document_nll(
        model,
        [e.ids for e in encoded],
        separator=tokenizer.separator,
        window=window_of(model, window),
    )
    _check_finite(nll, texts, tokenizer)
    return Measured(
        nll,
        np.array([len(e.ids) for e in encoded], dtype=np.int64),
        np.array([e.num_bytes for e in encoded], dtype=np.int64),
    )


@dataclass(frozen=True)
class MeasuredTokens:
    """What a model makes of each token of N texts.

    nll    N arrays, float32 [T_i], nat: their sum is `Measured.nll`, which is added up in float64
    ends   N arrays, int64 [T_i]: where each token ends, as `Tokenizer.encode` tells it
    """

    nll: list[NDArray[np.float32]]
    ends: list[NDArray[np.int64]]


def measure_tokens(
    model: Any,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    *,
    window: int | None = None,
    max_tokens: int | None = None,
) -> MeasuredTokens:
    """The loss of each token that `measure` adds up, and where it stands. Arguments and errors as there."""
    encoded = list(tokenizer.encode(texts, max_tokens=max_tokens, ends=True))
    nll = token_nll(
        model,
        [e.ids for e in encoded],
        separator=tokenizer.separator,
        window=window_of(model, window),
    )
    _check_finite(np.array([one.sum(dtype=np.float64) for one in nll]), texts, tokenizer)
    return MeasuredTokens(nll, [e.ends for e in encoded])


def check_settings(**settings: int | None) -> None:
    """Raises RecipeError for a setting of a measuring stage that is given and not positive."""
    for name, value in settings.items():
        if value is not None and value < 1:
            raise RecipeError(f"`{name}` must be positive", found=f"{name}: {value}", expected="1 or more")


def _check_finite(nll: NDArray[np.float64], texts: Sequence[str], tokenizer: Tokenizer) -> None:
    bad = np.flatnonzero(~np.isfinite(nll))
    if len(bad):
        raise DataError(
            "the model gives a loss that is not a number",
            where=f"{tokenizer.folder}, on a text that begins {texts[bad[0]][:40]!r}",
            found=f"{len(bad)} of {len(nll)} documents, the first with nll {nll[bad[0]]}",
            expected="finite losses",
            do="look at the model: its weights may hold NaN",
        )


def _losses(
    model: Any, documents: Sequence[NDArray[np.uint32]], separator: int, window: int
) -> Iterator[list[list[torch.Tensor]]]:
    """The token losses of each document: of each forward pass, in the pieces in which logits were held."""
    import torch

    rows = model.get_input_embeddings().weight.shape[0]
    largest = max((int(d.max()) for d in documents if len(d)), default=0)
    if largest >= rows:
        raise misfit(getattr(model.config, "name_or_path", "") or "the model", largest + 1, rows)
    together = max(1, TOGETHER // window)
    with torch.inference_mode():
        head = head_of(model)
    for ids in documents:
        with torch.inference_mode():
            text = torch.from_numpy(np.concatenate(([separator], ids)).astype(np.int64)).to(model.device)
            todo = list(windows(len(ids), window))
            passes = [_read(model, head, text, todo[at : at + together]) for at in range(0, len(todo), together)]
        yield passes


def _read(model: Any, head: Any, text: torch.Tensor, some: Sequence[Window]) -> list[torch.Tensor]:
    """What the windows, all of one length, count of `separator, t_1 .. t_T` (`text`, int64 [T + 1]).

    Returns float32 losses in nat, on the CPU, in pieces.
    """
    import torch
    from torch.nn import functional

    inputs = torch.stack([text[w.start : w.end] for w in some])
    wanted = torch.cat([text[w.first : w.end + 1] for w in some])
    if head is None:
        out = model(input_ids=inputs, use_cache=False).logits
    else:
        out = model.base_model(input_ids=inputs, use_cache=False).last_hidden_state
    states = torch.cat([row[w.first - 1 - w.start :] for row, w in zip(out, some, strict=True)])
    step, pieces = max(1, LOGITS // model.config.vocab_size), list[torch.Tensor]()
    for at in range(0, len(wanted), step):
        chunk = states[at : at + step]
        logits = (chunk if head is None else head(chunk)).float()
        pieces.append(functional.cross_entropy(logits, wanted[at : at + step], reduction="none").cpu())
    return pieces


def head_of(model: Any) -> Any:
    """The output layer, if applying it to the last hidden states gives the model's own logits; else None.

    Some architectures scale or cap their logits behind the output layer; those run their own forward whole.
    """
    import torch

    head = model.get_output_embeddings()
    if head is None:
        return None
    probe = torch.arange(min(8, model.config.vocab_size), device=model.device)[None]
    own = model(input_ids=probe, use_cache=False).logits.float()
    ours = head(model.base_model(input_ids=probe, use_cache=False).last_hidden_state).float()
    scale = float(own.abs().max())
    same = own.shape == ours.shape and np.isfinite(scale) and torch.allclose(own, ours, rtol=1e-5, atol=1e-5 * scale)
    return head if same else None
