"""Archives, record by record: what becomes a page, what is left out by which reason, what survives damage."""

from __future__ import annotations

import gzip
import html
import io
import json
import re
import tracemalloc
import zlib
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import brotli
import pytest
import zstandard
from fastwarc.warc import ArchiveIterator
from tests.corpus.drive import bad, check_restarts, pieces, rows, write
from tests.corpus.warcs import SMALL, found, http, packed, page, record, response

from vernier.core import tables
from vernier.core.errors import RecipeError
from vernier.corpus import archives
from vernier.corpus.read_warc import ReadWarc

FORMS = ("plain", "gzip", "zstd", "solid")


def reader(path: str | Path, **settings: Any) -> ReadWarc:
    return ReadWarc(paths=[str(path)], **settings)


def read(folder: Path, data: bytes, **settings: Any) -> tuple[list[dict[str, Any]], list[tuple[str, bytes]]]:
    """The rows, and reason and bytes of what is quarantined."""
    source = reader(write(folder / "x.warc", data), **settings)
    check_restarts(source)
    return rows(source).to_pylist(), [(row["reason"], row["raw"]) for row in bad(source)]


@pytest.mark.parametrize("form", FORMS)
def test_columns_of_a_row(tmp_path: Path, form: str) -> None:
    write(tmp_path / "a" / "x.warc.gz", packed(SMALL, form))
    table = rows(reader(tmp_path / "a", constant_domain="web"))
    assert table.schema == tables.corpus_schema(["url", "date", "content_type", "encoding"])
    one, two, three, four = table.to_pylist()
    assert {name: one[name] for name in one if name not in ("doc_id", "text_hash")} == {
        "text": page("page 1").decode(),
        "num_bytes": len(page("page 1")),
        "id": "urn:x:1",
        "domain": "web",
        "license": None,
        "source": "x.warc.gz",
        "offset": len(SMALL[0] + SMALL[1]),
        "extra": None,
        "url": "http://a.b/1",
        "date": "2024-01-02T03:04:05Z",
        "content_type": "text/html",
        "encoding": "utf-8",
    }
    assert (two["text"], two["content_type"]) == (page("two").decode(), "text/html")
    assert (three["text"], three["content_type"]) == ("Plain t\u00ebxt.\n", "text/plain")
    assert four["offset"] == len(b"".join(SMALL[:-1]))
    assert [(row["reason"], row["raw"]) for row in bad(reader(tmp_path / "a"))] == [
        ("warcinfo", b""),
        ("request", b""),
        ("metadata", b""),
    ]


NO_PAGE = {
    "revisit": record(http(b""), kind="revisit"),
    "continuation": record(b"x", kind="continuation", content="text/html"),
    "other_record": record(page("x"), kind="screenshot", content="text/html"),
    "redirect": record(http(page("moved"), "Location: /x", status="301 Moved")),
    "error_status": record(http(page("not found"), status="404 Not Found")),
    "other_status": record(http(b"", status="100 Continue")),
    "other_content": record(http(b"\x89PNG\r\n", kind="image/png")),
    "empty": record(http(b" \r\n")),
}
NO_PAGES = [
    *NO_PAGE.items(),
    ("error_status", record(http(page("x"), status="503 Busy"))),
    ("other_content", record(http(b"Plain text", kind="text/plain"))),
    ("other_content", record(http(b"no <html>", kind=None))),
    ("other_content", record(b"example.com. 300 IN A 1.2.3.4", content="text/dns")),
    ("other_content", record(b"GIF89a", kind="conversion", content="image/gif")),
    ("empty", record(http(b""))),
    ("empty", record(b"", kind="conversion", content="text/plain")),
]


@pytest.mark.parametrize(("reason", "none"), NO_PAGES)
def test_what_is_no_page_is_left_out_by_its_reason(tmp_path: Path, reason: str, none: bytes) -> None:
    kept, left = read(tmp_path, response(1) + none + response(2))
    assert [row["id"] for row in kept] == ["urn:x:1", "urn:x:2"]
    assert left == [(reason, b"")]
    assert reason in ReadWarc.drops


def test_a_page_is_known_by_what_is_said_of_it(tmp_path: Path) -> None:
    given = [
        record(http(page("a"), kind="TEXT/HTML;charset=UTF-8")),
        record(http(page("b"), kind="application/xhtml+xml")),
        record(http(page("c"), kind=None)),
        record(http(b" \n<!-- c --> <HTML lang=en>d", kind=None)),
        record(http(b"<p>e", kind="application/octet-stream"), "WARC-Identified-Payload-Type: text/html"),
        record(http(page("f"), status="206 Partial Content")),
        record(http(page("g")).replace(b"\r\n", b"\n", 2), id="g"),
        record(http(page("h")).replace(b"Content-Type: ", b"content-type:\t"), id="h"),
        record(http(page("i")).replace(b"HTTP/1.1", b"HTTP/2"), id="i"),
    ]
    kept, left = read(tmp_path, b"".join(given))
    assert left == [] and len(kept) == len(given)


BAD = {
    "bad_http": record(b"not a response"),
    "bad_header": record(http(page("x")), length="many"),
    "too_large": record(http(b"<p>" + b"x" * 3000)),
    "bad_body": record(http(gzip.compress(page("x"))[:-9], "Content-Encoding: gzip")),
    "undecodable": record(http("\u043f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440!".encode("cp1251") * 3)),
    "garbage": b"<garbage>\r\nand more\r\n",
    "bad_length": record(http(page("x")), length=80),
}


@pytest.mark.parametrize("form", ["plain", "gzip"])
@pytest.mark.parametrize("reason", BAD)
def test_what_is_broken_costs_itself_alone(tmp_path: Path, reason: str, form: str) -> None:
    kept, left = read(tmp_path, packed([response(1), BAD[reason], response(2)], form), max_page=2000)
    assert [row["id"] for row in kept] == ["urn:x:1", "urn:x:2"]
    assert [name for name, _ in left] == [reason]
    assert left[0][1] and left[0][1][:2000] in BAD[reason]
    assert reason not in ReadWarc.drops


@pytest.mark.parametrize("length", [0, 1, 90, 100_000])
def test_a_wrong_length_costs_its_record_alone(tmp_path: Path, length: int) -> None:
    wrong = record(http(page("x")), length=length)
    for form in ("plain", "gzip", "solid"):
        kept, left = read(tmp_path, packed([response(1), wrong, response(2), response(3)], form), max_page=1 << 20)
        assert [row["id"] for row in kept] == ["urn:x:1", "urn:x:2", "urn:x:3"], (length, form)
        assert [reason for reason, _ in left] == ["bad_length"]


def test_a_length_that_is_too_much_to_hold_ends_a_plain_archive(tmp_path: Path) -> None:
    """What it would swallow is not in memory any more: it is said that the archive is cut, which stops a stage."""
    wrong = record(http(page("x")), length=10**14)
    after = [response(n) for n in range(2, 9)]
    kept, left = read(tmp_path, packed([response(1), wrong, *after], "plain"), max_page=1000)
    assert [row["id"] for row in kept] == ["urn:x:1"]
    assert [reason for reason, _ in left] == ["truncated"]


BODIES = {
    "gzip": ("Content-Encoding: gzip", gzip.compress),
    "x-gzip": ("Content-Encoding: X-GZip", gzip.compress),
    "two members": ("Content-Encoding: gzip", lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:])),
    "deflate": ("Content-Encoding: deflate", zlib.compress),
    "raw deflate": ("Content-Encoding: deflate", lambda data: zlib.compress(data, wbits=-15)),
    "br": ("Content-Encoding: br", lambda data: brotli.compress(data, quality=1)),
    "zstd": ("Content-Encoding: zstd", zstandard.compress),
    "twice": ("Content-Encoding: br, gzip", lambda data: gzip.compress(brotli.compress(data))),
    "identity": ("Content-Encoding: identity", lambda data: data),
    "chunked": (
        "Transfer-Encoding: chunked",
        lambda d: b"5\r\n" + d[:5] + b"\r\n%X;x=y\r\n" % len(d[5:]) + d[5:] + b"\r\n0\r\n\r\n",
    ),
    "not chunked": ("Transfer-Encoding: chunked", lambda data: data),
    "not packed": ("Content-Encoding: gzip", lambda data: data),
    "not in brotli": ("Content-Encoding: br", lambda data: data),
    "not deflated": ("Content-Encoding: deflate", lambda data: data),
}


@pytest.mark.parametrize("how", BODIES)
def test_a_body_is_unpacked(tmp_path: Path, how: str) -> None:
    header, pack = BODIES[how]
    want = page("a longer page than others " * 20)
    kept, left = read(tmp_path, response(1, pack(want), header) + response(2))
    assert left == []
    assert [row["text"] for row in kept] == [want.decode(), page("page 2").decode()]


@pytest.mark.parametrize("how", ["gzip", "deflate", "raw deflate", "br", "zstd", "chunked"])
def test_a_body_that_breaks_off_is_bad_unless_the_crawler_cut_it(tmp_path: Path, how: str) -> None:
    header, pack = BODIES[how]
    want = page("".join(Random(1).choices([chr(0x4E00 + i) for i in range(9000)], k=60_000)))
    body = pack(want)[:-2000]
    cut = record(http(body, header), "WARC-Truncated: length", id="cut")
    kept, left = read(tmp_path, response(1, body, header) + cut)
    assert [reason for reason, _ in left] == ["bad_body"]
    assert [(row["id"], json.loads(row["extra"])["truncated"]) for row in kept] == [("urn:x:cut", "length")]
    assert len(kept[0]["text"]) > 1000 and want.decode().startswith(kept[0]["text"].rstrip("\ufffd")[:1000])


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_body_that_unpacks_to_much_is_not_unpacked(tmp_path: Path, coding: str) -> None:
    header, pack = BODIES[coding]
    bomb = pack(bytes(60_000_000))
    path = write(tmp_path / "x.warc", response(1, bomb, header) + response(2))
    tracemalloc.start()
    table = rows(reader(path, max_page=1 << 20))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert table.column("id").to_pylist() == ["urn:x:2"]
    assert [row["reason"] for row in bad(reader(path, max_page=1 << 20))] == ["too_large"]
    assert peak < 30 << 20


def bomb(size: int) -> bytes:
    """A gzip member that unpacks to a page of that many zeros: one deflated block, again and again."""
    unit = 10_000_000
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    head = record(http(b"<!doctype html>"), length=size)[:-4]
    begun = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(unit)) + packer.flush(zlib.Z_FULL_FLUSH)
    return begun + block * (size // unit) + packer.flush()


@pytest.mark.parametrize("behind", [True, False])
def test_ten_gigabytes_of_zeros_are_passed_over(tmp_path: Path, behind: bool) -> None:
    data = packed([response(1)]) + bomb(10_000_000_000) + (packed([response(2)]) if behind else b"")
    path = write(tmp_path / "x.warc.gz", data)
    unpacked = 0
    slow = archives.Archive._more

    def counted(self: archives.Archive) -> bool:
        nonlocal unpacked
        before = self._end
        more = slow(self)
        unpacked += self._end - before
        return more

    with mock.patch.object(archives.Archive, "_more", counted), mock.patch.object(archives, "MOST_PASSED", 100 << 20):
        read = list(reader(path).read(reader(path).units()[0], 0))
    assert unpacked < 150 << 20
    assert [row for piece in read for row in piece.rows.column("id").to_pylist()] == ["urn:x:1", "urn:x:2"][
        : 1 + behind
    ]
    (row,) = [row for piece in read for row in piece.bad.to_pylist()]
    assert row["reason"] == "too_large" and len(row["raw"]) == archives.RAW


def test_a_long_record_that_is_no_page_is_left_out(tmp_path: Path) -> None:
    film = record(http(bytes(3_000_000), kind="video/mp4"))
    for form in FORMS:
        kept, left = read(tmp_path, packed([response(1), film, response(2)], form), max_page=100_000)
        assert (len(kept), left) == (2, [("other_content", b"")])


@pytest.mark.parametrize("form", FORMS)
def test_cut_at_every_byte(form: str) -> None:
    """Whole records are kept, and what is cut is said once."""
    data = packed(SMALL, form)
    ends = [len(packed(SMALL[:n], form)) for n in range(len(SMALL) + 1)] if form != "solid" else [0, len(data)]
    whole = [page["id"] for page in found(data)[0]]
    for cut in range(len(data)):
        kept, left, offsets = found(data[:cut])
        names = [page["id"] for page in kept]
        assert names == whole[: len(names)]
        lost = [reason for reason, _ in left if reason not in ReadWarc.drops]
        if cut in ends or (form == "plain" and any(end - 4 <= cut < end for end in ends[1:])):
            assert lost == []  # nothing, or blank lines behind a record
        elif form != "plain" and cut < 4:
            assert lost == ["garbage"] or lost == ["truncated"]  # not yet known for a packed file
        else:
            assert lost == ["truncated"]
        if form != "solid":
            assert len(kept) + len(left) - len(lost) >= max(n for n, end in enumerate(ends) if end <= cut)
        assert offsets == sorted(set(offsets))


@pytest.mark.parametrize("form", ["plain", "gzip", "zstd"])
def test_one_wrong_byte_costs_one_record(form: str) -> None:
    """Each byte of the third record in turn: the others come out as they were, and nothing is counted twice."""
    names = ["one", "two", "three", "four"]
    records = [response(name) for name in names]
    data = packed(records, form)
    begin, end = len(packed(records[:2], form)), len(packed(records[:3], form))
    for at in range(begin, end):
        for value in (data[at] ^ 0x01, data[at] ^ 0x80, 0x0A, 0x00):
            kept, left, offsets = found(data[:at] + bytes([value]) + data[at + 1 :])
            ids = [page["id"] for page in kept]
            others = [name for name in ids if name in ("urn:x:one", "urn:x:two", "urn:x:four")]
            assert others == ["urn:x:one", "urn:x:two", "urn:x:four"], (at - begin, value, left)
            # A member may unpack to its record and, with the next ones taken for its own, to more that is none.
            more = form == "gzip" and len(ids) == 4 and [reason for reason, _ in left] == ["damaged"]
            assert len(ids) + len(left) == 4 + more, (at - begin, value, ids, left)
            assert offsets == sorted(set(offsets))


def test_garbage_anywhere_between_records(tmp_path: Path) -> None:
    kept, left = read(
        tmp_path, b"\xff\xfe" + response(1) + b"WARC\r\n" + response(2) + bytes(300_000) + response(3) + b"the end"
    )
    assert [row["id"] for row in kept] == ["urn:x:1", "urn:x:2", "urn:x:3"]
    assert [reason for reason, _ in left] == ["garbage"] * 4
    assert [len(raw) for _, raw in left] == [2, 6, archives.RAW, 7]


def test_pieces_end_where_reading_can_begin(tmp_path: Path) -> None:
    records = [*SMALL, BAD["garbage"], *(response(n) for n in range(9)), BAD["bad_length"], *SMALL]
    with mock.patch.object(tables, "ROW_GROUP_TEXT", 60):
        for form in FORMS:
            source = reader(write(tmp_path / f"{form}.warc", packed(records, form)))
            assert len(pieces(source)[0]) > 8
            check_restarts(source)


def test_damaged_members_and_restarts(tmp_path: Path) -> None:
    data = bytearray(packed([response(n) for n in range(30)]))
    for at in range(300, len(data), 1200):
        data[at] ^= 0x55  # no two in one member
    with mock.patch.object(tables, "ROW_GROUP_TEXT", 200):
        source = reader(write(tmp_path / "x.warc.gz", bytes(data)))
        check_restarts(source)
        offsets = [
            o for u in pieces(source) for p in u for t in (p.rows, p.bad) for o in t.column("offset").to_pylist()
        ]
        assert len(offsets) == len(set(offsets)) == 30
        reasons = Counter(row["reason"] for row in bad(source))
    assert reasons["damaged"] >= 3 and set(reasons) <= {"damaged", "truncated"}


@pytest.mark.parametrize("wrap", [False, True])
def test_frames_that_need_a_dictionary(tmp_path: Path, wrap: bool) -> None:
    records = [response(n) for n in range(200)]
    dictionary = zstandard.train_dictionary(2000, records)
    raw = zstandard.compress(dictionary.as_bytes()) if wrap else dictionary.as_bytes()
    packer = zstandard.ZstdCompressor(dict_data=dictionary)
    frames = [packer.compress(one) for one in records]
    head = b"\x5d\x2a\x4d\x18" + len(raw).to_bytes(4, "little") + raw
    kept, left = read(tmp_path, head + b"".join(frames))
    assert (len(kept), left) == (200, [])
    frames[3] = frames[3][:-9] + b"\xff" * 9
    assert len(read(tmp_path, head + b"".join(frames))[0]) == 199
    kept, left = read(tmp_path, b"".join(frames))
    assert kept == [] and [reason for reason, _ in left] == ["truncated"]


def test_one_empty_archive(tmp_path: Path) -> None:
    assert read(tmp_path, b"") == ([], [])


def test_settings(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="max_page"):
        reader(tmp_path, max_page=0)


@pytest.mark.parametrize("name", ["tiny_example", "crawl_sample", "pages"])
def test_real_archives_hold_what_another_reader_finds(data: Path, name: str) -> None:
    path = data / "web" / f"{name}.warc.gz"
    read = rows(reader(path)).to_pylist()
    with path.open("rb") as file:
        offsets = {row["offset"] for row in read} | {row["offset"] for row in bad(reader(path))}
        others = list(ArchiveIterator(io.BytesIO(gzip.decompress(file.read())), auto_decode="all"))
        assert offsets == {other.stream_pos for other in others}
    with path.open("rb") as file:
        want = {}
        for other in ArchiveIterator(file, auto_decode="all"):
            if other.headers["WARC-Type"] == "response":
                want[other.record_id] = other.reader.read()
    for row in read:
        assert want[f"<{row['id']}>"].decode("utf-8") == row["text"]
    if name == "pages":
        assert len(read) == 212


def test_every_page_of_the_gold_is_found_and_holds_its_text(data: Path) -> None:
    texts = {row["url"] or "": row["text"] for row in rows(reader(data / "web" / "pages.warc.gz")).to_pylist()}
    with (data / "web" / "gold.jsonl.zst").open("rb") as file:
        lines = zstandard.ZstdDecompressor().stream_reader(file).read().split(b"\n")
    gold = [json.loads(line) for line in lines if line]
    assert {one["url"] for one in gold} == set(texts) and len(gold) == 212
    snippets = [(one["url"], snippet) for one in gold for snippet in one["must_have"]]
    plain = {url: _plain(text) for url, text in texts.items()}
    held = sum(_plain(snippet) in plain[url] for url, snippet in snippets)
    # A snippet is text, and the page is HTML: where markup stands in the middle of it, it is not found as it is.
    assert len(snippets) > 500 and held >= 0.95 * len(snippets)
    assert not any("\ufffd" in snippet for _, snippet in snippets)


def _plain(text: str) -> str:
    """Letters and digits outside tags, in small letters."""
    return re.sub(r"\W+", "", html.unescape(re.sub(r"<[^>]*>", "", text))).lower()
