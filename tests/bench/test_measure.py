"""What a command costs is counted over its whole tree, orphans and all."""

from __future__ import annotations

import sys

import pytest
from bench.measure import at_least, must, run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the benches read /proc")

ORPHAN = """
import os, time
if os.fork() == 0:
    if os.fork() == 0:
        held = bytearray(200_000_000)
        held[::4096] = b"x" * len(held[::4096])
        while time.process_time() < 0.6:
            pass
        time.sleep(0.2)
    os._exit(0)
"""


def test_an_orphan_counts() -> None:
    usage = run([sys.executable, "-c", ORPHAN])
    assert usage.cpu_s > 0.6
    assert 200e6 < usage.peak_bytes < 300e6
    assert usage.processes >= 1


def test_sleeping_costs_wall_time_alone() -> None:
    usage = run(["sleep", "0.3"])
    assert usage.wall_s > 0.29
    assert usage.cpu_s < 0.1


def test_a_command_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match="no such thing"):
        run([sys.executable, "-c", "raise SystemExit('no such thing')"])


def test_a_demand_has_an_upper_limit() -> None:
    assert must("wait", 0.2, 0.3)["holds"] is True
    assert must("wait", 0.31, 0.3)["holds"] is False


def test_a_demand_has_a_lower_limit() -> None:
    assert at_least("speed", 0.95, 0.95)["holds"] is True
    assert at_least("speed", 0.94, 0.95)["holds"] is False
