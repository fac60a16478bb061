"""Zero-shot tasks: accuracy, and beside it what moves long before accuracy does in small models.

Likelihoods are those of lm-evaluation-harness (`vernier.evaluate.harness`), what is made of them stands in
`vernier.evaluate.grades`. Bits per byte of the right answers are the loss by which arms are compared on tasks, as bits
per byte of held-out documents are on domains; accuracy is told beside it and decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from vernier.core.errors import DataError
from vernier.core.plugin import Unit
from vernier.core.shard import Inputs
from vernier.evaluate import harness, sources
from vernier.evaluate.grades import Grade, grade, summary
from vernier.evaluate.items import Item, by_task
from vernier.models.load import load_pair
from vernier.models.nll import check_settings
from vernier.models.threads import threads

RESULTS = pa.schema(
    [
        ("metric", pa.string()),
        ("domain", pa.string()),  # the task
        ("value", pa.float64()),
        ("low", pa.float64()),  # ends of the 95 % interval over items
        ("high", pa.float64()),
        ("unit", pa.string()),
        ("num_documents", pa.int64()),  # items
        ("num_bytes", pa.int64()),  # of the right answers
        ("num_tokens", pa.int64()),
    ]
)
ITEMS = pa.schema(
    [
        ("task", pa.string()),
        ("id", pa.string()),
        ("label", pa.int64()),
        ("right", pa.bool_()),
        ("right_by_byte", pa.bool_()),
        ("tie", pa.bool_()),
        ("margin", pa.float64()),  # nat per byte; null: a cloze has no wrong answer
        ("nll", pa.list_(pa.float64())),  # nat, of each choice
        ("num_bytes", pa.list_(pa.int64())),
        ("num_tokens", pa.list_(pa.int64())),
        ("cut", pa.bool_()),
        ("apart", pa.bool_()),
    ]
)
# metric -> its name in a summary, the names of its interval's ends, its unit
METRICS = {
    "bits_per_byte": ("bits_per_byte", None, "bit/byte"),
    "accuracy": ("accuracy", ("low", "high"), "1"),
    "accuracy_by_byte": ("accuracy_by_byte", ("low_by_byte", "high_by_byte"), "1"),
    "margin": ("margin", ("low_margin", "high_margin"), "nat/byte"),
    "chance": ("chance", None, "1"),
}
RESERVED = ("macro", "all")


@dataclass(frozen=True, kw_only=True)
class Tasks:
    """Writes `results.parquet`, a row for each task and metric, and `items.parquet`, a row for each item.

    tasks     files (JSON Lines; paths, patterns or folders of `.jsonl`), and names of tasks of lm-evaluation-harness,
              whose items are on the Hugging Face hub
    limit     most items of a task; drawn by their ids, the same for every model
    window    most tokens that the model sees at once; by default all its positions, at most 2048
    batch     answers read together: the last bits of a likelihood depend on it
    threads   of PyTorch: likewise
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "results"
    takes: ClassVar[Mapping[str, str]] = {"model": "model"}

    tasks: list[str] = field(metadata={"key": False})
    limit: int | None = None
    window: int | None = None
    batch: int = 8
    threads: int = 1

    def __post_init__(self) -> None:
        check_settings(limit=self.limit, window=self.window, batch=self.batch, threads=self.threads)

    def units(self) -> Sequence[Unit]:
        """See `vernier.evaluate.sources`."""
        return sources.units(self.tasks)

    def build(self, inputs: Inputs, out: Path) -> dict[str, Any]:
        """Raises DataError if a file changed since it was hashed, for two items with one id, and for answers that the
        model can not read."""
        items: list[Item] = []
        for unit in inputs.units:
            items += sources.items(unit)
        tasks = by_task(items, self.limit)
        taken = sorted(set(tasks) & set(RESERVED))
        if taken:
            raise DataError(f"a task is called {taken[0]!r}, which is the name of an average over tasks")
        model, tokenizer = load_pair(inputs.folder("model"))
        graded: dict[str, list[Grade]] = {}
        with threads(self.threads):
            asker = harness.Asker(model, tokenizer, window=self.window, batch=self.batch)
            for task, some in tasks.items():
                replies = iter(asker.ask([pair for item in some for pair in item.asked]))
                graded[task] = [grade(item, [next(replies) for _ in item.asked]) for item in some]
        found = {task: summary(grades) for task, grades in graded.items()}
        bits = {task: one["bits_per_byte"] for task, one in found.items()}
        whole = summary([one for grades in graded.values() for one in grades])
        bits = {"macro": math.fsum(bits.values()) / len(bits), "all": whole["bits_per_byte"], **bits}
        rows = [_row("bits_per_byte", name, whole | {"bits_per_byte": bits[name]}) for name in RESERVED]
        rows += [_row(metric, task, one) for task, one in found.items() for metric in METRICS]
        pq.write_table(pa.Table.from_pylist(rows, RESULTS), out / "results.parquet")
        answers = [_answer(one) for grades in graded.values() for one in grades]
        pq.write_table(pa.Table.from_pylist(answers, ITEMS), out / "items.parquet")
        return {"bits_per_byte": bits, "tasks": found}


def _row(metric: str, task: str, found: Mapping[str, Any]) -> dict[str, Any]:
    name, ends, unit = METRICS[metric]
    low, high = (found[ends[0]], found[ends[1]]) if ends else (None, None)
    counts = {"num_documents": found["items"], "num_bytes": found["bytes"], "num_tokens": found["tokens"]}
    return {"metric": metric, "domain": task, "value": found[name], "low": low, "high": high, "unit": unit, **counts}


def _answer(one: Grade) -> dict[str, Any]:
    return {
        "task": one.item.task,
        "id": one.item.id,
        "label": one.item.label,
        "right": one.right,
        "right_by_byte": one.right_by_byte,
        "tie": one.tie,
        "margin": one.margin,
        "nll": [reply.nll for reply in one.replies],
        "num_bytes": [reply.num_bytes for reply in one.replies],
        "num_tokens": [reply.num_tokens for reply in one.replies],
        "cut": any(reply.cut for reply in one.replies),
        "apart": any(reply.apart for reply in one.replies),
    }
