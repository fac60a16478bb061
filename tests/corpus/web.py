"""Pages for the tests of extraction, and a corpus of pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.corpus.extract import Extract
from vernier.testing.make import corpus_table, make_artifact, run

EXTRACTORS: dict[str, dict[str, Any]] = {
    "resiliparse": {"by": "resiliparse"},
    "trafilatura": {"by": "trafilatura"},
    "trafilatura fast": {"by": "trafilatura", "fast": True},
    "trafilatura precision": {"by": "trafilatura", "favor": "precision"},
    "trafilatura recall": {"by": "trafilatura", "favor": "recall"},
    "cascade": {},
}
WORDS = (
    "The instrument reads a small difference by sliding one scale along another, and whoever has used one knows that "
    "the eye finds the line that meets its fellow, out of ten that do not, faster than it could count them. "
)
PARAGRAPH = f"<p>{WORDS * 2}</p>"


def page(inner: str, *, head: str = "<title>Scales</title>", root: str = "<html>") -> str:
    """An article with `inner` between two paragraphs, and a menu and a footer around it."""
    menu = '<nav class="menu"><ul><li><a href="/">Home</a></li><li><a href="/shop">Our shop</a></li></ul></nav>'
    footer = '<footer id="footer"><p>Copyright, imprint, all rights reserved</p></footer>'
    return (
        f"<!DOCTYPE html>{root}<head>{head}</head><body>{menu}<article><h1>Scales</h1>{PARAGRAPH}{inner}{PARAGRAPH}"
        f"</article>{footer}</body></html>"
    )


def inputs(folder: Path, shards: Sequence[Sequence[str]]) -> Inputs:
    """Pages as a corpus, one shard of each list."""
    store = Store(str(folder))
    tables = [corpus_table(pages, source=f"{i}.warc") for i, pages in enumerate(shards)]
    return Inputs(store.url, {"corpus": make_artifact(store, "corpus", tables)})


def extract(folder: Path, pages: Sequence[str], **settings: Any) -> list[dict[str, Any]]:
    """The row of each page."""
    return table(folder, pages, **settings).to_pylist()


def table(folder: Path, pages: Sequence[str], **settings: Any) -> pa.Table:
    (made,) = run(Extract(**settings), inputs(folder, [pages]))
    return made


def texts(folder: Path, pages: Mapping[str, str], **settings: Any) -> dict[str, str]:
    """The text of each page by its name."""
    made = extract(folder, list(pages.values()), **settings)
    return {name: row["text"] for name, row in zip(pages, made, strict=True)}
