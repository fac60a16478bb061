"""MinHash deduplication: `score.minhash` beside Daft, rensa and datatrove, in CPU-seconds and memory; and what
`select.duplicates` takes on top, which looks at each pair for what it is, as none of the others does.

All read the same Parquet shards, those of a Vernier corpus that was read before, and write 14 keys for each document:
112 hash functions over 5 words in a row. Vernier's arm is `vernier run`, which also looks at what is there, starts a
worker (a second of CPU time for each, most of it numba's start), normalises the text, commits and checks every shard;
what the others leave out is told in `dedup_peers.py`. datatrove takes a tenth of the corpus. Costs are those of the
whole process tree, from start to end; the compiled code of Vernier is there from the run that makes the corpus ready.

Vernier's keys are made by 1 and by 2 workers; its memory is measured on a tenth of the corpus as well. The search has
SEARCH_MEMORY at both sizes.

    python bench/minhash.py [--small] [--rounds N] [--scratch DIR]
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.dataset as ds

from corpora import make, scratch
from measure import Usage, at_least, must, ratios, result, rounds, run, save, summary

BENCH = Path(__file__).resolve().parent
VERNIER = str(Path(sys.executable).with_name("vernier"))
SIZE, SMALL = 1_000_000_000, 50_000_000
TENTH = 10
WORKERS = (1, 2)
SEARCH_MEMORY = "512MiB"
PEERS = ("daft", "daft_normalised", "rensa")
SPEED = 0.9  # of the MB per CPU-second of the fastest peer
FLAT = 1.25  # peak at the whole corpus over that at a tenth
ON_TOP = 0.6  # CPU-seconds of the search over those of the keys


def recipe(folder: Path, size: int, workers: int) -> Path:
    stages: dict[str, Any] = {
        "read": {"do": "corpus.read_jsonl", "with": {"paths": [str(folder / f"corpus-{size}")]}, "on": {"workers": 2}},
        "keys": {"do": "score.minhash", "in": {"corpus": "read"}, "on": {"workers": workers}},
        "found": {
            "do": "select.duplicates",
            "in": {"corpus": "read", "keys": "keys"},
            "with": {"at_least": 0.8, "memory": SEARCH_MEMORY},
        },
    }
    path = folder / f"minhash-{size}.yaml"
    written = {"vernier": 1, "name": f"minhash-{size}", "store": str(folder / f"store-{size}"), "stages": stages}
    path.write_text(json.dumps(written, indent=1))  # JSON is YAML
    return path


def vernier(folder: Path, size: int, workers: int, families: Iterator[int]) -> Usage:
    """The keys' stage alone: another family of hash functions each time, so that the last one's keys do not serve."""
    path, out = recipe(folder, size, workers), folder / f"run-{size}"
    settings = ["--set", f"keys.with.family={next(families)}"]
    return run([VERNIER, "run", str(path), "--out", str(out), "-q", "--to", "keys", *settings])


def search(folder: Path, size: int, buckets: Iterator[int]) -> Usage:
    """The stage that finds duplicates alone, its keys there; with room for one document more each time, so that the
    last search does not serve."""
    path, out = recipe(folder, size, 1), folder / f"search-{size}"
    return run([VERNIER, "run", str(path), "--out", str(out), "-q", "--set", f"found.with.bucket={next(buckets)}"])


def account(folder: Path, size: int) -> dict[str, int]:
    """What the last search came to."""
    facts = json.loads((folder / f"search-{size}" / "lock.json").read_text())["nodes"]["found"]["facts"]
    return {name: facts[name] for name in ("documents", "candidates", "compared", "duplicates")}


def peer(folder: Path, size: int, library: str) -> Usage:
    out = folder / f"{library}-{size}"
    shutil.rmtree(out, ignore_errors=True)
    command = [str(BENCH / "dedup_peers.py"), library, str(folder / f"run-{size}" / "read"), str(out)]
    return run([sys.executable, *command], env={"DAFT_PROGRESS_BAR": "0", "HF_DATASETS_OFFLINE": "1"})


def shared(folder: Path) -> dict[str, float]:
    """How many documents share a key with another one, of the keys in a folder: that all arms did the work."""
    keys = ds.dataset(sorted(folder.glob("*.parquet"))).to_table(columns=["keys"]).column("keys").combine_chunks()
    parents, values = pc.list_parent_indices(keys), pc.list_flatten(keys)
    counts = pc.value_counts(values)
    common = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    found = len(pc.unique(parents.filter(pc.is_in(values, value_set=common))))
    return {"documents": len(keys), "share_with_a_common_key": round(found / len(keys), 4)}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a quick look at a small size; nothing is saved")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scratch", type=Path, help="where to work (about 3 GB); default: a temporary folder")
    given = parser.parse_args()
    size = SMALL if given.small else SIZE
    tenth = size // TENTH
    table: list[dict[str, Any]] = []
    with scratch(given.scratch) as folder:
        texts: dict[int, int] = {}
        for each in (size, tenth):
            make(folder / f"corpus-{each}", each)
            path = str(recipe(folder, each, 1))
            run([VERNIER, "run", path, "--out", str(folder / f"search-{each}"), "-q"])
            run([VERNIER, "run", path, "--out", str(folder / f"run-{each}"), "-q", "--to", "keys"])
            read = ds.dataset(sorted((folder / f"run-{each}" / "read").glob("*.parquet")))
            texts[each] = pc.sum(read.to_table(columns=["num_bytes"]).column("num_bytes")).as_py()
        families = itertools.count(int(time.time()))  # none that an earlier bench took
        buckets = itertools.count(int(time.time()))
        ours = {f"vernier, {n} worker{'s' * (n > 1)}": n for n in WORKERS}
        one, *_ = ours
        measured = rounds(
            {
                **{name: partial(vernier, folder, size, n, families) for name, n in ours.items()},
                **{name: partial(peer, folder, size, name) for name in PEERS},
                "datatrove": partial(peer, folder, tenth, "datatrove"),
                "vernier on a tenth": partial(vernier, folder, tenth, 1, families),
                "search": partial(search, folder, size, buckets),
                "search on a tenth": partial(search, folder, tenth, buckets),
            },
            given.rounds,
        )
        speeds: dict[str, float] = {}
        for name, usages in measured.items():
            at = tenth if name == "datatrove" or name.endswith("on a tenth") else size
            row: dict[str, Any] = {"arm": name, "text_bytes": texts[at], **summary(usages)}
            speeds[name] = texts[at] / 1e6 / row["cpu_s"]["median"]
            row["mb_per_cpu_s"] = round(speeds[name], 2)
            if name in PEERS:
                row |= {"cpu_ratio_vernier": ratios(measured[one], usages, "cpu_s")}
                row |= shared(folder / f"{name}-{size}")
            elif name.startswith("search"):
                row |= account(folder, at)
            elif name != "datatrove":
                row |= shared(folder / f"run-{at}" / "keys")
            table.append(row)
    best = max((speeds[name], name) for name in (*PEERS, "datatrove"))
    peaks = {name: max(usage.peak_bytes for usage in usages) for name, usages in measured.items()}
    verdict = [
        *(
            at_least(f"MB per CPU-second of {name} over those of {best[1]}", speeds[name] / best[0], SPEED)
            for name in ours
        ),
        must(
            "CPU-seconds of the search over those of the keys",
            ratios(measured["search"], measured[one], "cpu_s")["median"],
            ON_TOP,
        ),
        must("peak memory of the keys over that on a tenth", peaks[one] / peaks["vernier on a tenth"], FLAT),
        must(
            f"peak memory of the search in {SEARCH_MEMORY} over that on a tenth",
            peaks["search"] / peaks["search on a tenth"],
            FLAT,
        ),
    ]
    question = "What do MinHash keys of 1 GB of JSON cost, and the search for duplicates?"
    save(result("minhash", question, table, verdict, rounds=given.rounds, seeds=[0]), small=given.small)


if __name__ == "__main__":
    main()
