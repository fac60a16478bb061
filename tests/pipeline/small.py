"""A small corpus on disk and a recipe over it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vernier.core.recipe import Recipe
from vernier.core.run import Run
from vernier.corpus.read_jsonl import ReadJsonl
from vernier.select.budget import Budget
from vernier.select.random import Random
from vernier.select.slice import Slice

ONE = {"workers": 1}  # a worker costs half a second of CPU: one is enough where no test asks for more


def document(number: int) -> dict[str, Any]:
    words = " ".join(f"word{number * 7 % 13}" for _ in range(number % 17 + 1))
    return {
        "id": f"d{number}",
        "text": f"Document {number}. {words}",
        "domain": "odd" if number % 2 else "even",
        "page": f"p{number}",
    }


def write_jsonl(path: Path, numbers: range) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(document(n)) + "\n" for n in numbers), encoding="utf-8")


def small_recipe(store: str = ".vernier", **reader: Any) -> Recipe:
    """read -> slice -> random half of the slice."""
    recipe = Recipe("small", store=store)
    clean = recipe.add("clean", ReadJsonl(**{"paths": ["data/*.jsonl"], **reader}), on=ONE)
    pool = recipe.add("pool", Slice(range=(0.0, 0.7)), corpus=clean, on=ONE)
    recipe.add("keep", Random(keep=Budget(share=0.5)), corpus=clean, within=pool, on=ONE)
    return recipe


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a store, by path, but its lock and its notes of where run folders are."""
    files = (p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != "lock" and p.parent.name != "runs")
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def units_done(folder: Run) -> list[tuple[str, str]]:
    """(node, unit) of each unit that the last run of this folder did, from its log."""
    events = [json.loads(line) for line in (folder.folder / "log" / "events.jsonl").read_text().splitlines()]
    last = max(i for i, event in enumerate(events) if event["event"] == "run")
    return [(e["node"], e["unit"]) for e in events[last:] if e["event"] == "unit_done"]
