"""The nodes that can be made at one time: a run goes wave by wave, and the workers share all of a wave's units."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from vernier.core import fault
from vernier.core.artifact import Artifact, ShardRef
from vernier.core.errors import DataError, VernierError
from vernier.core.fingerprint import key_of
from vernier.core.plugin import KINDS
from vernier.core.recipe import Node
from vernier.core.run import Run
from vernier.core.store import Store
from vernier.core.tables import add_counts
from vernier.exec.local import Pool
from vernier.exec.progress import Progress
from vernier.pipeline.pools import Pools
from vernier.pipeline.prepare import Prepared, prepare
from vernier.pipeline.work import Task, do, fold


@dataclass
class Work:
    """One node at work.

    tasks    every unit
    refs     of each unit its shards, None as long as it is not done
    state    that a fold's rounds came to
    spent    seconds at work so far, of all workers together
    """

    prepared: Prepared
    tasks: list[Task]
    refs: list[tuple[ShardRef, ...] | None]
    facts: dict[str, Any] = field(default_factory=dict[str, Any])
    state: Any = None
    spent: float = 0.0

    @property
    def is_done(self) -> bool:
        return None not in self.refs


@dataclass
class Wave:
    """Makes what can be made; `made` has the artifacts of finished nodes by node id."""

    store: Store
    pools: Pools
    folder: Run
    quiet: bool
    made: dict[str, Artifact] = field(default_factory=dict[str, Artifact])

    def finish(self, waiting: Sequence[Node]) -> list[Node]:
        """Finish the nodes whose inputs are there, and return the others.

        A node waits for the next wave too if it has work in common with one of this: what that one does, it need not.
        """
        later: list[Node] = []
        works: list[Work] = []
        claimed: set[str] = set()
        for node in waiting:
            if not self.made.keys() >= set(node.inputs.values()):
                later.append(node)
                continue
            fault.at_unit(node.id, "-")
            with told_where(node):
                prepared = prepare(node, self.made, self.store)
                if claimed & prepared.claims:
                    later.append(node)
                    continue
                work = self._begin(prepared)
                if work is not None:
                    claimed |= prepared.claims
                    works.append(work)
        by_pool: dict[Pool, list[Work]] = {}
        for work in works:
            by_pool.setdefault(self.pools.of(work.prepared), []).append(work)
        for pool, together in by_pool.items():
            self._do(pool, together)
        return later

    def _begin(self, prepared: Prepared) -> Work | None:
        """A node's work, its rounds of folding done; None if nothing is missing: then it is finished here."""
        node, started = prepared.node, time.monotonic()
        missing = prepared.missing if prepared.artifact is None else []
        self.folder.log("stage", node=node.id, key=prepared.key, units=len(prepared.tasks), to_do=len(missing))
        if prepared.artifact is not None:
            whole = prepared.artifact
            self._record(prepared, replace(whole, rows_of=_rows_of(prepared, whole.shards)), 0.0)
            return None
        log = str(self.folder.folder.resolve() / "log" / node.id)
        tasks = [replace(task, inputs=replace(task.inputs, log=log)) for task in prepared.tasks]
        work = Work(prepared, tasks, list(prepared.done))
        if prepared.shape == "fold":
            work.state = fold_rounds(prepared, self.pools.of(prepared), quiet=self.quiet)
            work.facts = node.plugin.account(work.state)
        elif hasattr(node.plugin, "facts"):
            work.facts = node.plugin.facts(prepared.inputs)
        work.spent = time.monotonic() - started
        if work.is_done:
            self._commit(work)
            return None
        return work

    def _do(self, pool: Pool, works: Sequence[Work]) -> None:
        """Do the missing units of some nodes; a node is committed with its last one."""
        units = [(work, number) for work in works for number, refs in enumerate(work.refs) if refs is None]

        def done(position: int, timed: tuple[float, tuple[ShardRef, ...]]) -> None:
            work, number = units[position]
            seconds, refs = timed
            work.refs[number], work.spent = refs, work.spent + seconds
            name, unit = work.prepared.node.id, work.tasks[number].unit
            self.folder.log("unit_done", node=name, unit=unit, rows=sum(r.rows for r in refs), shards=len(refs))
            if work.is_done:
                with told_where(work.prepared.node):
                    self._commit(work)

        reused = sum(len(work.refs) for work in works) - len(units)
        noun = "shards" if len(works) == 1 else "pieces"
        with Progress(_named(works), len(units) + reused, reused=reused, quiet=self.quiet, unit=noun) as progress:
            pool.map(
                _Doing({work.prepared.node.id: work.state for work in works}),
                [work.tasks[number] for work, number in units],
                label=lambda i: f"stage {units[i][0].prepared.node.id}, shard {units[i][0].tasks[units[i][1]].unit}",
                on_done=done,
                progress=progress,
            )

    def _commit(self, work: Work) -> None:
        """Write the manifest of a node whose units are all done."""
        prepared, node = work.prepared, work.prepared.node
        shards = tuple(ref for refs in work.refs if refs is not None for ref in refs)
        if prepared.shape == "build":
            work.facts = dict(shards[0].facts)
            work.tasks[0].inputs.states().finish()
        fault.at_unit(node.id, "-")
        fault.point("stage.units_done")
        artifact = Artifact(
            kind=node.plugin.makes,
            key=prepared.key,
            rows_of=_rows_of(prepared, shards),
            shards=shards,
            stage=prepared.stage(),
            facts=work.facts,
        )
        assert artifact.kind in KINDS
        self.store.commit_artifact(artifact, {**self.folder.data["environment"], **placed(node)})
        fault.point("stage.manifest")
        self._record(prepared, artifact, work.spent)

    def _record(self, prepared: Prepared, artifact: Artifact, seconds: float) -> None:
        node = prepared.node
        self.made[node.id] = artifact
        self.folder.record(node, artifact)
        fault.point("run.recorded")
        self.folder.log("stage_done", node=node.id, seconds=round(seconds, 3))
        if prepared.shape == "reader" or hasattr(node.plugin, "max_bad"):
            _check_loss(prepared, artifact.shards)


@dataclass(frozen=True)
class _Doing:
    """Does a unit, and says how many seconds it took.

    states   of nodes that fold, by node id. They go to each worker once, not with each unit: a state may hold something
             of every row that is kept
    """

    states: Mapping[str, Any]

    def __call__(self, task: Task) -> tuple[float, tuple[ShardRef, ...]]:
        started = time.monotonic()
        refs = do(replace(task, state=self.states[task.stage]))
        return time.monotonic() - started, refs


@dataclass(frozen=True)
class _Folding:
    """Takes a shard's part in the round after `state`, which goes to each worker once."""

    state: Any

    def __call__(self, task: Task) -> Any:
        return fold(replace(task, state=self.state))


def _named(works: Sequence[Work]) -> str:
    """The nodes at work, those of one stage together: `small, large` or `train (18)`."""
    if len(works) == 1:
        return works[0].prepared.node.id
    stages = Counter(work.prepared.node.stage for work in works)
    return ", ".join(stage if number == 1 else f"{stage} ({number})" for stage, number in stages.items())


@contextlib.contextmanager
def told_where(node: Node) -> Generator[None]:
    """Errors of a stage that do not say where they stand name the stage and its place in the recipe."""
    try:
        yield
    except VernierError as error:
        if error.where is None:
            error.where = f"stage {node.id}" + (f" ({node.where})" if node.where else "")
        raise


def fold_rounds(prepared: Prepared, pool: Pool, *, quiet: bool) -> Any:
    """The rounds of a fold: every shard's part, merged, until the plugin says that the state is settled."""
    plugin, state, settled, number = prepared.node.plugin, None, False, 1
    while not settled:
        with Progress(f"{prepared.node.id} (round {number})", len(prepared.tasks), quiet=quiet) as progress:
            parts = pool.map(
                _Folding(state),
                prepared.tasks,
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


def _check_loss(prepared: Prepared, shards: Sequence[ShardRef]) -> None:
    """Stop when too much was bad: records that a reader put into quarantine, rows that a map had to leave without text.

    All of it is committed: raising a limit does nothing again.
    """
    node, plugin, reader = prepared.node, prepared.node.plugin, prepared.shape == "reader"
    counts = add_counts(dict(shard.counts) for shard in shards)
    kind, drops, rows = "quarantined" if reader else "failed", getattr(plugin, "drops", ()), counts.get("rows", 0)
    by_reason = {name.removeprefix(f"{kind}."): n for name, n in counts.items() if name.startswith(f"{kind}.")}
    wrong = {reason: n for reason, n in by_reason.items() if reason not in drops}
    bad, reasons = sum(wrong.values()), ", ".join(f"{n} {reason}" for reason, n in wrong.items())
    in_it = [(i, shard) for i, shard in enumerate(shards) if any(shard.counts.get(f"{kind}.{why}") for why in wrong)]
    where = f"stage {node.id}: {', '.join(sorted({s.facts.get('unit', f'shard {i}') for i, s in in_it})[:3])}"
    if reader and counts.get("quarantined.truncated") and plugin.on_truncated == "stop":
        raise DataError(
            "a compressed file ends too early",
            where=where,
            found=f"{rows} rows read and kept; quarantined: {reasons}",
            do="get the file again, or accept the loss with `on_truncated: keep` (nothing is read twice)",
        )
    records = rows + bad if reader else rows
    allowed = max(plugin.max_bad.at_least, plugin.max_bad.share * records)
    if bad > allowed:
        most = max(wrong, key=lambda reason: wrong[reason])
        look = f"vernier show RUN {node.id} --bad" + ("" if reader else f" --reason {most}")
        raise DataError(
            f"{bad} of {records} records can not be used" if reader else f"{bad} of {records} rows failed",
            where=where,
            found=reasons,
            expected=f"at most {allowed:.0f} (`max_bad`: {plugin.max_bad})",
            do=f"look at them with `{look}`, then mend the data{'' if reader else ' or the settings'}, or allow more: "
            f"`--set {node.stage}.with.max_bad.share=0.5` (nothing is {'read' if reader else 'done'} twice)",
        )
    if reader and rows == 0:
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
