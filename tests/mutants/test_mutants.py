"""Every patch still applies, and names tests that exist; whether they notice it is `make mutants`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.mutants.run import PROJECT, Mutant, apply, copy_sources, mutants


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mutants")
    copy_sources(folder)
    return folder


@pytest.mark.parametrize("mutant", mutants(), ids=lambda mutant: mutant.name)
def test_a_mutant_applies_and_names_tests(mutant: Mutant, sources: Path) -> None:
    changed = re.findall(r"^--- a/(\S+)$", mutant.path.read_text(encoding="utf-8"), re.MULTILINE)
    before = {path: (sources / path).read_bytes() for path in changed}
    assert apply(mutant, sources) == ""
    assert changed and all((sources / path).read_bytes() != raw for path, raw in before.items())
    for path, raw in before.items():
        compile((sources / path).read_bytes(), path, "exec")
        (sources / path).write_bytes(raw)
    for test in mutant.tests:
        path, _, name = test.partition("::")
        assert re.search(rf"^def {name or 'test_'}", (PROJECT / path).read_text(encoding="utf-8"), re.MULTILINE), test
