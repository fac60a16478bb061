"""The long campaign (`make crash`): every point and target on a store of its own, and thirty kills at random times of
`vernier run` as a person starts it, twelve of them in a recipe that trains and scores with torch.

Writes bench/results/crash.json.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from bench.measure import result, save
from tests.crash.chance import Aim, campaign, verdict
from tests.crash.test_points import IN_DRIVER, IN_WORKERS, run_on
from tests.crash.world import QUICK, TORCH, Fault, Place, Reference, Starter

pytestmark = [pytest.mark.crash, pytest.mark.timeout(4 * 3600)]
SEED, WITHOUT_TORCH, WITH_TORCH = 0, 18, 12
FAULTS = [Fault(*at, kills) for at in IN_WORKERS for kills in ("self", "parent", "group")] + [
    Fault(*at, kills) for at in IN_DRIVER for kills in ("self", "group")
]


def test_campaign(tmp_path: Path, source: Path, reference: Reference, starter: Starter) -> None:
    points = [at_point(one, tmp_path / "point", source, reference, starter) for one in FAULTS]
    rng = random.Random(SEED)
    quick = campaign(
        rng,
        WITHOUT_TORCH,
        [Aim(stage) for stage in reference.shapes],
        tmp_path / "quick",
        lambda folder: Place.make(folder, source),
        reference,
        starter.start_cold,
    )
    trained = with_torch(tmp_path / "reference", source, starter)
    heavy = campaign(
        rng,
        WITH_TORCH,
        [Aim(stage) for stage in ("small", "nll", "again", "test")],
        tmp_path / "torch",
        lambda folder: Place.make(folder, source, recipe=QUICK + TORCH),
        trained,
        starter.start_cold,
    )
    rows = [{"recipe": "without torch", **row} for row in quick] + [{"recipe": "with torch", **row} for row in heavy]
    table = [
        *({"what": "random instant", **row} for row in rows),
        *({"what": "fault point", **row} for row in points),
    ]
    question = "Is a run that was killed, and run again, equal to one that was not, and is nothing done twice?"
    found = result(
        "crash",
        question,
        table,
        verdict(rows, {"reader", "map", "fold", "build"}, table),
        seed=SEED,
        kills={"random instants": len(rows), "fault points": len(points)},
        reruns=sum(row["target"] != "worker" for row in table),
    )
    save(found | {"command": "python -m pytest -q -m crash tests/crash/test_campaign.py"}, small=False)
    assert all(one["holds"] for one in found["verdict"])


def at_point(one: Fault, folder: Path, source: Path, reference: Reference, starter: Starter) -> dict[str, Any]:
    place = Place.make(folder, source)
    run_on(place, reference, starter, one)
    undone = reference.undone(place)
    run_on(place, reference, starter, None)
    redone = place.redone()
    reference.check_whole(place)
    shutil.rmtree(folder)
    stage, shard = one.where.split("/")
    by_driver = not one.spares_the_driver and one.kills == "self"
    return {
        "target": "driver" if one.kills == "parent" or by_driver else {"self": "worker", "group": "group"}[one.kills],
        "stage": stage,
        "shards": [shard],
        "points": [one.point],
        "kind": reference.shapes.get(stage, "none"),
        "units_left": reference.num_distinct(undone),
        "units_redone": len(redone),
        "byte_equal": True,
    }


def with_torch(folder: Path, source: Path, starter: Starter) -> Reference:
    place = Place.make(folder, source, recipe=QUICK + TORCH)
    driver = starter.start_cold(place, place.argv())
    assert driver.wait() == 0, driver.words()
    return Reference.of(place)
