"""Run a recipe: stage by stage, what is missing is done, committed, recorded."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vernier.core import fault
from vernier.core.artifact import Artifact, ShardRef
from vernier.core.errors import DataError, VernierError
from vernier.core.fingerprint import key_of
from vernier.core.plugin import KINDS
from vernier.core.recipe import Node, Recipe
from vernier.core.run import Run, command
from vernier.core.store import Store
from vernier.core.tables import add_counts
from vernier.exec.local import Pool
from vernier.exec.progress import Progress
from vernier.pipeline.compare import check, compare
from vernier.pipeline.lineage import finished
from vernier.pipeline.prepare import Prepared, prepare
from vernier.pipeline.work import do, fold


def run_folder(recipe: Recipe, out: str | Path | None) -> Path:
    """Where a run of this recipe goes: `out`, else `runs/NAME`."""
    return Path(out) if out is not None else Path("runs") / recipe.name


def run(
    recipe: Recipe,
    *,
    out: str | Path | None = None,
    arm: str | None = None,
    seed: int | None = None,
    to: str | None = None,
    quiet: bool = False,
) -> Run:
    """Run a recipe (or one arm, one seed, or up to one stage) and return its run folder.

    Finished work is taken from the store. At the end the arms are compared (`vernier.pipeline.compare`). Raises the
    errors of `vernier.core.errors`; whatever is raised, every finished shard is committed, and running again goes on
    from there. What the comparison finds wrong is raised when all is recorded.
    """
    nodes = recipe.nodes(arm=arm, seed=seed, to=to)
    folder = Run(run_folder(recipe, out))
    store = Store(recipe.store)
    with folder.locked(), store.in_use(), Pools() as pools:
        folder.begin(recipe.name, store, recipe.to_data())
        folder.log("run", command=command(), environment=folder.data["environment"])
        made: dict[str, Artifact] = {}
        for node in nodes:
            started = time.monotonic()
            fault.at_unit(node.id, "-")
            with _told_where(node):
                prepared = prepare(node, made, store)
                todo = len(prepared.missing) if prepared.artifact is None else 0
                folder.log("stage", node=node.id, key=prepared.key, units=len(prepared.tasks), to_do=todo)
                made[node.id] = _finish(prepared, store, pools, folder, quiet)
                folder.record(node, made[node.id])
                if prepared.shape == "reader":
                    _check_read(node, made[node.id].shards)
            fault.point("run.recorded")
            folder.log("stage_done", node=node.id, seconds=round(time.monotonic() - started, 3))
        compared = compare(recipe, finished(recipe.nodes(), made, folder, store), folder.data["environment"])
        if compared is not None:
            folder.record(*compared)
            fault.point("run.recorded")
        if (arm, seed, to) == (None, None, None):
            folder.end()
        folder.log("run_done")
    if compared is not None:
        check(compared[1].facts, str(folder.folder))
    return folder


@contextlib.contextmanager
def _told_where(node: Node) -> Generator[None]:
    """Errors of a stage that do not say where they stand name the stage and its place in the recipe."""
    try:
        yield
    except VernierError as error:
        if error.where is None:
            error.where = f"stage {node.id}" + (f" ({node.where})" if node.where else "")
        raise


def _finish(prepared: Prepared, store: Store, pools: Pools, folder: Run, quiet: bool) -> Artifact:
    """The artifact of a node: the one that the store has, or made now."""
    if prepared.artifact is not None:
        return replace(prepared.artifact, rows_of=_rows_of(prepared, prepared.artifact.shards))
    node, log = prepared.node, str(folder.folder.resolve() / "log" / prepared.node.id)
    tasks = [replace(task, inputs=replace(task.inputs, log=log)) for task in prepared.tasks]
    pool = pools.of(prepared)
    facts: dict[str, Any] = {}
    if prepared.shape == "fold":
        state = fold_rounds(prepared, pool, quiet=quiet)
        tasks = [replace(task, state=state) for task in tasks]
        facts = node.plugin.account(state)
    elif hasattr(node.plugin, "facts"):
        facts = node.plugin.facts(prepared.inputs)
    refs: list[tuple[ShardRef, ...] | None] = list(prepared.done)
    missing = prepared.missing

    def done(position: int, made: tuple[ShardRef, ...]) -> None:
        refs[missing[position]] = made
        unit = tasks[missing[position]].unit
        folder.log("unit_done", node=node.id, unit=unit, rows=sum(r.rows for r in made), shards=len(made))

    if missing:
        with Progress(node.id, len(tasks), reused=len(tasks) - len(missing), quiet=quiet) as progress:
            pool.map(
                do,
                [tasks[i] for i in missing],
                label=lambda i: f"stage {node.id}, shard {tasks[missing[i]].unit}",
                on_done=done,
                progress=progress,
            )
    shards = tuple(ref for unit in refs if unit is not None for ref in unit)
    if prepared.shape == "build":
        facts = dict(shards[0].facts)
        tasks[0].inputs.states().finish()
    fault.at_unit(node.id, "-")
    fault.point("stage.units_done")
    artifact = Artifact(
        kind=node.plugin.makes,
        key=prepared.key,
        rows_of=_rows_of(prepared, shards),
        shards=shards,
        stage=prepared.stage(),
        facts=facts,
    )
    assert artifact.kind in KINDS
    store.commit_artifact(artifact, {**folder.data["environment"], **placed(node)})
    fault.point("stage.manifest")
    return artifact


def fold_rounds(prepared: Prepared, pool: Pool, *, quiet: bool) -> Any:
    """The rounds of a fold: every shard's part, merged, until the plugin says that the state is settled."""
    plugin, state, settled, number = prepared.node.plugin, None, False, 1
    while not settled:
        tasks = [replace(task, state=state) for task in prepared.tasks]
        with Progress(f"{prepared.node.id} (round {number})", len(tasks), quiet=quiet) as progress:
            parts = pool.map(
                fold,
                tasks,
                label=lambda i: f"stage {prepared.node.id}, shard {i}",
                on_done=lambda i, part: None,
                progress=progress,
            )
        state, settled = plugin.merge(parts, state)
        number += 1
    return state


def _rows_of(prepared: Prepared, shards: Sequence[ShardRef]) -> str:
    """Which rows a new artifact aligns to: those of its inputs, or its own if it made new ones."""
    if prepared.shape == "reader" or getattr(prepared.node.plugin, "rows", "same") == "new":
        return key_of("rows", [shard.content for shard in shards])
    return prepared.inputs.rows_of if prepared.shape != "build" else ""


def _check_read(node: Node, shards: Sequence[ShardRef]) -> None:
    """Stop when too much of the input was bad. Everything read is committed: raising a limit reads nothing again."""
    plugin, counts = node.plugin, add_counts(dict(shard.counts) for shard in shards)
    drops, rows = getattr(plugin, "drops", ()), counts.get("rows", 0)
    by_reason = {name.removeprefix("quarantined."): n for name, n in counts.items() if name.startswith("quarantined.")}
    wrong = {reason: n for reason, n in by_reason.items() if reason not in drops}
    bad, reasons = sum(wrong.values()), ", ".join(f"{n} {reason}" for reason, n in wrong.items())
    where = (
        f"stage {node.id}: {', '.join(sorted({s.facts['unit'] for s in shards if s.counts.get('quarantined')})[:3])}"
    )
    if counts.get("quarantined.truncated") and plugin.on_truncated == "stop":
        raise DataError(
            "a compressed file ends too early",
            where=where,
            found=f"{rows} rows read and kept; quarantined: {reasons}",
            do="get the file again, or accept the loss with `on_truncated: keep` (nothing is read twice)",
        )
    allowed = max(plugin.max_bad.at_least, plugin.max_bad.share * (rows + bad))
    if bad > allowed:
        raise DataError(
            f"{bad} of {rows + bad} records can not be used",
            where=where,
            found=reasons,
            expected=f"at most {allowed:.0f} (`max_bad`: {plugin.max_bad})",
            do=f"look at them with `vernier show RUN {node.id} --bad`, then mend the data or raise `max_bad`",
        )
    if rows == 0:
        raise DataError(
            "the corpus is empty",
            where=f"stage {node.id}",
            found=f"{len(shards)} files without a single usable record",
            expected="at least one document",
        )


def placed(node: Node) -> dict[str, str]:
    """Where the node computes, for the record of what made it: ranks if it names them, a device other than the CPU."""
    given = {name: node.on.get(name) for name in ("device", "ranks")}
    return {name: str(value) for name, value in given.items() if value not in (None, "cpu")}


class Pools(contextlib.AbstractContextManager["Pools"]):
    """The worker processes of a run, kept warm between stages that want the same kind."""

    def __init__(self) -> None:
        self._pools: dict[tuple[int, int, str, str], Pool] = {}
        self._stack = contextlib.ExitStack()

    def of(self, prepared: Prepared) -> Pool:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        on: Mapping[str, Any] = prepared.node.on
        device = on.get("device") or "cpu"
        workers = on.get("workers") or (1 if prepared.shape == "build" or device != "cpu" else cores)
        memory = on.get("memory") or _physical_memory() * 9 // 10 // workers
        threads = str(max(1, cores // (workers * (on.get("ranks") or 1))))  # each rank is a process of its own
        kind = (workers, memory, device, threads)
        if kind not in self._pools:
            env = {
                "OMP_NUM_THREADS": threads,
                "MKL_NUM_THREADS": threads,
                "TOKENIZERS_PARALLELISM": "false",
                "VERNIER_DEVICE": device,  # vernier.models.device
                "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # without it PyTorch refuses to be deterministic on a GPU
            }
            pool = Pool(workers=workers, memory=memory, recycle=256, env=env)
            self._pools[kind] = self._stack.enter_context(pool)
        return self._pools[kind]

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)


def _physical_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
