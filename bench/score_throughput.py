"""Tokens scored per second: `vernier.models.nll.measure` beside two loops that people write with plain transformers.

* naive: one document after the other, `model(input_ids)` and `cross_entropy`
* padded: batches of 8 in the order of the corpus, padded to the longest, an attention mask, pads ignored in the loss

All three read text, tokenise it, predict every token once from the separator on, and give one loss for each document; a
document whose losses differ by more than 1e-4 ends the bench. Input: the first 300 documents (40 for the largest model)
of the development data's `mixture_small`, capped at 1,024 tokens; 2 threads on all sides. The sides are run in turn,
round by round. The models are Llama-style with tied embeddings, trained for some steps on the same mixture:

    1M     width 128, 4 layers, 2,048 tokens
    10M    width 320, 8 layers, 2,048 tokens
    124M   GPT-2's width of 768, 12 layers and 50,257 tokens

    python bench/score_throughput.py [--models 1M,10M,124M] [--rounds N] [--work DIR]

Each model has a result of its own. `--work` keeps the trained models for the next call.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from corpora import data_folder, scratch
from measure import at_least, result, save, spread, versions
from vernier.core.recipe import Recipe
from vernier.corpus.read_jsonl import ReadJsonl
from vernier.models.build import Shape
from vernier.models.load import load_pair
from vernier.models.nll import measure
from vernier.models.threads import threads
from vernier.pipeline.run import run as run_recipe
from vernier.train.pretrain import Pretrain
from vernier.train.tokenizer import Tokenizer

CAP = 1024
BATCH = 8
THREADS = 2
AGREE = 1e-4  # relative, of a document's loss
NAIVE, PADDED = 0.95, 1.5  # our tokens per second over theirs, at least
LIBRARIES = ("torch", "transformers", "tokenizers")

Losses = NDArray[np.float64]


@dataclass(frozen=True)
class Size:
    """A model: its shape, the tokens of its vocabulary, those it is trained on, and how many documents it scores."""

    shape: Shape
    vocabulary: int
    tokens: int
    documents: int


SIZES = {
    "1M": Size(Shape(hidden=128, layers=4), 2048, 256 * CAP, 300),
    "10M": Size(Shape(hidden=320, layers=8), 2048, 64 * CAP, 300),
    "124M": Size(Shape(hidden=768, layers=12), 50257, 8 * CAP, 40),
}


def corpus() -> Path:
    folder = data_folder()
    if folder is None:
        raise SystemExit("this bench needs the development data: VERNIER_DATA names no folder that holds it")
    return folder / "corpus" / "mixture_small.jsonl.zst"


def texts(number: int) -> list[str]:
    """The first documents of the corpus."""
    with zstandard.open(corpus(), "rb") as file:
        return [json.loads(line)["text"] for line in file.read().split(b"\n")[:number]]


def prepare(work: Path, name: str, size: Size) -> Path:
    """The folder of the trained model: made by a recipe, whose store has it already the next time."""
    recipe = Recipe(f"throughput-{name}", store=str(work / "store"))
    read = recipe.add("read", ReadJsonl(paths=[str(corpus())]))
    tokens = recipe.add("tokens", Tokenizer(vocab=size.vocabulary), corpus=read)
    plugin = Pretrain(
        model=size.shape, tokens=size.tokens, context=CAP, max_tokens=CAP, batch=2, lr=1e-3, threads=THREADS
    )
    recipe.add("model", plugin, corpus=read, tokenizer=tokens)
    made = run_recipe(recipe, out=work / name, quiet=True)
    return made.store.local_folder(made.artifact("model").shards[0])


def vernier(folder: Path) -> Callable[[list[str]], Losses]:
    model, tokenizer = load_pair(folder)
    return lambda some: measure(model, tokenizer, some, max_tokens=CAP).nll


def plain(folder: Path) -> tuple[Any, Any]:
    """The model and the tokenizer as `transformers` loads them, with a token to pad with."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.pad_token = tokenizer.eos_token
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval(), tokenizer


def naive(folder: Path) -> Callable[[list[str]], Losses]:
    import torch
    from torch.nn.functional import cross_entropy

    model, tokenizer = plain(folder)

    def score(some: list[str]) -> Losses:
        losses = np.zeros(len(some))
        with torch.inference_mode():
            for i, text in enumerate(some):
                ids = tokenizer(text, truncation=True, max_length=CAP)["input_ids"]
                read = torch.tensor([[tokenizer.bos_token_id, *ids]])
                logits = model(input_ids=read[:, :-1], use_cache=False).logits
                losses[i] = float(cross_entropy(logits[0], read[0, 1:], reduction="sum"))
        return losses

    return score


def padded(folder: Path) -> Callable[[list[str]], Losses]:
    import torch
    from torch.nn.functional import cross_entropy

    model, tokenizer = plain(folder)

    def score(some: list[str]) -> Losses:
        losses: list[float] = []
        with torch.inference_mode():
            for at in range(0, len(some), BATCH):
                batch = tokenizer(
                    some[at : at + BATCH], truncation=True, max_length=CAP, padding=True, return_tensors="pt"
                )
                ids, mask = batch["input_ids"], batch["attention_mask"]
                first = torch.full_like(ids[:, :1], tokenizer.bos_token_id)
                read = torch.cat([first, ids[:, :-1]], 1)
                seen = torch.cat([torch.ones_like(mask[:, :1]), mask[:, :-1]], 1)
                logits = model(input_ids=read, attention_mask=seen, use_cache=False).logits
                wanted = ids.masked_fill(mask == 0, -100)
                each = cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="none").view_as(ids)
                losses += each.sum(1).tolist()
        return np.array(losses)

    return score


SIDES: dict[str, Callable[[Path], Callable[[list[str]], Losses]]] = {
    "vernier": vernier,
    "naive": naive,
    "padded": padded,
}


def compare(name: str, folder: Path, size: Size, rounds: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows and the demands of one model."""
    some = texts(size.documents)
    model, tokenizer = load_pair(folder)
    encoded = tokenizer.encode(some, max_tokens=CAP)
    num_tokens = sum(len(one.ids) for one in encoded)
    about = {
        "model": name,
        "parameters": sum(p.numel() for p in model.parameters()),
        "vocabulary": tokenizer.vocabulary,
        "documents": len(some),
        "tokens": num_tokens,
    }
    rates: dict[str, list[float]] = {side: [] for side in SIDES}
    apart = dict.fromkeys(SIDES, 0.0)
    with threads(THREADS):
        sides = {side: load(folder) for side, load in SIDES.items()}
        for score in sides.values():
            score(some[:BATCH])  # what is done once is not measured
        for turn in range(rounds):
            found: dict[str, Losses] = {}
            for side, score in sides.items():
                started = time.perf_counter()
                found[side] = score(some)
                rates[side].append(num_tokens / (time.perf_counter() - started))
                told = f"{name}, round {turn + 1} of {rounds}: {side}: {rates[side][-1]:,.0f} tokens/s"
                print(told, file=sys.stderr, flush=True)
            for side, losses in found.items():
                differ = np.abs(losses - found["vernier"]) / found["vernier"]
                apart[side] = max(apart[side], float(differ.max()))
                if apart[side] > AGREE:
                    raise SystemExit(f"{side} and Vernier disagree by {apart[side]:.2g} on a document")
    table: list[dict[str, Any]] = []
    verdict: list[dict[str, Any]] = []
    for side, each in rates.items():
        row = {**about, "side": side, "tokens_per_s": spread(each), "every_round": [round(rate, 1) for rate in each]}
        if side != "vernier":
            ratio = spread([ours / theirs for ours, theirs in zip(rates["vernier"], each, strict=True)])
            row |= {"vernier_over_it": ratio, "largest_difference": float(f"{apart[side]:.2g}")}
            limit = NAIVE if side == "naive" else PADDED
            verdict.append(at_least(f"{name}: Vernier's tokens per second over {side}'s", ratio["median"], limit))
        table.append(row)
    return table, verdict


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--models", default=",".join(SIZES), help="which, with commas between")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", type=Path, help="where trained models are kept (1 GB); default: a temporary folder")
    parser.add_argument("--small", action="store_true", help="a quick look: nothing is saved")
    given = parser.parse_args()
    names = given.models.split(",")
    if unknown := set(names) - set(SIZES):
        parser.error(f"no such model: {', '.join(sorted(unknown))} (there are {', '.join(SIZES)})")
    with scratch(given.work) as work:
        for name in names:
            started = time.perf_counter()
            folder = prepare(work, name, SIZES[name])
            ready = time.perf_counter()
            rows, demands = compare(name, folder, SIZES[name], given.rounds)
            took = f"{name}: prepared in {ready - started:.0f} s, measured in {time.perf_counter() - ready:.0f} s"
            print(took, file=sys.stderr, flush=True)
            found = result(
                f"score_throughput_{name}",
                f"How many tokens does a model of {name} parameters score in a second, beside plain transformers?",
                rows,
                demands,
                rounds=given.rounds,
                threads=THREADS,
                seeds=[0],
                versions=versions() | {name: metadata.version(name) for name in LIBRARIES},
            )
            save(found, small=given.small)


if __name__ == "__main__":
    main()
