"""How long a person waits: one document by row, an import, a help page, a run over 400 documents.

* one document by row: `vernier.pipeline.why.row_of` with its text, on the store of a 1 GB corpus; 200 random rows, each
  with the file opened anew; once with the file's pages in memory, once after they were dropped (posix_fadvise)
* `import vernier`, `vernier --help`: wall time, a new process each
* 400 documents read, scored by surface, half of them selected, committed: CPU-seconds of the whole process tree

    python bench/latency.py [--small] [--rounds N] [--scratch DIR]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from corpora import make, scratch
from measure import must, result, run, save, spread, summary

VERNIER = str(Path(sys.executable).with_name("vernier"))
ROWS = 200
DOCUMENTS = 400
SEED = 0


def recipe(folder: Path, name: str, paths: str, stages: int) -> Path:
    """The recipe that reads `paths`, with the first `stages` stages of the bench's job."""
    every: dict[str, Any] = {
        "read": {"do": "corpus.read_jsonl", "with": {"paths": [paths]}},
        "surface": {"do": "score.surface", "in": {"corpus": "read"}},
        "keep": {
            "do": "select.top_k",
            "in": {"corpus": "read", "a": "surface"},
            "with": {"by": "zlib_ratio", "keep": {"share": 0.5}},
        },
    }
    chosen = dict(list(every.items())[:stages])
    written = {"vernier": 1, "name": name, "store": str(folder / "store"), "stages": chosen}
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps(written, indent=1))  # JSON is YAML
    return path


def by_row(folder: Path, size: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Milliseconds for one document by row, over ROWS random rows."""
    from vernier.core.run import Run
    from vernier.pipeline.why import row_of

    make(folder / f"corpus-{size}", size)
    path = recipe(folder, "big", str(folder / f"corpus-{size}" / "*.jsonl.zst"), 1)
    run([VERNIER, "run", str(path), "--out", str(folder / "big"), "--quiet"])
    opened = Run.open(folder / "big")
    corpus = opened.artifact("read")
    drawn = random.Random(SEED)
    ends = np.cumsum([shard.rows for shard in corpus.shards])
    table: list[dict[str, Any]] = []
    verdict: list[dict[str, Any]] = []
    for pages in ("in memory", "dropped"):
        took: list[float] = []
        for _ in range(ROWS):
            row = drawn.randrange(corpus.rows)
            shard = int(np.searchsorted(ends, row, "right"))
            if pages == "dropped":
                drop_pages(opened.store.path(corpus.shards[shard].data))
            started = time.perf_counter()
            found = row_of(opened, corpus, shard, row - int(ends[shard]) + corpus.shards[shard].rows)
            took.append((time.perf_counter() - started) * 1000)
            assert found["text"] is not None
        p95 = float(np.percentile(took, 95))
        what = f"one document by row, the file's pages {pages}"
        table.append({"what": what, "rows": corpus.rows, "ms": spread(took), "p95_ms": round(p95, 2)})
        verdict.append(must(f"{what}: 95 of 100 within", p95, 20.0, "ms"))
    return table, verdict


def drop_pages(path: str) -> None:
    """Ask the kernel to forget a file's pages, so that the next read comes from the disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(fd)


def wall(command: list[str], times: int) -> list[float]:
    took: list[float] = []
    for _ in range(times):
        started = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        took.append(time.perf_counter() - started)
    return took


def small_run(folder: Path, times: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a whole run over DOCUMENTS documents costs, from nothing."""
    import zstandard

    make(folder / "corpus-small", 8_000_000, 1)
    with zstandard.open(folder / "corpus-small" / "part-000.jsonl.zst", "rb") as file:
        lines = file.read().split(b"\n")[:DOCUMENTS]
    assert len(lines) == DOCUMENTS
    (folder / "documents.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    path = recipe(folder, "small", str(folder / "documents.jsonl"), 3)

    def once() -> Any:
        shutil.rmtree(folder / "store", ignore_errors=True)
        shutil.rmtree(folder / "small", ignore_errors=True)
        return run([VERNIER, "run", str(path), "--out", str(folder / "small"), "--quiet"])

    usages = [once() for _ in range(times)]
    what = f"read, score by surface and select from {DOCUMENTS} documents"
    row = {"what": what, **summary(usages)}
    value = row["cpu_s"]["median"]
    return row, must(f"{what}: CPU of the whole tree", value, 2.0, "CPU-s")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a quick look at small sizes; nothing is saved")
    parser.add_argument("--rounds", type=int, default=11, help="of each start")
    parser.add_argument("--scratch", type=Path, help="where to work (about 2 GB); default: a temporary folder")
    given = parser.parse_args()
    table: list[dict[str, Any]] = []
    verdict: list[dict[str, Any]] = []
    starts: list[tuple[str, list[str], float]] = [
        ("import vernier", [sys.executable, "-c", "import vernier"], 0.3),
        ("vernier --help", [VERNIER, "--help"], 0.5),
    ]
    for what, command, limit in starts:
        took = wall(command, given.rounds)
        table.append({"what": what, "wall_s": spread(took)})
        verdict.append(must(f"{what}: median of {given.rounds}", float(np.median(took)), limit, "s"))
    with scratch(given.scratch) as folder:
        parts: list[Callable[[], Any]] = [
            lambda: by_row(folder, 50_000_000 if given.small else 1_000_000_000),
            lambda: tuple([part] for part in small_run(folder, min(given.rounds, 5))),
        ]
        for part in parts:
            measured, held = part()
            table, verdict = table + list(measured), verdict + list(held)
    question = "How long does a person wait?"
    save(result("latency", question, table, verdict, rounds=given.rounds, seeds=[SEED]), small=given.small)


if __name__ == "__main__":
    main()
