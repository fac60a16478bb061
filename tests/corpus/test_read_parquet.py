from __future__ import annotations

import datetime
import decimal
import json
from hashlib import blake2b
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.corpus.drive import bad, check_restarts, keys, pieces, rows, texts

from vernier.core import tables
from vernier.core.errors import DataError
from vernier.corpus import read_parquet
from vernier.corpus.read_parquet import ReadParquet


def parquet(path: Path, columns: dict[str, Any], **how: Any) -> ReadParquet:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, **how)
    return ReadParquet(paths=[str(path)])


def test_columns_of_a_row(tmp_path: Path) -> None:
    parquet(
        tmp_path / "part" / "x.parquet", {"text": ["a", "hé"], "id": [1, 2], "domain": ["d", None], "n": [0.5, 1.5]}
    )
    table = rows(ReadParquet(paths=[str(tmp_path)], columns=["n"]))
    assert table.schema == tables.corpus_schema(["n"])
    assert table.to_pylist()[1] == {
        "doc_id": blake2b(b"part/x.parquet\x001", digest_size=16).digest(),
        "text": "hé",
        "num_bytes": 3,
        "text_hash": blake2b("hé".encode(), digest_size=16).digest(),
        "id": "2",
        "domain": None,
        "license": None,
        "source": "part/x.parquet",
        "offset": 1,
        "extra": None,
        "n": "1.5",
    }


@pytest.mark.parametrize(
    "kind",
    [pa.string(), pa.large_string(), pa.binary(), pa.large_binary(), pa.dictionary(pa.int32(), pa.string())],
    ids=str,
)
def test_text_in_any_type(tmp_path: Path, kind: pa.DataType) -> None:
    source = parquet(
        tmp_path / "x.parquet", {"text": pa.array(["a", None, "é\u2028", "a", ""]).cast(kind), "n": range(5)}
    )
    assert texts(source) == ["a", "é\u2028", "a", ""]
    (row,) = bad(source)
    assert (row["offset"], row["reason"], row["raw"]) == (1, "text_missing", b'{"n":1,"text":null}')


def test_other_types_go_to_extra_as_json(tmp_path: Path) -> None:
    moment = datetime.datetime(2026, 1, 2, 3, 4, 5, 600, tzinfo=datetime.UTC)
    columns = {
        "text": ["x"],
        "time": [moment],
        "nanos": pa.array([1], pa.timestamp("ns")),
        "date": [moment.date()],
        "span": [datetime.timedelta(seconds=90)],
        "price": [decimal.Decimal("1.10")],
        "data": [b"\xff\x00"],
        "deep": [{"list": [b"\x00", None], "when": moment.date()}],
        "nan": [float("nan")],
        "big": pa.array([2**64 - 1], pa.uint64()),
        "label": pa.array(["l"]).dictionary_encode(),
    }
    (row,) = rows(parquet(tmp_path / "x.parquet", columns)).to_pylist()
    assert json.loads(row["extra"]) == {
        "time": "2026-01-02T03:04:05.000600+00:00",
        "nanos": "1970-01-01 00:00:00.000000001",
        "date": "2026-01-02",
        "span": "0:01:30",
        "price": "1.10",
        "data": "/wA=",
        "deep": {"list": ["AA==", None], "when": "2026-01-02"},
        "nan": None,
        "big": 2**64 - 1,
        "label": "l",
    }


@pytest.mark.parametrize("column", ["text", "other"])
def test_a_string_that_is_not_utf8_costs_one_row(tmp_path: Path, column: str) -> None:
    broken = pa.array([b"a", b"b\xff", b"c"]).view(pa.string())  # what a careless writer leaves
    columns = {"text": pa.array(["a", "b", "c"]), "other": pa.array(["x", "y", "z"])} | {column: broken}
    source = parquet(tmp_path / "x.parquet", columns)
    assert texts(source) == ["a", "c"]
    (row,) = bad(source)
    assert (row["offset"], row["reason"]) == (1, "bad_utf8")
    assert f"found byte 0xff at byte 1 of column {column!r}" in row["detail"]
    assert json.loads(row["raw"])[column] == "b\\xff"


def test_no_text_column(tmp_path: Path) -> None:
    source = parquet(tmp_path / "x.parquet", {"txet": ["a"], "id": [1]})
    with pytest.raises(DataError, match=r"(?s)no column 'text'.*x\.parquet.*columns txet, id.*did you mean 'txet'"):
        source.units()


@pytest.mark.parametrize("damage", ["footer", "page", "cut", "empty"])
def test_a_damaged_file_is_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "x.parquet"
    source = parquet(path, {"text": [f"text number {i}" * 50 for i in range(1000)]}, write_page_checksum=True)
    data = bytearray(path.read_bytes())
    if damage == "footer":
        data[-6] ^= 0xFF  # the length of the footer
    elif damage == "page":
        data[len(data) // 3] ^= 0x01
    path.write_bytes({"cut": bytes(data[: len(data) // 2]), "empty": b""}.get(damage, bytes(data)))
    with pytest.raises(DataError, match=r"(?s)a Parquet file is damaged.*x\.parquet.*fetch or write it again"):
        pieces(source)


@pytest.mark.parametrize("groups", [1, 3, 1000])
def test_no_rows(tmp_path: Path, groups: int) -> None:
    source = parquet(tmp_path / "x.parquet", {"text": pa.array([], pa.string())}, row_group_size=groups)
    assert texts(source) == []


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.none() | st.text(alphabet=st.characters(codec="utf-8"), max_size=20), max_size=30),
    group=st.integers(1, 12),
    shard=st.integers(1, 300),
    batch=st.integers(1, 300),
    piece=st.integers(1, 100),
)
def test_same_rows_whatever_the_cut(
    tmp_path_factory: pytest.TempPathFactory, values: list[str | None], group: int, shard: int, batch: int, piece: int
) -> None:
    path = tmp_path_factory.mktemp("p") / "x.parquet"
    pq.write_table(pa.table({"text": pa.array(values, pa.string())}), path, row_group_size=group)
    with mock.patch.object(read_parquet, "BATCH", batch), mock.patch.object(tables, "ROW_GROUP_TEXT", piece):
        source = ReadParquet(paths=[str(path)], shard=shard)
        table = rows(source)
        assert list(zip(table.column("offset").to_pylist(), table.column("text").to_pylist(), strict=True)) == [
            (i, value) for i, value in enumerate(values) if value is not None
        ]
        assert [row["offset"] for row in bad(source)] == [i for i, value in enumerate(values) if value is None]
        check_restarts(source)


def test_row_groups_are_units_and_a_file_more_changes_no_other(tmp_path: Path) -> None:
    parquet(
        tmp_path / "b.parquet",
        {"text": ["x" * 1000 + str(i) for i in range(40)]},
        row_group_size=10,
        use_dictionary=False,
    )
    source = ReadParquet(paths=[f"{tmp_path}/*"], shard=25_000)
    before = keys(source)
    assert list(before) == ["b.parquet+0", "b.parquet+2"]
    parquet(tmp_path / "a.parquet", {"text": ["a"]})
    after = keys(source)
    assert {name: after[name] for name in before} == before and len(after) == 3
