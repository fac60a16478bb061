"""What is found and what is left: known answers, planted places, and false alarms on clean text."""

from __future__ import annotations

import base64
import json
from itertools import pairwise
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from vernier.core import personal
from vernier.core.errors import RecipeError

EVERY = dict.fromkeys(personal.KINDS, "")


def found(text: str, region: str = "US") -> list[tuple[str, str]]:
    return [(kind, text[start:end]) for start, end, kind in personal.find(text, EVERY, region)]


def made(prefix: str, number: int, alphabet: str = "aB3dE6gH9jK2mN5pQ8sT1vW4xY7z") -> str:
    """A key of that form: put together here, so that no scanner of repositories takes it for one."""
    return prefix + "".join(alphabet[i * 7 % len(alphabet)] for i in range(number))


HEADER = base64.urlsafe_b64encode(b'{"alg":"HS256"}').decode().rstrip("=")
KEYS = {
    "aws": made("AKI" + "A", 16, "ABCDEFGH2345679"),
    "github": made("gh" + "p_", 36),
    "github_pat": made("github" + "_pat_", 82),
    "gitlab": made("glp" + "at-", 20),
    "slack": "xox" + "b-123456789012-abcdefghijkl",
    "stripe": made("sk_" + "live_", 24),
    "sendgrid": made("SG" + ".", 22) + made(".", 43),
    "google": made("AI" + "za", 35),
    "huggingface": made("hf" + "_", 34, "abcdEFGHijkl"),
    "npm": made("npm" + "_", 36),
    "web_token": f"{HEADER}.{HEADER}.c2lnbmF0dXJl",
    "private": "-----BEGIN RSA PRIV" + "ATE KEY-----\n" + made("", 64) + "\n-----END RSA PRIV" + "ATE KEY-----",
}


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize(("before", "after"), [("", ""), ("key = '", "'\n"), ("(", ")."), ("see ", ", then")])
def test_keys(name: str, before: str, after: str) -> None:
    assert found(before + KEYS[name] + after) == [("key", KEYS[name])]


@pytest.mark.parametrize("name", ["aws", "github", "stripe", "google"])
def test_a_form_inside_of_encoded_data_is_no_key(name: str) -> None:
    assert found(f"Zm9v{KEYS[name]}YmFy") == []


def test_the_password_of_an_address() -> None:
    assert found("git clone https://me:Tr0ub4dor@code.corp.com/x") == [("key", "Tr0ub4dor")]
    for word in ("password", "PASSWORD", "secret1", "xxx", "<token>", "${PW}", "pass"):
        assert [kind for kind, _ in found(f"https://user:{word}@host/x")] == [], word


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("Write to jane.doe+x@mail.corp.co.uk.", "jane.doe+x@mail.corp.co.uk"),
        ("<a_b%c@corp.de>", "a_b%c@corp.de"),
        ("mailto:j@corp.io?x", "j@corp.io"),
        ("jane@example.com", None),
        ("jane@mail.example.org", None),
        ("jane@box.invalid", None),
        ("jane@localhost", None),
        ("jane at corp dot de", None),
        ("@decorator.name", None),
        ("x @ y.T", None),
        ("a@b", None),
        (r"\@ifnextchar.foo", None),
        ("user@host.c0m", None),
    ],
)
def test_emails(text: str, want: str | None) -> None:
    assert found(text) == ([] if want is None else [("email", want)])


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("from 83.149.9.216 at", "83.149.9.216"),
        ("http://83.149.9.216:80/x", "83.149.9.216"),
        ("83.149.9.216/24.", "83.149.9.216"),
        ("[2a00:1450:4001:81b::200e]", "2a00:1450:4001:81b::200e"),
        ("192.168.0.17", None),
        ("10.11.12.13", None),
        ("172.16.5.44", None),
        ("172.15.5.44", "172.15.5.44"),
        ("172.32.5.44", "172.32.5.44"),
        ("127.0.0.1 and 0.0.0.0 and 255.255.255.255 and 224.0.0.251", None),
        ("203.0.113.77", None),  # for documentation (RFC 5737)
        ("2001:db8::17", None),
        ("1.2.3.4", None),
        ("1.2.3.40", "1.2.3.40"),
        ("version 10.20.30.40", None),
        ("v10.20.30.40", None),
        ("Section 11.2.3.4", None),
        ("\u00a7 11.2.3.4", None),
        ("Firefox/12.0.0.11", None),
        ("10.2.3.4.55 and 83.149.9.216.1", None),
        ("83.149.9.256", None),
        ("083.149.9.216", None),
        ("std::vector a::b 2::3 12:34:56 2024:01:02", None),
    ],
)
def test_ips(text: str, want: str | None) -> None:
    assert found(text) == ([] if want is None else [("ip", want)])


@pytest.mark.parametrize(
    ("text", "region", "want"),
    [
        ("Call 415-217-8895 now", "US", "415-217-8895"),
        ("Call (415) 217-8895", "US", "(415) 217-8895"),
        ("Call us (415-217-8895).", "US", "415-217-8895"),
        ("Call us (+1 415-217-8895 at night)", "US", "+1 415-217-8895"),
        ("Call us ((415) 217-8895)", "US", "(415) 217-8895"),
        ("Call +49 30 901820", "US", "+49 30 901820"),
        ("Tel. 030 901820", "DE", "030 901820"),
        ("Tel. 030 901820", "US", None),
        ("id 4152178895", "US", None),  # no signs between the digits
        ("2012-01-02 12:30:45", "US", None),
        ("pp. 1234-5678", "US", None),
        ("3.14159265358979", "US", None),
        ("1, 2, 3, 4, 5, 6, 7, 8, 9, 10", "US", None),
        ("1 000 000 000", "US", None),
        ("978-3-16-148410-0", "US", None),
        ("555-1234", "US", None),
    ],
)
def test_phones(text: str, region: str, want: str | None) -> None:
    assert found(text, region) == ([] if want is None else [("phone", want)])


def test_an_unknown_region() -> None:
    personal.check_region("GB")
    with pytest.raises(RecipeError, match="no country"):
        personal.check_region("UK")


@given(
    words=st.lists(
        st.sampled_from(["a@b.de", "415-217-8895", "83.149.9.216", KEYS["github"], "v1", "@", ".", "\n", "x", "+"])
        | st.text(max_size=3),
        max_size=12,
    )
)
def test_places_are_in_order_and_apart(words: list[str]) -> None:
    text = "".join(words)
    places = personal.find(text, EVERY, "US")
    assert all(0 <= start < end <= len(text) for start, end, _ in places)
    assert all(one[1] <= other[0] for one, other in pairwise(places))
    for kind in EVERY:
        alone = personal.find(text, {kind: ""}, "US")
        assert {place for place in places if place[2] == kind} <= set(alone)


def texts(data: Path, file: str) -> list[str]:
    with zstandard.open(data / "corpus" / f"{file}.jsonl.zst", "rt", encoding="utf-8", newline="\n") as lines:
        return [json.loads(line)["text"] for line in lines]


@pytest.mark.parametrize(
    ("file", "most"),
    [
        ("math_hott", {"key": 0, "email": 0, "ip": 0, "phone": 0}),
        ("math_gsm8k_train", {"key": 0, "email": 0, "ip": 0, "phone": 0}),
        ("encyclopedia_wikitext2", {"key": 0, "email": 0, "ip": 0, "phone": 0}),
        # Real addresses of authors; versions of SQLite in tables are taken for IP addresses.
        ("techspec_peps", {"key": 0, "email": 600, "ip": 3, "phone": 0}),
    ],
)
def test_false_alarms(data: Path, file: str, most: dict[str, int]) -> None:
    counts = dict.fromkeys(most, 0)
    for text in texts(data, file):
        for kind, _ in found(text):
            counts[kind] += 1
    assert all(counts[kind] <= most[kind] for kind in most), counts


def test_recall_on_planted_places(data: Path) -> None:
    """One place of each kind between two words of clean documents: all are found, where they were put."""
    planted = {
        "email": "jo.smith@mail.corp.net",
        "ip": "93.184.216.34",
        "phone": "(415) 600-3247",
        "key": KEYS["github"],
    }
    documents = texts(data, "math_gsm8k_train")[:200] + texts(data, "techspec_peps")[:20]
    for number, text in enumerate(documents):
        words = text[:2000].split(" ")
        for kind, place in planted.items():
            middle = (number * 7 + len(place)) % len(words)
            whole = " ".join([*words[:middle], "See", place, "for more", *words[middle:]])
            assert (kind, place) in found(whole), (kind, whole[:300])
