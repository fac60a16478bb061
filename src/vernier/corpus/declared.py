"""What a page says of itself: title, date, language; and which of its links stand in the main content.

A tree is one of `resiliparse.parse.html`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from vernier.corpus.markup import every

_TITLES = ("og:title", "twitter:title", "dc.title", "citation_title")
_DATES = (  # of publication, the most used first; then of change
    "article:published_time",
    "datepublished",
    "date",
    "dc.date",
    "dc.date.issued",
    "dcterms.created",
    "citation_publication_date",
    "citation_date",
    "og:published_time",
    "pubdate",
    "article:modified_time",
)
_LANGUAGES = ("content-language", "og:locale", "language", "dc.language")
_DATE = re.compile(r"(\d{4})[-/](\d{2})[-/](\d{2})(?!\d)")
_IN_JSON = re.compile(r'"datePublished"\s*:\s*"([^"]*)"')
_BLOCKS = frozenset(
    "p li td th dd dt h1 h2 h3 h4 h5 h6 blockquote figcaption pre div section article body".split(),  # noqa: SIM905
)
_SUBSTANCE = 20  # characters of a block from which on it may be a part of a line, and not the whole of one


class Said(NamedTuple):
    """What a page says of itself; None where it says nothing."""

    title: str | None
    page_date: str | None
    language_hint: str | None


def said(tree: Any) -> Said:
    """The title of the metadata, else of `<title>`, else the first heading; the first date (YYYY-MM-DD) in the
    metadata, in JSON-LD or in `<time>`; `lang` of `<html>`, else the language of the metadata, as it is written."""
    meta = _meta(tree)
    heading = tree.document.query_selector("h1")
    titles = [*(meta.get(name) for name in _TITLES), tree.title, heading.text_content if heading is not None else None]
    dates = [meta.get(name) for name in _DATES]
    for script in every(tree.document, 'script[type="application/ld+json"]'):
        dates += _IN_JSON.findall(script.text_content)
    moment = tree.document.query_selector("time[datetime]")
    dates.append(moment.getattr("datetime") if moment is not None else None)
    root = tree.document.query_selector("html")
    languages = [root.getattr("lang") if root is not None else None, *(meta.get(name) for name in _LANGUAGES)]
    return Said(
        next((words for text in titles if text and (words := " ".join(text.split()))), None),
        next((day for text in dates if text and (day := _day(text))), None),
        next((word for text in languages if text and (word := text.strip())), None),
    )


def links(tree: Any, text: str) -> list[str]:
    """Where the links of the main content lead, each once, as written in the page.

    A link belongs to the main content if the block that it stands in (a paragraph, a list item, a cell ...) is a line
    of the extracted text, or, from 20 characters on, a part of it: a rule that serves any extractor.
    """
    lines = {_plain(line) for line in text.split("\n")}
    whole = _plain(text)
    found: dict[str, None] = {}
    known: dict[str, bool] = {}
    for link in every(tree.document, "a[href]"):
        target = (link.getattr("href") or "").strip()
        if not target or target in found or target.startswith(("#", "javascript:")):
            continue
        anchor = _plain(link.text_content)
        if not anchor or anchor not in whole:
            continue
        block = link.parent
        while block is not None and block.tag not in _BLOCKS:  # `closest` takes three times as long
            block = block.parent
        words = _plain(block.text_content) if block is not None else anchor
        if words not in known:
            known[words] = words in lines or (len(words) >= _SUBSTANCE and words in whole)
        if known[words]:
            found[target] = None
    return list(found)


def written(targets: list[str]) -> str:
    """Links as one JSON list."""
    return json.dumps(targets, ensure_ascii=False)


def _meta(tree: Any) -> Mapping[str, str]:
    """The content of each `<meta>` by its name in small letters; of several the first."""
    found: dict[str, str] = {}
    for element in every(tree.document, "meta[content]"):
        for name in _names(element):
            found.setdefault(name, element.getattr("content") or "")
    return found


def _names(element: Any) -> Iterator[str]:
    for key in ("property", "name", "itemprop", "http-equiv"):
        name = element.getattr(key)
        if name:
            yield name.strip().lower()


def _day(text: str) -> str | None:
    """The first day of the calendar in a text."""
    for year, month, day in _DATE.findall(text):
        if 1 <= int(month) <= 12 and 1 <= int(day) <= 31 and int(year) >= 1900:
            return f"{year}-{month}-{day}"
    return None


def _plain(text: str) -> str:
    """A text without what extractors add or change: white space, bullets, the bars of tables."""
    return " ".join(word for word in text.split() if word not in ("-", "•", "|", "*"))
