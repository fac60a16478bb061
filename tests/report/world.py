"""A run folder with real tables: documents of four domains and planted noise, scores, arms, seeds, token losses."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from tests.report.small import folder, node

from vernier.core import tables
from vernier.core.run import Run
from vernier.testing.toy import AGREES, DIFFERS, SEPARATOR

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)> & \"both\" 'quotes' "
HOSTILE = (
    SCRIPT * 3,
    "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd \u202eabc " * 9,
    "x" * 1_000_000,
    "\x00\x01\x1b[31m\x7f\x85 na\u00efve \u65e5\u672c\u8a9e \U0001f389 e\u0301\r\n" * 5,
)
DOMAINS = ("prose", "code", "<b>evil</b>", None)
PLANTED = 6  # documents of the domain `planted`, half of them of each kind
NUM_DOCUMENTS = 60
SHARDS = 3
SEEDS = (0, 1)
BY_TOKEN = {"mean": 0.4, "spread": 0.3}  # of the excess loss


def text(number: int) -> str:
    if number < len(HOSTILE):
        return HOSTILE[number]
    return " ".join(f"word{number * 7 % 13}" for _ in range(number % 17 + 1)) + " \u00e9\u65e5\U0001f389"


def domain(number: int) -> str | None:
    return "planted" if number >= NUM_DOCUMENTS - PLANTED else DOMAINS[number % len(DOMAINS)]


def kind(number: int) -> str | None:
    return ("base64", "shuffled")[number % 2] if domain(number) == "planted" else None


def in_pool(number: int) -> bool:
    return number % 10 != 9


def sums(number: int) -> dict[str, tuple[float | None, float | None, int]]:
    """nll of both models and the number of tokens; the documents 7 and 17 were not scored, 8 has no token."""
    tokens = 0 if number == 8 else 10 + number
    if number % 10 == 7:
        return {"sums": (None, None, tokens)}
    excess = BY_TOKEN["mean"] + BY_TOKEN["spread"] * math.sin(number)
    return {"sums": (tokens * (3 + excess), tokens * 3.0, tokens)}


def excess(number: int) -> float:
    """The excess loss per token; NaN where it was not scored or is undefined."""
    a, b, tokens = sums(number)["sums"]
    return a / tokens - b / tokens if a is not None and b is not None and tokens else math.nan


def kept(arm: str, seed: int, number: int) -> bool:
    """`excess` keeps what is above the cut, `random` by a lot that differs with the seed."""
    if not in_pool(number):
        return False
    if arm == "excess":
        return excess(number) > BY_TOKEN["mean"]
    return (number * 2654435761 + seed * 40503) % 97 < 48


def token_losses(document: str, bit: int) -> tuple[list[float], list[int]]:
    """What a toy model of one bit loses on each byte, and the end of the character that the byte is in."""
    data = document.encode()[:4000]
    ends, at = [], 0
    for character in document:
        at += len(character.encode())
        ends += [at] * len(character.encode())
    pairs = itertools.pairwise([SEPARATOR, *data])
    bits = [AGREES if (a >> bit) & 1 == (b >> bit) & 1 else DIFFERS for a, b in pairs]
    return [math.log(2) * each for each in bits], ends[: len(data)]


def build(place: Path, *, tokens: bool = True, arms: bool = True, shards: int = SHARDS) -> Run:
    """The run folder. tokens: with token losses; arms: with selections of arms; shards: of each table."""
    nodes: dict[str, dict[str, Any]] = {
        "text": node("corpus", "corpus.read_jsonl", content="the corpus"),
        "small": node("model", "train.pretrain", content="small", facts={"parameters": 10}),
        "large": node("model", "train.pretrain", content="large", facts={"parameters": 90}),
    }
    for name, model in (("nll_s", "small"), ("nll_l", "large")):
        nodes[name] = node("scores", "score.nll", content=name, inputs={"corpus": "text", "model": model})
        if tokens:
            inputs = {"corpus": "text", "model": model, "selection": "pool"}
            nodes[f"tok_{model}"] = node("scores", "score.token_nll", content=f"tok_{model}", inputs=inputs)
    nodes["pool"] = node("selection", "select.slice", content="pool", inputs={"corpus": "text"})
    chosen = [(arm, seed) for arm in ("excess", "random") for seed in SEEDS] if arms else []
    for arm, seed in chosen:
        inputs = {"corpus": "text", "within": "pool"}
        settings: dict[str, Any] = {}
        if arm == "excess":
            inputs |= {"a": "nll_s", "b": "nll_l"}
            settings = {"by": "excess_loss"}
        stage = {"plugin": "select.any", "version": 1, "settings": settings, "seed": seed, "inputs": {}}
        # What draws nothing is equal at every seed.
        content = "excess" if arm == "excess" else f"random {seed}"
        facts = {"cut": BY_TOKEN["mean"]} if arm == "excess" else {}
        more = {"of": "keep", "arms": [arm], "seed": seed, "stage": stage, "content": content, "facts": facts}
        nodes[f"keep@{arm}@{seed}"] = node("selection", "select.any", inputs=inputs, **more)
    run = folder(place, nodes)
    for number, rows in enumerate(np.array_split(np.arange(NUM_DOCUMENTS), shards)):
        numbers = rows.tolist()
        _write(run, "text", number, _corpus(numbers))
        _write(run, "pool", number, _selection([in_pool(n) for n in numbers]))
        for place_, name in enumerate(("nll_s", "nll_l")):
            _write(run, name, number, _scores(numbers, place_))
        for bit, model in enumerate(("small", "large")):
            if tokens:
                _write(run, f"tok_{model}", number, _tokens(numbers, bit))
        for arm, seed in chosen:
            _write(run, f"keep@{arm}@{seed}", number, _selection([kept(arm, seed, n) for n in numbers]))
    return run


def _write(run: Run, name: str, shard: int, table: pa.Table) -> None:
    path = run.folder / name / f"{shard:05d}.parquet"
    path.parent.mkdir(exist_ok=True)
    with open(path, "wb") as file, tables.writer(file, table.schema) as writer:
        writer.write_table(table, row_group_size=7)


def _corpus(numbers: Sequence[int]) -> pa.Table:
    texts = [text(n) for n in numbers]
    columns: dict[str, Iterable[Any]] = {
        "doc_id": [n.to_bytes(16, "big") for n in numbers],
        "text": texts,
        "num_bytes": [len(t.encode()) for t in texts],
        "text_hash": [n.to_bytes(16, "big") for n in numbers],
        "id": [str(n) for n in numbers],
        "domain": [domain(n) for n in numbers],
        "license": [None] * len(numbers),
        "source": [f"folder/<i>{n}" for n in numbers],
        "offset": numbers,
        "extra": [None] * len(numbers),
        "planted": [kind(n) for n in numbers],
    }
    schema = tables.corpus_schema(["planted"])
    return pa.table([pa.array(columns[f.name], f.type) for f in schema], schema=schema)


def _selection(mask: Sequence[bool]) -> pa.Table:
    codes = pa.array([None if kept else 0 for kept in mask], pa.int8())
    columns = [pa.array(mask).cast(pa.int32()), pa.DictionaryArray.from_arrays(codes, ["below_cut"])]
    return pa.table(columns, schema=tables.SELECTION)


def _scores(numbers: Sequence[int], which: int) -> pa.Table:
    rows = [sums(n)["sums"] for n in numbers]
    nll = [row[which] for row in rows]
    counts = [None if row[0] is None else row[2] for row in rows]
    return pa.table(
        {
            "nll": pa.array(nll, pa.float64()),
            "num_tokens": pa.array(counts, pa.int64()),
            "num_bytes": pa.array(counts, pa.int64()),
        }
    )


def _tokens(numbers: Sequence[int], bit: int) -> pa.Table:
    read = [token_losses(text(n), bit) if in_pool(n) else None for n in numbers]
    return pa.table(
        {
            "nll": pa.array([None if one is None else one[0] for one in read], pa.list_(pa.float32())),
            "end": pa.array([None if one is None else one[1] for one in read], pa.list_(pa.int32())),
            "num_tokens": pa.array([None if one is None else len(one[0]) for one in read], pa.int64()),
        }
    )
