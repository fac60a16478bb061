"""SIGKILL at random times; the long campaign is `make crash`."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.crash.chance import Aim, campaign
from tests.crash.world import Place, Reference, Starter

SHAPES = {"reader", "map", "fold", "build"}


@pytest.mark.timeout(600)
def test_five_kills_at_random_times(tmp_path: Path, source: Path, reference: Reference, starter: Starter) -> None:
    stages = ["clean", "bpe", "keep", "surf", "out"]
    assert {reference.shapes[stage] for stage in stages} == SHAPES
    rows = campaign(
        random.Random(2),
        len(stages),
        [Aim(stage) for stage in stages],
        tmp_path,
        lambda folder: Place.make(folder, source),
        reference,
        starter.start,
    )
    for row in rows:
        print(row)
    assert len(rows) >= 5 and {row["kind"] for row in rows} >= SHAPES
