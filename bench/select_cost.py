"""What every selector costs at 1M, 10M and 100M rows: wall, CPU, peak memory, and how each grows with the rows.

Facility location, which looks at each pair of documents of a part, at 100k, 1M and 10M.

Score tables and embeddings are made of nothing (`synthetic.py`), straight into a store; then each selection is a
`vernier run` of its own that finds them there, starts workers, goes over the shards and commits every shard of the
selection. `held` is the peak of the process tree less the peak of the same run over 20,000 rows, for each row.

Each row is written to bench/results/select_cost.json as soon as it is measured, with its commit. Stopped and started
again at the same commit, it goes on; rows of another commit are measured anew, but with --only those of the selectors
that it leaves out stay. With --scratch the tables stay, too.

    python bench/select_cost.py [--small | --most ROWS] [--only TASK ...] [--scratch DIR]
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
from collections.abc import Container
from pathlib import Path
from typing import Any, NamedTuple

from corpora import scratch
from measure import RESULTS, Usage, commit, keep, must, result, run, save, summary
from select_rows import BENCH, VERNIER, Size, forget, stage_seconds
from vernier.core.errors import ResumeError

NAME = "select_cost"
QUESTION = "What does each selector cost at 1M, 10M and 100M rows?"
PER_SHARD = 100_000  # 64,000 rows are about what a shard of 256 MB of text holds
EMPTY = Size(20_000, 10_000)
SMALL = 100_000
MOST = 100_000_000
ROUNDS = {100: 3, 10: 2, 1: 1}  # at a hundredth of a task's most rows, ...: the longer it takes, the less chance does
WIDTH = 64  # numbers in an embedding
# Of the wall time of a run over 10M rows, for each million rows; of the memory that grows between two sizes, for each
# row; of the wall time at ten times the rows, over ten times that at the fewer rows.
SECONDS, BYTES, GROWTH = 3.0, 40.0, 1.2

ROWS: dict[str, Any] = {"corpus": "rows"}
SCORES = {**ROWS, "a": "scores"}
TOKENS = {**SCORES, "lengths": "scores"}
SHARE, OF_TOKENS = {"share": 0.3}, {"share": 0.3, "of": "tokens"}


class Task(NamedTuple):
    """words: what is selected; nodes: what is measured; most: rows that it is run over, and why no more."""

    words: str
    nodes: dict[str, dict[str, Any]]
    most: int = MOST
    why: str = ""


def stage(do: str, given: dict[str, Any], **settings: Any) -> dict[str, Any]:
    return {"do": do, "in": given, "with": settings}


def top_k(words: str, given: dict[str, Any], budget: dict[str, Any], **settings: Any) -> Task:
    return Task(words, {"keep": stage("select.top_k", given, by="a.score", keep=budget, **settings)})


EXTRAS: dict[str, dict[str, Any]] = {  # tables beside the scores, made for the tasks that take them
    "embeddings": {"do": "synthetic:Embeddings", "in": ROWS, "with": {"width": WIDTH}},
    "signals": {"do": "synthetic:Signals", "in": ROWS},
    "contamination": {"do": "synthetic:Contamination", "in": ROWS},
    "benchmark": {"do": "synthetic:Items", "in": ROWS},
}
MEAN_AND_DEVIATION = stage(
    "score.combine", {**ROWS, "scores": "scores"}, terms=[{"column": "score"}, {"column": "other"}]
)
TASKS = {
    "top_k": top_k("30 % of the documents", SCORES, SHARE),
    "top_k_tokens": top_k("30 % of the tokens", TOKENS, OF_TOKENS),
    "top_k_quotas": top_k("30 % of the tokens, equal quotas for 8 domains", TOKENS, OF_TOKENS, quotas="equal"),
    "top_k_nested": top_k(
        "30 % of the tokens, proportional quotas for 15 kinds in each of 8 domains",
        TOKENS,
        OF_TOKENS,
        quotas="proportional",
        quota_by=["domain", "a.kind"],
    ),
    "top_k_rank": top_k("30 % of the documents, with their ranks", SCORES, SHARE, rank=True),
    "random": Task("30 % of the documents by chance", {"keep": stage("select.random", ROWS, keep=SHARE)}),
    "gumbel": Task(
        "30 % of the documents, drawn at temperature 0.5",
        {"keep": stage("select.gumbel", SCORES, by="a.score", temperature=0.5, keep=SHARE)},
    ),
    "band": Task("between two quantiles", {"keep": stage("select.band", SCORES, by="a.score", range=[0.15, 0.85])}),
    "threshold": Task("at least 0.7", {"keep": stage("select.threshold", SCORES, by="a.score", at_least=0.7)}),
    "where": Task("two domains of eight", {"keep": stage("select.where", ROWS, among=["books", "papers"])}),
    "slice": Task("by text", {"keep": stage("select.slice", ROWS, range=[0.0, 0.3])}),
    "slice_group": Task(
        "by site, 10 documents each", {"keep": stage("select.slice", ROWS, range=[0.0, 0.3], group="site")}
    ),
    "rules": Task(
        "by Gopher's rules of quality",
        {"keep": stage("select.rules", {**ROWS, "signals": "signals"}, rules="gopher")},
        10_000_000,
        "its table of signals would be larger than the scratch folder: these seconds are measured ones, times the rows",
    ),
    "unseen": Task(
        "not among the texts of another 10 % of the rows",
        {
            "some": stage("select.slice", ROWS, range=[0.0, 0.1]),
            "known": stage("train.texts", {**ROWS, "selection": "some"}),
            "keep": stage("select.unseen", {**ROWS, "seen": "known"}),
        },
        10_000_000,
        "a hundred million texts that are known are not its use: these seconds are measured ones, times the rows",
    ),
    "unique": Task(
        "one of each text",
        {
            "found": stage("select.duplicates", ROWS),
            "keep": stage("select.unique", {**ROWS, "duplicates": "found"}),
        },
    ),
    "uncontaminated": Task(
        "less than a fifth of every item of a benchmark",
        {"keep": stage("select.uncontaminated", {n: n for n in ("contamination", "benchmark")} | ROWS)},
        10_000_000,
        "its table would be larger than the scratch folder: these seconds are measured ones, times the rows",
    ),
    "combine_gumbel": Task(
        "30 % of the documents by the sum of two standardised scores, at temperature 2",
        {
            "value": MEAN_AND_DEVIATION,
            "keep": stage("select.gumbel", {**ROWS, "a": "value"}, by="a.value", temperature=2.0, keep=SHARE),
        },
    ),
    "facility_location": Task(
        f"30 % of the documents by facility location, parts of 4,096, embeddings of {WIDTH} numbers",
        {"keep": stage("select.facility_location", {**ROWS, "embeddings": "embeddings"}, keep=SHARE)},
        10_000_000,
        "it takes hours: these seconds are those of the most rows that were measured, times the rows",
    ),
}


def recipe(folder: Path, size: Size, task: str | None) -> Path:
    """The recipe of one task; without a task only the tables."""
    nodes = {} if task is None else TASKS[task].nodes
    stages: dict[str, Any] = {
        "rows": {"do": "synthetic:Rows", "with": size._asdict()},
        "scores": {"do": "synthetic:Scores", "in": ROWS},
    }
    stages |= {name: extra for name, extra in EXTRAS.items() if any(name in node["in"] for node in nodes.values())}
    name = f"{task or 'tables'}-{size.rows}"
    head = {"vernier": 1, "name": name, "store": str(folder / "store"), "plugins": ["synthetic"]}
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps({**head, "stages": {**stages, **nodes}}, indent=1))  # JSON is YAML
    return path


def vernier(folder: Path, size: Size, task: str | None, until: str | None = None) -> Usage:
    """Run one task, what it makes not there yet."""
    path = recipe(folder, size, task)
    out = folder / "runs" / path.stem
    command = [VERNIER, "run", str(path), "--out", str(out), "--quiet"]
    for node in {} if task is None else TASKS[task].nodes:
        try:
            forget(out, node)
        except ResumeError:  # an earlier call was stopped while it did that: what is left must not be found
            run(command)
            forget(out, node)
    return run([*command, *([] if until is None else ["--to", until])])


def tables(folder: Path, size: Size, task: str) -> None:
    """Make what a task reads; it stays."""
    vernier(folder, size, None)
    for name in EXTRAS:
        if f'"{name}": {{' in recipe(folder, size, task).read_text():
            vernier(folder, size, task, until=name)


def measured(folder: Path, size: Size, task: str, rounds: int, empty: Usage) -> dict[str, Any]:
    """One row: a task at a size, its tables there."""
    usages = [vernier(folder, size, task) for _ in range(rounds)]
    out = folder / "runs" / f"{task}-{size.rows}"
    found = summary(usages)
    return {
        "selector": task,
        "selected": TASKS[task].words,
        "commit": commit(),
        "rows": size.rows,
        "rows_in_a_shard": size.per_shard,
        **found,
        "stage_s": {node: stage_seconds(out, node) for node in TASKS[task].nodes},
        "empty_wall_s": empty.wall_s,
        "empty_cpu_s": empty.cpu_s,
        "empty_peak_bytes": empty.peak_bytes,
        "held_bytes_a_row": round((found["peak_bytes"]["median"] - empty.peak_bytes) / size.rows, 2),
        "wall_s_a_million": round(found["wall_s"]["median"] / size.rows * 1e6, 3),
    }


def growth(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """From each size of a selector to its next: times the wall and CPU, over times the rows; more bytes for each more
    row."""
    out: list[dict[str, Any]] = []
    for task in TASKS:
        mine = sorted((row for row in rows if row["selector"] == task), key=lambda row: row["rows"])
        for few, many in itertools.pairwise(mine):
            times = many["rows"] / few["rows"]
            more = many["peak_bytes"]["median"] - few["peak_bytes"]["median"]
            out.append(
                {
                    "selector": task,
                    "from": few["rows"],
                    "to": many["rows"],
                    "wall_over_linear": many["wall_s"]["median"] / few["wall_s"]["median"] / times,
                    "cpu_over_linear": many["cpu_s"]["median"] / few["cpu_s"]["median"] / times,
                    "more_bytes_for_a_row_more": round(more / (many["rows"] - few["rows"]), 2),
                }
            )
    return out


def left_out(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was not run and why; the seconds that it would take if it went on as it grew, which nobody measured."""
    out: list[dict[str, Any]] = []
    for task, of in TASKS.items():
        mine = [row for row in rows if row["selector"] == task]
        if mine and of.most < MOST:
            largest = max(mine, key=lambda row: row["rows"])
            guess = round(largest["wall_s"]["median"] * MOST / largest["rows"])
            out.append({"selector": task, "rows": MOST, "why": of.why, "extrapolated_wall_s": guess})
    return out


def demands(rows: list[dict[str, Any]], steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for row in rows:
        if row["rows"] == 10_000_000:
            out.append(
                must(f"{row['selector']}: seconds for a million rows of 10M", row["wall_s_a_million"], SECONDS, "s")
            )
    for step in steps:
        words = f"{step['selector']}, {step['from']:,} to {step['to']:,} rows"
        out.append(must(f"{words}: bytes more for each row more", step["more_bytes_for_a_row_more"], BYTES, "bytes"))
        out.append(must(f"{words}: wall time over linear", step["wall_over_linear"], GROWTH))
    return out


def told(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The result, of the rows there are."""
    steps = growth(rows)
    rows = sorted(rows, key=lambda row: (list(TASKS).index(row["selector"]), row["rows"]))
    more = {head: some for head, some in (("Growth", steps), ("Not run", left_out(rows))) if some}
    return result(NAME, QUESTION, rows, demands(rows, steps), tables=more)


def before(others: Container[str]) -> list[dict[str, Any]]:
    """Rows that an earlier call measured: at this commit, or of selectors that are not measured now (`others`)."""
    path = RESULTS / f"{NAME}.json"
    if not path.exists():
        return []
    found = json.loads(path.read_text(encoding="utf-8"))
    rows = [{"commit": found["commit"], **row} for row in found["rows"]]
    return [row for row in rows if row["commit"] == commit() or row["selector"] in others]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a quick look at small sizes; nothing is saved")
    parser.add_argument("--most", type=int, default=MOST, help="the most rows of a table")
    parser.add_argument("--only", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--scratch", type=Path, help="where to work (about 10 GB); default: a temporary folder")
    given = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(BENCH), os.environ.get("PYTHONPATH")]))
    plan = [(task, TASKS[task].most // part, number) for part, number in ROUNDS.items() for task in given.only]
    if given.small:
        plan = [(task, SMALL, 1) for task in given.only]
    rows = [] if given.small else before(set(TASKS) - set(given.only))
    done = {(row["selector"], row["rows"]) for row in rows}
    empty: dict[str, Usage] = {}
    with scratch(given.scratch) as folder:
        for task, size, number in plan:
            if (task, size) in done or size > given.most:
                continue
            if task not in empty:
                tables(folder, EMPTY, task)
                empty[task] = vernier(folder, EMPTY, task)
            shape = Size(size, min(PER_SHARD, size // 2))
            tables(folder, shape, task)
            row = measured(folder, shape, task, number, empty[task])
            rows.append(row)
            print(line(row), file=sys.stderr, flush=True)
            if not given.small:
                keep(told(rows))
    save(told(rows), small=given.small)


def line(row: dict[str, Any]) -> str:
    wall, cpu, peak = (row[name]["median"] for name in ("wall_s", "cpu_s", "peak_bytes"))
    held = f"{row['held_bytes_a_row']} bytes a row"
    return f"{row['selector']} {row['rows']:,}: {wall:.2f} s wall, {cpu:.2f} s CPU, {peak / 1e6:.0f} MB, {held}"


if __name__ == "__main__":
    main()
