"""The labelled corpus: no source on two sides, twins held, nothing lost, nothing twice; AUC by its definition."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import labelled_scores as scores
from bench import labelled_split as split

SIDES = tuple(split.SHARES)


@pytest.fixture(scope="module")
def parts(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("labelled")
    split.prepare(data, folder)
    return folder


def test_nothing_is_lost_and_no_text_is_there_twice(data: Path, parts: Path) -> None:
    written = [row for side in SIDES for row in split.records(parts / f"{side}.jsonl.zst")]
    names = {path.name.partition(".")[0] for path in (data / "corpus").iterdir()} - set(split.COPIES)
    read = [row for name in names for row in split.records(data / "corpus" / f"{name}.jsonl.zst")]
    assert len(read) == 15_808
    assert len({row["text"] for row in written}) == len(written)
    assert {row["text"] for row in written} == {row["text"] for row in read}
    assert len({row["id"] for row in written}) == len(written)


def test_the_counts_are_those_of_the_files(data: Path, parts: Path) -> None:
    found = split.prepare(data, parts)
    assert found["read"] == sum(numbers["documents"] for numbers in found["total"].values()) == 15_808
    assert sum(numbers["bytes"] for numbers in found["total"].values()) == 44_420_887
    for side in SIDES:
        rows = split.records(parts / f"{side}.jsonl.zst")
        size = sum(len(row["text"].encode()) for row in rows)
        assert found["total"][side] == {"documents": len(rows), "bytes": size}
    for name, by_place in found["files"].items():
        there = len(split.records(data / "corpus" / f"{name}.jsonl.zst"))
        assert sum(numbers["documents"] for numbers in by_place.values()) == there


def test_no_source_is_on_two_sides(data: Path, parts: Path) -> None:
    """Sources named here once more, by the fields of the records themselves."""
    side_of = {row["id"]: side for side in SIDES for row in split.records(parts / f"{side}.jsonl.zst")}
    sides: dict[tuple[str, str], set[str]] = {}
    for name, field in (("books_classic", "title"), ("web_main", "url"), ("web_boilerplate", "url")):
        for row in split.records(data / "corpus" / f"{name}.jsonl.zst"):
            source = row[field] if field == "title" else (urlsplit(row[field]).hostname or "").removeprefix("www.")
            if source and row["id"] in side_of:
                sides.setdefault((field, source), set()).add(side_of[row["id"]])
    for name in ("math_hott", "logs_apache", "review_fragments", "machine_text"):
        for row in split.records(data / "corpus" / f"{name}.jsonl.zst"):
            stem, _, number = row["id"].rpartition("-")
            source = number if name == "machine_text" else stem
            sides.setdefault((name, source), set()).add(side_of[row["id"]])
    assert len(sides) > 900
    assert {source: found for source, found in sides.items() if len(found) > 1} == {}
    labels = split.records(parts / split.LABELS)
    assert len({(row["group"], row["side"]) for row in labels}) == len({row["group"] for row in labels})


def test_twins_of_the_corrupted_are_held_with_all_of_their_source(data: Path, parts: Path) -> None:
    labels = {row["id"]: row for row in split.records(parts / split.LABELS)}
    twins = [row["clean_id"] for row in split.records(data / "corpus" / "corrupted.jsonl.zst")]
    assert {labels[name]["side"] for name in twins} == {"held"}
    groups = {labels[name]["group"] for name in twins}
    assert {row["side"] for row in labels.values() if row["group"] in groups} == {"held"}
    books = {row["group"] for row in labels.values() if row["domain"] == "books" and row["side"] != "held"}
    assert len(books) == 1  # what the recipe's comment says of the pool


def test_a_recipe_sees_no_label_but_the_domain_and_each_domain_has_one_quality(parts: Path) -> None:
    labels = {row["id"]: row for row in split.records(parts / split.LABELS)}
    qualities: dict[str, set[str | None]] = {}
    for side in SIDES:
        for row in split.records(parts / f"{side}.jsonl.zst"):
            assert set(row) == {"id", "text", "domain", "source"}
            qualities.setdefault(row["domain"], set()).add(labels[row["id"]]["quality"])
    assert {len(found) for found in qualities.values()} == {1}
    assert {"web_crawl_high", "web_crawl_low", "web_crawl_unknown", "sms_low", "sms_medium"} < set(qualities)


def test_the_same_data_gives_the_same_bytes(data: Path, parts: Path, tmp_path: Path) -> None:
    split.prepare(data, tmp_path)
    for path in sorted(parts.iterdir()):
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_sides_are_even_where_there_are_many_groups() -> None:
    rng = np.random.default_rng(0)
    documents = [
        split.Document("f", {"id": str(i), "text": "x" * int(size)}, f"f:{i}")
        for i, size in enumerate(rng.integers(1, 1000, 500))
    ]
    sides = split.split(documents, held={"7"})
    assert sides["f:7"] == "held"
    size: Counter[str] = Counter()
    for document in documents:
        size[sides[document.group]] += document.num_bytes
    for side, share in split.SHARES.items():
        assert size[side] / size.total() == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize(
    ("url", "site"),
    [
        ("https://www.rei.com/a?b=c", "rei.com"),
        ("https://rei.com", "rei.com"),
        ("https://uk.glossier.com/x", "glossier.com"),
        ("http://shop.example.co.uk:80/", "example.co.uk"),
        ("https://doc.rust-lang.org/std/", "rust-lang.org"),
        ("", ""),
    ],
)
def test_the_site_of_an_address(url: str, site: str) -> None:
    assert split.site(url) == site


def test_a_twin_stays_when_its_text_is_there_twice() -> None:
    documents = [
        split.Document("f", {"id": name, "text": text}, f"f:{name}") for name, text in zip("abc", "xyx", strict=True)
    ]
    assert [d.record["id"] for d in split.distinct(documents, {"c"})] == ["c", "b"]
    assert [d.record["id"] for d in split.distinct(documents, set())] == ["a", "b"]


SCORED = st.lists(st.tuples(st.sampled_from([-1.0, 0.0, 0.5, 2.0, math.nan]), st.booleans()), min_size=2, max_size=20)


@given(SCORED.filter(lambda rows: len({high for _, high in rows}) == 2))
def test_auc_is_the_share_of_pairs_in_order(rows: list[tuple[float, bool]]) -> None:
    def value(number: float) -> float:
        return -math.inf if math.isnan(number) else number

    pairs = itertools.product([value(v) for v, high in rows if high], [value(v) for v, high in rows if not high])
    won = [1.0 if a > b else 0.5 if a == b else 0.0 for a, b in pairs]
    found = scores.auc(np.array([v for v, _ in rows]), np.array([high for _, high in rows]))
    assert found == pytest.approx(sum(won) / len(won))


def test_the_bootstrap_interval_covers_a_known_auc() -> None:
    rng = np.random.default_rng(1)
    high = np.arange(400) < 200
    covered = 0
    for _ in range(40):
        values = rng.normal(size=400) + high  # AUC of two normals one apart: Phi(1 / sqrt 2) = 0.7602
        low_end, high_end = scores.interval(values, high)
        assert low_end < scores.auc(values, high) < high_end
        covered += low_end < 0.7602 < high_end
    assert covered >= 34  # of 40, where 38 are expected
