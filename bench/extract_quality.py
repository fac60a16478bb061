"""How well text was extracted from annotated pages: the measures of WCXB, the benchmark that the pages are from.

    F1             of the bags of words (`\\w+`, small letters) of the text and of the annotated main content: overlap
                   counted with multiplicity, precision over the words of the text, recall over those of the
                   annotation. The mean over pages
    must_have      share of the snippets of the main content that are in the text (small letters), of all pages
    must_not_have  the same of the snippets of what is around it: less is better

$VERNIER_DATA (else ../shared/data): web/pages.warc.gz and web/gold.jsonl.zst, matched by URL. One of the 212 pages has
no URL that a WARC record could carry and is left out.
"""

from __future__ import annotations

import io
import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import zstandard

WORD = re.compile(r"\w+")


def gold(data: Path) -> list[dict[str, Any]]:
    """The annotations: id, url, page_type, title, main_content, must_have, must_not_have."""
    with open(data / "web" / "gold.jsonl.zst", "rb") as raw:
        lines = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(raw), encoding="utf-8")
        return [json.loads(line) for line in lines]


def pages(data: Path) -> dict[str, str]:
    """The HTML of each annotated page by its id."""
    from fastwarc.warc import ArchiveIterator

    by_url = {one["url"]: one["id"] for one in gold(data)}
    found: dict[str, str] = {}
    with open(data / "web" / "pages.warc.gz", "rb") as file:
        for record in ArchiveIterator(file):
            number = by_url.get(record.headers.get("WARC-Target-URI", ""))
            if number is not None:
                found[number] = record.reader.read().decode("utf-8", "replace")
    return found


def quality(annotated: Sequence[Mapping[str, Any]], texts: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """F1, precision, recall, must_have, must_not_have by page type, and of `all`."""
    rows: defaultdict[str, list[tuple[float, float, float]]] = defaultdict(list)
    have: defaultdict[str, list[bool]] = defaultdict(list)
    have_not: defaultdict[str, list[bool]] = defaultdict(list)
    for one in annotated:
        text = texts[one["id"]]
        small = text.lower()
        for kind in ("all", one["page_type"]):
            rows[kind].append(overlap(text, one["main_content"]))
            have[kind] += [snippet.lower() in small for snippet in one["must_have"]]
            have_not[kind] += [snippet.lower() in small for snippet in one["must_not_have"]]
    return {
        kind: {
            "pages": len(rows[kind]),
            **dict(zip(("f1", "precision", "recall"), map(fmean, zip(*rows[kind], strict=True)), strict=True)),
            "must_have": fmean(have[kind]),
            "must_not_have": fmean(have_not[kind]),
        }
        for kind in sorted(rows, key=lambda kind: (kind != "all", kind))
    }


def overlap(text: str, wanted: str) -> tuple[float, float, float]:
    """F1, precision and recall of the words of a text. Both empty: 1; one of them: 0."""
    found, there = Counter(WORD.findall(text.lower())), Counter(WORD.findall(wanted.lower()))
    if not found or not there:
        same = float(not found and not there)
        return same, same, same
    common = (found & there).total()
    return 2 * common / (found.total() + there.total()), common / found.total(), common / there.total()
