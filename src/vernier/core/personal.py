"""What in a text tells of a person or lets one in: e-mail addresses, phone numbers, IP addresses, keys.

    email  an address with a domain; those of RFC 2606 (example.org, .invalid ...) belong to nobody and are left
    ip     an address of the public internet (`ipaddress`): private, loopback and documentation addresses are left, and
           numbers that only look like one: versions, sections, products (`Firefox/2.0.0.11`), and four parts of one
           digit each, which are far oftener a version than one of the few such addresses
    phone  a number that its country's plan has, written in groups or with a country code (the library phonenumbers)
    key    see `vernier.core.credentials`

FineWeb (arXiv 2406.17557) masks e-mail and public IP addresses; Dolma (2402.00159) those and phone numbers.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from vernier.core import credentials
from vernier.core.errors import RecipeError, SetupError

Spans = Iterator[tuple[int, int]]  # first character, and the one behind the last
KINDS = ("key", "email", "ip", "phone")  # where two claim the same characters, the first has them

_EMAIL = re.compile(
    r"(?<![\w.%+-])[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}@((?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24})(?![\w@-])"
)
_NOBODY = re.compile(r"(?:.*\.)?(?:example\.(?:com|net|org)|[^.]*\.?(?:example|invalid|test|localhost))", re.IGNORECASE)
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])[23][0-9A-Fa-f]{3}:[0-9A-Fa-f:]{3,34}(?![\w:.])")  # 2000::/3 is all that is given out
_NO_ADDRESS = re.compile(
    r"(?:\b(?:version|ver|release|rev|revision|build|firmware|section|sec|chapter|part|appendix|clause|paragraph|figure"
    r"|fig|table|rule|theorem|lemma|definition|corollary|proposition|example|exercise|remark)s?\.?|\u00a7)\s*$"
    r"|[A-Za-z]/$",
    re.IGNORECASE,
)
_BEFORE = 16  # characters before a number that are looked at: the longest such word and a space
# Seven digits at least (E.164 has fifteen at most), with what may stand between them.
_PHONE = re.compile(r"(?<![\w.])[+(]?\d(?:[ \u00a0().\u2010-\u2015/-]{0,3}\d){6,}")


def find(text: str, kinds: Mapping[str, str], region: str) -> list[tuple[int, int, str]]:
    """What of some kinds a text holds: (first character, the one behind the last, kind), in order, none overlapping.

    kinds   the kinds that are looked for; a text that stands for one of them already (the value) is not found
    region  ISO 3166 code of the country whose phone numbers are written without a country code
    """
    found: list[tuple[int, int, str]] = []
    for kind in KINDS:
        if kind not in kinds:
            continue
        for start, end in _FINDERS[kind](text, region):
            free = all(end <= other or start >= behind for other, behind, _ in found)
            if free and text[start:end] != kinds[kind]:
                found.append((start, end, kind))
    return sorted(found)


def check_region(region: str) -> None:
    """Raises RecipeError for a region without phone numbers, SetupError without the library."""
    known = _phonenumbers().SUPPORTED_REGIONS
    if region not in known:
        raise RecipeError("no country has that code", found=repr(region), expected="ISO 3166: US, GB, DE ...")


def _keys(text: str, region: str) -> Spans:
    return credentials.find(text)


def _emails(text: str, region: str) -> Spans:
    if "@" in text:
        yield from (match.span() for match in _EMAIL.finditer(text) if not _NOBODY.fullmatch(match[1]))


def _ips(text: str, region: str) -> Spans:
    for pattern in (_IPV4, _IPV6):
        for match in pattern.finditer(text):
            if _is_public(match[0]) and not _NO_ADDRESS.search(text, max(0, match.start() - _BEFORE), match.start()):
                yield match.span()


def _is_public(written: str) -> bool:
    try:
        address = ipaddress.ip_address(written)
    except ValueError:
        return False
    few = address.version == 4 and len(written) == len("1.2.3.4")
    return address.is_global and not address.is_multicast and not few


def _phones(text: str, region: str) -> Spans:
    end = -1
    for match in _PHONE.finditer(text):
        if match.start() < end:
            continue  # of a line that was looked at
        start = text.rfind("\n", 0, match.start()) + 1
        end = text.find("\n", match.start())
        end = len(text) if end < 0 else end
        for number in _matches(text[start:end], region):
            # A row of digits without a sign between them is an id as often as a number.
            if not number.raw_string.isdigit():
                first, last = _unbracketed(number.raw_string)
                yield start + number.start + first, start + number.start + last


def _unbracketed(number: str) -> tuple[int, int]:
    """Where a number is without the brackets that it stands in: the library takes `(415-217-8895)` whole."""
    first, last = 0, len(number)
    if number.startswith("(") and number.find(")") in (-1, last - 1):
        first, last = 1, last - number.endswith(")")
    return first, last


def _matches(line: str, region: str) -> Any:
    library = _phonenumbers()
    return library.PhoneNumberMatcher(line, region, leniency=library.Leniency.STRICT_GROUPING)


@functools.cache
def _phonenumbers() -> Any:
    try:
        import phonenumbers
    except ImportError as error:
        raise SetupError(
            "phone numbers need the package phonenumbers", found=str(error), do="pip install 'vernier[web]'"
        ) from error
    return phonenumbers


_FINDERS: Mapping[str, Callable[[str, str], Spans]] = {"key": _keys, "email": _emails, "ip": _ips, "phone": _phones}
