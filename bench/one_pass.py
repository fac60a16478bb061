"""Lines removed and places masked: two stages, or `corpus.clean`, which does both in one pass.

Each arm starts from a copy of a store in which the corpus was read, so that what is measured is `vernier run` of the
cleaning stages alone, with one worker. Both must make the same files. What the stages cost by themselves is their
wall time in the run's log.

    python bench/one_pass.py [--small] [--rounds N] [--scratch DIR]
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Any

from corpora import make, scratch
from measure import Usage, must, ratios, result, rounds, run, save, spread, summary

VERNIER = str(Path(sys.executable).with_name("vernier"))
SIZE, SMALL = 100_000_000, 5_000_000
ON = {"workers": 1}
LINES = {"rules": ["redstone"]}
READ = {"do": "corpus.read_jsonl", "with": {"paths": ["corpus"], "shard": "16MB"}, "on": ON}
ARMS: dict[str, dict[str, Any]] = {
    "two stages": {
        "lines": {"do": "corpus.lines", "in": {"corpus": "read"}, "with": LINES, "on": ON},
        "clean": {"do": "corpus.mask", "in": {"corpus": "lines"}, "on": ON},
    },
    "one pass": {
        "clean": {"do": "corpus.clean", "in": {"corpus": "read"}, "with": {"lines": LINES, "mask": {}}, "on": ON}
    },
}


def go(folder: Path, arm: str, *more: str) -> Usage:
    """Run an arm's recipe in its folder."""
    recipe = {"vernier": 1, "name": "cleaned", "stages": {"read": READ, **ARMS[arm]}}
    (folder / "recipe.yaml").write_text(json.dumps(recipe))  # JSON is YAML
    return run([VERNIER, "run", "recipe.yaml", "-q", *more], cwd=folder)


def once(folder: Path, arm: str) -> Usage:
    """An arm from a store that has the corpus and nothing else."""
    own = folder / arm
    shutil.rmtree(own, ignore_errors=True)
    shutil.copytree(folder / "read", own, symlinks=True)
    return go(own, arm)


def stored(folder: Path) -> int:
    """Bytes of all tables in a store."""
    return sum(path.stat().st_size for path in (folder / ".vernier").rglob("*.parquet"))


def seconds(folder: Path) -> dict[str, float]:
    """Wall seconds of each stage in the last run."""
    events = [json.loads(line) for line in (folder / "runs/cleaned/log/events.jsonl").read_text().splitlines()]
    return {event["node"]: event["seconds"] for event in events if event["event"] == "stage_done"}


def made(folder: Path) -> list[bytes]:
    """The files of the last stage."""
    return [path.read_bytes() for path in sorted((folder / "runs/cleaned/clean").glob("*.parquet"))]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a quick look at a small corpus; nothing is saved")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scratch", type=Path, help="where to work (1 GB); default: a temporary folder")
    given = parser.parse_args()
    size = SMALL if given.small else SIZE
    with scratch(given.scratch) as folder:
        first = folder / "read"
        shutil.rmtree(first, ignore_errors=True)
        make(first / "corpus", size)
        go(first, "one pass", "--to", "read")
        read = stored(first)
        measured = rounds({arm: partial(once, folder, arm) for arm in ARMS}, given.rounds)
        apart, together = (made(folder / arm) for arm in ARMS)
        if apart != together or not apart:
            raise SystemExit("the two arms did not make the same files")
        written = {arm: stored(folder / arm) - read for arm in ARMS}
        stages = {arm: seconds(folder / arm) for arm in ARMS}
    two, one = ARMS
    table: list[dict[str, Any]] = []
    for arm, usages in measured.items():
        row: dict[str, Any] = {"arm": arm, "json_bytes": size, "bytes_written": written[arm], **summary(usages)}
        row |= {f"wall_s of {stage}, last round": wall for stage, wall in stages[arm].items() if stage != "read"}
        table.append(row)
    table[1] |= {
        "cpu_s_over_two_stages": ratios(measured[one], measured[two], "cpu_s"),
        "cpu_s_less_than_two_stages": spread(
            [b.cpu_s - a.cpu_s for a, b in zip(measured[one], measured[two], strict=True)]
        ),
    }
    verdict = [
        must("CPU seconds of one pass over those of two stages", table[1]["cpu_s_over_two_stages"]["median"], 1.0),
        must("bytes written by one pass over those of two stages", written[one] / written[two], 0.55),
    ]
    question = "What does it save to remove lines and to mask in one pass, at one worker?"
    save(result("one_pass", question, table, verdict, rounds=given.rounds), small=given.small)


if __name__ == "__main__":
    main()
