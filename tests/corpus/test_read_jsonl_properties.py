"""The same rows however the bytes are stored, cut and met, against a slow obvious reader."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import json
import lzma
import struct
import tempfile
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any
from unittest import mock

import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.corpus.drive import check_restarts, keys, pieces

from vernier.core import tables
from vernier.corpus import streams
from vernier.corpus.read_jsonl import ReadJsonl

texts = st.text(alphabet=st.characters(codec="utf-8"), max_size=30)
records = st.fixed_dictionaries(
    {"text": texts}, optional={"id": st.integers() | texts, "more": st.floats() | st.integers() | st.lists(texts)}
)
good = st.builds(
    lambda record, ascii: json.dumps(record, ensure_ascii=ascii).encode("utf-8", "surrogatepass"),
    records,
    st.booleans(),
)
odd = st.sampled_from(
    [b"", b"   ", b"\r", b"{", b"[]", b"3", b'{"text": 3}', b"{}", b'{"text": "\xff"}', b'{"text": "\\ud800"}', b"\x00"]
)
lines = st.lists(st.one_of(good, good, good, odd), max_size=40)
files = st.builds(
    lambda lines, end, last: end.join(lines) + last,
    lines,
    st.sampled_from([b"\n", b"\r\n"]),
    st.sampled_from([b"", b"\n", b"\n\n"]),
)


def obvious(data: bytes, name: str) -> tuple[list[tuple[Any, ...]], list[int]]:
    """The rows (doc_id, text, offset) and the offsets of the quarantined records, one line at a time."""
    out: list[tuple[Any, ...]] = []
    quarantined: list[int] = []
    offset = 0
    for line in data.split(b"\n"):
        if line.strip():
            try:
                text = json.loads(line.decode("utf-8"))["text"]
                assert isinstance(text, str)
                text.encode()
            except (ValueError, TypeError, KeyError, AssertionError):
                quarantined.append(offset)
            else:
                out.append((blake2b(f"{name}\0{offset}".encode(), digest_size=16).digest(), text, offset))
        offset += len(line) + 1
    return out, quarantined


def pack(data: bytes, form: str, cut: int) -> bytes:
    """`data` in a form of several members or frames, cut anywhere."""
    one, two = data[: cut % (len(data) + 1)], data[cut % (len(data) + 1) :]
    if form == "plain":
        return data
    if form == "gzip padded":
        return gzip.compress(one) + gzip.compress(two) + b"\0" * 100
    if form == "zstd skippable":
        skippable = struct.pack("<II", 0x184D2A53, 3) + b"abc"
        zstd = zstandard.ZstdCompressor(write_content_size=False)
        return skippable + zstd.compress(one) + skippable + zstd.compress(two)
    packer = {
        "gzip": gzip.compress,
        "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
        "bzip2": bz2.compress,
        "xz": lzma.compress,
    }[form]
    return packer(one) + packer(two)


@contextlib.contextmanager
def small(block: int, piece: int) -> Iterator[None]:
    with (
        mock.patch.object(streams, "BLOCK", block),
        mock.patch.object(streams, "INPUT", 3 * block),
        mock.patch.object(streams, "_FEED", (1, 1 + block // 2, block)),
        mock.patch.object(tables, "ROW_GROUP_TEXT", piece),
        mock.patch.object(tables, "ROW_GROUP_ROWS", 7),
    ):
        yield


@settings(max_examples=150, deadline=None)
@given(
    data=files,
    form=st.sampled_from(["plain", "plain", "gzip", "gzip padded", "zstd", "zstd skippable", "bzip2", "xz"]),
    cut=st.integers(0, 10_000),
    shard=st.integers(1, 400),
    block=st.integers(1, 300),
    piece=st.integers(1, 300),
)
def test_same_rows_whatever_the_cut(data: bytes, form: str, cut: int, shard: int, block: int, piece: int) -> None:
    with tempfile.TemporaryDirectory() as folder, small(block, piece):
        path = Path(folder) / "x.jsonl"
        path.write_bytes(pack(data, form, cut))
        reader = ReadJsonl(paths=[str(path)], shard=shard)
        want, want_bad = obvious(data, "x.jsonl")
        every = [piece for unit in pieces(reader) for piece in unit]
        rows = [(row["doc_id"], row["text"], row["offset"]) for piece in every for row in piece.rows.to_pylist()]
        quarantined = [row["offset"] for piece in every for row in piece.bad.to_pylist()]
        assert rows == want
        assert quarantined == want_bad
        for row in (row for piece in every for row in piece.bad.to_pylist()):
            assert row["raw"] == data[row["offset"] : row["offset"] + len(row["raw"])]
        check_restarts(reader)


@settings(max_examples=40, deadline=None)
@given(data=files, shard=st.integers(1, 300))
def test_units_of_a_plain_file_are_whole_lines_of_it(data: bytes, shard: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.jsonl"
        path.write_bytes(data)
        units = ReadJsonl(paths=[str(path)], shard=shard).units()
        parts = [data[unit.spec["begin"] : unit.spec["end"]] for unit in units]
        assert b"".join(parts) == data
        assert all(part.endswith(b"\n") for part in parts[:-1])
        longest = max((len(line) + 1 for line in data.split(b"\n")), default=0)
        assert all(len(part) <= shard + longest for part in parts)


@settings(max_examples=40, deadline=None)
@given(data=files, more=good, shard=st.integers(20, 300))
def test_lines_added_at_the_end_change_the_last_unit_only(data: bytes, more: bytes, shard: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.jsonl"
        data = data + b"\n" + b"x" * shard  # more than one unit, so that units have ranges in their names
        path.write_bytes(data)
        reader = ReadJsonl(paths=[str(path)], shard=shard)
        before = list(keys(reader).items())
        path.write_bytes(data + b"\n" + more)
        after = list(keys(reader).items())
        assert after[: len(before) - 1] == before[:-1]
        assert after != before
