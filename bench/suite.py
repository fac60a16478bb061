"""How long `make test` and `make demo` take from a clean clone.

The repository is cloned into a temporary folder; `make setup` (timed apart: it downloads) makes the environment there.
Without network, `--environment DIR` uses a virtual environment that exists; the clone's own sources are what it runs.

    python bench/suite.py [--environment .venv] [--scratch DIR]
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from corpora import scratch
from measure import Usage, must, result, run, save, spread

ROOT = Path(__file__).resolve().parent.parent
LIMITS = {"test": 600.0, "demo": 300.0}  # seconds on 2 cores


def clone(folder: Path, environment: Path | None) -> dict[str, str]:
    """A clean clone; returns what its commands need in their environment."""
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    data = os.environ.get("VERNIER_DATA", str(ROOT.parent / "shared" / "data"))
    env = {"VERNIER_DATA": data}
    if environment is not None:
        (folder / ".venv").mkdir()
        for part in environment.resolve().iterdir():
            if part.name != ".ready":
                (folder / ".venv" / part.name).symlink_to(part)
        (folder / ".venv" / ".ready").touch()
        env["PYTHONPATH"] = str(folder / "src")  # stands before the sources that the environment was made for
    return env


def row(what: str, usage: Usage) -> dict[str, Any]:
    fields = ("wall_s", "cpu_s", "peak_bytes", "peak_anon_bytes")
    return {"what": what, "rounds": 1, **{field: spread([getattr(usage, field)]) for field in fields}}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--environment", type=Path, help="a virtual environment to use instead of a new one")
    parser.add_argument("--scratch", type=Path, help="where to clone to; default: a temporary folder")
    given = parser.parse_args()
    table: list[dict[str, Any]] = []
    verdict: list[dict[str, Any]] = []
    with scratch(given.scratch) as folder:
        here = folder / "clone"
        env = clone(here, given.environment)
        if given.environment is None:
            table.append(row("make setup", run(["make", "setup"], cwd=here, env=env)))
        for target, limit in LIMITS.items():
            usage = run(["make", target], cwd=here, env=env)
            table.append(row(f"make {target}", usage))
            verdict.append(must(f"make {target} from a clean clone: wall", usage.wall_s, limit, "s"))
    question = "How long do the tests and the demo take from a clean clone?"
    save(result("suite", question, table, verdict, rounds=1), small=False)


if __name__ == "__main__":
    main()
