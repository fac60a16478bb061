"""Read, clean by the rules of Gopher, FineWeb and C4, export: Vernier beside datatrove, on 1 GB of JSON Lines.

Vernier's arm is `vernier run` of a recipe (`corpus.read_jsonl`, `score.signals` with every family, `select.rules`) and
`vernier export`, with 1 and with 2 workers; it measures every rule of every document and keeps every table. datatrove
runs its own filters with 1 worker, the same words and limits (`clean_peers.py`), and is done with a document at its
first broken rule. The kept documents are compared: they differ where the definitions do (a curly bracket on a line
that C4 takes out, blank lines, citations), and the bench ends if more than AGREE differ.

Vernier's memory and time by megabyte are measured at 0.1, 1 and 3 GB as well.

    python bench/clean.py [--small] [--rounds N] [--scratch DIR]
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds

from corpora import make, scratch
from measure import Usage, must, ratios, result, rounds, run, save, summary

BENCH = Path(__file__).resolve().parent
VERNIER = str(Path(sys.executable).with_name("vernier"))
WORKERS = (1, 2)
SIZE, SIZES = 1_000_000_000, (100_000_000, 1_000_000_000, 3_000_000_000)
SMALL, SMALLS = 20_000_000, (5_000_000, 20_000_000)
PRESETS = ["gopher", "gopher_repetition", "fineweb", "c4"]
CPU_LIMIT = 0.6  # of datatrove's CPU-seconds
FLAT = 1.25  # peak, and time by megabyte, at the largest size over those at the smallest
AGREE = 0.98  # least share of documents that both arms keep or both drop


def vernier(folder: Path, size: int, workers: int) -> Usage:
    """Run and export, from nothing."""
    name = f"{size}-{workers}"
    out, kept, store = folder / f"run-{name}", folder / f"export-{name}", folder / f"store-{name}"
    for old in (store, out, kept):
        shutil.rmtree(old, ignore_errors=True)
    on = {"workers": workers}
    stages: dict[str, Any] = {
        "read": {"do": "corpus.read_jsonl", "with": {"paths": [str(folder / f"corpus-{size}")]}, "on": on},
        "signals": {"do": "score.signals", "in": {"corpus": "read"}, "on": on},
        "keep": {
            "do": "select.rules",
            "in": {"corpus": "read", "signals": "signals"},
            "with": {"rules": PRESETS},
            "on": on,
        },
    }
    path = folder / f"clean-{name}.yaml"
    written = {"vernier": 1, "name": f"clean-{name}", "store": str(store), "stages": stages}
    path.write_text(json.dumps(written, indent=1))  # JSON is YAML
    words = f'"$0" run {path} --out {out} -q && "$0" export {out} keep --to {kept} --workers {workers} -q'
    return run(["/bin/sh", "-c", words, VERNIER])


def datatrove(folder: Path, size: int) -> Usage:
    out = folder / f"datatrove-{size}"
    shutil.rmtree(out, ignore_errors=True)
    command = [str(BENCH / "clean_peers.py"), str(folder / f"corpus-{size}"), str(out), "1"]
    return run([sys.executable, *command], env={"HF_DATASETS_OFFLINE": "1"})


def judged(folder: Path, size: int) -> dict[str, str]:
    """Vernier's reason for each document, by id; "" for a kept one."""
    out = folder / f"run-{size}-{WORKERS[0]}"
    ids = ds.dataset(sorted((out / "read").glob("*.parquet"))).to_table(columns=["id"]).column("id").to_pylist()
    reasons = ds.dataset(sorted((out / "keep").glob("*.parquet"))).to_table(columns=["reason"]).column("reason")
    return dict(zip(ids, (reason or "" for reason in reasons.to_pylist()), strict=True))


def compare(folder: Path, size: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """How far both arms agree; and why Vernier dropped what datatrove kept, the other way round as one row."""
    ours = judged(folder, size)
    kept = ds.dataset(sorted((folder / f"datatrove-{size}" / "kept").glob("*.parquet"))).to_table(columns=["id"])
    theirs = set(kept.column("id").to_pylist())
    apart = Counter(reason or "(kept)" for name, reason in ours.items() if (reason == "") != (name in theirs))
    agree = 1 - apart.total() / len(ours)
    if agree < AGREE:
        raise SystemExit(f"datatrove and Vernier agree on {agree:.4f} of the documents only: {apart.most_common(8)}")
    numbers = {
        "documents": len(ours),
        "kept_by_vernier": sum(reason == "" for reason in ours.values()),
        "kept_by_datatrove": len(theirs),
        "agree": float(f"{agree:.5g}"),
    }
    rows = [{"vernier says": name, "and datatrove otherwise": number} for name, number in apart.most_common()]
    return numbers, rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a quick look at small sizes; nothing is saved")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scratch", type=Path, help="where to work (about 12 GB); default: a temporary folder")
    given = parser.parse_args()
    size, sizes = (SMALL, SMALLS) if given.small else (SIZE, SIZES)
    arms = {f"vernier, {n} worker{'s' * (n > 1)}": partial(vernier, workers=n) for n in WORKERS}
    one, *_ = arms
    table: list[dict[str, Any]] = []
    with scratch(given.scratch) as folder:
        for each in sizes:
            make(folder / f"corpus-{each}", each)
        vernier(folder, min(sizes), WORKERS[0])  # so that the pass is compiled, once for every run there will be
        here = {name: partial(arm, folder, size) for name, arm in arms.items()}
        measured = rounds({**here, "datatrove": partial(datatrove, folder, size)}, given.rounds)
        numbers, apart = compare(folder, size)
        for name, usages in measured.items():
            row: dict[str, Any] = {"arm": name, "json_bytes": size, **summary(usages)}
            if name in arms:
                row |= {
                    f"{field}_over_datatrove": ratios(usages, measured["datatrove"], field)
                    for field in ("cpu_s", "wall_s", "peak_bytes")
                }
            table.append(row)
        each_size = {size: measured[one]}
        for each in sizes:
            if each != size:
                each_size[each] = [arms[one](folder, each)]
                table.append({"arm": one, "json_bytes": each, **summary(each_size[each])})
    small, large = each_size[min(sizes)], each_size[max(sizes)]
    peaks = [max(usage.peak_bytes for usage in some) for some in (small, large)]
    times = [min(u.cpu_s for u in some) / n for some, n in ((small, min(sizes)), (large, max(sizes)))]
    scale = f"at {max(sizes) / 1e9:g} GB over that at {min(sizes) / 1e9:g} GB"
    verdict = [
        *(
            must(
                f"CPU-seconds of {name} over datatrove's for the same rules",
                ratios(measured[name], measured["datatrove"], "cpu_s")["median"],
                CPU_LIMIT,
            )
            for name in arms
        ),
        must(f"Vernier's peak memory {scale}", peaks[1] / peaks[0], FLAT),
        must(f"Vernier's CPU-seconds by megabyte {scale}", times[1] / times[0], FLAT),
    ]
    question = "What does it cost to read 1 GB of JSON Lines, clean it by rules and write what is kept?"
    tables = {"Documents on which the two differ": apart} if apart else {}
    made = result("clean", question, table, verdict, rounds=given.rounds, seeds=[0], agreement=numbers, tables=tables)
    save(made, small=given.small)


if __name__ == "__main__":
    main()
