"""What a command costs, counted over its whole process tree, and the form of a result. Linux.

    cpu_s   user + system seconds of every process of the tree. A watching process makes itself the subreaper
            (prctl), so orphans come to it; it adds up what the kernel says as each process is reaped (wait4, which
            includes what that process reaped itself).
    peak    the largest sum, over samples taken every 50 ms (less often where a sample takes long), of the processes'
            memory. `peak_bytes` is PSS (what is shared counts once, in parts; mapped files in use count);
            `peak_anon_bytes` is the part of it that is backed by no file and so can not be dropped.
    wall_s  from start until the command itself ends

The watcher's own work is not part of these numbers. Alone:  python bench/measure.py COMMAND [ARGUMENT ...]
"""

from __future__ import annotations

import ctypes
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

SAMPLE_S = 0.05
WATCHING = 0.05  # most of a core that sampling takes: the kernel walks every page of every process for it
ORPHANS_S = 10.0  # how long processes may outlive the command before they are ended
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
RESULTS = Path(__file__).parent / "results"
PLACES = ("--scratch", "--work")  # options that name a place on this machine
LIBRARIES = (
    "vernier",
    "numpy",
    "pyarrow",
    "orjson",
    "zstandard",
    "datatrove",
    "polars",
    "daft",
    "rensa",
    "numba",
    "torch",
    "transformers",
    "accelerate",
    "resiliparse",
    "trafilatura",
    "justext",
)


@dataclass(frozen=True)
class Usage:
    """What one command cost."""

    wall_s: float
    cpu_s: float
    user_s: float
    system_s: float
    peak_bytes: int
    peak_anon_bytes: int
    processes: int  # the most that were alive at once


def run(
    command: Sequence[str],
    *,
    cwd: str | Path | None = None,
    env: Mapping[str, str] | None = None,
    output: str | Path | None = None,
) -> Usage:
    """Run a command to its end and measure it. Raises RuntimeError with the end of its output if it fails.

    env: added to this process's environment. output: a file for what the command writes to stdout.
    """
    with tempfile.TemporaryDirectory() as folder:
        told, log = Path(folder) / "usage.json", Path(folder) / "log"
        with open(output or log, "wb") as out, open(log, "ab") as err:
            watcher = subprocess.run(
                [sys.executable, __file__, "--told", str(told), *command],
                cwd=cwd,
                env={**os.environ, **(env or {})},
                stdout=out,
                stderr=err,
                check=False,
            )
        if watcher.returncode:
            tail = log.read_text(errors="replace")[-4000:]
            raise RuntimeError(f"{' '.join(command)} ended with {watcher.returncode}\n{tail}")
        return Usage(**json.loads(told.read_text()))


def rounds(arms: Mapping[str, Callable[[], Usage]], number: int, say: bool = True) -> dict[str, list[Usage]]:
    """Measure each arm once a round, A B C A B C ..., so that what drifts on the machine meets all of them."""
    measured: dict[str, list[Usage]] = {name: [] for name in arms}
    for turn in range(number):
        for name, arm in arms.items():
            usage = arm()
            measured[name].append(usage)
            if say:
                told = f"{usage.wall_s:.2f} s wall, {usage.cpu_s:.2f} s CPU, {usage.peak_bytes / 1e6:.0f} MB"
                print(f"round {turn + 1} of {number}: {name}: {told}", file=sys.stderr, flush=True)
    return measured


def summary(usages: Sequence[Usage]) -> dict[str, Any]:
    """Median, least and most of what an arm cost over the rounds."""
    row: dict[str, Any] = {"rounds": len(usages)}
    for field in ("wall_s", "cpu_s", "peak_bytes", "peak_anon_bytes"):
        values = [getattr(usage, field) for usage in usages]
        row[field] = spread(values)
    return row


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, least and most, to five digits."""
    return {
        "median": _short(median(values)),
        "min": _short(min(values)),
        "max": _short(max(values)),
    }


def ratios(ours: Sequence[Usage], theirs: Sequence[Usage], field: str) -> dict[str, float]:
    """Ours divided by theirs, round by round."""
    return spread([getattr(a, field) / getattr(b, field) for a, b in zip(ours, theirs, strict=True)])


def must(text: str, value: float, threshold: float, unit: str = "") -> dict[str, Any]:
    """A demand with an upper limit, and whether it holds."""
    return {
        "must": text,
        "value": _short(value),
        "threshold": threshold,
        "unit": unit,
        "holds": value <= threshold,
    }


def at_least(text: str, value: float, threshold: float, unit: str = "") -> dict[str, Any]:
    """A demand with a lower limit, and whether it holds."""
    return must(text, value, threshold, unit) | {"holds": value >= threshold}


def machine() -> dict[str, Any]:
    """What the numbers were measured on; nothing that names the machine."""
    cpu = next(
        (line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    kilobytes = next(int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal"))
    return {"cores": len(os.sched_getaffinity(0)), "cpu": cpu, "memory_bytes": kilobytes * 1024}


def versions() -> dict[str, str]:
    import zlib

    found = {"python": platform.python_version(), "zlib": zlib.ZLIB_RUNTIME_VERSION}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def commit() -> str:
    """The commit that was measured, marked if the sources differ from it."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--", "../src", ".", ":!results")
    return git("rev-parse", "HEAD") + (" with changes" if changed else "")


def result(
    name: str,
    question: str,
    rows: Sequence[Mapping[str, Any]],
    verdict: Sequence[Mapping[str, Any]],
    **more: Any,
) -> dict[str, Any]:
    """A result as `bench/results/NAME.json` holds it and `make_results.py` renders it."""
    return {
        "name": name,
        "question": question,
        "command": " ".join(["python", f"bench/{Path(sys.argv[0]).name}", *_options()]),
        "commit": commit(),
        "machine": machine(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "versions": versions(),
        **more,
        "rows": list(rows),
        "verdict": list(verdict),
    }


def save(found: Mapping[str, Any], *, small: bool) -> None:
    """Write a result to bench/results and print it; of a quick look only print it."""
    print(json.dumps(found, indent=1, ensure_ascii=False))
    if not small:
        keep(found)
    for demand in found["verdict"]:
        print(("holds: " if demand["holds"] else "FAILS: ") + demand["must"], file=sys.stderr)


def keep(found: Mapping[str, Any]) -> None:
    """Write a result to bench/results, also one that is not whole yet."""
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    (RESULTS / f"{found['name']}.json").write_text(text, encoding="utf-8")


def _options() -> list[str]:
    """This script's options without those that name a place on this machine."""
    options, skip = list[str](), False
    for argument in sys.argv[1:]:
        if skip or argument.partition("=")[0] in PLACES:
            skip = argument in PLACES
            continue
        options.append(argument)
    return options


def _short(value: float) -> float:
    return float(f"{value:.5g}")


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


class _Watcher:
    """Runs a command below itself and counts."""

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "this system has no child subreaper")
        self.peak = self.peak_anon = self.processes = 0
        self._done = threading.Event()

    def watch(self, command: Sequence[str]) -> tuple[int, Usage]:
        started = time.perf_counter()
        main = os.posix_spawnp(command[0], list(command), os.environ)
        sampler = threading.Thread(target=self._sample, daemon=True)
        sampler.start()
        user = system = 0.0
        code = 0
        ended = started
        while True:
            try:
                pid, status, used = os.wait4(-1, 0)
            except ChildProcessError:
                break
            user, system = user + used.ru_utime, system + used.ru_stime
            if pid == main:
                code, ended = os.waitstatus_to_exitcode(status), time.perf_counter()
                threading.Thread(target=self._end_orphans, daemon=True).start()
        self._done.set()
        sampler.join()
        return code, Usage(
            wall_s=ended - started,
            cpu_s=user + system,
            user_s=user,
            system_s=system,
            peak_bytes=self.peak,
            peak_anon_bytes=self.peak_anon,
            processes=self.processes,
        )

    def _end_orphans(self) -> None:
        if not self._done.wait(ORPHANS_S):
            for pid in descendants(os.getpid()):
                os.kill(pid, 9)

    def _sample(self) -> None:
        while not self._done.is_set():
            began = time.perf_counter()
            tree = descendants(os.getpid())
            sizes = [memory(pid) for pid in tree]
            self.peak = max(self.peak, sum(pss for pss, _ in sizes))
            self.peak_anon = max(self.peak_anon, sum(anon for _, anon in sizes))
            self.processes = max(self.processes, len(tree))
            spent = time.perf_counter() - began
            self._done.wait(max(SAMPLE_S - spent, spent / WATCHING - spent))


def descendants(root: int) -> list[int]:
    """Every process below `root`."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    parent = int(file.read().rpartition(b")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
                continue
            children.setdefault(parent, []).append(int(name))
    found: list[int] = []
    waiting = [root]
    while waiting:
        below = children.get(waiting.pop(), [])
        found.extend(below)
        waiting.extend(below)
    return found


def memory(pid: int) -> tuple[int, int]:
    """PSS of a process and the part of it that no file backs, in bytes; 0 for one that has ended."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            fields = dict(line.split(b":", 1) for line in file.read().splitlines()[1:])
    except (FileNotFoundError, ProcessLookupError):
        return 0, 0
    size = {name: int(value.split()[0]) * 1024 for name, value in fields.items()}
    return (size[b"Pss"], size[b"Pss_Anon"] + size[b"Pss_Shmem"]) if size else (0, 0)


def main() -> int:
    arguments = sys.argv[1:]
    told = None
    if arguments[:1] == ["--told"]:
        told, arguments = Path(arguments[1]), arguments[2:]
    if not arguments:
        print(__doc__, file=sys.stderr)
        return 2
    code, usage = _Watcher().watch(arguments)
    text = json.dumps(asdict(usage), indent=1)
    if told is None:
        print(text, file=sys.stderr)
    else:
        told.write_text(text)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    raise SystemExit(main())
