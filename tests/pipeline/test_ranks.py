"""A stage that several ranks build together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.pipeline.plugins import Letters
from tests.pipeline.small import ONE, document, tree

from vernier.core.recipe import Recipe
from vernier.core.run import Run
from vernier.corpus.read_jsonl import ReadJsonl


def test_ranks_change_neither_key_nor_bytes(here: Path, go: Callable[..., Run]) -> None:
    runs: dict[int, Run] = {}
    for ranks in (1, 2):
        recipe = Recipe("letters", store=f"store-{ranks}")
        clean = recipe.add("clean", ReadJsonl(paths=("data/*.jsonl",)), on=ONE)
        recipe.add("letters", Letters(), corpus=clean, on={"ranks": ranks})
        runs[ranks] = go(recipe, out=f"run-{ranks}")
    one, two = (run.artifact("letters") for run in runs.values())
    assert one == two
    assert one.facts == {"bytes": sum(len(document(n)["text"]) for n in range(120)), "rank": 0}
    assert [name for shard in two.shards for name in shard.files] == ["counts-0.txt"]
    stores = [tree(here / f"store-{ranks}") for ranks in (1, 2)]
    assert _without_versions(stores[0]) == _without_versions(stores[1])
    assert [run.store.made_with(one.key)["ranks"] for run in runs.values()] == ["1", "2"]


def _without_versions(files: dict[str, bytes]) -> dict[str, bytes]:
    return {path: raw for path, raw in files.items() if not path.startswith("made/")}
