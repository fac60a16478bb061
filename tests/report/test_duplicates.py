"""Duplicates on the page: what likeness is and which one is kept, in words; domains beyond the largest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.report.small import folder, node

from vernier.report.duplicates import Found, by_domain, likeness

TOLD = {"documents": 10, "duplicates": 4, "originals": 2, "of_old": 0, "left_out": 3, "at_least": 0.8}


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (None, "equal texts"),
        ({"by": "equal", "form": {}}, "equal hashes of what is left of the text after normalisation"),
        ({"by": "jaccard", "shingles": {"ngram": 13, "by": "character"}}, "Jaccard index of character 13-grams"),
        ({"by": "containment", "lines": {"unit": "paragraph"}}, "share of its paragraphs, by their length, that"),
        ({"by": "cosine"}, "cosine of their vectors"),
    ],
)
def test_likeness_in_words(tmp_path: Path, how: dict[str, Any] | None, said: str) -> None:
    by = how["by"] if how else "equal"
    inputs = {"corpus": "docs"} | ({"keys": "keys"} if how else {})
    nodes = {"found": node("results", "select.duplicates", inputs=inputs, facts={"likeness": by})}
    if how:
        nodes["keys"] = node("scores", "score.keys", facts={"likeness": how})
    assert likeness(folder(tmp_path / "run", nodes), "found").startswith(said)


def found(**more: Any) -> Found:
    told = {**TOLD, "prefer": more.pop("prefer", "first")}
    given = {"first": [], "domains": {}, **more}
    return Found("found", told, by="likeness", edges=np.zeros(0), counts=np.zeros(0, int), same=1, largest=[], **given)


def test_the_account_in_words() -> None:
    rows = dict(found(prefer="a.value", first=["books", "web"]).rows)
    assert rows["duplicates"] == "4 (40.0 %), 1 of them alike by 1"
    assert rows["kept of several"] == "that of the highest a.value; before others those of books, web"
    assert rows["kept documents beyond `bucket`, not compared"] == "3"
    assert "duplicates of earlier documents" not in rows


def test_the_smallest_domains_are_one_line() -> None:
    domains = {f"d{n}": (100 - n, n) for n in range(30)}
    rows = by_domain(found(domains=domains))
    assert len(rows) == 21 and rows[0] == ("d0", 100, 0, "0.0 %")
    assert rows[-1][:3] == ("10 others", sum(100 - n for n in range(20, 30)), sum(range(20, 30)))
