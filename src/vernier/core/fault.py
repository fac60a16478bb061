"""Named fault points: where the crash tests may kill this process, and nothing else.

    VERNIER_FAULT=commit.renamed@keep/3      SIGKILL at that point of unit 3 of stage `keep`
    VERNIER_FAULT=commit.renamed@keep/*      ... of whichever unit comes first
    VERNIER_FAULT_KILLS=self|parent|group    whom: this process (default), the one that started it (a worker's
                                             driver), or every process of its group
    VERNIER_FAULT_ONCE=/tmp/flag             kill only while this file exists; it is removed by the kill
    VERNIER_FAULT_LOG=/tmp/points.jsonl      one line {point, stage, unit, pid, kills} for each point passed

Without these variables a fault point costs two dictionary look-ups.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping

POINTS = (
    "unit.started",  # a worker has taken a unit
    "commit.written",  # data written under a temporary name, not yet synced
    "commit.synced",  # data synced, not yet renamed
    "commit.renamed",  # data under its final name, no done record
    "commit.done",  # done record written, the driver not told
    "record.written",  # a record (done, manifest, lock file) written under a temporary name, not yet renamed
    "stage.units_done",  # every unit done, no manifest
    "stage.manifest",  # manifest written, the run folder not told
    "run.linked",  # links written under a temporary name, not yet renamed
    "run.recorded",  # links and log written
    "export.shard",  # a file of an export under its final name
)

_stage, _unit = "-", "-"


def at_unit(stage: str, unit: str) -> None:
    """Name the stage and unit that this process works on from now on."""
    global _stage, _unit
    _stage, _unit = stage, unit


def point(name: str) -> None:
    """A place where the crash tests may kill this process."""
    wanted, log = os.environ.get("VERNIER_FAULT"), os.environ.get("VERNIER_FAULT_LOG")
    if wanted is None and log is None:
        return
    assert name in POINTS, name
    kills = wanted is not None and _is_here(wanted, name)
    if log is not None:
        _write(log, {"point": name, "stage": _stage, "unit": _unit, "pid": os.getpid(), "kills": kills})
    if kills:
        _kill(os.environ.get("VERNIER_FAULT_KILLS", "self"))


def _is_here(wanted: str, name: str) -> bool:
    """Whether this is the place that `wanted` names, and nobody was killed at it yet."""
    at, _, unit = wanted.partition("@")
    if at != name or unit not in (f"{_stage}/{_unit}", f"{_stage}/*", "*"):
        return False
    once = os.environ.get("VERNIER_FAULT_ONCE")
    if once is not None:
        try:
            os.unlink(once)
        except FileNotFoundError:
            return False
    return True


def _write(log: str, line: Mapping[str, object]) -> None:
    fd = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(fd, json.dumps(line).encode() + b"\n")
    finally:
        os.close(fd)


def _kill(whom: str) -> None:
    if whom == "group":
        os.killpg(os.getpgrp(), signal.SIGKILL)
    elif whom == "parent":
        os.kill(os.getppid(), signal.SIGKILL)
        while True:  # this process has come to this point and no further when its driver dies
            signal.pause()
    else:
        os.kill(os.getpid(), signal.SIGKILL)
