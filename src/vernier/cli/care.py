"""`verify`, `export`, `prune`: check what is stored, take it out, delete what nobody needs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from vernier.cli.look import RunFolder


def verify(
    run: RunFolder,
    repair: Annotated[
        bool, typer.Option("--repair", help="Unmark damaged shards: the next run makes them anew.")
    ] = False,
    recompute: Annotated[int, typer.Option(help="Also redo this many shards and compare their bytes.")] = 0,
) -> None:
    """Check every byte that a run refers to."""
    from vernier.core.errors import DataError
    from vernier.core.run import Run
    from vernier.pipeline import verify as care

    opened = Run.open(run)
    files, damages = care.check(opened)
    for damage in damages:
        at = damage.node if damage.shard is None else f"{damage.node}, shard {damage.shard}"
        print(f"{at}: {damage.wrong}\n  {damage.path}")
    print(f"{files:,} files checked, {len(damages)} damaged or missing")
    if damages and repair:
        care.repair(opened, damages)
        print("unmarked; `vernier run` makes them anew")
    elif damages:
        raise DataError(
            f"{len(damages)} files of the run are not what was committed",
            where=str(run),
            do="run this again with --repair, then `vernier run`",
        )
    elif recompute:
        differing = 0
        for node, unit, equal in care.recompute(opened, recompute):
            print(f"{node}, {unit}: {'the same bytes' if equal else 'DIFFERENT'}")
            differing += not equal
        if differing:
            raise DataError(
                f"{differing} shards came out different when made again",
                do="compare library versions with `vernier plan`; a changed plugin needs a new `version`",
            )


def export(
    run: RunFolder,
    selection: Annotated[str, typer.Argument(help="The selection to take out (`vernier show RUN` lists them).")],
    to: Annotated[Path, typer.Option(help="The folder to write.", metavar="DIR")],
    format: Annotated[
        str, typer.Option(help="parquet, jsonl.zst, hf (a Hugging Face dataset folder), dolma or megatron.")
    ] = "parquet",
    scores: Annotated[list[str] | None, typer.Option(help="Score tables to take along. [default: those used]")] = None,
    tokenizer: Annotated[
        str | None, typer.Option(help="For megatron: the run's tokenizer, or a model that has it.", metavar="STAGE")
    ] = None,
    workers: Annotated[int, typer.Option(help="Worker processes.")] = 2,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Write the documents that a selection keeps, with scores and licences, for any trainer."""
    from vernier.cli.look import node_named
    from vernier.cli.words import table
    from vernier.core.run import Run
    from vernier.pipeline.export import export as write
    from vernier.report.words import size

    opened = Run.open(run)
    done = write(
        opened,
        node_named(opened, selection),
        to,
        format=format,
        scores=scores,
        tokenizer=tokenizer if tokenizer is None else node_named(opened, tokenizer),
        workers=workers,
        quiet=quiet,
    )
    print(table(("license", "documents"), done["licenses"].items()))
    print(f"\n{done['rows']:,} documents, {size(done['bytes'])} of text in {len(done['files'])} files: {to}")
    if "tokens" in done:
        again = done["documents"] - done["rows"]
        print(f"{done['tokens']:,} tokens ({done['type']}), {again:,} repeated documents")


def prune(
    store: Annotated[str, typer.Option(help="The store.")] = ".vernier",
    yes: Annotated[bool, typer.Option("--yes", help="Delete; without it, only say what would be deleted.")] = False,
) -> None:
    """Delete from a store what no run refers to. To let go of a run, delete its folder first."""
    from vernier.core.store import Store
    from vernier.pipeline import prune as care
    from vernier.report.words import size

    unused = care.prune(Store(store), delete=yes)
    for folder in unused.kept:
        print(f"kept: {folder}")
    for folder in unused.gone:
        print(f"no longer there: {folder}")
    if not unused.paths:
        print("nothing to delete: every unit and record is used by a run")
        return
    print(f"{len(unused.paths)} units and records ({size(unused.num_bytes)}) are used by no run")
    if yes:
        print("deleted")
    else:
        print("nothing deleted; add --yes to delete them", file=sys.stderr)
