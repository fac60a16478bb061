"""Comparisons with known numbers, and run folders as a lock file alone makes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vernier.core.run import Run


def spent(planned: float | None = 100.0, actual: float | None = 100.0) -> dict[str, Any]:
    return {"planned": planned, "actual": actual}


def control(**more: Any) -> dict[str, Any]:
    return {
        "loss": 3.0,
        "training": spent(),
        "overhead": spent(0.0, 0.0),
        "overhead_stages": [],
        "overhead_unknown": [],
        "models": [],
        "token_share": None,
        "told": [],
        **more,
    }


def arm(difference: float, half: float | None = 0.03, **more: Any) -> dict[str, Any]:
    """An arm with an interval of `half` on both sides, and one of twice that for all at once; None: of one seed."""
    ends = {
        name: None if half is None else [difference - times * half, difference + times * half]
        for name, times in (("alone", 1), ("together", 2))
    }
    return control(
        loss=3.0 + difference, difference=difference, second_lot=False, compute=1.0, equal_compute=True, **ends, **more
    )


def second_lot(difference: float, half: float | None = 0.03) -> dict[str, Any]:
    return {**arm(difference, half), "second_lot": True}


def evaluation(**arms: dict[str, Any]) -> dict[str, Any]:
    every = {"random": control(), **arms}
    one_seed = any(one.get("together", ()) is None for one in every.values())
    return {
        "on": ["prose", "docstring"],
        "judged": True,
        "seeds": [0] if one_seed else [0, 1, 2],
        "left_out": [],
        "df": 0 if one_seed else 4,
        "noise": None if one_seed else 0.02,
        "confidence": 0.95,
        "order": list(every),
        "arms": every,
        "ladder": [],
        "notes": [],
    }


def comparison(told: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "control": "random",
        "target": told["on"] if told["judged"] else [],
        "evaluations": {"test": told},
        "defects": [],
        "unplanned": [],
        "twins": [],
        "missing": [],
        "domains": ["docstring", "prose"],
        "repeats": ["keep"],
        **more,
    }


def node(kind: str, plugin: str, **more: Any) -> dict[str, Any]:
    """A node as the lock file records it."""
    return {
        "earlier": False,
        "of": "",
        "arms": [],
        "seed": None,
        "key": f"key of {plugin}",
        "kind": kind,
        "content": "c0ffee",
        "rows": 0,
        "counts": {},
        "facts": {},
        "stage": {"plugin": plugin, "version": 1, "settings": {}, "seed": None, "inputs": {}},
        "inputs": {},
        **more,
    }


def folder(place: Path, nodes: dict[str, dict[str, Any]], name: str = "small", **recipe: Any) -> Run:
    """A run folder that holds a lock file and a recipe, and nothing else."""
    place.mkdir(parents=True)
    whole = {node_name: {**record, "of": record["of"] or node_name} for node_name, record in nodes.items()}
    lock = {"vernier": 1, "name": name, "store": "gone", "environment": {"python": "3.11.7"}, "nodes": whole}
    (place / "lock.json").write_text(json.dumps(lock))
    (place / "recipe.json").write_text(json.dumps({"vernier": 1, "name": name, **recipe}))
    return Run.open(place)
