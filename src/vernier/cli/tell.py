"""`report`, `compare`: what a run found, as one HTML file; what several found, as one run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vernier.cli.look import RunFolder

To = Annotated[Path | None, typer.Option(help="The file to write. [default: RUN/report.html]", metavar="FILE")]


def report(run: RunFolder, to: To = None) -> None:
    """Write the report of a run: one HTML file that opens from disk and loads nothing."""
    from vernier.core.run import Run
    from vernier.report.build import write

    print(f"report: {write(Run.open(run), to)}")


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, two or more.", metavar="RUN...")],
    out: Annotated[Path | None, typer.Option(help="The run folder to write. [default: runs/ONE-and-OTHER]")] = None,
) -> None:
    """Join runs of one store and one control: all their arms on one leaderboard, with intervals that hold for all."""
    from vernier.cli.look import summary
    from vernier.core.run import Run
    from vernier.pipeline.join import join
    from vernier.report.build import write

    opened = [Run.open(run) for run in runs]
    done = join(opened, out or Path("runs") / "-and-".join(run.folder.resolve().name for run in opened))
    print(summary(done))
    print(f"report: {write(done)}")
