"""Run a recipe: what is missing is done wave by wave, committed, recorded; then the arms are compared."""

from __future__ import annotations

from pathlib import Path

from vernier.core import fault
from vernier.core.recipe import Recipe
from vernier.core.run import Run, command
from vernier.core.store import Store
from vernier.pipeline.compare import check, compare
from vernier.pipeline.lineage import finished
from vernier.pipeline.pools import Pools
from vernier.pipeline.target import Target
from vernier.pipeline.wave import Wave


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
        folder.begin(recipe.name, store, recipe.to_data(), [node.id for node in recipe.nodes()])
        folder.log("run", command=command(), environment=folder.data["environment"])
        wave, waiting = Wave(store, pools, folder, quiet), list(nodes)
        target = Target(recipe, nodes, store)
        while waiting:
            waiting = wave.finish(waiting)
            target.check(wave.made)
        compared = compare(recipe, finished(recipe.nodes(), wave.made, [folder], store), folder.data["environment"])
        if compared is not None:
            folder.record(*compared)
            fault.point("run.recorded")
        if (arm, seed, to) == (None, None, None):
            folder.end()
        folder.log("run_done")
    if compared is not None:
        check(compared[1].facts, str(folder.folder))
    return folder
