"""`make mutants`: does the suite notice when a guarantee is broken?

Each NAME.patch here breaks one guarantee: what it says, the tests that must fail (`must fail: ID` lines), a unified
diff of the sources. For each, the sources are copied, the patch applied, and those tests run on the copy: every one
must fail. Before that, all of them must pass on an unchanged copy. Writes bench/results/mutants.json.

    python tests/mutants/run.py [NAME ...]      all, or those named (then nothing is written)
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
TESTS_FAILED = 1  # pytest's exit code; others mean that the tests did not run at all


@dataclass(frozen=True)
class Mutant:
    """A patch, what it breaks, and the tests that must notice."""

    path: Path
    breaks: str
    tests: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.path.stem


def mutants(names: Sequence[str] = ()) -> list[Mutant]:
    """All mutants, or those named."""
    found: list[Mutant] = []
    for path in sorted(HERE.glob("*.patch")):
        head = path.read_text(encoding="utf-8").partition("\n--- ")[0].split("\n")
        tests = tuple(line.removeprefix("must fail: ") for line in head if line.startswith("must fail: "))
        if not tests or not head[0]:
            raise SystemExit(f"{path.name}: no line that says what it breaks, or no `must fail:` line")
        found.append(Mutant(path, head[0], tests))
    unknown = set(names) - {mutant.name for mutant in found}
    if unknown:
        raise SystemExit(f"no such mutant: {', '.join(sorted(unknown))}")
    return [mutant for mutant in found if not names or mutant.name in names]


def copy_sources(folder: Path) -> None:
    shutil.copytree(PROJECT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))


def apply(mutant: Mutant, folder: Path) -> str:
    """Apply a patch to the sources in a folder; returns what `git apply` complains about, or nothing."""
    done = subprocess.run(
        ["git", "apply", "-C1", "--whitespace=nowarn", str(mutant.path)],
        cwd=folder,
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(folder.parent)},
        capture_output=True,
        text=True,
    )
    return done.stderr.strip() if done.returncode else ""


def failing(tests: Iterable[str], folder: Path) -> set[str]:
    """Those of `tests` that fail on the sources in a folder. Exits if they could not be run."""
    tests = sorted(set(tests))
    report = folder / "report.xml"
    plugins = ["-p", "no:cacheprovider", "-p", "tests.mutants.hypothesis_profile"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugins, f"--junitxml={report}", *tests],
        cwd=PROJECT,
        env={
            **os.environ,
            "PYTHONPATH": f"{folder / 'src'}{os.pathsep}{PROJECT}",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
    )
    if done.returncode not in (0, TESTS_FAILED):
        raise SystemExit(f"pytest could not run:\n{done.stdout[-4000:]}{done.stderr[-2000:]}")
    cases = ElementTree.parse(report).getroot().iter("testcase")
    red = {name_of(case) for case in cases if case.find("failure") is not None}
    return {test for test in tests if any(name == test or name.startswith(f"{test}::") for name in red)}


def name_of(case: ElementTree.Element) -> str:
    """`tests/core/test_store.py::test_x` of a case, whatever its parameters."""
    return f"{case.attrib['classname'].replace('.', '/')}.py::{case.attrib['name'].partition('[')[0]}"


def is_used(folder: Path) -> bool:
    """Whether tests really import the copy."""
    command = [sys.executable, "-c", "import vernier; print(vernier.__file__)"]
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=True)
    return Path(done.stdout.strip()).is_relative_to(folder)


def main(names: Sequence[str]) -> int:
    chosen = mutants(names)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        plain = Path(scratch).resolve() / "unchanged"
        copy_sources(plain)
        if not is_used(plain):
            raise SystemExit("PYTHONPATH does not come before the installed sources")
        red = failing((test for mutant in chosen for test in mutant.tests), plain)
        if red:
            raise SystemExit(f"these fail without any mutant: {', '.join(sorted(red))}")
        for mutant in chosen:
            rows.append(row := one(mutant, plain.with_name(mutant.name)))
            mark = "noticed " if row["noticed"] else "SURVIVES"
            print(f"{mark}  {mutant.name:32} {row['seconds']:5.1f} s  {mutant.breaks}", flush=True)
    if not names:
        write(rows)
    return 0 if all(row["noticed"] for row in rows) else 1


def one(mutant: Mutant, folder: Path) -> dict[str, Any]:
    """Run the tests of one mutant."""
    copy_sources(folder)
    complaint = apply(mutant, folder)
    if complaint:
        raise SystemExit(f"{mutant.path.name} does not apply: make it anew from the sources of today\n{complaint}")
    start = time.monotonic()
    red = failing(mutant.tests, folder)
    seconds = round(time.monotonic() - start, 1)
    shutil.rmtree(folder)
    return {
        "mutant": mutant.name,
        "breaks": mutant.breaks,
        "tests": [test.partition("::")[2] or test for test in mutant.tests],
        "noticed": red == set(mutant.tests),
        "seconds": seconds,
    }


def write(rows: Sequence[dict[str, Any]]) -> None:
    sys.path.insert(0, str(PROJECT))
    from bench.measure import result, save

    question = "Is the suite red when a guarantee is broken?"
    noticed = all(row["noticed"] for row in rows)
    demand = {"must": "every mutant fails every test that it names", "holds": noticed, "mutants": len(rows)}
    save(result("mutants", question, rows, [demand]) | {"command": "python tests/mutants/run.py"}, small=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
