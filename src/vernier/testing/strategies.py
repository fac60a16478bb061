"""Hypothesis strategies for Vernier's tables."""

from __future__ import annotations

import itertools
import math

import pyarrow as pa
from hypothesis import strategies as st

from vernier.core import tables
from vernier.testing.make import corpus_table

DOMAINS = ("prose", "code", "forum", None)
LICENSES = ("CC0-1.0", "MIT", None)
# What breaks naive code: the characters that splitlines() takes for line ends, NUL, a byte order mark, marks
# that combine, characters of 2, 3 and 4 bytes.
AWKWARD = "\u2028\u2029\x85\x0b\x0c\r\n\x00\ufeffé\u0301ßİ中🙂"


def documents() -> st.SearchStrategy[str]:
    """One document's text: words and lines, awkward characters, any Unicode (no surrogates), maybe empty."""
    words = st.lists(st.sampled_from(["the", "of", "cat", "sat", "x=1;", "\n", "http://a.b", "Ü"]), max_size=30)
    return st.one_of(
        words.map(" ".join),
        st.text(AWKWARD + "ab ", max_size=20),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    )


@st.composite
def corpora(draw: st.DrawFn, *, min_rows: int = 0, max_rows: int = 20) -> pa.Table:
    """A corpus table (`tables.CORPUS`), exact copies of a text among them."""
    texts = draw(st.lists(documents(), min_size=min_rows, max_size=max_rows))
    if texts and draw(st.booleans()):
        texts[-1] = texts[0]
    some = st.lists(st.sampled_from(DOMAINS), min_size=len(texts), max_size=len(texts))
    domains = draw(some)
    licenses = draw(st.lists(st.sampled_from(LICENSES), min_size=len(texts), max_size=len(texts)))
    return corpus_table(texts, domains=domains, licenses=licenses)


@st.composite
def score_tables(draw: st.DrawFn, rows: int, *, unscored: bool = True, undefined: bool = True) -> pa.Table:
    """`nll` (nat), `num_tokens`, `num_bytes` for `rows` documents: whole bits, ties, documents of no tokens.

    unscored    some rows are null in every column
    undefined   some losses are NaN
    """
    bits = st.integers(0, 40).map(lambda n: n * math.log(2))
    nll = st.one_of(bits, st.just(math.nan)) if undefined else bits
    row = st.tuples(nll, st.integers(0, 20), st.integers(0, 60))
    cells = st.one_of(row, st.none()) if unscored else row
    made = draw(st.lists(cells, min_size=rows, max_size=rows))
    return pa.table(
        {
            "nll": pa.array([None if r is None else r[0] for r in made], pa.float64()),
            "num_tokens": pa.array([None if r is None else r[1] for r in made], pa.int64()),
            "num_bytes": pa.array([None if r is None else r[2] for r in made], pa.int64()),
        }
    )


@st.composite
def selections(draw: st.DrawFn, rows: int, *, max_count: int = 3) -> pa.Table:
    """A selection of `rows` documents: some dropped with a reason, some wanted more than once."""
    wanted = draw(st.lists(st.integers(0, max_count), min_size=rows, max_size=rows))
    reasons = draw(st.lists(st.sampled_from(["below_cut", "outside"]), min_size=rows, max_size=rows))
    return pa.table(
        {"count": wanted, "reason": [None if n else why for n, why in zip(wanted, reasons, strict=True)]},
        schema=tables.SELECTION,
    )


@st.composite
def cuts(draw: st.DrawFn, rows: int, *, max_shards: int = 4) -> list[tuple[int, int]]:
    """A way to cut `rows` rows into shards, as (start, length) for `pa.Table.slice`; shards may be empty."""
    inner = draw(st.lists(st.integers(0, rows), max_size=max_shards - 1))
    ends = [0, *sorted(inner), rows]
    return [(start, end - start) for start, end in itertools.pairwise(ends)]
