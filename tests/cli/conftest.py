"""The command line in this process, in a folder with a small corpus and a recipe."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.pipeline.small import write_jsonl

from vernier.cli import main

RECIPE = """\
vernier: 1
name: small
stages:
  clean: {do: corpus.read_jsonl, with: {paths: ["data/*.jsonl"]}}
  keep: {do: select.random, in: {corpus: clean}, with: {keep: {documents: 50}}}
"""
Verb = Callable[..., tuple[int, str, str]]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for i in range(2):
        write_jsonl(tmp_path / "data" / f"part-{i}.jsonl", range(i * 40, i * 40 + 40))
    (tmp_path / "small.yaml").write_text(RECIPE)
    return tmp_path


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Verb:
    """Call the command line in this process: exit code, what it printed, what it complained of."""

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["vernier", *words])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        out, err = capsys.readouterr()
        return code, out, err

    return call
