"""A run folder: the lock file, readable links named by stage, and the log.

    runs/NAME/recipe.json      the recipe as it was resolved
    runs/NAME/lock.json        each node: key, content, counts, what it was made from; versions of libraries
    runs/NAME/<node>/          links to the shards of a table, or to the files of a model
    runs/NAME/log/events.jsonl what happened when, on which machine
    runs/NAME/log/tmp/         half-made links and records; what a killed run left there is swept by the next

The artifacts are in the store. A run folder can be deleted at any time: the next run links it anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import shutil
import sys
import time
import uuid
from collections.abc import Generator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from vernier.core import fault
from vernier.core.artifact import DATA, QUARANTINED, Artifact
from vernier.core.errors import ResumeError
from vernier.core.recipe import Node
from vernier.core.store import Store, room, write_atomically

LIBRARIES = (
    "vernier",
    "numpy",
    "pyarrow",
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "sentence-transformers",
    "datasets",
    "lm_eval",
    "scipy",
    "lightgbm",
    "zstandard",
)


def environment() -> dict[str, str]:
    """Versions of Python and of the libraries that can change bytes; recorded, never part of a key."""
    versions = {"python": platform.python_version(), "machine": platform.machine()}
    for name in LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions


class Run:
    """A run folder. `nodes` maps the id of each node that the last run came to (`keep@random@1`) to its record."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.data: dict[str, Any] = {}
        self._order: dict[str, int] = {}
        path = self.folder / "lock.json"
        if path.exists():
            try:
                self.data = json.loads(path.read_bytes())
            except ValueError as error:
                raise ResumeError(
                    "the lock file of the run is damaged",
                    where=str(path),
                    found=str(error),
                    do="delete it and run again: finished work is found in the store",
                ) from error

    @staticmethod
    def open(folder: str | Path) -> Run:
        """A run that exists. Raises ResumeError if there is none."""
        run = Run(folder)
        if not run.data:
            near = sorted(p.parent.name for p in Path(folder).parent.glob("*/lock.json"))
            raise ResumeError(
                f"there is no run at {folder}",
                expected="a folder with a lock.json, made by `vernier run`",
                do=f"runs beside it: {', '.join(near)}" if near else "start with `vernier run RECIPE`",
            )
        return run

    @property
    def name(self) -> str:
        return self.data.get("name", self.folder.name)

    @property
    def recipe(self) -> dict[str, Any]:
        """The recipe of the last run, in plain form."""
        return json.loads((self.folder / "recipe.json").read_bytes())

    @property
    def nodes(self) -> dict[str, dict[str, Any]]:
        return self.data.setdefault("nodes", {})

    @property
    def store(self) -> Store:
        """The store of the run; a local one is noted relative to the run folder, so that both may move together."""
        url = self.data["store"]
        return Store(url if "://" in url else os.path.normpath(self.folder.resolve() / url))

    def artifact(self, node: str) -> Artifact:
        """The artifact of a node. Raises ResumeError when the run has not come to it, or the store lost it."""
        if node not in self.nodes:
            raise ResumeError(
                f"the run {self.name!r} has nothing named {node!r}",
                expected=f"one of: {', '.join(self.nodes)}",
            )
        artifact = self.store.artifact(self.nodes[node]["key"])
        if artifact is None:
            raise ResumeError(
                f"the store no longer has {node!r} whole",
                where=self.store.url,
                do="run the recipe again: only what is missing is made anew",
            )
        return artifact

    @contextlib.contextmanager
    def locked(self) -> Generator[None]:
        """Hold the folder for one run at a time. Raises ResumeError if another run holds it."""
        if self.folder.exists() and not self.folder.is_dir():
            raise ResumeError("a file stands where the run folder would be", where=str(self.folder), do="use --out")
        mark = self.folder / "log" / "lock"
        others = self.folder.exists() and any(entry.name != "log" for entry in self.folder.iterdir())
        if others and not mark.exists():
            raise ResumeError(
                "the folder for the run holds other things",
                where=str(self.folder),
                expected="a new or empty folder, or one of an earlier run",
                do="give another folder with --out",
            )
        mark.parent.mkdir(parents=True, exist_ok=True)
        with open(mark, "a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ResumeError(
                    "another run is at work in this folder",
                    where=str(self.folder),
                    do="wait for it, stop it, or give this one another folder with --out",
                ) from error
            yield

    @property
    def _tmp(self) -> Path:
        return self.folder / "log" / "tmp"

    def begin(self, name: str, store: Store, recipe: Mapping[str, Any], order: Sequence[str]) -> None:
        """Start the record of a run. Nodes of the last one stay, as of `earlier`, until this one comes to them.

        order   ids of the recipe's nodes: the order of the record, whichever of them is finished first
        """
        self._order = {node: number for number, node in enumerate(order)}
        nodes = {node: {**record, "earlier": True} for node, record in self.nodes.items()}
        place = os.path.relpath(store.root, self.folder.resolve()) if store.is_local else store.url
        if self.data.get("store", place) != place:
            nodes = {}
        self.data = {
            "vernier": 1,
            "name": name,
            "store": place,
            "environment": environment(),
            "of": len(order),
            "nodes": nodes,
        }
        shutil.rmtree(self._tmp, ignore_errors=True)
        store.register(self.folder)
        write_atomically(self.folder / "recipe.json", _json(recipe), by_way_of=self._tmp)

    def end(self) -> None:
        """End a run of the whole recipe: what it no longer has leaves the record and the folder."""
        for node in [node for node, record in self.nodes.items() if record["earlier"]]:
            del self.nodes[node]
            shutil.rmtree(self.folder / node, ignore_errors=True)
        self._write()

    def record(self, node: Node, artifact: Artifact) -> None:
        """Write down that a node is finished, and link to it."""
        self.nodes.pop(node.id, None)
        self.nodes[node.id] = {
            "earlier": False,
            "of": node.stage,
            "arms": list(node.arms),
            "seed": node.seed if node.seeded else None,
            "key": artifact.key,
            "kind": artifact.kind,
            "content": artifact.content,
            "rows": artifact.rows,
            "counts": artifact.counts,
            "facts": dict(artifact.facts),
            "stage": dict(artifact.stage),
            "inputs": dict(node.inputs),
        }
        with room(str(self.folder)):
            self._link(node.id, artifact)
        self._write()

    def _write(self) -> None:
        last = len(self._order)  # the comparison comes behind the nodes
        self.data["nodes"] = dict(sorted(self.nodes.items(), key=lambda item: self._order.get(item[0], last)))
        write_atomically(self.folder / "lock.json", _json(self.data), by_way_of=self._tmp)

    def seconds(self) -> dict[str, float]:
        """Seconds at work on each node, all workers together, the last time that it was made here: from the log.

        Nodes of equal work have one time. A node whose work the store had from elsewhere is not among them.
        """
        path = self.folder / "log" / "events.jsonl"
        if not path.exists():
            return {}
        by_key: dict[str, float] = {}
        at_work: dict[str, str] = {}  # node -> key
        for line in path.read_text(encoding="utf-8").split("\n"):
            try:
                event = json.loads(line)
            except ValueError:
                continue  # a kill cut it short: what was at work then has no end in the log either
            if event["event"] == "stage":
                at_work.pop(event["node"], None)
                if event["to_do"]:
                    at_work[event["node"]] = event["key"]
            elif event["event"] == "stage_done" and event["node"] in at_work:
                by_key[at_work[event["node"]]] = event["seconds"]
        return {name: by_key[record["key"]] for name, record in self.nodes.items() if record["key"] in by_key}

    def log(self, event: str, **values: Any) -> None:
        """Add a line to the log. Times and hosts belong here, never in an artifact."""
        line = {
            "time": round(time.time(), 3),
            "event": event,
            "host": platform.node(),
            "pid": os.getpid(),
            **values,
        }
        path = self.folder / "log" / "events.jsonl"
        with room(str(path.parent)), open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")

    def take_log(self, other: Run) -> None:
        """Add the log of another run to this one's: what a node took is known by its key, whatever it is called."""
        source = other.folder / "log" / "events.jsonl"
        if source.exists():
            with room(str(self.folder)), open(self.folder / "log" / "events.jsonl", "ab") as file:
                file.write(source.read_bytes() + b"\n")  # behind a line that a kill cut short

    def _link(self, node: str, artifact: Artifact) -> None:
        store, target = self.store, self.folder / node
        part = self._tmp / uuid.uuid4().hex
        part.mkdir(parents=True)
        for number, shard in enumerate(artifact.shards):
            for name in shard.files:
                if artifact.aligned:
                    link = part / (f"{number:05d}.parquet" if name == DATA else f"bad/{number:05d}.parquet")
                    assert name in (DATA, QUARANTINED)
                else:
                    link = part / name
                link.parent.mkdir(exist_ok=True, parents=True)
                source = store.path(f"{shard.folder}/{name}")
                if store.is_local:
                    link.symlink_to(os.path.relpath(source, os.path.join(target, link.parent.relative_to(part))))
                else:
                    link.with_name(f"{link.name}.url").write_text(store.fs.unstrip_protocol(source) + "\n")
        fault.point("run.linked")
        if target.exists():
            shutil.rmtree(target)
        os.rename(part, target)


def _json(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data, indent=1, ensure_ascii=False, default=dict).encode() + b"\n"


def command() -> str:
    """The command line of this process, for the log."""
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
