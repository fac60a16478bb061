"""Which encoding a page is read in, and what becomes of bytes that are none in it."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.corpus.drive import rows
from tests.fuzz import Edit, edited, edits, for_seconds

from vernier.corpus import charsets
from vernier.corpus.charsets import charset_of, decoded, named
from vernier.corpus.read_warc import ReadWarc

RUSSIAN = "Здравствуйте, как дела? " * 5
JAPANESE = "日本語の文章です。文字コードを調べます。" * 5


@pytest.mark.parametrize(
    ("label", "encoding"),
    [
        ("UTF-8", "utf-8"),
        (" latin1\n", "windows-1252"),
        ("ISO-8859-1", "windows-1252"),
        ("us-ascii", "windows-1252"),
        ("gb2312", "gbk"),
        ("Shift_JIS", "shift_jis"),
        ("x-sjis", "shift_jis"),
        ("KS_C_5601-1987", "euc-kr"),
        ("TIS-620", "windows-874"),
        ("iso-8859-9", "windows-1254"),
        ("utf-16", "utf-16le"),
        ("hz-gb-2312", "replacement"),
        ("utf-7", None),
        ("rot13", None),
        ("base64", None),
        ("", None),
        (b"\xff", None),
        (None, None),
    ],
)
def test_labels(label: str | bytes | None, encoding: str | None) -> None:
    assert named(label) == encoding


def test_every_encoding_can_be_decoded() -> None:
    for name in charsets._ENCODINGS:
        assert isinstance(decoded(bytes(range(256)), name).text, str)
        assert named(name.upper()) == name


def test_the_header_of_http() -> None:
    assert charset_of(b"text/html; charset=koi8-r") == "koi8-r"
    assert charset_of(b'text/html;CHARSET = "windows-1251"; x=y') == "windows-1251"
    assert charset_of(b"text/html; charset=") is charset_of(b"text/html") is charset_of(b"charset=nothing") is None


def html(head: str, text: str = RUSSIAN) -> bytes:
    return f"<html><head>{head}<title>{text}</title>".encode("cp1251")


@pytest.mark.parametrize(
    "head",
    [
        '<meta charset="windows-1251">',
        "<META CharSet=windows-1251 />",
        "<meta name=x content='a>b'><meta charset='cp1251'>",
        '<meta http-equiv="Content-Type" content="text/html; charset=windows-1251">',
        "<meta content='text/html;charset=windows-1251' http-equiv=content-type>",
        "<!-- <meta charset=utf-8> --><meta charset=windows-1251>",
        "<meta charset=nothing><meta charset=windows-1251>",
        "<meta content='x; charset=utf-8'><meta charset=windows-1251>",
        "<style>" + "a { b: c }" * 500 + "</style><meta charset=windows-1251>",
    ],
)
def test_a_meta_in_the_head(head: str) -> None:
    found = decoded(html(head))
    assert (found.encoding, found.invalid) == ("windows-1251", 0)
    assert RUSSIAN in found.text
    short = decoded(html(head, "\u0416"))  # from one letter nobody could guess it
    assert short.encoding == "windows-1251" and "<title>\u0416</title>" in short.text


def test_an_xml_declaration() -> None:
    found = decoded(b'<?xml version="1.0" encoding="windows-1251"?><p>' + RUSSIAN.encode("cp1251"))
    assert found.encoding == "windows-1251" and RUSSIAN in found.text
    short = decoded(b'<?xml version="1.0" encoding="windows-1251"?><p>' + "\u0416".encode("cp1251"))
    assert short.encoding == "windows-1251" and short.text.endswith("<p>\u0416")
    page = '<?xml version="1.0" encoding="utf-16"?><p>' + RUSSIAN
    assert decoded(page.encode("utf-16-le")) == charsets.Decoded(page, "utf-16le", 0)
    assert decoded(page.encode("utf-16-be")) == charsets.Decoded(page, "utf-16be", 0)


def test_the_order_of_the_standard() -> None:
    page = "<meta charset=koi8-r><p>\u00e4"
    assert decoded(codecs.BOM_UTF8 + page.encode(), "windows-1251") == charsets.Decoded(page, "utf-8", 0)
    assert decoded(codecs.BOM_UTF16_LE + page.encode("utf-16-le")).encoding == "utf-16le"
    assert decoded(page.encode(), "utf-8").encoding == "utf-8"
    assert decoded(page.encode()).encoding == "koi8-r"
    assert decoded("<p>\u00e4".encode()).encoding == "utf-8"
    assert decoded(b"<meta charset=utf-16le><p>x").encoding == "utf-8"


@pytest.mark.parametrize(
    ("text", "codec", "encoding"),
    [(RUSSIAN, "cp1251", "windows-1251"), (JAPANESE, "shift_jis", "shift_jis"), (JAPANESE, "euc_jp", "euc-jp")],
)
def test_a_page_that_says_nothing(text: str, codec: str, encoding: str) -> None:
    found = decoded(b"<p>" + text.encode(codec))
    assert (found.encoding, found.text) == (encoding, f"<p>{text}")


@pytest.mark.parametrize(
    ("data", "encoding", "text", "invalid"),
    [
        (b"a\xffb", "utf-8", "a\ufffdb", 1),
        (b"a\xe2\x82b", "utf-8", "a\ufffdb", 1),  # one for the longest start of a character (Encoding, 8.1.1)
        (b"\xed\xa0\x80", "utf-8", "\ufffd\ufffd\ufffd", 3),  # half of a surrogate pair
        ("a\ufffdb".encode(), "utf-8", "a\ufffdb", 0),  # the page's own
        (b"a\0b", "utf-8", "a\ufffdb", 1),
        (b"\x80\x81\x9d", "windows-1252", "\u20ac\x81\x9d", 0),
        (b"\xd2a", "windows-1253", "\ufffda", 1),
        (b"a\x00\x00\xd8b\x00", "utf-16le", "a\ufffdb", 1),
        (b"a\x00b", "utf-16le", "a\ufffd", 1),
        (b"\x81\x0a<p>", "gbk", "\ufffd\n<p>", 1),
        (b"+ADw-script+AD4-", "replacement", "\ufffd", 16),
        (b"\x80a", "x-user-defined", "\uf780a", 0),
        (b"", "utf-8", "", 0),
    ],
)
def test_what_is_no_character(data: bytes, encoding: str, text: str, invalid: int) -> None:
    assert decoded(data, encoding) == charsets.Decoded(text, encoding, invalid)


def check_bytes(data: bytes, changes: Sequence[Edit], declared: str | None) -> None:
    """Text without NUL and surrogates, in an encoding that is one; what was not readable is counted."""
    data = edited(data, changes)
    found = decoded(data, declared)
    assert "\0" not in found.text and 0 <= found.invalid <= max(len(data), 1)
    assert found.text.count("\ufffd") >= min(found.invalid, 1)
    assert named(found.encoding) == found.encoding
    assert decoded(codecs.BOM_UTF8 + found.text.encode(), declared) == charsets.Decoded(found.text, "utf-8", 0)


TOKENS = [
    *(b"<meta charset=", b"<meta http-equiv=content-type content='text/html; charset=", b"'>", b">", b"<!--", b"-->"),
    *(name.encode() for name in ("utf-8", "utf-16le", "gbk", "iso-2022-jp", "shift_jis", "x-user-defined")),
    *(b"<?xml version='1.0' encoding='", b"'?>", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
    *(b"\0", b"\x1b$B", b"\x1b(B", b"\x81\x30", b"\xff", b"~{"),
]
BYTES: dict[str, st.SearchStrategy[Any]] = {
    "data": st.one_of(
        st.binary(max_size=300),
        st.lists(st.sampled_from(TOKENS), max_size=12).map(b"".join),
        st.sampled_from([f"<p>{text}".encode(c) for text, c in ((RUSSIAN, "cp1251"), (JAPANESE, "euc_jp"))]),
    ),
    "changes": edits(TOKENS),
    "declared": st.sampled_from([None, *charsets._ENCODINGS]),
}


@given(**BYTES)
def test_any_bytes_become_text(**case: Any) -> None:
    check_bytes(**case)


@pytest.mark.fuzz
@pytest.mark.timeout(600)
def test_any_bytes_become_text_for_long() -> None:
    for_seconds(30, check_bytes, **BYTES)


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0\ufeff"), max_size=200))
def test_utf8_is_read_as_it_is(text: str) -> None:
    assert decoded(text.encode(), "utf-8") == charsets.Decoded(text, "utf-8", 0)


@given(st.text(alphabet="<meta charset=\"'>!-x/ ", max_size=200))
def test_any_head_is_searched(head: str) -> None:
    assert decoded(head.encode()).text == head


def test_real_pages_in_other_encodings(data: Path) -> None:
    """Pages that say what they are, written in it: the same text comes out."""
    texts = rows(ReadWarc(paths=[str(data / "web" / "pages.warc.gz")])).column("text").to_pylist()
    for codec, encoding in (("cp1252", "windows-1252"), ("gb18030", "gb18030"), ("utf-16-le", "utf-16le")):
        for text in texts[:40]:
            raw = text.encode(codec, "ignore")
            found = decoded(raw, encoding)
            assert (found.text, found.invalid) == (raw.decode(codec).replace("\0", "\ufffd"), text.count("\0"))
