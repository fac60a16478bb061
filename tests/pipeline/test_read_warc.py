"""A run over web archives: what is no page is not held against `max_bad`, what is broken is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.corpus.warcs import packed, record, response

from vernier.core.errors import DataError
from vernier.core.recipe import Recipe
from vernier.core.run import Run
from vernier.corpus.read_warc import ReadWarc
from vernier.corpus.records import MaxBad

Go = Callable[..., Run]
REQUEST = record(b"GET / HTTP/1.1\r\n\r\n", kind="request")


def recipe(**settings: object) -> Recipe:
    made = Recipe("archives")
    made.add("pages", ReadWarc(paths=["data/*.warc.gz"], max_bad=MaxBad(0.0, 0), **settings), on={"workers": 1})  # pyright: ignore[reportArgumentType]
    return made


def test_records_that_are_no_pages_are_not_bad(here: Path, go: Go) -> None:
    for name in ("a", "b"):
        records = [one for n in range(3) for one in (REQUEST, response(f"{name}{n}"))]
        (here / "data" / f"{name}.warc.gz").write_bytes(packed(records))
    counts = go(recipe()).artifact("pages").counts
    assert (counts["rows"], counts["quarantined"], counts["quarantined.request"]) == (6, 6, 6)
    (here / "data" / "c.warc.gz").write_bytes(packed([response(1), b"garbage", response(2)]))
    with pytest.raises(DataError, match=r"(?s)1 of 9 records.*1 garbage"):
        go(recipe())


def test_an_archive_that_ends_too_early(here: Path, go: Go) -> None:
    whole = packed([response(n) for n in range(5)])
    (here / "data" / "a.warc.gz").write_bytes(whole[:-100])
    with pytest.raises(DataError, match=r"(?s)ends too early.*a\.warc\.gz.*on_truncated: keep"):
        go(recipe())
    kept = Recipe("archives")
    kept.add("pages", ReadWarc(paths=["data/*.warc.gz"], on_truncated="keep"), on={"workers": 1})
    counts = go(kept).artifact("pages").counts
    assert (counts["rows"], counts["quarantined.truncated"]) == (4, 1)
