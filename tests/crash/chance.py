"""Kills at random times: aimed at a stage, sent to a worker, the driver or the whole group."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.crash.world import PATIENCE_S, Driver, Place, Reference, guarded, processes, wait_for_orphans

TARGETS = ("driver", "worker", "group")
HALFWAY = 0.15  # of a stage's time: most of it passes before the first shard is committed (measured: 0.85)
TRIED_AGAIN = re.compile(r"stage (\S+), shard (\S+): its worker ended with signal 9 \(SIGKILL\); try 2 of 3")
Start = Callable[[Place, list[str], dict[str, str]], Driver]


class Aim(NamedTuple):
    """A stage; `halfway`: not before a unit of it is half done, which is an archive with a shard of it committed."""

    stage: str
    halfway: bool = False


def strike(
    rng: random.Random, place: Place, reference: Reference, start: Start, aim: Aim, target: str
) -> dict[str, Any] | None:
    """Run in an empty place, kill at a random instant of a stage, run to the end, check.

    Returns what happened; None if the run, or the worker, ended before the kill: that does not count.
    `units_half_done` of a run that lost a worker alone is what they were a moment before.
    """
    points = place.folder / "points.jsonl"
    driver = start(place, place.argv(), {"VERNIER_FAULT_LOG": str(points)})
    began = time.monotonic()
    delay = rng.random() * reference.spans[aim.stage] * (HALFWAY if aim.halfway else 1)
    until = began + PATIENCE_S
    while not any(e["event"] == "stage" and e["node"] == aim.stage for e in place.events()):
        assert driver.poll() is None and time.monotonic() < until, driver.words()
        time.sleep(0.002)
    while aim.halfway and not reference.half_done(place) and place.stage_at_work() == aim.stage:
        assert time.monotonic() < until, driver.words()
        time.sleep(0.002)
    time.sleep(delay)
    victims = [driver.pid]
    if target == "worker":
        victims = [pid for pid, parent, _ in processes() if parent == driver.pid]
    ended = driver.poll() is not None or not victims
    guards, half_done = len(guarded(driver.pid)), len(reference.half_done(place))
    at_s = time.monotonic() - began
    if not ended:
        try:
            os.killpg(driver.pid, signal.SIGKILL) if target == "group" else os.kill(rng.choice(victims), signal.SIGKILL)
        except ProcessLookupError:
            ended = True
    orphans_s = wait_for_orphans(driver.pid)
    code = driver.wait()
    assert target != "worker" or code == 0, driver.words()
    if ended or (target != "worker" and (code != -signal.SIGKILL or place.events()[-1]["event"] == "run_done")):
        return None
    row = {"target": target, "aimed_at": aim.stage, "after_s": round(at_s, 3), **at_work(place, points, driver.words())}
    undone = reference.undone(place)
    row["units_left"] = reference.num_distinct(undone)
    row["units_half_done"] = half_done if target == "worker" else len(reference.half_done(place))
    if target == "worker":
        tries = len(TRIED_AGAIN.findall(driver.words()))
        if not tries:
            return None  # it was idle, or leaving
        assert not undone and tries == 1
        row["units_left"] = row["units_redone"] = 1
    else:
        before = place.commits()
        again = start(place, place.argv(), {})
        assert again.wait() == 0, again.words()
        redone, now = place.redone(), place.commits()
        reference.check_redone(redone, undone)
        assert {name: now[name] for name in before} == before, "a committed file was written again"
        row["units_redone"] = len(redone)
    reference.check_whole(place)
    return {**row, "byte_equal": True, "guards": guards, "orphans_s": round(orphans_s, 3)}


def at_work(place: Place, points: Path, words: str) -> dict[str, Any]:
    """The stage at the moment of the kill, its shards at work, and the last point that each had passed."""
    passed = [json.loads(line) for line in points.read_text().split("\n")[:-1]] if points.exists() else []
    tried_again = TRIED_AGAIN.search(words)
    if tried_again:  # a worker was killed, and the run went on to its end
        stage, shard = tried_again.groups()
        last = [p["point"] for p in passed if (p["stage"], p["unit"]) == (stage, shard)]
        return {"stage": stage, "shards": [shard], "points": last[:1]}
    stage = place.stage_at_work()
    now = {p["pid"]: p for p in passed if not p["point"].startswith("run.")}.values()
    now = [p for p in now if p["stage"] == stage and (p["unit"] == "-" or p["point"] != "commit.done")]
    return {
        "stage": stage or "between stages",
        "shards": [p["unit"] for p in now],
        "points": [p["point"] for p in now] or ["workers starting, or none at work"],
    }


def campaign(
    rng: random.Random,
    kills: int,
    stages: Sequence[Aim],
    folder: Path,
    make: Callable[[Path], Place],
    reference: Reference,
    start: Start,
    kinds: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """At least `kills` random kills, aimed at each of `stages` in turn and sent to each target in turn; as many more
    as it takes to hit every kind of stage: its shape, or what `kinds` calls it."""
    kinds = kinds or reference.shapes
    rows: list[dict[str, Any]] = []
    hit: set[str] = set()
    wanted = {kinds[aim.stage] for aim in stages}
    drawn = 0
    while len(rows) < kills or not wanted <= hit:
        assert drawn < 4 * kills + 20, f"kills come too late: {len(rows)} of {drawn} counted, in {sorted(hit)}"
        aims = stages if len(rows) < kills else [one for one in stages if kinds[one.stage] not in hit]
        aim = aims[drawn % len(aims)]
        target = TARGETS[(drawn + drawn // len(TARGETS)) % len(TARGETS)]
        place = make(folder / str(drawn))
        row = strike(rng, place, reference, start, aim, target)
        drawn += 1
        if row is not None:
            row["kind"] = kinds.get(row["stage"], "none")
            hit.add(row["kind"])
            rows.append(row)
        shutil.rmtree(place.folder)
    return rows


def verdict(kills: Sequence[Mapping[str, Any]], kinds: Collection[str], rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    """What a campaign must show: of its kills at random instants, and of all its rows."""
    hit = {row["kind"] for row in kills} - {"none"}
    return [
        demand("at least 30 kills at random instants", len(kills) >= 30, kills=len(kills)),
        demand("one in every kind of stage", hit.issuperset(kinds), kinds=sorted(hit)),
        demand("driver, worker and group", {row["target"] for row in kills} == set(TARGETS)),
        demand("every store equal to that of a run never killed, byte by byte", all(row["byte_equal"] for row in rows)),
        demand("only units without a done record redone", all(r["units_redone"] <= r["units_left"] for r in rows)),
    ]


def demand(must: str, holds: bool, **more: Any) -> dict[str, Any]:
    return {"must": must, "holds": holds, **more}
