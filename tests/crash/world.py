"""What the crash tests run, how they start and kill it, and what must hold afterwards."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import zstandard
from tests.pipeline.small import tree

from vernier.core.plugin import shape_of
from vernier.core.recipe import load
from vernier.core.run import Run
from vernier.core.store import Store

PROJECT = Path(__file__).parents[2]
PATIENCE_S = 300.0
OUTLIVES_S = 20.0  # a process, the one that started it: far more than a busy machine needs to end it
NUM_SHORT, NUM_LONG = 60, 3
# A shard ends at a row group of 4 MB, so a compressed file has several only with long documents in it.
LONG_REPEATS = 180_000

# Recipes are templates: STORE, DATA and N are filled in.
QUICK = """\
vernier: 1
name: crash
store: STORE
plugins: [tests.crash.plugins]
stages:
  clean: {do: corpus.read_jsonl, with: {paths: ["DATA/*.jsonl", "DATA/*.jsonl.zst"], shard: 4000}, on: {workers: N}}
  surf: {do: score.surface, in: {corpus: clean}, on: {workers: N}}
  short: {do: select.threshold, in: {corpus: clean, a: surf}, with: {by: zlib_ratio, at_least: 0.1}, on: {workers: N}}
  pool: {do: select.slice, in: {corpus: clean, within: short}, with: {range: [0, 0.8]}, on: {workers: N}}
  bpe: {do: train.tokenizer, in: {corpus: clean, selection: pool}, with: {vocab: 300}, on: {workers: 1}}
  keep:
    do: select.top_k
    in: {corpus: clean, within: pool, a: surf}
    with: {by: zlib_ratio, keep: {share: 0.5}}
    on: {workers: N}
  rand: {do: select.random, in: {corpus: clean, within: pool}, with: {keep: {share: 0.5}}, on: {workers: N}}
  part: {do: "tests.crash.plugins:Masked", in: {corpus: clean, selection: keep}, on: {workers: N}}
  more: {do: "tests.crash.plugins:Masked", in: {corpus: clean, selection: rand}, on: {workers: N}}
  out: {do: corpus.materialise, in: {corpus: clean, selection: keep}, on: {workers: N}}
"""
TORCH = """\
  small:
    do: train.pretrain
    in: {corpus: clean, selection: pool, tokenizer: bpe}
    with: {model: {hidden: 16, layers: 1}, tokens: 2048, context: 64}
    on: {workers: 1}
  nll: {do: score.nll, in: {corpus: clean, selection: keep, model: small}, on: {workers: 1}}
  again: {do: score.nll, in: {corpus: clean, selection: pool, model: small}, on: {workers: 1}}
  test: {do: evaluate.loss, in: {model: small, corpus: clean, selection: rand}, on: {workers: 1}}
"""


def write_data(folder: Path) -> None:
    """A plain file of several units, and a compressed one of several shards."""
    rng = random.Random(0)

    def line(number: int, text: str | None = None) -> str:
        said = text or " ".join(f"w{rng.randrange(400):x}" for _ in range(rng.randrange(5, 40)))
        return json.dumps({"id": f"d{number}", "text": said, "domain": "odd" if number % 2 else "even"}) + "\n"

    folder.mkdir(parents=True)
    (folder / "a.jsonl").write_text("".join(line(n) for n in range(NUM_SHORT)))
    long = "".join(
        line(n) + line(n + NUM_LONG, f"{n} said so. " * LONG_REPEATS) for n in range(NUM_SHORT, NUM_SHORT + NUM_LONG)
    )
    (folder / "b.jsonl.zst").write_bytes(zstandard.compress(long.encode()))


ALL_IDS = Counter(f"d{n}" for n in range(NUM_SHORT + 2 * NUM_LONG))


@dataclass
class Place:
    """A folder with a store of its own, in which one recipe is run again and again."""

    folder: Path
    recipe: Path
    store: Path
    out: Path

    @staticmethod
    def make(folder: Path, data: Path, *, recipe: str = QUICK, workers: int = 2, store: Path | None = None) -> Place:
        folder.mkdir(parents=True, exist_ok=True)
        store = store or folder / "store"
        text = recipe.replace("STORE", str(store)).replace("DATA", str(data)).replace("N}", f"{workers}}}")
        (folder / "recipe.yaml").write_text(text)
        return Place(folder, folder / "recipe.yaml", store, folder / "run")

    def argv(self, *more: str) -> list[str]:
        return ["run", str(self.recipe), "--quiet", "--out", str(self.out), *more]

    def tree(self) -> dict[str, bytes]:
        """What the store holds for good."""
        return {name: raw for name, raw in tree(self.store).items() if not name.startswith("tmp/")}

    def events(self) -> list[dict[str, Any]]:
        """The log of the last run."""
        path = self.out / "log" / "events.jsonl"
        lines = path.read_text().split("\n") if path.exists() else []
        events = [json.loads(line) for line in lines[:-1]]
        first = max((i for i, event in enumerate(events) if event["event"] == "run"), default=0)
        return events[first:]

    def redone(self) -> list[tuple[str, str]]:
        """(node, unit) of each unit that the last run did."""
        return [(e["node"], e["unit"]) for e in self.events() if e["event"] == "unit_done"]

    def stage_at_work(self) -> str | None:
        """The stage that the last run was in when its log ended, if it was in one."""
        last: dict[str, Any] = next((e for e in reversed(self.events()) if e["event"].startswith("stage")), {})
        return last["node"] if last.get("event") == "stage" else None

    def done(self) -> set[str]:
        """Keys of the shards that have a done record."""
        return {path.parent.name for path in self.store.glob("units/*/*/done.json")}

    def commits(self) -> dict[str, tuple[int, int]]:
        """Inode and time of each file of each unit that has a done record, and of all records."""
        found: dict[str, tuple[int, int]] = {}
        for record in [*self.store.glob("units/*/*/done.json"), *self.store.glob("artifacts/*/*.json")]:
            files = record.parent.rglob("*") if record.name == "done.json" else [record]
            for path in files:
                if path.is_file():
                    status = path.stat()
                    found[path.relative_to(self.store).as_posix()] = status.st_ino, status.st_mtime_ns
        return found


@dataclass
class Reference:
    """A run that nobody killed."""

    place: Place
    tree: dict[str, bytes]
    nodes: dict[str, Any]
    units: dict[tuple[str, str], list[str]]  # keys of the shards of each unit, in the order of the run
    shapes: dict[str, str]
    ids: Counter[str]  # of the documents that the readers must find
    spans: dict[str, float] = field(default_factory=dict[str, float])  # seconds from a stage's start to its end

    @staticmethod
    def of(place: Place, ids: Counter[str] = ALL_IDS) -> Reference:
        run = Run.open(place.out)
        shapes = {node.id: shape_of(node.plugin) for node in load(place.recipe).nodes()}
        units: dict[tuple[str, str], list[str]] = {}
        for name, record in run.nodes.items():
            artifact = Store(str(place.store)).manifest(record["key"])
            assert artifact is not None
            for number, shard in enumerate(artifact.shards):
                unit = shard.facts["unit"] if shapes[name] == "reader" else str(number)
                units.setdefault((name, unit), []).append(shard.key)
        spans: dict[str, float] = {}
        for event in place.events():
            if event["event"] == "stage":
                spans[event["node"]] = -event["time"]
            elif event["event"] == "stage_done":
                spans[event["node"]] += event["time"]
        return Reference(place, place.tree(), run.nodes, units, shapes, ids, spans)

    def undone(self, place: Place) -> set[tuple[str, str]]:
        """The units of which a shard has no done record."""
        done = place.done()
        return {unit for unit, keys in self.units.items() if not done.issuperset(keys)}

    def half_done(self, place: Place) -> set[tuple[str, str]]:
        """The units of which some shards have a done record, and others have none."""
        done = place.done()
        return {unit for unit, keys in self.units.items() if 0 < len(done.intersection(keys)) < len(set(keys))}

    def num_distinct(self, units: set[tuple[str, str]]) -> int:
        """How many units these are, if what two stages have in common counts once."""
        return len({tuple(self.units[unit]) for unit in units})

    def check_redone(self, redone: Sequence[tuple[str, str]], undone: set[tuple[str, str]]) -> None:
        """A run to the end did what was undone, and nothing else, and nothing twice.

        Two stages may have a unit in common (the same work on equal input): the first of them does it.
        """
        did = Counter(tuple(self.units[unit]) for unit in redone)
        assert did == Counter({tuple(self.units[unit]) for unit in undone})

    def check_whole(self, place: Place) -> None:
        """The store and the lock file are those of a run that nobody killed; every document is there once."""
        now = place.tree()
        assert now.keys() == self.tree.keys(), f"more {now.keys() - self.tree}, less {self.tree.keys() - now}"
        assert [name for name in now if now[name] != self.tree[name]] == []
        run = Run.open(place.out)
        assert run.nodes == self.nodes
        readers = [stage for stage, shape in self.shapes.items() if shape == "reader"]
        shards = [path for stage in readers for path in (place.out / stage).glob("*.parquet")]
        tables = [pq.read_table(path, columns=["id"]) for path in shards]
        assert Counter(name for table in tables for name in table.column("id").to_pylist()) == self.ids
        litter = [*place.out.rglob(".*"), *(place.out / "log" / "tmp").glob("*")]
        assert litter == [], "half-made links or records of a killed run"


@dataclass
class Driver:
    """A running `vernier`; `poll` gives its exit code, or minus the signal that ended it."""

    pid: int
    log: Path
    poll: Any

    def wait(self) -> int:
        until = time.monotonic() + PATIENCE_S
        while (code := self.poll()) is None:
            if time.monotonic() > until:
                os.killpg(self.pid, signal.SIGKILL)
                raise AssertionError(f"still running after {PATIENCE_S} s: {self.words()}")
            time.sleep(0.005)
        wait_for_group(self.pid)
        return code

    def words(self) -> str:
        return self.log.read_text(errors="replace")


class Starter:
    """Starts drivers: forked from a warm process, or as a person does it."""

    def __init__(self) -> None:
        self._zygote = subprocess.Popen(
            [sys.executable, "-c", "from tests.crash.zygote import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=PROJECT,
            env=_environment(),
            text=True,
        )
        self._codes: dict[int, int] = {}

    def close(self) -> None:
        self._zygote.communicate()

    def start(self, place: Place, argv: Sequence[str], env: Mapping[str, str] | None = None) -> Driver:
        log = place.folder / "words.txt"
        request = {"argv": list(argv), "cwd": str(place.folder), "env": dict(env or {}), "log": str(log)}
        pid = self._ask(request)["pid"]
        return Driver(pid, log, lambda: self._poll(pid))

    def start_cold(self, place: Place, argv: Sequence[str], env: Mapping[str, str] | None = None) -> Driver:
        log = place.folder / "words.txt"
        with open(log, "wb") as words:
            process = subprocess.Popen(
                [sys.executable, "-c", "from vernier.cli import main; main()", *argv],
                cwd=place.folder,
                env={**_environment(), **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
                start_new_session=True,
            )
        return Driver(process.pid, log, process.poll)

    def _poll(self, pid: int) -> int | None:
        if pid not in self._codes:
            status = self._ask({"wait": pid})["status"]
            if status is None:
                return None
            self._codes[pid] = status
        return self._codes[pid]

    def _ask(self, said: Mapping[str, Any]) -> dict[str, Any]:
        assert self._zygote.stdin is not None and self._zygote.stdout is not None
        self._zygote.stdin.write(json.dumps(said) + "\n")
        self._zygote.stdin.flush()
        return json.loads(self._zygote.stdout.readline())


def _environment() -> dict[str, str]:
    """That of these tests: the same sources, and the plugins among the tests."""
    return {**os.environ, "PYTHONPATH": f"{PROJECT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}


def processes() -> list[tuple[int, int, int]]:
    """(pid, parent, group) of each process that is alive. Linux."""
    found: list[tuple[int, int, int]] = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    state, parent, group = file.read().rpartition(b")")[2].split()[:3]
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended between two looks
            if state not in (b"Z", b"X"):
                found.append((int(name), int(parent), int(group)))
    return found


def guarded(driver: int) -> list[int]:
    """The children of a driver's workers: those in which `vernier.exec.guard` has its work done."""
    alive = [(pid, parent) for pid, parent, group in processes() if group == driver]
    workers = {pid for pid, parent in alive if parent == driver}
    return [pid for pid, parent in alive if parent in workers]


def wait_for_orphans(group: int) -> float:
    """Wait until each process of a group has its parent there, or is the first; returns the seconds that it took."""
    began = time.monotonic()
    while True:
        alive = {pid: parent for pid, parent, of in processes() if of == group}
        orphans = [pid for pid, parent in alive.items() if pid != group and parent not in alive]
        waited = time.monotonic() - began
        if not orphans:
            return waited
        assert waited < OUTLIVES_S, f"they outlive the one that started them: {orphans}"
        time.sleep(0.005)


def wait_for_group(group: int) -> None:
    """Wait until the last process of a group is gone: no worker may outlive its driver for long."""
    until = time.monotonic() + OUTLIVES_S
    while left := [pid for pid, _, of in processes() if of == group]:
        assert time.monotonic() < until, f"workers outlive their driver: {left}"
        time.sleep(0.005)


@dataclass
class Fault:
    """Kill at a point, once."""

    point: str
    where: str = "*"  # stage/unit
    kills: str = "self"  # self, parent (a worker's driver), group

    @property
    def spares_the_driver(self) -> bool:
        return self.kills == "self" and not self.point.startswith(("stage.", "run.")) and not self.where.endswith("/-")

    def env(self, place: Place) -> dict[str, str]:
        flag = place.folder / "once"
        flag.touch()
        return {
            "VERNIER_FAULT": f"{self.point}@{self.where}",
            "VERNIER_FAULT_KILLS": self.kills,
            "VERNIER_FAULT_ONCE": str(flag),
            "VERNIER_FAULT_LOG": str(place.folder / "points.jsonl"),
        }

    def __str__(self) -> str:
        return f"{self.point}@{self.where}:{self.kills}"
