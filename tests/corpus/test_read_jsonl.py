"""Bad input, line by line: what is said of it, and what survives."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import random
import tracemalloc
from hashlib import blake2b
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from tests.corpus.drive import bad, check_restarts, jsonl, pieces, rows, texts, write

from vernier.core import tables
from vernier.core.errors import DataError, RecipeError, SetupError
from vernier.corpus import streams
from vernier.corpus.read_jsonl import ReadJsonl
from vernier.corpus.records import MaxBad

GOOD = [{"id": "a", "text": "one"}, {"id": "b", "text": "two"}, {"id": "c", "text": "three"}]


def reader(path: str | Path, **settings: object) -> ReadJsonl:
    return ReadJsonl(paths=[str(path)], **settings)  # pyright: ignore[reportArgumentType]


def test_columns_of_a_row(tmp_path: Path) -> None:
    line = (
        b'{"id": 7, "text": "h\xc3\xa9", "domain": "prose", "license": "CC0",'
        b' "z": [1, 2.5], "a": {"b": null}, "url": "u"}'
    )
    path = write(tmp_path / "part" / "x.jsonl", b'{"text": "first"}\n' + line + b"\n")
    table = rows(reader(tmp_path, columns=["url"]))
    assert table.schema == tables.corpus_schema(["url"])
    first, row = table.to_pylist()
    assert row == {
        "doc_id": blake2b(b"part/x.jsonl\x0018", digest_size=16).digest(),
        "text": "hé",
        "num_bytes": 3,
        "text_hash": blake2b("hé".encode(), digest_size=16).digest(),
        "id": "7",
        "domain": "prose",
        "license": "CC0",
        "source": "part/x.jsonl",
        "offset": 18,
        "extra": '{"a":{"b":null},"z":[1,2.5]}',
        "url": "u",
    }
    assert [first[name] for name in ("id", "domain", "license", "extra", "url")] == [None] * 5
    assert rows(reader(path)).column("source").to_pylist() == ["x.jsonl"] * 2


def test_fields_by_setting(tmp_path: Path) -> None:
    write(tmp_path / "x.jsonl", jsonl([{"body": "b", "text": "t", "domain": "d"}]))
    (row,) = rows(reader(tmp_path, text="body", constant_domain="web", id=None)).to_pylist()
    assert (row["text"], row["domain"], row["id"]) == ("b", "web", None)
    assert json.loads(row["extra"]) == {"text": "t", "domain": "d"}


BAD_LINES = [
    (b'{"text": "x"', "bad_json", "found: Expecting ',' delimiter at character 1"),
    (b"text", "bad_json", "found: Expecting value at character 0"),
    (b'{"text": "x"} {"text": "y"}', "bad_json", "found: Extra data at character 14"),
    (b'{"text": ' + b"[" * 100_000, "bad_json", "recursion"),
    (b'{"text": "x", "n": ' + b"9" * 5000 + b"}", "bad_json", "4300 digits"),
    (
        b'{"text": "ab\xffcd"}',
        "bad_utf8",
        "found byte 0xff at byte 12 of the line (invalid start byte), expected UTF-8",
    ),
    (b'{"text": "x", "other": "\xc3"}', "bad_utf8", "found byte 0xc3 at byte 24 of the line"),
    (b"[1, 2]", "not_an_object", "found an array, expected one JSON object on the line"),
    (b'"text"', "not_an_object", "found a string"),
    (b"3", "not_an_object", "found a number"),
    (b"NaN", "not_an_object", "found a number"),
    (b"null", "not_an_object", "found null"),
    (b'{"txt": "x"}', "text_missing", "found no field 'text' (or null), expected a string"),
    (b'{"text": null}', "text_missing", "found no field 'text' (or null), expected a string"),
    (b'{"text": 3}', "text_not_a_string", "found a number in the field 'text', expected a string"),
    (b'{"text": true}', "text_not_a_string", "found a boolean in the field 'text'"),
    (b'{"text": ["x"]}', "text_not_a_string", "found an array in the field 'text'"),
    (b'{"text": {"x": 1}}', "text_not_a_string", "found an object in the field 'text'"),
    (
        b'{"text": "x\\ud800y"}',
        "bad_surrogate",
        "found half of a surrogate pair (\\ud800) at character 1 of the field 'text'",
    ),
    (b'{"text": "x", "domain": "\\udc00"}', "bad_surrogate", "at character 0 of the field 'domain'"),
]


@pytest.mark.parametrize(("line", "reason", "detail"), BAD_LINES, ids=lambda v: repr(v)[:30])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_bad_line_costs_one_record(tmp_path: Path, line: bytes, reason: str, detail: str, end: bytes) -> None:
    before, behind = b'{"text": "before"}' + end, b'{"text": "behind"}' + end
    source = reader(write(tmp_path / "x.jsonl", before + line + end + behind))
    assert texts(source) == ["before", "behind"]
    (row,) = bad(source)
    assert (row["source"], row["offset"], row["reason"]) == ("x.jsonl", len(before), reason)
    assert detail in row["detail"]
    assert row["raw"] == line + end.removesuffix(b"\n")


GOOD_LINES = {
    "separators inside text": (
        b'{"text": "a\xe2\x80\xa8b\xc2\x85c\x0b"}'.replace(b"\x0b", b"\\u000b"),
        "a\u2028b\x85c\x0b",
        None,
    ),
    "raw line separators": ('{"text": "a\u2028b\u2029c\x85d"}'.encode(), "a\u2028b\u2029c\x85d", None),
    "NUL": (b'{"text": "a\\u0000b"}', "a\0b", None),
    "empty text": (b'{"text": ""}', "", None),
    "NaN": (b'{"text": "x", "n": NaN, "i": -Infinity}', "x", '{"i":null,"n":null}'),
    "overflow": (b'{"text": "x", "n": 1e400}', "x", '{"n":null}'),
    "long integer": (
        b'{"text": "x", "n": 123456789012345678901234567890}',
        "x",
        '{"n":123456789012345678901234567890}',
    ),
    "negative long integer": (b'{"text": "x", "n": [-9223372036854775809]}', "x", '{"n":[-9223372036854775809]}'),
    "a large float": (b'{"text": "x", "n": 1.5e300}', "x", None),
    "long integer beside NaN": (
        b'{"text": "x", "n": [18446744073709551616, NaN]}',
        "x",
        '{"n":[18446744073709551616,null]}',
    ),
    "surrogate elsewhere": (b'{"text": "x", "n": "\\ud800"}', "x", '{"n":"\\ud800"}'),
    "escaped pair": (b'{"text": "\\ud83d\\ude00"}', "\U0001f600", None),
    "duplicate field": (b'{"text": "x", "text": "y"}', "y", None),
    "spaces around": (b'  {"text": "x"}\t', "x", None),
}


@pytest.mark.parametrize(("line", "text", "extra"), GOOD_LINES.values(), ids=GOOD_LINES)
def test_an_odd_line_is_kept(tmp_path: Path, line: bytes, text: str, extra: str | None) -> None:
    source = reader(write(tmp_path / "x.jsonl", line + b"\n" + line))
    assert bad(source) == []
    for row in rows(source).to_pylist():
        assert row["text"] == text
        if extra is not None:
            assert row["extra"] == extra


def test_a_long_integer_as_id_keeps_its_digits(tmp_path: Path) -> None:
    source = reader(write(tmp_path / "x.jsonl", b'{"text": "x", "id": 123456789012345678901234567890}'))
    assert rows(source).column("id").to_pylist() == ["123456789012345678901234567890"]


def test_duplicate_user_ids_are_two_documents(tmp_path: Path) -> None:
    source = reader(write(tmp_path / "x.jsonl", jsonl([{"id": "same", "text": "t"}] * 2)))
    table = rows(source)
    assert table.column("id").to_pylist() == ["same", "same"]
    assert len(set(table.column("doc_id").to_pylist())) == 2
    assert len(set(table.column("text_hash").to_pylist())) == 1


@pytest.mark.parametrize("data", [b"", b"\n", b"\r\n \n\t\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
def test_nothing_in_a_file(tmp_path: Path, data: bytes) -> None:
    source = reader(write(tmp_path / "x.jsonl", data))
    assert texts(source) == [] and bad(source) == []
    assert [[p.rows.num_rows for p in unit] for unit in pieces(source)] == [[0]]


def test_byte_order_mark_and_blank_lines(tmp_path: Path) -> None:
    source = reader(write(tmp_path / "x.jsonl", b"\xef\xbb\xbf" + b'\n\n{"text": "a"}\r\n\n{"text": "b"}'))
    table = rows(source)
    assert table.column("text").to_pylist() == ["a", "b"]
    assert table.column("offset").to_pylist() == [5, 21]
    assert texts(reader(write(tmp_path / "y.jsonl", b'\xef\xbb\xbf{"text": "a"}'))) == ["a"]


@pytest.mark.parametrize("packed", ["plain", "gz", "zst"])
def test_one_line_of_50_mb(tmp_path: Path, packed: str) -> None:
    long = "x€" * (50_000_000 // 4)
    data = jsonl([{"text": "a"}, {"text": long}, {"text": "b"}])
    data = {"plain": bytes, "gz": lambda d: gzip.compress(d, 1), "zst": zstandard.ZstdCompressor().compress}[packed](
        data
    )
    source = reader(write(tmp_path / "x.jsonl", data))
    (unit,) = pieces(source)
    assert [piece.rows.num_rows for piece in unit] == [1, 1, 1]
    assert unit[1].rows.column("num_bytes").to_pylist() == [len(long.encode())]
    assert unit[1].rows.column("text")[0].as_py() == long


def noise(n: int) -> bytes:
    """Records that compress badly, so that a cut compressed stream loses some and keeps some."""
    rng = random.Random(0)
    return jsonl([{"text": f"{rng.randbytes(200).hex()}"} for _ in range(n)])


PACKERS = {"gz": gzip.compress, "zst": zstandard.ZstdCompressor(write_checksum=True).compress}


@pytest.mark.parametrize("packed", PACKERS)
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_archive_keeps_its_whole_lines(tmp_path: Path, packed: str, share: float) -> None:
    data = noise(5000)
    whole = PACKERS[packed](data)
    cut = whole[: int(len(whole) * share)]
    source = reader(write(tmp_path / f"x.jsonl.{packed}", cut), on_truncated="keep")
    table, (tail,) = rows(source), bad(source)
    assert table.num_rows > 5000 * share - 700  # zstd decodes whole blocks of 128 KB
    assert table.column("text").to_pylist() == [
        json.loads(line)["text"] for line in data.split(b"\n")[: table.num_rows]
    ]
    assert tail["reason"] == "truncated"
    assert tail["offset"] == sum(len(line) + 1 for line in data.split(b"\n")[: table.num_rows])
    assert data[tail["offset"] :].startswith(tail["raw"])
    assert f"ends in mid-frame at byte {len(cut)} of the file" in tail["detail"]
    assert f"{len(tail['raw'])} bytes behind the last whole line are kept here" in tail["detail"]
    check_restarts(source)


@pytest.mark.parametrize("packed", PACKERS)
def test_a_missing_checksum_alone_is_still_told(tmp_path: Path, packed: str) -> None:
    source = reader(write(tmp_path / "x.jsonl", PACKERS[packed](jsonl(GOOD))[:-2]))
    assert texts(source) == ["one", "two", "three"]
    assert [(row["reason"], row["raw"]) for row in bad(source)] == [("truncated", b"")]


@pytest.mark.parametrize("packed", PACKERS)
def test_a_damaged_archive_is_told(tmp_path: Path, packed: str) -> None:
    damaged = bytearray(PACKERS[packed](noise(20_000)))
    damaged[len(damaged) // 2] ^= 0xFF
    source = reader(write(tmp_path / "x.jsonl", bytes(damaged)))
    (tail,) = bad(source)
    assert tail["reason"] == "truncated" and f"is damaged at about byte {len(damaged)}"[:24] in tail["detail"]
    assert 0 < rows(source).num_rows < 20_000


@pytest.mark.parametrize("packed", PACKERS)
def test_text_behind_an_archive_is_told(tmp_path: Path, packed: str) -> None:
    source = reader(write(tmp_path / "x.jsonl", PACKERS[packed](jsonl(GOOD)) + b"not an archive"))
    assert texts(source) == ["one", "two", "three"]
    assert [row["reason"] for row in bad(source)] == ["truncated"]


def test_the_name_of_a_file_says_nothing_about_its_form(tmp_path: Path) -> None:
    write(tmp_path / "plain.jsonl.gz", jsonl(GOOD[:1]))
    write(tmp_path / "gzip.jsonl", gzip.compress(jsonl(GOOD[1:2])))
    write(tmp_path / "zstd.jsonl.gz", zstandard.ZstdCompressor().compress(jsonl(GOOD[2:])))
    write(tmp_path / "empty.jsonl.zst", b"")
    assert sorted(texts(reader(tmp_path))) == ["one", "three", "two"]


def test_a_file_without_the_right_to_read_it(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", jsonl(GOOD))
    source = reader(path)
    (unit,) = source.units()
    os.chmod(path, 0)
    me = os.geteuid()
    if me == 0:
        os.seteuid(65534)  # root may read everything
    os_error = None
    try:
        next(iter(source.read(unit, 0)))
    except SetupError as error:
        os_error = str(error)
    finally:
        os.seteuid(me)
    assert os_error is not None
    assert "a file can not be read" in os_error and "x.jsonl" in os_error and "give this user the right" in os_error


def test_a_file_that_goes_or_changes_under_the_reader(tmp_path: Path) -> None:
    path = Path(write(tmp_path / "x.jsonl", jsonl(GOOD)))
    source = reader(path)
    (unit,) = source.units()
    path.write_bytes(jsonl(GOOD) * 2)
    with pytest.raises(DataError, match=r"(?s)a file changed while it was read.*x\.jsonl"):
        list(source.read(unit, 0))
    path.unlink()
    with pytest.raises(DataError, match=r"(?s)a file has vanished.*x\.jsonl"):
        list(source.read(unit, 0))
    path.mkdir()
    with pytest.raises(DataError, match=r"(?s)a folder stands where a file was.*x\.jsonl"):
        list(source.read(unit, 0))


def test_a_file_that_grows_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "BLOCK", 40)
    monkeypatch.setattr(tables, "ROW_GROUP_TEXT", 4)
    source = reader(write(tmp_path / "x.jsonl", jsonl(GOOD)))
    (unit,) = source.units()
    made = source.read(unit, 0)
    assert next(made).rows.num_rows == 1
    with open(tmp_path / "x.jsonl", "ab") as file:
        file.write(b"{}")
    with pytest.raises(DataError, match=r"(?s)a file changed while it was read.*run again when it is complete"):
        list(made)


def test_a_line_belongs_to_the_range_in_which_it_starts(tmp_path: Path) -> None:
    lines = [b'{"text":"%d"}\n' % i for i in range(9)]  # 13 bytes each
    path = write(tmp_path / "x.jsonl", b"".join(lines))
    for shard, starts in ((26, [0, 26, 52, 78, 104]), (27, [0, 39, 65, 91]), (25, [0, 26, 52, 78, 104]), (116, [0])):
        assert [unit.spec["begin"] for unit in reader(path, shard=shard).units()] == starts


def test_a_file_that_is_one_array(tmp_path: Path) -> None:
    source = reader(write(tmp_path / "x.json", json.dumps(GOOD).encode()))
    with pytest.raises(DataError, match=r"(?s)not JSON Lines.*x\.json.*one JSON array of 3 values.*jq -c"):
        texts(source)


def test_settings_that_contradict_each_other() -> None:
    with pytest.raises(RecipeError, match="the corpus has a column of that name"):
        reader("x", columns=["source"])
    with pytest.raises(RecipeError, match="the field 'text' is named twice"):
        reader("x", id="text")
    with pytest.raises(RecipeError, match="`shard` must be a positive"):
        reader("x", shard=0)
    with pytest.raises(RecipeError, match="`max_bad` is out of range"):
        reader("x", max_bad=MaxBad(share=1.5))


def test_a_line_that_is_too_long_costs_itself_alone(tmp_path: Path) -> None:
    long = json.dumps({"text": "x" * 200_000}).encode()
    lines = [json.dumps(record).encode() for record in GOOD]
    for packed in (bytes, gzip.compress):
        source = reader(write(tmp_path / "x.jsonl", packed(b"\n".join([*lines, long, *lines]))), max_line=100_000)
        assert texts(source) == ["one", "two", "three"] * 2
        (row,) = bad(source)
        assert (row["reason"], row["raw"]) == ("too_long", long[: streams.RAW])
        assert row["offset"] == sum(len(line) + 1 for line in lines)
        assert f"{len(long):,} bytes in a line" in row["detail"]
        check_restarts(source)


@given(
    data=st.lists(st.sampled_from([b"\n", b"a", b"bb", b"c" * 9, b"d" * 30]), max_size=20).map(b"".join),
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=5),
    most=st.integers(0, 20),
)
def test_long_lines_do_not_depend_on_how_a_stream_comes(data: bytes, sizes: list[int], most: int) -> None:
    cuts = [0, *itertools.accumulate(itertools.islice(itertools.cycle(sizes), len(data)))]
    blocks = [data[start:end] for start, end in itertools.pairwise(cuts) if data[start:end]]
    found: list[tuple[int, bytes, int]] = []
    for offset, run in streams.lines(iter(blocks), 5, most):
        for line in [run] if isinstance(run, streams.LongLine) else run:
            head, length = (line.head, line.length) if isinstance(line, streams.LongLine) else (line, len(line))
            assert (length > most) == isinstance(line, streams.LongLine)
            found.append((offset, head, length))
            offset += length + 1
    expected, offset = [], 5
    for line in data.split(b"\n"):
        expected.append((offset, line, len(line)))
        offset += len(line) + 1
    assert found == (expected if expected[-1][2] else expected[:-1])


def test_a_line_of_a_gigabyte_is_never_held() -> None:
    blocks = itertools.chain([b'{"text": "'], itertools.repeat(b"x" * streams.BLOCK, 1000), [b'"}\n{}'])
    tracemalloc.start()
    first, second = streams.lines(blocks, 0, 16 << 20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(first[1], streams.LongLine) and first[1].length == 10 + 1000 * streams.BLOCK + 2
    assert second == (first[1].length + 1, [b"{}"]) and peak < 64 << 20
