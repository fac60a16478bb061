"""A folder with a small corpus, and a quiet run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.pipeline.small import small_recipe, write_jsonl

from vernier.core.run import Run
from vernier.pipeline.run import run


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder for a test, with three files of documents under `data`."""
    monkeypatch.chdir(tmp_path)
    for i in range(3):
        write_jsonl(tmp_path / "data" / f"part-{i}.jsonl", range(i * 40, i * 40 + 40))
    return tmp_path


@pytest.fixture
def go() -> Callable[..., Run]:
    """Run a recipe quietly."""
    return lambda recipe, **more: run(recipe, quiet=True, **more)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The small recipe, run once."""
    folder = tmp_path_factory.mktemp("small")
    for i in range(3):
        write_jsonl(folder / "data" / f"part-{i}.jsonl", range(i * 40, i * 40 + 40))
    recipe = small_recipe(str(folder / ".vernier"), paths=[str(folder / "data" / "*.jsonl")])
    return run(recipe, out=folder / "run", quiet=True)
