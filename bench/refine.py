"""Read, score by surface, keep the better half, export: Vernier beside datatrove and Polars, on 1 GB of JSON Lines.

All three do the same work on the same compressed files with 2 workers and give the same documents: read `.jsonl.zst`,
count bytes, characters, words, stop words, symbols and compressed bytes of every document, find the cut of the highest
half by zlib ratio, write the kept documents with their counts as Parquet under Zstandard. Counts of every document and
the kept ids are compared; arms that disagree end the bench. Vernier's arm is `vernier run` and `vernier export`: it
also commits every shard, keeps every table and its checksums, and could be killed at any instant.

Vernier's memory is measured at 0.1, 1 and 3 GB as well.

    python bench/refine.py [--small] [--rounds N] [--scratch DIR]
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from corpora import make, scratch
from measure import Usage, must, ratios, result, rounds, run, save, summary
from refine_peers import COUNTS, FIELDS

BENCH = Path(__file__).resolve().parent
VERNIER = str(Path(sys.executable).with_name("vernier"))
WORKERS = 2
SIZE, SIZES = 1_000_000_000, (100_000_000, 1_000_000_000, 3_000_000_000)
SMALL, SMALLS = 50_000_000, (20_000_000, 50_000_000)
CPU_LIMIT = 0.8  # of datatrove's CPU-seconds
FLAT = 1.25  # peak at the largest size over the peak at the smallest


def recipe(folder: Path, size: int) -> Path:
    on = {"workers": WORKERS}
    stages: dict[str, Any] = {
        "read": {"do": "corpus.read_jsonl", "with": {"paths": [str(folder / f"corpus-{size}")]}, "on": on},
        "surface": {"do": "score.surface", "in": {"corpus": "read"}, "on": on},
        "keep": {
            "do": "select.top_k",
            "in": {"corpus": "read", "a": "surface"},
            "with": {"by": "zlib_ratio", "keep": {"share": 0.5}},
            "on": on,
        },
    }
    written = {
        "vernier": 1,
        "name": f"refine-{size}",
        "store": str(folder / f"store-{size}"),
        "stages": stages,
    }
    path = folder / f"refine-{size}.yaml"
    path.write_text(json.dumps(written, indent=1))  # JSON is YAML
    return path


def vernier(folder: Path, size: int) -> Usage:
    """Run and export, from nothing."""
    path, out, kept = recipe(folder, size), folder / f"run-{size}", folder / f"export-{size}"
    for old in (folder / f"store-{size}", out, kept):
        shutil.rmtree(old, ignore_errors=True)
    words = f'"$0" run {path} --out {out} -q && "$0" export {out} keep --to {kept} --workers {WORKERS} -q'
    return run(["/bin/sh", "-c", words, VERNIER])


def peer(folder: Path, size: int, library: str) -> Usage:
    out = folder / f"{library}-{size}"
    shutil.rmtree(out, ignore_errors=True)
    command = [str(BENCH / "refine_peers.py"), library, str(folder / f"corpus-{size}"), str(out), str(WORKERS)]
    return run([sys.executable, *command], env={"POLARS_MAX_THREADS": str(WORKERS), "HF_DATASETS_OFFLINE": "1"})


def of_vernier(folder: Path, size: int) -> tuple[pa.Table, pa.Table]:
    """Every document's id and counts, and the kept documents with all that was asked for."""
    out = folder / f"run-{size}"
    ids = ds.dataset(sorted((out / "read").glob("*.parquet"))).to_table(columns=["id"])
    scores = ds.dataset(sorted((out / "surface").glob("*.parquet"))).to_table(columns=list(COUNTS))
    kept = ds.dataset(sorted((folder / f"export-{size}").glob("*.parquet"))).to_table()
    kept = kept.rename_columns([name.removeprefix("surface.") for name in kept.column_names])
    urls = [json.loads(extra)["url"] for extra in kept.column("extra").to_pylist()]
    kept = kept.append_column("url", pa.array(urls))
    return in_order(scores.append_column("id", ids.column("id")), kept)


def of_peer(folder: Path, size: int, library: str) -> tuple[pa.Table, pa.Table]:
    out = folder / f"{library}-{size}"
    scored = ds.dataset(sorted((out / "scored").glob("*.parquet"))).to_table(columns=["id", *COUNTS])
    return in_order(scored, ds.dataset(sorted((out / "kept").glob("*.parquet"))).to_table())


def in_order(scored: pa.Table, kept: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The tables in one form: columns and types, sorted by all but the text."""
    out: list[pa.Table] = []
    for table, strings in ((scored, ("id",)), (kept, (*FIELDS, "text"))):
        columns = {name: table.column(name).cast(pa.large_string()) for name in strings}
        columns |= {name: table.column(name).cast(pa.int64()) for name in COUNTS}
        made = pa.table(columns)
        out.append(made.sort_by([(name, "ascending") for name in made.column_names if name != "text"]))
    return out[0], out[1]


def compare(ours: tuple[pa.Table, pa.Table], theirs: tuple[pa.Table, pa.Table], name: str) -> dict[str, Any]:
    """How far two arms agree. Ends the bench where they differ by more than ties at the cut."""
    if not ours[0].equals(theirs[0]):
        wrong = [c for c in ours[0].column_names if not ours[0].column(c).equals(theirs[0].column(c))]
        raise SystemExit(f"{name} and Vernier count differently: {', '.join(wrong)}")
    if ours[1].equals(theirs[1]):
        return {"same_counts": True, "same_documents_kept": True, "ties_at_the_cut": 0}
    shares = [pc.divide(pc.cast(t.column("zlib_bytes"), "double"), t.column("num_bytes")) for t in (ours[1], theirs[1])]
    cut = max(pc.min(share).as_py() for share in shares)
    above = [t.filter(pc.greater(share, cut)) for t, share in zip((ours[1], theirs[1]), shares, strict=True)]
    if not above[0].equals(above[1]):
        raise SystemExit(f"{name} and Vernier keep other documents")
    ties = max(t.num_rows - a.num_rows for t, a in zip((ours[1], theirs[1]), above, strict=True))
    return {"same_counts": True, "same_documents_kept": "but for ties at the cut", "ties_at_the_cut": ties}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a quick look at small sizes; nothing is saved")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scratch", type=Path, help="where to work (about 12 GB); default: a temporary folder")
    given = parser.parse_args()
    size, sizes = (SMALL, SMALLS) if given.small else (SIZE, SIZES)
    table: list[dict[str, Any]] = []
    with scratch(given.scratch) as folder:
        for each in sizes:
            make(folder / f"corpus-{each}", each)
        measured = rounds(
            {
                "vernier": partial(vernier, folder, size),
                **{name: partial(peer, folder, size, name) for name in ("datatrove", "polars")},
            },
            given.rounds,
        )
        ours = of_vernier(folder, size)
        for name, usages in measured.items():
            row: dict[str, Any] = {"arm": name, "json_bytes": size, **summary(usages)}
            if name != "vernier":
                row |= {
                    "cpu_ratio_vernier": ratios(measured["vernier"], usages, "cpu_s"),
                    "wall_ratio_vernier": ratios(measured["vernier"], usages, "wall_s"),
                    **compare(ours, of_peer(folder, size, name), name),
                }
            else:
                row |= {"documents": ours[0].num_rows, "kept": ours[1].num_rows}
            table.append(row)
        peaks: dict[int, int] = {size: max(usage.peak_bytes for usage in measured["vernier"])}
        for each in sizes:
            if each != size:
                usage = vernier(folder, each)
                peaks[each] = usage.peak_bytes
                table.append({"arm": "vernier", "json_bytes": each, **summary([usage])})
    cpu = ratios(measured["vernier"], measured["datatrove"], "cpu_s")["median"]
    flat = peaks[max(sizes)] / peaks[min(sizes)]
    verdict = [
        must("Vernier's CPU-seconds over datatrove's for the same work", cpu, CPU_LIMIT),
        must(f"Vernier's peak memory at {max(sizes) / 1e9:g} GB over that at {min(sizes) / 1e9:g} GB", flat, FLAT),
    ]
    question = "What do reading, scoring, selecting and exporting 1 GB of JSON Lines cost?"
    save(result("refine", question, table, verdict, rounds=given.rounds, seeds=[0]), small=given.small)


if __name__ == "__main__":
    main()
