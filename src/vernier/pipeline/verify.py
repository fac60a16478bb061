"""Is what the store holds what was committed? Check bytes, mend what is damaged, redo some work and compare."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from vernier.core.artifact import Artifact, ShardRef
from vernier.core.errors import ResumeError
from vernier.core.fingerprint import file_sha256
from vernier.core.recipe import Recipe
from vernier.core.run import Run
from vernier.core.store import Store
from vernier.pipeline.pools import Pools
from vernier.pipeline.prepare import Prepared, prepare
from vernier.pipeline.wave import fold_rounds
from vernier.pipeline.work import do


@dataclass(frozen=True)
class Damage:
    """A file that is not what was committed. shard: its number, None for the manifest of the stage."""

    node: str
    shard: int | None
    path: str
    wrong: str


def check(run: Run) -> tuple[int, list[Damage]]:
    """Compare every file that the run refers to with its committed SHA-256. Returns files checked, and damages."""
    store = run.store
    work: list[tuple[str, int, ShardRef, str]] = []
    found: list[Damage] = []
    seen: set[str] = set()
    with store.in_use():
        for node, record in run.nodes.items():
            manifest = store.manifest(record["key"])
            if manifest is None:
                found.append(Damage(node, None, record["key"], "the manifest is missing or can not be read"))
                continue
            for number, ref in enumerate(manifest.shards):
                if ref.folder not in seen:
                    seen.add(ref.folder)
                    work.extend((node, number, ref, name) for name in ref.files)
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            damages = threads.map(lambda item: _check_file(store, *item), work)
            found.extend(damage for damage in damages if damage is not None)
    return len(work), found


def repair(run: Run, damages: Iterable[Damage]) -> None:
    """Take the marks off damaged units and off the stages that hold them: the next run makes just those anew."""
    store = run.store
    with store.alone():
        for damage in damages:
            manifest = store.manifest(run.nodes[damage.node]["key"])
            if manifest is not None and damage.shard is not None:
                store.forget_unit(manifest.shards[damage.shard].key)
        for record in run.nodes.values():
            manifest = store.manifest(record["key"])
            if manifest is None or not all(store.unit(ref.key) for ref in manifest.shards):
                store.forget_artifact(record["key"])


def recompute(run: Run, number: int) -> Iterator[tuple[str, str, bool]]:
    """Redo `number` units spread over the run, in a store of their own, and compare with what is committed.

    Yields node, unit and whether all bytes and facts are equal. A difference means that something which no key knows
    of changed the output: a library's version, the machine, a plugin changed without a new `version`. Raises
    ResumeError if the inputs of the run are no longer there as they were.
    """
    recipe, store = Recipe.from_data(run.recipe), run.store
    made: dict[str, Artifact] = {}
    candidates: list[tuple[Prepared, int]] = []
    with store.in_use(), tempfile.TemporaryDirectory(prefix="vernier-") as scratch, Pools() as pools:
        for node in recipe.nodes():
            if run.nodes.get(node.id, {"earlier": True})["earlier"]:
                continue  # of an arm or seed that the run left out
            made[node.id] = run.artifact(node.id)
            prepared = prepare(node, made, store)
            if prepared.key != made[node.id].key:
                raise ResumeError(
                    f"{node.id} would not be the same work today",
                    where=str(run.folder),
                    do="`vernier plan` says what changed since the run",
                )
            candidates.extend((prepared, i) for i in range(len(prepared.tasks)))
        if not candidates:
            raise ResumeError("the run has nothing to make again", where=str(run.folder), do="run the recipe first")
        step = max(1, len(candidates) // max(1, number))
        for prepared, i in candidates[::step][:number]:
            alone = replace(prepared.tasks[i].inputs, states_of=None)  # from the first step on
            task = replace(prepared.tasks[i], store=str(Path(scratch) / "store"), base="", inputs=alone)
            pool = pools.of(prepared)
            if prepared.shape == "fold":
                task = replace(task, state=fold_rounds(prepared, pool, quiet=True))
            again = pool.map(do, [task], label=lambda _, unit=task.unit: unit, on_done=lambda *_: None)[0]
            before = made[prepared.node.id].shards
            if prepared.shape == "reader":
                before = [ref for ref in before if ref.facts["unit"] == task.unit]
            else:
                before = [before[i]]
            yield prepared.node.id, task.unit, [_plain(ref) for ref in again] == [_plain(ref) for ref in before]
            shutil.rmtree(Path(scratch) / "store")


def _plain(ref: ShardRef) -> str:
    return json.dumps(vars(ref), sort_keys=True, default=dict)


def _check_file(store: Store, node: str, shard: int, ref: ShardRef, name: str) -> Damage | None:
    path = store.path(f"{ref.folder}/{name}")
    try:
        if store.is_local:
            digest = file_sha256(path)
        else:
            with tempfile.NamedTemporaryFile() as copy:
                store.fs.get_file(path, copy.name)
                digest = file_sha256(copy.name)
    except FileNotFoundError:
        return Damage(node, shard, path, "the file is missing")
    if digest != ref.files[name]["sha256"]:
        return Damage(
            node, shard, path, f"its SHA-256 is {digest[:12]}, committed was {ref.files[name]['sha256'][:12]}"
        )
    return None
