"""Select from 10M and 100M rows: time and memory of `select.top_k` beside plain numpy and Polars.

The same score tables for all three (Parquet, made by `synthetic.py`); the same three tasks (30 % of the documents,
30 % of the tokens, 30 % of the tokens with equal quotas for eight domains); the kept rows must be equal.
Vernier is `vernier run` with the tables made before: it starts workers, goes over the shards and commits every shard of
the selection. Memory for each row is the peak of the process tree less the peak of the same run over 20,000 rows.

    python bench/select_rows.py [--small] [--rounds N] [--scratch DIR]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq

from corpora import scratch
from measure import Usage, must, ratios, result, rounds, run, save, summary

BENCH = Path(__file__).resolve().parent
VERNIER = str(Path(sys.executable).with_name("vernier"))
ENV = {"PYTHONPATH": str(BENCH)}


class Size(NamedTuple):
    """How many rows, and how many of them in a shard."""

    rows: int
    per_shard: int

    def __str__(self) -> str:
        return f"{self.rows}-{self.per_shard}"


# 64,000 rows are about what a shard of 256 MB of text holds; a million is the most that one ever holds.
SIZES = (Size(10_000_000, 64_000), Size(10_000_000, 1_000_000), Size(100_000_000, 1_000_000))
SMALL = (Size(200_000, 100_000),)
EMPTY = Size(20_000, 10_000)
LIMIT = 24.0  # bytes a row
KEEP: dict[str, dict[str, Any]] = {
    "share": {"keep": {"share": 0.3}},
    "tokens": {"keep": {"share": 0.3, "of": "tokens"}},
    "quotas": {"keep": {"share": 0.3, "of": "tokens"}, "quotas": "equal"},
}
WORDS = {
    "share": "30 % of the documents",
    "tokens": "30 % of the tokens",
    "quotas": "30 % of the tokens, equal quotas for 8 domains",
}


def recipe(folder: Path, size: Size, task: str | None) -> Path:
    """The recipe of one task; without a task only the tables."""
    stages: dict[str, Any] = {
        "rows": {"do": "synthetic:Rows", "with": size._asdict()},
        "scores": {"do": "synthetic:Scores", "in": {"corpus": "rows"}},
    }
    if task is not None:
        inputs = {"corpus": "rows", "a": "scores"} | ({} if task == "share" else {"lengths": "scores"})
        stages["keep"] = {"do": "select.top_k", "in": inputs, "with": {"by": "a.score", **KEEP[task]}}
    name = f"{task or 'tables'}-{size}"
    written = {
        "vernier": 1,
        "name": name,
        "store": str(folder / "store"),
        "plugins": ["synthetic"],
        "stages": stages,
    }
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps(written, indent=1))  # JSON is YAML
    return path


def vernier(folder: Path, size: Size, task: str | None) -> Usage:
    """Run one task, its selection not there yet."""
    path = recipe(folder, size, task)
    out = folder / "runs" / path.stem
    if task is not None:
        forget(out, "keep")
    return run([VERNIER, "run", str(path), "--out", str(out), "--quiet"], env=ENV)


def forget(out: Path, node: str) -> None:
    """Take what an earlier round made at a node out of the store."""
    from vernier.core.run import Run

    made = Run(out)
    if node not in made.nodes:
        return
    artifact = made.artifact(node)
    for shard in artifact.shards:
        made.store.forget_unit(shard.key)
        shutil.rmtree(made.store.path(shard.folder))
    made.store.forget_artifact(artifact.key)


def peer(folder: Path, size: Size, task: str, library: str) -> Usage:
    tables = folder / "runs" / f"tables-{size}"
    out = folder / library / f"{task}-{size}"
    shutil.rmtree(out, ignore_errors=True)
    script = str(BENCH / "select_peers.py")
    return run([sys.executable, script, library, task, str(tables / "rows"), str(tables / "scores"), str(out)])


def kept(folder: Path) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which rows a folder of selection tables keeps."""
    tables = [pq.read_table(file, columns=["count"]) for file in sorted(folder.glob("*.parquet"))]
    return np.concatenate([table.column("count").to_numpy() > 0 for table in tables])


def stage_seconds(out: Path, node: str) -> float:
    """How long a node took in the last run, by the run's own log."""
    events = [json.loads(line) for line in (out / "log" / "events.jsonl").read_text().splitlines()]
    return next(e["seconds"] for e in reversed(events) if e["event"] == "stage_done" and e["node"] == node)


def one_size(folder: Path, size: Size, number: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    table: list[dict[str, Any]] = []
    verdict: list[dict[str, Any]] = []
    vernier(folder, size, None)
    for task in KEEP:
        empty = vernier(folder, EMPTY, task)
        measured = rounds(
            {
                "vernier": partial(vernier, folder, size, task),
                **{name: partial(peer, folder, size, task, name) for name in ("numpy", "polars")},
            },
            number,
        )
        out = folder / "runs" / f"{task}-{size}"
        ours = kept(out / "keep")
        for name, usages in measured.items():
            row = {**size._asdict(), "task": WORDS[task], "arm": name, **summary(usages)}
            if name == "vernier":
                resident = (max(u.peak_bytes for u in usages) - empty.peak_bytes) / size.rows
                row |= {
                    "stage_s": stage_seconds(out, "keep"),
                    "empty_peak_bytes": empty.peak_bytes,
                    "bytes_a_row": round(resident, 2),
                }
                text = (
                    f"{size.rows:,} rows in shards of {size.per_shard:,}, {WORDS[task]}: bytes of memory for each row"
                )
                verdict.append(must(text, resident, LIMIT, "bytes"))
            else:
                row["wall_ratio_vernier"] = ratios(measured["vernier"], usages, "wall_s")
                row["same_rows_kept"] = bool(np.array_equal(ours, kept(folder / name / f"{task}-{size}")))
                if not row["same_rows_kept"]:
                    raise SystemExit(f"{name} keeps other rows than Vernier: {size}, {WORDS[task]}")
            table.append(row)
    return table, verdict


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a quick look at small sizes; nothing is saved")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scratch", type=Path, help="where to work (about 6 GB); default: a temporary folder")
    given = parser.parse_args()
    os.environ["PYTHONPATH"] = str(BENCH)
    table: list[dict[str, Any]] = []
    verdict: list[dict[str, Any]] = []
    with scratch(given.scratch) as folder:
        for task in KEEP:
            vernier(folder, EMPTY, task)
        for size in SMALL if given.small else SIZES:
            measured, held = one_size(folder, size, given.rounds)
            table, verdict = table + measured, verdict + held
    question = "What does selecting from 10M and 100M rows cost, beside plain numpy and Polars?"
    save(result("select_rows", question, table, verdict, rounds=given.rounds), small=given.small)


if __name__ == "__main__":
    main()
