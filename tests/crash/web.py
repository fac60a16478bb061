"""A whole web recipe for the crash tests: archives of which one becomes several shards, and the way to clean text."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

from tests.corpus.warcs import http, packed, record, response
from tests.corpus.web import page

NUM_PAGES = 40  # of the large archive; every eighth fills a row group of its own, and with it a shard
NUM_SMALL = 12
NOTICE = "<p>Subscribe to our letter, and read every week what is new in the shop.</p>"
GERMAN = "Der Schieber steht auf der Schiene, und die Leute lesen dort, was sie mit den Augen sonst nicht sehen. "
FILL = "<!-- " + "words of a long comment " * 110_000 + "-->"  # 2.6 MB: two are more than a row group of 4 MB holds
HANGS = "<div>" * 100_000 + "slow"  # minutes of CPU time in resiliparse

WEB = """\
vernier: 1
name: web
store: STORE
stages:
  pages:    {do: corpus.read_warc, with: {paths: ["DATA/*.warc.gz"], shard: 1000}, on: {workers: N}}
  text:     {do: corpus.extract, in: {corpus: pages}, on: {workers: N}}
  lines:    {do: corpus.boilerplate, in: {corpus: text}, with: {documents: 4, entries: 150}, on: {workers: N}}
  language: {do: score.language, in: {corpus: lines}, on: {workers: 1}}
  english:
    do: select.threshold
    in: {corpus: lines, a: language}
    with: {by: a.p_en, at_least: 0.65}
    on: {workers: N}
  signals:  {do: score.signals, in: {corpus: lines}, on: {workers: 1}}
  keep:
    do: select.rules
    in: {corpus: lines, within: english, signals: signals}
    with: {rules: [gopher, fineweb]}
    on: {workers: N}
  clean:    {do: corpus.materialise, in: {corpus: lines, selection: keep}, on: {workers: N}}
"""
KINDS = {
    "pages": "archives",
    "text": "extraction",
    "lines": "fold over lines",
    "language": "scores",
    "english": "selection",
    "signals": "scores",
    "keep": "fold over rules",
    "clean": "materialise",
}
WEB_IDS = Counter(f"urn:x:{name}" for name in [*range(NUM_PAGES), *(f"s{n}" for n in range(NUM_SMALL))])
NOUNS = "scale lens clock map letter river harbour engine garden mirror bridge library signal winter copper"
VERBS = "measured painted moved counted written found carried opened compared repaired described closed"
ADJECTIVES = "small heavy silent old careful narrow distant bright patient broken gentle curious"
_DRAWN = {"N": NOUNS.split(), "V": VERBS.split(), "A": ADJECTIVES.split()}
_FORMS = (
    "The N of the N was V with a A N that they have V.",
    "We V the A N and the N, but it is not to be V by a N.",
    "If a N is A, then the A N with it has been V in the N.",
    "With the N came a A N, and that N was V to the end of the N.",
)


def prose(rng: random.Random, sentences: int) -> str:
    """English that no other page has."""
    drawn = (rng.choice(_FORMS) for _ in range(sentences))
    return " ".join("".join(rng.choice(_DRAWN[c]) if c in _DRAWN else c for c in form) for form in drawn)


def web_page(rng: random.Random, number: int) -> bytes:
    """Long English, some of it behind a long comment; now and then too short, German, or nothing at all."""
    if number % 10 == 9:
        return b"<p></p>"
    inner = "".join(f"<p>{prose(rng, length)}</p>" for length in ([2] if number % 5 == 3 else [6] * 5))
    if number % 7 == 6:
        inner = f"<p>{GERMAN * 12}</p>"
    return page(f"{FILL if number % 8 == 0 else ''}{inner}{NOTICE}").encode()


def write_archives(folder: Path) -> None:
    """A large archive and a small one, with what is no page between the pages."""
    rng = random.Random(0)
    request = record(b"GET / HTTP/1.1\r\n\r\n", kind="request", id="q")
    large = [one for n in range(NUM_PAGES) for one in (request, response(n, web_page(rng, n)))]
    large.insert(NUM_PAGES, record(http(b"gone", status="404 Not Found"), id="404"))
    small = [response(f"s{n}", web_page(rng, NUM_PAGES + n)) for n in range(NUM_SMALL)]
    folder.mkdir(parents=True)
    (folder / "large.warc.gz").write_bytes(packed(large))
    (folder / "small.warc.gz").write_bytes(packed(small))
