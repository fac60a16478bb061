"""`corpus.extract`: rows, columns, hostile pages, the ledger, real pages."""

from __future__ import annotations

import json
from hashlib import blake2b
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import strategies as st
from tests.corpus.web import PARAGRAPH, extract, inputs, page, table
from tests.fuzz import for_seconds

import vernier
from vernier.core import tables
from vernier.core.errors import RecipeError
from vernier.core.run import Run
from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.corpus.extract import COLUMNS, TASK, Extract
from vernier.exec.guard import Guard, Limits
from vernier.report import ledger
from vernier.testing.make import corpus_table, make_artifact, run

GOOD = page("<p>One that can be read.</p>")
DEEP = "<div>" * 1_000_000 + "deep"
SLOW = "<div>" * 30_000 + "slow"
LIMITS = Limits(10, 1_000_000_000)
WIDE = "<p>" + "<b>x</b>" * 1_400_000


def test_rows_ids_and_other_columns_stay_and_the_text_is_counted_anew(tmp_path: Path) -> None:
    pages = [GOOD, "", page("<p>Äußerst Ünïcode 💥</p>")]
    before = corpus_table(pages, domains=["a", "b", None], source="0.warc")
    after = table(tmp_path, pages)
    assert after.column_names == [*before.column_names, *COLUMNS]
    kept = [n for n in before.column_names if n not in ("text", "num_bytes", "text_hash", "domain")]
    assert after.select(kept).equals(before.select(kept))
    for row in after.to_pylist():
        raw = row["text"].encode()
        assert (row["num_bytes"], row["text_hash"]) == (len(raw), blake2b(raw, digest_size=16).digest())
    assert [row["failed"] for row in after.to_pylist()] == [None, "empty", None]


def test_a_page_without_text_gets_none_of_its_neighbours(tmp_path: Path) -> None:
    """RedStone's released code gives it the page before."""
    rows = extract(tmp_path, [GOOD, "", "x" * 5000, GOOD, "<p></p>"], max_bytes=4000)
    good = rows[0]["text"]
    assert "One that can be read." in good
    assert [row["text"] for row in rows] == [good, "", "", good, ""]
    assert [row["failed"] for row in rows] == [None, "empty", "too_large", None, "empty"]
    assert [row["num_bytes"] > 0 for row in rows] == [True, False, False, True, False]


def test_a_corpus_with_a_column_of_ours_is_refused(tmp_path: Path) -> None:
    made = inputs(tmp_path, [[GOOD]])
    again = run(Extract(), made)[0]
    twice = Inputs(made.store, {"corpus": make_artifact(Store(made.store), "corpus", [again])})
    with pytest.raises(RecipeError, match="has a column that the extraction makes"):
        run(Extract(), twice)


def test_settings_of_another_extractor_are_refused() -> None:
    for wrong in ({"fast": True}, {"by": "resiliparse", "favor": "recall"}, {"by": "trafilatura", "enough": 7}):
        with pytest.raises(RecipeError, match="setting"):
            Extract(**wrong)
    with pytest.raises(RecipeError, match="`seconds` is too small"):
        Extract(seconds=0)


def test_what_a_page_says_of_itself(tmp_path: Path) -> None:
    head = (
        '<title> Of scales | The shop </title><meta property="og:title" content="Of &amp; on scales">'
        '<meta property="article:published_time" content="2024-05-28T01:00:00Z"><meta name="date" content="2020-01-01">'
    )
    json_ld = '<script type="application/ld+json">{"datePublished": "2023-02-01"}</script>'
    rows = extract(
        tmp_path,
        [
            page("", head=head, root='<html lang="de-AT">'),
            page("", head=f"<title>Of scales</title>{json_ld}<meta http-equiv=content-language content=fr>"),
            page("<time datetime=2022-03-04>today</time>", head='<meta name="date" content="yesterday, 2022-99-99">'),
            page("", head=""),
        ],
        by="resiliparse",
    )
    assert [[row[n] for n in ("title", "page_date", "language_hint")] for row in rows] == [
        ["Of & on scales", "2024-05-28", "de-AT"],
        ["Of scales", "2023-02-01", "fr"],
        ["Scales", "2022-03-04", None],
        ["Scales", None, None],
    ]


@pytest.mark.parametrize("by", ["resiliparse", "trafilatura", "cascade"])
def test_links_are_those_of_the_main_content(tmp_path: Path, by: str) -> None:
    inner = (
        '<p>See <a href="/a?x=1&amp;y=2">the first</a>, <a href="https://b.example/">the second</a>, again '
        '<a href="/a?x=1&amp;y=2">the first</a> and <a href="#note">a note</a>.</p>'
        '<ul><li><a href="../c">a list item</a> with a link and many more words '
        "that are no link, as lists have them</li></ul>"
    )
    (row,) = extract(tmp_path, [page(inner)], by=by)
    assert json.loads(row["links"]) == ["/a?x=1&y=2", "https://b.example/", "../c"]


@pytest.mark.parametrize("by", ["resiliparse", "trafilatura", "cascade"])
def test_hostile_pages_are_recorded_and_those_after_them_are_read(tmp_path: Path, by: str) -> None:
    pages = [GOOD, DEEP, GOOD, "x" * 12_000_001, GOOD, WIDE, GOOD, "\0\ufffe<p>\ud7ff<!--", GOOD]
    rows = extract(tmp_path, pages, by=by, seconds=1, memory=150_000_000, max_bytes=12_000_000)
    good = extract(tmp_path / "good", [GOOD], by=by)[0]["text"]
    assert [row["text"] for row in rows[::2]] == [good] * 5
    assert [row["failed"] for row in rows[::2]] == [None] * 5
    assert rows[1]["failed"] in ("timeout", "memory", "crashed", "error")  # which limit it meets first is the machine's
    assert rows[3]["failed"] == "too_large"
    assert rows[5]["failed"] in ("timeout", "memory")
    for row in (rows[1], rows[3], rows[5]):
        assert (row["text"], row["num_bytes"], row["links"], row["title"]) == ("", 0, None, None)


def test_one_that_hangs_is_cut_off(tmp_path: Path) -> None:
    rows = extract(tmp_path, [SLOW, GOOD], by="resiliparse", seconds=1)
    assert [row["failed"] for row in rows] == ["timeout", None]


def test_one_that_takes_memory_is_cut_off(tmp_path: Path) -> None:
    rows = extract(tmp_path, [WIDE, GOOD], by="resiliparse", seconds=100, memory=30_000_000)
    assert [row["failed"] for row in rows] == ["memory", None]


def test_no_page_no_process_and_the_columns_are_there(tmp_path: Path) -> None:
    made = table(tmp_path, [])
    assert made.num_rows == 0
    assert made.schema == tables.corpus_schema(COLUMNS)


def test_failures_are_in_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pages = [GOOD, "", "<p></p>", "x" * 5000, GOOD]
    Path("pages.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in pages))
    recipe = vernier.Recipe("web")
    html = recipe.add("html", vernier.corpus.ReadJsonl(paths=["pages.jsonl"], domain=None))
    recipe.add("text", Extract(max_bytes=4000), corpus=html)
    made = Run(vernier.run(recipe).folder)
    rows = made.artifact("html").counts["rows"]
    counts = made.artifact("text").counts
    assert (rows, counts["rows"], counts["failed.empty"], counts["failed.too_large"]) == (5, 5, 2, 1)
    section = ledger.section(made)
    assert section is not None
    told = str(section.body)
    assert "2 empty, 1 too large" in told
    assert told.count(">yes<") == 2 and "Every line adds up" in told


@pytest.mark.parametrize("by", ["resiliparse", "trafilatura", "cascade"])
def test_real_pages_come_out_as_people_marked_them(data: Path, tmp_path: Path, by: str) -> None:
    """Ten articles: most of what must be there is, little of what must not."""
    from extract_quality import gold, pages

    marked = [one for one in gold(data) if one["page_type"] == "article"][:10]
    html = pages(data)
    rows = extract(tmp_path, [html[one["id"]] for one in marked], by=by)
    there = [s.lower() in r["text"].lower() for r, one in zip(rows, marked, strict=True) for s in one["must_have"]]
    not_ = [s.lower() in r["text"].lower() for r, one in zip(rows, marked, strict=True) for s in one["must_not_have"]]
    assert sum(there) > 0.8 * len(there)
    assert sum(not_) < 0.2 * len(not_)
    assert all(row["failed"] is None for row in rows)


TAGS = st.sampled_from(
    [
        "<p>",
        "</p>",
        "<div>",
        "</div",
        "<pre>",
        "<br>",
        "<math>",
        "<ul><li>",
        "<table><td>",
        "<a href='x'>",
        "<!--",
        "&#0;",
        "<script type='math/tex'>",
        "</script>",
        "<svg>",
        "<template>",
        "<title>",
        "<katex",
        "<span class=katex>",
        "]]>",
        "<annotation encoding='application/x-tex'>",
        "<body><html>",
        "</html>",
        "\r\n",
        "&amp",
        "<?xml",
        "\x00",
        "x y",
    ]
)
PIECES = st.one_of(TAGS, st.just(PARAGRAPH), st.text(st.characters(exclude_categories=["Cs"]), max_size=20))


@pytest.mark.fuzz
@pytest.mark.timeout(600)
def test_any_page_is_read() -> None:
    """By both extractors."""

    def check_page(pieces: list[str]) -> None:
        (answer,) = both.answers(["".join(pieces)])
        assert answer.why is None
        made = answer.result
        for text in made:
            assert text is None or text.encode().decode() == text
        assert set(json.loads(made.links)) <= {"x"}

    with Guard(TASK, {"by": "cascade", "enough": 1_000_000, "favor": "balance", "fast": False}, LIMITS) as both:
        for_seconds(60, check_page, pieces=st.lists(PIECES, max_size=60))


def test_shards_and_batches_do_not_show(tmp_path: Path) -> None:
    pages = [page(f"<p>Number {i}</p>") if i % 5 else "" for i in range(20)]
    whole = table(tmp_path / "whole", pages, by="resiliparse").drop_columns(["doc_id", "source", "offset", "id"])
    cut = pa.concat_tables(
        run(Extract(by="resiliparse"), inputs(tmp_path / "cut", [pages[:3], [], pages[3:]]), backwards=True)
    )
    assert cut.drop_columns(["doc_id", "source", "offset", "id"]).equals(whole)
