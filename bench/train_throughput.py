"""How fast `train.pretrain` trains, beside the Hugging Face Trainer doing the same work, and where both end.

The same for both: initial weights (a folder that both load), windows in their order (256 tokens, 4 a step, every token
a target), fused AdamW with the same groups, warm-up and cosine, clipping at 1, float32, 2 threads, real text. A call
of few steps is taken from a call of many, so loading, tokenizing and saving count for neither. Rounds are interleaved,
Vernier and Trainer in turn, after one short call of each; each round has its own seed, so its own first weights and
order of windows. A ratio is Vernier's tokens a second over the Trainer's in the same round: above 1, Vernier is faster.

Demanded before the first run: the median ratio is at least 0.95, and the losses of the last tenth of the steps differ
by at most 0.02 nat a token. The two sum in another order, and early training at a high rate doubles a difference of the
last bit again and again: at a rate of 0.003 two runs of one seed ended up to 0.09 apart in single rounds, as two seeds
do. So the rate is 0.001, the losses are means over the rounds, and the interval of their difference is written beside.
That both do the same shows earlier: means of the first tenth of the steps are to agree to 0.001 in every round.

    python bench/train_throughput.py [--small] [--rounds N] [--scratch DIR]
"""

from __future__ import annotations

import argparse
import math
import random
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

import pyarrow.parquet as pq

from corpora import scratch, sources
from measure import must, result, save, spread
from vernier.core.shard import Inputs
from vernier.core.stats import student
from vernier.core.store import Store
from vernier.models.build import Shape, build, num_parameters
from vernier.models.load import load
from vernier.models.tokenizer import Tokenizer
from vernier.models.windows import Stream, read_documents
from vernier.testing.make import corpus_table, make_artifact, make_folder
from vernier.train import tokenizer as trained
from vernier.train.pretrain import Pretrain

CONTEXT, BATCH, THREADS, VOCABULARY = 256, 4, 2, 2048
LR, WARMUP, FLOOR, DECAY, CLIP, BETAS = 1e-3, 0.05, 0.1, 0.1, 1.0, (0.9, 0.95)
DOCUMENTS = 500  # 1.4 MB of text
LEAST_RATIO, LOSS_NAT, FIRST_NAT = 0.95, 0.02, 0.001


@dataclass(frozen=True)
class Size:
    """A model, and the steps of the long and the short call (a tenth of the long one is whole)."""

    name: str
    shape: Shape
    steps: int
    few: int


SIZES = (
    Size("1M", Shape(hidden=128, layers=4), 200, 10),
    Size("10M", Shape(hidden=384, layers=5), 40, 4),
)
SMALL = (Size("1M", Shape(hidden=128, layers=4), 20, 4),)
Losses = tuple[float, float]  # means of the first and the last tenth of the steps, nat a token
Arm = Callable[[int], tuple[float, Losses]]  # steps -> seconds of the whole call


def inputs_of(folder: Path, size: Size, seed: int) -> Inputs:
    """Text, a tokenizer for it and a model with random weights."""
    store = Store(str(folder / "store"))
    texts = [document["text"] for document in random.Random(0).sample(list(sources()), DOCUMENTS)]
    corpus = make_artifact(store, "corpus", [corpus_table(texts)])
    tokens, start = folder / "tokenizer", folder / "start"
    for each in (tokens, start):
        each.mkdir(parents=True)
    trained.Tokenizer(vocab=VOCABULARY).build(Inputs(store.url, {"corpus": corpus}), tokens)
    tokenizer = Tokenizer(tokens)
    model = build(
        size.shape,
        vocabulary=tokenizer.vocabulary,
        context=CONTEXT,
        separator=tokenizer.separator,
        seed=seed,
    )
    model.save_pretrained(start)
    tokenizer.copy_to(start)
    given = {"tokenizer": make_folder(store, "model", tokens), "init": make_folder(store, "model", start)}
    return Inputs(store.url, {"corpus": corpus, **given}, seed)


def vernier(inputs: Inputs, folder: Path) -> Arm:
    def arm(steps: int) -> tuple[float, Losses]:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        plugin = Pretrain(tokens=steps * BATCH * CONTEXT, context=CONTEXT, batch=BATCH, lr=LR, threads=THREADS)
        started = time.perf_counter()
        plugin.build(inputs, folder)
        seconds = time.perf_counter() - started
        losses = pq.read_table(folder / "metrics.parquet", columns=["loss"])["loss"].to_pylist()
        tenth = steps // 10 or 1
        return seconds, (fmean(losses[:tenth]), fmean(losses[-tenth:]))

    return arm


def trainer(inputs: Inputs, folder: Path) -> Arm:
    import torch
    from transformers import PrinterCallback, Trainer, TrainingArguments

    tokenizer = Tokenizer(inputs.folder("tokenizer"))
    documents = read_documents(inputs, tokenizer, None)
    stream = Stream(documents, context=CONTEXT, separator=tokenizer.separator, seed=inputs.seed)

    def arm(steps: int) -> tuple[float, Losses]:
        started = time.perf_counter()
        windows = stream.take(0, steps * BATCH)
        # The loss takes `shift_labels` as they are; plain labels would leave out the first token of each window.
        rows: Any = [
            {
                "input_ids": torch.from_numpy(row),
                "labels": torch.from_numpy(wanted),
                "shift_labels": torch.from_numpy(wanted),
            }
            for row, wanted in zip(windows.inputs, windows.targets, strict=True)
        ]
        model = load(inputs.folder("init"))
        groups = [
            {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": DECAY},
            {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=LR, betas=BETAS, fused=True)
        settings = TrainingArguments(
            output_dir=str(folder),
            max_steps=steps,
            per_device_train_batch_size=BATCH,
            train_sampling_strategy="sequential",
            max_grad_norm=CLIP,
            logging_steps=steps // 10 or 1,
            save_strategy="no",
            report_to="none",
            use_cpu=True,
            disable_tqdm=True,
            remove_unused_columns=False,
        )
        made = Trainer(
            model=model,
            args=settings,
            train_dataset=rows,
            optimizers=(optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, steps))),
        )
        made.remove_callback(PrinterCallback)
        made.train()
        seconds = time.perf_counter() - started
        losses = [row["loss"] for row in made.state.log_history if "loss" in row]
        return seconds, (losses[0], losses[-1])

    return arm


def rate(step: int, steps: int) -> float:
    """The learning rate of a step as a share of the highest: linear warm-up, half a cosine down to FLOOR."""
    rising = math.ceil(WARMUP * steps)
    if step < rising:
        return (step + 1) / rising
    done = min(1.0, (step - rising) / max(1, steps - 1 - rising))
    return FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * done))


def measured(size: Size, folder: Path, number: int) -> dict[str, Any]:
    """Both arms, in turn, `number` times."""
    speeds: dict[str, list[float]] = {"vernier": [], "trainer": []}
    losses: dict[str, list[Losses]] = {"vernier": [], "trainer": []}
    tokens = (size.steps - size.few) * BATCH * CONTEXT
    parameters = 0
    for turn in range(number):
        here = folder / f"{size.name}-{turn}"
        inputs = inputs_of(here, size, seed=turn)
        arms = {"vernier": vernier(inputs, here / "out"), "trainer": trainer(inputs, here / "trainer")}
        parameters = num_parameters(load(inputs.folder("init")))
        if turn == 0:
            for arm in arms.values():
                arm(size.few)
        for name, arm in arms.items():
            few, _ = arm(size.few)
            many, found = arm(size.steps)
            losses[name].append(found)
            speeds[name].append(round(tokens / (many - few), 1))
            told = f"{speeds[name][-1]:,.0f} tokens/s, loss {found[0]:.5f} at first, {found[1]:.4f} at last"
            print(f"{size.name}: round {turn + 1} of {number}: {name}: {told}", file=sys.stderr, flush=True)
        shutil.rmtree(here)
    ratios = [round(a / b, 4) for a, b in zip(speeds["vernier"], speeds["trainer"], strict=True)]
    first, last = ([a[i] - b[i] for a, b in zip(losses["vernier"], losses["trainer"], strict=True)] for i in (0, 1))
    half = student(number - 1) * stdev(last) / math.sqrt(number) if number > 1 else math.nan
    return {
        "model": size.name,
        "parameters": parameters,
        "steps": size.steps,
        **{f"{name}_tokens_s": spread(values) for name, values in speeds.items()},
        **{f"{name}_tokens_s_rounds": values for name, values in speeds.items()},
        "ratio_rounds": ratios,
        "ratio": median(ratios),
        **{f"{name}_loss_rounds": [round(at_last, 5) for _, at_last in found] for name, found in losses.items()},
        "loss_difference": fmean(last),
        "loss_difference_interval": [fmean(last) - half, fmean(last) + half],
        "first_loss_difference": max(map(abs, first)),
    }


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a quick look; nothing is saved")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scratch", type=Path, help="where to work; default: a temporary folder")
    given = parser.parse_args()
    torch.set_num_threads(THREADS)
    with scratch(given.scratch) as folder:
        table = [measured(size, folder, given.rounds) for size in (SMALL if given.small else SIZES)]
    verdict: list[dict[str, Any]] = []
    for row in table:
        at = f"at {row['model']} parameters"
        slower = f"{at}: the Trainer's tokens a second over Vernier's, median of rounds"
        verdict.append(must(slower, 1 / row["ratio"], round(1 / LEAST_RATIO, 4)))
        first, last = row["first_loss_difference"], abs(row["loss_difference"])
        verdict.append(must(f"{at}: difference of the first losses, largest", first, FIRST_NAT, "nat/token"))
        verdict.append(must(f"{at}: difference of the final losses, mean over rounds", last, LOSS_NAT, "nat/token"))
    question = "How fast is training beside the Hugging Face Trainer, and do both end at the same loss?"
    save(
        result(
            "train_throughput",
            question,
            table,
            verdict,
            rounds=given.rounds,
            seeds=list(range(given.rounds)),
            threads=THREADS,
        ),
        small=given.small,
    )


if __name__ == "__main__":
    main()
