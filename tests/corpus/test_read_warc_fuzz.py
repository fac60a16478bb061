"""Archives with bytes changed, cut out, doubled and put in, by chance: no crash, and nothing without an account."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.corpus.drive import check_restarts, pieces
from tests.corpus.warcs import SMALL, found, http, packed, record, response
from tests.fuzz import Edit, edited, edits, for_seconds

from vernier.core import tables
from vernier.corpus.read_warc import ReadWarc

RECORDS = [
    *SMALL,
    response("gz", b"\x1f\x8b" + bytes(40), "Content-Encoding: gzip"),
    response("chunks", b"5\r\n<p>xx\r\n0\r\n\r\n", "Transfer-Encoding: chunked"),
    record(http(b"<meta charset=gbk><p>\xc4\xe3\xba\xc3"), id="gbk"),
    record(http(b"gone", status="404 Not Found"), id="404"),
    response("last"),
]
TOKENS = [
    b"WARC/1.0\r\n",
    b"\r\n\r\n",
    b"Content-Length: ",
    b"\x1f\x8b\x08",
    b"\x28\xb5\x2f\xfd",
    b"\0",
    b"9",
    b"HTTP/1.1 200 OK",
]
forms = st.sampled_from(["plain", "gzip", "zstd", "solid"])
CHANGE: dict[str, st.SearchStrategy[Any]] = {
    "form": forms,
    "order": st.permutations(range(len(RECORDS))),
    "changes": edits(TOKENS),
    "most": st.sampled_from([50, 400, 1 << 20]),
}
RESTART: dict[str, st.SearchStrategy[Any]] = {"form": forms, "changes": edits(TOKENS), "piece": st.integers(1, 500)}


def check(data: bytes, most: int) -> None:
    kept, left, offsets = found(data, most)
    assert len(kept) + len(left) == len(offsets)
    assert offsets == sorted(set(offsets)), "two records at one place, or out of order"
    assert all(reason for reason, _ in left)
    for page in kept:
        page["text"].encode()
        assert page["text"].strip() and len(page["text"]) <= 2 * most
    if data.strip(b"\r\n\0") and not data.startswith((b"\x1f\x8b", b"\x28\xb5")):
        assert offsets, "bytes, and no word of them"


def check_change(form: str, order: list[int], changes: Sequence[Edit], most: int) -> None:
    check(edited(packed([RECORDS[i] for i in order], form), changes), most)


def check_restart(form: str, changes: Sequence[Edit], piece: int) -> None:
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(tables, "ROW_GROUP_TEXT", piece):
        path = Path(folder) / "x.warc.gz"
        path.write_bytes(edited(packed(RECORDS, form), changes))
        reader = ReadWarc(paths=[str(path)])
        pieces(reader)
        check_restarts(reader)


@settings(max_examples=150)
@given(**CHANGE)
def test_any_change(**case: Any) -> None:
    check_change(**case)


@settings(max_examples=25)
@given(**RESTART)
def test_reading_goes_on_where_it_stopped(**case: Any) -> None:
    check_restart(**case)


@settings(max_examples=60)
@given(data=st.binary(max_size=400), head=st.sampled_from([b"", *TOKENS]))
def test_any_bytes(data: bytes, head: bytes) -> None:
    check(head + data, 1 << 20)


@settings(max_examples=60)
@given(form=forms, where=st.integers(0, len(RECORDS)), noise=st.binary(min_size=5, max_size=300))
def test_noise_between_records_costs_no_record(form: str, where: int, noise: bytes) -> None:
    noise = b"~" + noise.replace(b"WARC/", b"") + b"\n"
    if form in ("gzip", "zstd") and where == 0:
        where = 1  # before the first member it would decide what form the file has
    records = [*RECORDS[:where], noise, *RECORDS[where:]]
    clean, mixed = found(packed(RECORDS, form)), found(packed(records, form))
    assert mixed[0] == clean[0]
    assert sorted(mixed[1]) == sorted([*clean[1], ("garbage", noise.lstrip(b"\r\n"))])


@settings(max_examples=60)
@given(noise=st.binary(min_size=1, max_size=300), where=st.integers(1, len(RECORDS) - 1))
def test_noise_between_members_costs_no_record(noise: bytes, where: int) -> None:
    noise = b"~" + noise.replace(b"\x1f\x8b", b"")
    data = packed(RECORDS[:where]) + noise + packed(RECORDS[where:])
    clean, mixed = found(packed(RECORDS)), found(data)
    assert mixed[0] == clean[0]
    assert sorted(mixed[1]) == sorted([*clean[1], ("damaged", b"")])


def test_a_magic_number_inside_a_member_is_not_taken_for_one() -> None:
    """Incompressible text with the number in it, in a member that is damaged before it."""
    noise = random.Random(0).randbytes(3000).replace(b"<", b" ")
    middle = response("noise", b"<p>" + noise[:1500] + b"\x1f\x8b\x08\x00" + noise[1500:])
    data = bytearray(packed([response(1), middle, response(2)]))
    data[len(packed([response(1)])) + 200] ^= 0xFF
    kept, left, _ = found(bytes(data))
    assert [page["id"] for page in kept] == ["urn:x:1", "urn:x:2"]
    assert [reason for reason, _ in left] == ["damaged"]


@pytest.mark.fuzz
@pytest.mark.timeout(600)
def test_any_change_for_long() -> None:
    for_seconds(60, check_change, **CHANGE)


@pytest.mark.fuzz
@pytest.mark.timeout(600)
def test_reading_goes_on_where_it_stopped_for_long() -> None:
    for_seconds(60, check_restart, **RESTART)
