"""A plugin of the user's own, beside the recipe."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.pipeline.small import write_jsonl

PLUGIN = """
from dataclasses import dataclass
from typing import ClassVar
import pyarrow as pa

@dataclass(frozen=True, kw_only=True)
class Capitals:
    \"\"\"Number of capital letters.\"\"\"
    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[dict[str, str]] = {"corpus": "corpus"}

    def map(self, shard):
        for rows in shard.batches("corpus", ["text"]):
            yield pa.table({"num": pa.array([BODY for t in rows["text"].to_pylist()], pa.int64())})
"""
RECIPE = """
vernier: 1
name: own
plugins: [mine]
stages:
  docs: {do: corpus.read_jsonl, with: {paths: ["data/*.jsonl"]}}
  caps: {do: "mine:Capitals", in: {corpus: docs}}
"""


def run(here: Path, body: str) -> subprocess.CompletedProcess[str]:
    write_jsonl(here / "data" / "a.jsonl", range(20))
    (here / "recipes").mkdir()
    (here / "recipes" / "mine.py").write_text(PLUGIN.replace("BODY", body))
    (here / "recipes" / "own.yaml").write_text(RECIPE)
    code = "import sys; sys.path.remove(''); from vernier.cli import main; main()"
    words = [sys.executable, "-c", code, "run", "recipes/own.yaml", "-q"]
    return subprocess.run(words, cwd=here, capture_output=True, text=True)


def test_it_is_found_beside_the_recipe(tmp_path: Path) -> None:
    done = run(tmp_path, "sum(c.isupper() for c in t)")
    assert done.returncode == 0 and "caps" in done.stdout, done.stderr


def test_its_bug_is_told_by_its_own_traceback(tmp_path: Path) -> None:
    done = run(tmp_path, "undefined_name")
    assert done.returncode == 1
    assert "NameError: name 'undefined_name' is not defined" in done.stderr and "in stage caps, shard 0" in done.stderr
    assert "typer" not in done.stderr and "mine.py" in done.stderr
