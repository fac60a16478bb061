"""From the bytes of a web page to its text, in the order of the HTML standard (13.2.3) and the Encoding standard.

A byte-order mark, the charset of the HTTP header, a `<meta>` in the page's head, and where none of them names an
encoding: UTF-8 if the bytes are UTF-8, else what a detector says (resiliparse). Bytes that an encoding has no character
for become U+FFFD, and so does NUL, which HTML has no place for and which parsers written in C take for the end.

Departures from the standard: the head is searched for a `<meta>` in one go, as far as the parser would find it, and
encodings are decoded by Python's codecs, whose tables differ from the standard's in a few rare characters.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from functools import cache

HEAD = 16 << 10  # bytes searched for a <meta>: the standard prescans 1024, and its parser goes on through the head
REPLACEMENT = "\ufffd"

# Encodings by their names in the Encoding standard (section 4.2): Python's codec, and the labels that pages call them.
_ENCODINGS = {
    "utf-8": ("utf-8", "unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf8 x-unicode20utf8"),
    "ibm866": ("cp866", "866 cp866 csibm866"),
    "iso-8859-2": ("iso8859-2", "csisolatin2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 l2 latin2"),
    "iso-8859-3": ("iso8859-3", "csisolatin3 iso-ir-109 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988 l3 latin3"),
    "iso-8859-4": ("iso8859-4", "csisolatin4 iso-ir-110 iso8859-4 iso88594 iso_8859-4 iso_8859-4:1988 l4 latin4"),
    "iso-8859-5": (
        "iso8859-5",
        "csisolatincyrillic cyrillic iso-ir-144 iso8859-5 iso88595 iso_8859-5 iso_8859-5:1988",
    ),
    "iso-8859-6": (
        "iso8859-6",
        "arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6-e iso-8859-6-i iso-ir-127 "
        "iso8859-6 iso88596 iso_8859-6 iso_8859-6:1987",
    ),
    "iso-8859-7": (
        "iso8859-7",
        "csisolatingreek ecma-118 elot_928 greek greek8 iso-ir-126 iso8859-7 iso88597 iso_8859-7 iso_8859-7:1987 "
        "sun_eu_greek",
    ),
    "iso-8859-8": (
        "iso8859-8",
        "csiso88598e csisolatinhebrew hebrew iso-8859-8-e iso-ir-138 iso8859-8 iso88598 iso_8859-8 iso_8859-8:1988 "
        "visual",
    ),
    "iso-8859-8-i": ("iso8859-8", "csiso88598i logical"),
    "iso-8859-10": ("iso8859-10", "csisolatin6 iso-ir-157 iso8859-10 iso885910 l6 latin6"),
    "iso-8859-13": ("iso8859-13", "iso8859-13 iso885913"),
    "iso-8859-14": ("iso8859-14", "iso8859-14 iso885914"),
    "iso-8859-15": ("iso8859-15", "csisolatin9 iso8859-15 iso885915 iso_8859-15 l9"),
    "iso-8859-16": ("iso8859-16", ""),
    "koi8-r": ("koi8-r", "cskoi8r koi koi8 koi8_r"),
    "koi8-u": ("koi8-u", "koi8-ru"),
    "macintosh": ("mac-roman", "csmacintosh mac x-mac-roman"),
    "windows-874": ("cp874", "dos-874 iso-8859-11 iso8859-11 iso885911 tis-620"),
    "windows-1250": ("cp1250", "cp1250 x-cp1250"),
    "windows-1251": ("cp1251", "cp1251 x-cp1251"),
    "windows-1252": (
        "cp1252",
        "ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 iso88591 iso_8859-1 "
        "iso_8859-1:1987 l1 latin1 us-ascii x-cp1252",
    ),
    "windows-1253": ("cp1253", "cp1253 x-cp1253"),
    "windows-1254": (
        "cp1254",
        "cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9 iso_8859-9:1989 l5 latin5 x-cp1254",
    ),
    "windows-1255": ("cp1255", "cp1255 x-cp1255"),
    "windows-1256": ("cp1256", "cp1256 x-cp1256"),
    "windows-1257": ("cp1257", "cp1257 x-cp1257"),
    "windows-1258": ("cp1258", "cp1258 x-cp1258"),
    "x-mac-cyrillic": ("mac-cyrillic", "x-mac-ukrainian"),
    "gbk": ("gb18030", "chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 iso-ir-58 x-gbk"),
    "gb18030": ("gb18030", ""),
    "big5": ("big5hkscs", "big5-hkscs cn-big5 csbig5 x-x-big5"),
    "euc-jp": ("euc-jp", "cseucpkdfmtjapanese x-euc-jp"),
    "iso-2022-jp": ("iso2022-jp", "csiso2022jp"),
    "shift_jis": ("cp932", "csshiftjis ms932 ms_kanji shift-jis sjis windows-31j x-sjis"),
    "euc-kr": (
        "cp949",
        "cseuckr csksc56011987 iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601 windows-949",
    ),
    # Encodings that a page can attack with: the standard reads one U+FFFD instead.
    "replacement": ("", "csiso2022kr hz-gb-2312 iso-2022-cn iso-2022-cn-ext iso-2022-kr"),
    "utf-16be": ("utf-16-be", "unicodefffe"),
    "utf-16le": ("utf-16-le", "csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16"),
    "x-user-defined": ("x-user-defined", ""),
}
_LABELS = {label: name for name, (_, labels) in _ENCODINGS.items() for label in (name, *labels.split())}
# What the detector says and no page may call an encoding.
_DETECTED = {codec: name for name, (codec, _) in reversed(_ENCODINGS.items())} | {"euc_jp": "euc-jp"}
_SINGLE = {name for name in _ENCODINGS if name.startswith(("iso-8859", "windows-", "koi8", "mac", "ibm", "x-mac"))}
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_BE, "utf-16be"), (codecs.BOM_UTF16_LE, "utf-16le"))

_CHARSET = re.compile(rb"charset\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s;\"']+))", re.I)
_COMMENT = re.compile(rb"<!--.*?(?:-->|\Z)", re.S)
_META = re.compile(rb"<meta[\s/](?:[^>\"']|\"[^\"]*\"|'[^']*')*+", re.I)
_XML = re.compile(rb"<\?xml\s[^>]*?encoding\s*=\s*(?:\"([^\">]*)\"|'([^'>]*)')")
# What is said in ASCII of bytes that are not.
_IN_ASCII = {"utf-16be": "utf-8", "utf-16le": "utf-8", "x-user-defined": "windows-1252"}
_ATTRIBUTE = re.compile(rb"([^\s/>=\"']+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>\"']+))")


@dataclass(frozen=True)
class Decoded:
    """The text of a page.

    encoding   its name in the Encoding standard, in small letters
    invalid    characters U+FFFD that stand for bytes which are none in this encoding, or for NUL
    """

    text: str
    encoding: str
    invalid: int


def named(label: str | bytes | None) -> str | None:
    """The encoding of that label, in any case and with spaces around it; None if there is none."""
    if label is None:
        return None
    text = label.decode("ascii", "replace") if isinstance(label, bytes) else label
    return _LABELS.get(text.strip("\t\n\f\r ").lower())


def charset_of(content_type: bytes) -> str | None:
    """The encoding that a Content-Type names (RFC 9110, 8.3.1), quoted or not."""
    found = _CHARSET.search(content_type)
    return named(found[1] or found[2] or found[3]) if found else None


def decoded(data: bytes, declared: str | None = None) -> Decoded:
    """The text of a page; `declared` is the encoding that its transport names."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return _decoded(data[len(mark) :], encoding)
    encoding = declared or _in_head(data[:HEAD])
    if encoding is not None:
        return _decoded(data, encoding)
    try:
        return _cleaned(data.decode(), "utf-8", 0)
    except UnicodeDecodeError:
        return _decoded(data, _detected(data))


def _detected(data: bytes) -> str:
    from resiliparse.parse.encoding import detect_encoding

    found = detect_encoding(data)
    # The standard's own last resort (13.2.3.2, step 9) is windows-1252 for most of the world.
    return named(found) or _DETECTED.get(found or "", "windows-1252")


def _in_head(head: bytes) -> str | None:
    """The encoding of the first `<meta>` that names one, else of an XML declaration (13.2.3.2, the prescan)."""
    if head.startswith(b"<\0?\0x\0"):
        return "utf-16le"
    if head.startswith(b"\0<\0?\0x"):
        return "utf-16be"
    for tag in _META.finditer(_COMMENT.sub(b"", head)):
        values = {
            name.lower(): double or single or bare for name, double, single, bare in _ATTRIBUTE.findall(tag[0][5:])
        }
        found = named(values.get(b"charset"))
        if found is None and values.get(b"http-equiv", b"").lower() == b"content-type":
            found = charset_of(values.get(b"content", b""))
        if found is not None:
            return _IN_ASCII.get(found, found)
    xml = _XML.match(head)
    found = named(xml[1] or xml[2]) if xml else None
    return _IN_ASCII.get(found, found) if found else None


def _decoded(data: bytes, encoding: str) -> Decoded:
    if encoding == "replacement":
        return Decoded(REPLACEMENT if data else "", encoding, len(data))
    if encoding == "utf-8":
        try:
            return _cleaned(data.decode(), encoding, 0)
        except UnicodeDecodeError:
            text = data.decode(errors="replace")
            return _cleaned(text, encoding, text.count(REPLACEMENT) - data.count(REPLACEMENT.encode()))
    if encoding in _SINGLE or encoding == "x-user-defined":
        text = codecs.charmap_decode(data, "strict", _table(encoding))[0]  # pyright: ignore[reportArgumentType]
    else:
        text = data.decode(_ENCODINGS[encoding][0], "replace")
    return _cleaned(text, encoding, text.count(REPLACEMENT))


def _cleaned(text: str, encoding: str, invalid: int) -> Decoded:
    if "\0" in text:
        invalid += text.count("\0")
        text = text.replace("\0", REPLACEMENT)
    return Decoded(text, encoding, invalid)


@cache
def _table(encoding: str) -> str:
    """The 256 characters of an encoding of one byte a character. The standard gives the bytes from 0x80 to 0x9F that
    Windows leaves undefined the control characters of these numbers."""
    if encoding == "x-user-defined":
        return "".join(chr(byte if byte < 0x80 else 0xF700 + byte) for byte in range(256))
    characters: list[str] = []
    for byte in range(256):
        try:
            characters.append(bytes([byte]).decode(_ENCODINGS[encoding][0]))
        except UnicodeDecodeError:
            characters.append(chr(byte) if byte < 0xA0 else REPLACEMENT)
    return "".join(characters)
