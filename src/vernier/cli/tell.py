"""`report`: what a run found, as one HTML file."""

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
