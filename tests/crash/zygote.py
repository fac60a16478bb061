"""Starts drivers fast: this process has imported what `vernier run` needs, and forks one for each request.

One JSON line in, one out: {argv, cwd, env, log} -> {pid}; {wait: pid} -> {status}, null while it runs.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from typing import Any

import vernier.cli.look
import vernier.core.recipe
import vernier.corpus.boilerplate
import vernier.corpus.extract
import vernier.corpus.materialise
import vernier.corpus.read_jsonl
import vernier.corpus.read_warc
import vernier.pipeline.export
import vernier.pipeline.run
import vernier.score.language
import vernier.score.signals
import vernier.score.surface
import vernier.select.random
import vernier.select.rules
import vernier.select.slice
import vernier.select.threshold
import vernier.select.top_k
import vernier.train.tokenizer  # noqa: F401
from vernier.cli import main


def start(argv: list[str], cwd: str, env: dict[str, str], log: str) -> int:
    """Fork a driver in a process group of its own."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.setsid()
        os.chdir(cwd)
        os.environ.update(env)
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        null = os.open(os.devnull, os.O_RDONLY)
        for source, fd in ((null, 0), (out, 1), (out, 2)):
            os.dup2(source, fd)
        sys.argv = ["vernier", *argv]
        code = as_exit_code(main)
    except BaseException:  # noqa: BLE001 - a fork must never return into its parent's loop
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def as_exit_code(function: Any) -> int:
    """What Python would exit with."""
    try:
        function()
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    return 0


def serve() -> None:
    for line in sys.stdin:
        said: dict[str, Any] = json.loads(line)
        if "wait" in said:
            pid, status = os.waitpid(said["wait"], os.WNOHANG)
            answer = {"status": os.waitstatus_to_exitcode(status) if pid else None}
        else:
            answer = {"pid": start(**said)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve()
