"""The real corpus files, each with the number of records that its manifest gives."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.compute as pc
from tests.corpus.drive import keys, pieces

from vernier.corpus.read_jsonl import ReadJsonl


def test_every_record_of_every_file(data: Path) -> None:
    reader = ReadJsonl(paths=[str(data / "corpus")], columns=["quality"])
    manifest = {entry["file"]: entry for entry in json.loads((data / "MANIFEST.json").read_text())}
    want = {name.removeprefix("corpus/"): e for name, e in manifest.items() if name.startswith("corpus/")}
    units = reader.units()
    assert {unit.name: unit.content for unit in units} == {name: entry["sha256"] for name, entry in want.items()}
    total = 0
    for unit, made in zip(units, pieces(reader), strict=True):
        assert sum(piece.rows.num_rows for piece in made) == want[unit.name]["records"]
        assert sum(piece.bad.num_rows for piece in made) == 0
        for piece in made:
            assert piece.rows.column("domain").null_count == 0
            total += pc.sum(piece.rows.column("num_bytes")).as_py()
    assert total > 50_000_000


def test_plain_files_too(data: Path) -> None:
    reader = ReadJsonl(paths=[str(data / "tasks")], text="context", shard=50_000)
    manifest = {entry["file"]: entry["records"] for entry in json.loads((data / "MANIFEST.json").read_text())}
    counts: dict[str, int] = {}
    for unit, made in zip(reader.units(), pieces(reader), strict=True):
        name = unit.spec["name"]
        counts[name] = counts.get(name, 0) + sum(p.rows.num_rows + p.bad.num_rows for p in made)
    assert counts == {k.removeprefix("tasks/"): n for k, n in manifest.items() if k.startswith("tasks/")}
    assert len(keys(reader)) > len(counts)
