"""What an import may cost: `import vernier` nothing, a plugin file nothing heavy; what installing brings."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import metadata, requires, version
from pathlib import Path

import pytest

import vernier
from vernier.core import plugin

PROJECT = Path(__file__).parent.parent

BLOCK = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {heavy!r}:
            raise ImportError(f"{{name}} is blocked in this test")
sys.meta_path.insert(0, Block())
"""
HEAVY = ("torch", "transformers", "ray", "datasets", "scipy", "duckdb", "pandas", "rich")


def python(code: str, *, block: tuple[str, ...] = ()) -> str:
    """Run code in a fresh interpreter in which some packages can not be imported; its standard output."""
    done = subprocess.run(
        [sys.executable, "-c", BLOCK.format(heavy=block) + code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_vernier_imports_nothing_else() -> None:
    loaded = python("import vernier; print(*sorted({m.partition('.')[0] for m in sys.modules}))").split()
    assert "vernier" in loaded
    for name in ("numpy", "pyarrow", "pydantic", "ruamel", "fsspec", "typer", *HEAVY):
        assert name not in loaded


def test_every_plugin_file_imports_without_heavy_libraries() -> None:
    found = python("from vernier.core import plugin; print(*plugin.names())", block=HEAVY).split()
    assert found == plugin.names()
    assert found


def test_every_module_of_the_torch_free_floors_imports_without_torch() -> None:
    for package in ("core", "corpus", "select", "mix", "exec"):
        loaded = python(
            "import importlib, pkgutil\n"
            f"package = importlib.import_module('vernier.{package}')\n"
            f"for module in pkgutil.iter_modules(package.__path__, 'vernier.{package}.'):\n"
            "    print(importlib.import_module(module.name).__name__)\n",
            block=("torch", "transformers", "ray", "datasets"),
        )
        assert len(loaded.split()) > 1


def test_a_plain_installation_has_no_torch() -> None:
    needs = requires("vernier") or []
    plain = [line for line in needs if "extra ==" not in line]
    assert any(line.startswith("numpy") for line in plain)
    assert not [line for line in plain if line.startswith(HEAVY[:4])]
    declared = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert not [line for line in declared["dependencies"] if line.startswith(HEAVY[:4])]
    assert metadata("vernier")["License-Expression"] == "Apache-2.0"


def test_names_are_found_when_they_are_named() -> None:
    assert vernier.__version__ == version("vernier")
    assert vernier.score.__name__ == "vernier.score"
    assert "select" in dir(vernier)
    with pytest.raises(AttributeError, match="no attribute 'scores'"):
        _ = vernier.scores


def test_a_class_is_found_in_its_file() -> None:
    for name in plugin.names():
        cls = plugin.find(name)
        domain = getattr(vernier, name.partition(".")[0])
        assert getattr(domain, cls.__name__) is cls
        assert cls.__name__ in dir(domain)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = vernier.score.Nothing


def test_one_class_does_not_import_its_neighbours() -> None:
    first, *others = sorted(n for n in plugin.names() if n.startswith("select."))
    cls = plugin.find(first).__name__
    loaded = python(f"import vernier; vernier.select.{cls}; print(*sys.modules)").split()
    assert f"vernier.{first}" in loaded
    assert not [n for n in others if f"vernier.{n}" in loaded]
