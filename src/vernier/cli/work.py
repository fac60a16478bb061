"""`check`, `plan`, `run`: what a recipe would do, and doing it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from vernier.core.recipe import Node

RecipeFile = Annotated[Path, typer.Argument(help="The recipe (YAML).", metavar="RECIPE")]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change a setting: stage.with.key=value.", metavar="PATH=VALUE"),
]
Out = Annotated[Path | None, typer.Option(help="The run folder. [default: runs/NAME]", metavar="DIR")]
To = Annotated[str | None, typer.Option(help="Stop after this stage (or stage@arm, stage@arm@seed).", metavar="STAGE")]
Arm = Annotated[str | None, typer.Option(help="Only this arm.", metavar="ARM")]
Seed = Annotated[int | None, typer.Option(help="Only this seed.", metavar="N")]


def check(recipe: RecipeFile, set: Sets = None) -> None:
    """Find every mistake in a recipe that can be found without running it."""
    from vernier.core.recipe import load

    loaded = load(recipe, set or ())
    nodes = loaded.nodes()
    print(f"{recipe}: {len(nodes)} stages, {_pieces(nodes)} pieces of input found, no mistakes")
    if loaded.arms and "random" not in loaded.arms:
        print("note: no arm is named `random`, so nothing will be compared", file=sys.stderr)
    elif loaded.arms and loaded.target is None:
        print("note: no target, so there will be differences but no verdict (`target: {domain: ...}`)", file=sys.stderr)


def plan(
    recipe: RecipeFile, set: Sets = None, out: Out = None, to: To = None, arm: Arm = None, seed: Seed = None
) -> None:
    """Say what a run would do, what it would reuse, and why."""
    from vernier.cli.words import table
    from vernier.core.recipe import load
    from vernier.core.run import Run
    from vernier.core.store import Store
    from vernier.pipeline.plan import foreign_versions, plan
    from vernier.pipeline.run import run_folder
    from vernier.report.words import flops

    loaded = load(recipe, set or ())
    folder = Run(run_folder(loaded, out))
    steps = plan(loaded, folder, loaded.nodes(arm=arm, seed=seed, to=to))
    rows = [
        (s.node.id, s.action, "-" if s.to_do is None else f"{s.to_do} of {s.units}", flops(s.flops), s.why)
        for s in steps
    ]
    print(table(("stage", "action", "shards to do", "FLOPs", "why"), rows))
    reused = sum(s.action == "reuse" for s in steps)
    print(f"\n{len(steps)} stages: {reused} reused, {len(steps) - reused} to run; run folder {folder.folder}")
    for name, versions in foreign_versions(Store(loaded.store), steps).items():
        print(f"note: some of the reused work was made with {name} {', '.join(sorted(versions))}", file=sys.stderr)


def run(
    recipe: RecipeFile,
    set: Sets = None,
    out: Out = None,
    to: To = None,
    arm: Arm = None,
    seed: Seed = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done (as `plan`).")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only the summary.")] = False,
) -> None:
    """Run a recipe. Finished work is reused; after a stop or a crash, run again to go on."""
    if dry_run:
        plan(recipe, set, out, to, arm, seed)
        return
    from vernier.cli.look import summary
    from vernier.core.recipe import load
    from vernier.pipeline.run import run as run_recipe
    from vernier.report.build import write

    loaded = load(recipe, set or ())
    _pieces(loaded.nodes(arm=arm, seed=seed, to=to))  # a path that names nothing must not leave a store behind
    done = run_recipe(loaded, out=out, arm=arm, seed=seed, to=to, quiet=quiet)
    print(summary(done))
    print(f"report: {write(done)}")


def _pieces(nodes: Sequence[Node]) -> int:
    """How many pieces of input there are outside. Raises what finding them does, with the stage's place."""
    from vernier.core.errors import VernierError
    from vernier.core.plugin import Sourced

    found = 0
    for node in nodes:
        if isinstance(node.plugin, Sourced):
            try:
                found += len(node.plugin.units())
            except VernierError as error:
                error.where = error.where or node.where
                raise
    return found
