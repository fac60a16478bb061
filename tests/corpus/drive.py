"""What the tests of the readers share: reading everything, and comparing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from vernier.core import tables
from vernier.core.plugin import Piece, Reader


def pieces(reader: Reader) -> list[list[Piece]]:
    """The pieces of every unit, each checked for its form."""
    out = [list(reader.read(unit, 0)) for unit in reader.units()]
    for unit in out:
        assert unit, "a unit has one piece at least"
        for piece in unit:
            assert piece.bad.schema == tables.QUARANTINE
            assert piece.rows.schema.names[: len(tables.CORPUS)] == tables.CORPUS.names
            for table in (piece.rows, piece.bad):
                table.validate(full=True)
            sizes = piece.rows.column("num_bytes").to_pylist()
            assert len(sizes) <= 1 or sum(sizes) <= tables.ROW_GROUP_TEXT
    return out


def rows(reader: Reader) -> pa.Table:
    return pa.concat_tables([piece.rows for unit in pieces(reader) for piece in unit])


def bad(reader: Reader) -> list[dict[str, Any]]:
    return pa.concat_tables([piece.bad for unit in pieces(reader) for piece in unit]).to_pylist()


def texts(reader: Reader) -> list[str]:
    return rows(reader).column("text").to_pylist()


def keys(reader: Reader) -> dict[str, Any]:
    """What a unit's key is made of, by its name."""
    units = reader.units()
    assert len({unit.name for unit in units}) == len(units)
    return {unit.name: (unit.content, json.dumps(unit.part)) for unit in units}


def check_restarts(reader: Reader) -> None:
    """Reading anew from behind any piece makes the same pieces that follow it."""
    for unit in reader.units():
        whole = list(reader.read(unit, 0))
        for i, piece in enumerate(whole[:-1]):
            again = list(reader.read(unit, piece.next))
            assert len(again) == len(whole) - i - 1
            for one, other in zip(again, whole[i + 1 :], strict=True):
                assert one.rows.equals(other.rows) and one.bad.equals(other.bad)
                assert one.next == other.next


def jsonl(records: Sequence[Any]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def write(path: Path, data: bytes) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return str(path)
