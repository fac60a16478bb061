"""A run that extracts pages: those that failed count against `max_bad`, and nothing is done twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.corpus.web import page
from tests.pipeline.small import ONE, units_done

from vernier.core.errors import DataError, RecipeError
from vernier.core.recipe import Recipe
from vernier.core.run import Run
from vernier.corpus.extract import Extract
from vernier.corpus.read_jsonl import ReadJsonl
from vernier.corpus.records import MaxBad
from vernier.select.slice import Slice

Go = Callable[..., Run]
LONG = "x" * 4000


def write(here: Path, good: int, empty: int, too_large: int) -> None:
    """Pages in two files, those without text in the second."""
    for path in (here / "data").iterdir():
        path.unlink()
    for name, pages in (("a", [page("")] * good), ("b", [""] * empty + [LONG] * too_large)):
        lines = [json.dumps({"id": f"{name}{i}", "text": text}) + "\n" for i, text in enumerate(pages)]
        (here / "data" / f"{name}.jsonl").write_text("".join(lines))


def recipe(max_bad: MaxBad = Extract.max_bad) -> Recipe:
    made = Recipe("web")
    made.add("pages", ReadJsonl(paths=["data/*.jsonl"], domain=None), on=ONE)
    made.add("text", Extract(by="resiliparse", max_bytes=3000, max_bad=max_bad), corpus="pages", on=ONE)
    made.add("all", Slice(range=(0.0, 1.0)), corpus="text", on=ONE)
    return made


def test_too_many_failed_pages_stop_and_a_higher_limit_does_nothing_again(here: Path, go: Go) -> None:
    write(here, good=20, empty=5, too_large=15)
    for _ in range(2):  # and once more from what is there
        with pytest.raises(DataError, match="15 of 40 rows failed") as caught:
            go(recipe())
        told = str(caught.value)
        assert "stage text: shard 1" in told and "15 too_large" in told and "empty" not in told
        assert "at most 10" in told and "0.10% of all records, but at least 10" in told
        assert "vernier show RUN text --bad --reason too_large" in told and "text.with.max_bad.share" in told
        stopped = Run.open("runs/web")
        assert list(stopped.nodes) == ["pages", "text"] and stopped.artifact("text").counts["failed.too_large"] == 15
    done = go(recipe(MaxBad(share=0.0, at_least=15)))
    assert [node for node, _ in units_done(done)] == ["all", "all"]
    assert done.artifact("text").counts["rows"] == 40


@pytest.mark.parametrize(
    ("max_bad", "passes"),
    [
        (MaxBad(share=0.375, at_least=0), True),
        (MaxBad(share=0.35, at_least=0), False),
        (MaxBad(share=0.0, at_least=14), False),
    ],
)
def test_the_larger_of_share_and_number_is_allowed(here: Path, go: Go, max_bad: MaxBad, passes: bool) -> None:
    write(here, good=20, empty=5, too_large=15)
    if passes:
        assert go(recipe(max_bad)).artifact("all").rows == 40
    else:
        with pytest.raises(DataError, match="15 of 40 rows failed"):
            go(recipe(max_bad))


def test_a_page_without_main_content_is_no_fault(here: Path, go: Go) -> None:
    write(here, good=1, empty=30, too_large=0)
    done = go(recipe(MaxBad(share=0.0, at_least=0)))
    assert done.artifact("text").counts["failed.empty"] == 30


def test_a_limit_that_makes_no_sense() -> None:
    with pytest.raises(RecipeError, match="`max_bad` is out of range"):
        Extract(max_bad=MaxBad(share=1.5))
