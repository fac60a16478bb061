"""Vernier: score a corpus with two models, select what is worth training on, and prove that it helped.

    import vernier

    recipe = vernier.Recipe("surface")
    clean = recipe.add("clean", vernier.corpus.ReadJsonl(paths=["data/*.jsonl.zst"]))
    recipe.add("surface", vernier.score.Surface(), corpus=clean)
    run = vernier.run(recipe)

Everything is imported when it is first named (PEP 562), so `import vernier` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vernier.core.recipe import Recipe as Recipe
    from vernier.pipeline.run import run as run

_HOME = {"Recipe": "vernier.core.recipe", "run": "vernier.pipeline.run"}
_MODULES = (
    "adapters",
    "core",
    "corpus",
    "evaluate",
    "exec",
    "mix",
    "models",
    "pipeline",
    "score",
    "select",
    "testing",
    "train",
)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("vernier")
    if name in _MODULES:
        return importlib.import_module(f"vernier.{name}")
    raise AttributeError(f"module 'vernier' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*_MODULES, *_HOME, "__version__"])
