"""The command line: `vernier VERB ...`. Each verb imports what it needs when it is called."""

from __future__ import annotations

import signal
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from vernier.cli import care, look, start, tell, work
from vernier.core.errors import VernierError


class Verbs(TyperGroup):
    """Ends a stopped verb in our own words: Typer would exit with 130 and say nothing, whatever the signal."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            print("stopped; finished shards are committed, run again to go on", file=sys.stderr)
            # exec's Interrupted carries the signal's number
            raise SystemExit(128 + getattr(stop, "signum", signal.SIGINT)) from stop


app = typer.Typer(
    cls=Verbs,
    name="vernier",
    help="Find out which of your data is worth training on, and prove it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verb in (
    start.init,
    work.check,
    work.plan,
    work.run,
    look.ls,
    look.show,
    look.diff,
    look.why,
    tell.report,
    tell.compare,
    care.verify,
    care.export,
    care.prune,
):
    app.command()(verb)


def main() -> None:
    """Run the command line. Errors go to stderr in plain words; the exit code says who must act (1 is a bug)."""
    try:
        app()
    except VernierError as error:
        # A subclass made elsewhere goes by the name of its place in the tree: who must act.
        name = next(c.__name__ for c in type(error).__mro__ if c.__module__ == VernierError.__module__)
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except Exception as error:
        from vernier.exec.base import WorkerTraceback

        if not isinstance(error.__cause__, WorkerTraceback):
            raise
        # What the worker saw says it all; how the driver came to hear of it would only hide it.
        print(error.__cause__.text.rstrip(), *getattr(error, "__notes__", ()), sep="\n", file=sys.stderr)
        print("this is a bug in the plugin or in Vernier; finished shards are committed", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
