"""What holds for every method that ranks by a pair of losses: through the pipeline, and against plain sorts."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.methods.lab import Lab
from tests.pipeline.small import tree

from vernier.core.errors import RecipeError
from vernier.core.recipe import Recipe
from vernier.core.run import Run
from vernier.pipeline.run import run
from vernier.select.budget import Budget
from vernier.select.top_k import TopK
from vernier.testing.toy import toy_bits, toy_model

Files = dict[str, list[str]]  # texts by name of a file below `data`
TEXTS = [f"{i * 7919} cats and {i % 7} dogs; " * (1 + i % 4) for i in range(30)]
ODD = ["", "<|endoftext|>", "\u2028", "é🙂"]


def stage(do: str, given: dict[str, str], workers: int, **settings: Any) -> dict[str, Any]:
    return {"do": do, "in": given, "with": settings, "on": {"workers": workers}}


def recipe(data: str, store: str, workers: int = 1, second: str | None = None) -> Recipe:
    """Two toy models over one corpus; with `second` the other one's losses are of that folder. workers: that score."""
    stages = {
        "clean": stage("corpus.read_jsonl", {}, 1, paths=[f"{data}/*.jsonl"]),
        "one": stage("train.read_hf", {}, 1, path="one"),
        "two": stage("train.read_hf", {}, 1, path="two"),
        "a": stage("score.nll", {"corpus": "clean", "model": "one"}, workers),
        "b": stage("score.nll", {"corpus": "other" if second else "clean", "model": "two"}, workers),
        "keep": stage(
            "select.top_k", {"corpus": "clean", "a": "a", "b": "b"}, 1, by="excess_loss", keep={"share": 0.5}
        ),
    }
    if second:
        stages["other"] = stage("corpus.read_jsonl", {}, 1, paths=[f"{second}/*.jsonl"])
    return Recipe.from_data({"vernier": 1, "name": "pair", "store": store, "stages": stages})


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Files], str]:
    """Writes a folder of records into a current folder that holds two models."""
    monkeypatch.chdir(tmp_path)
    for bit, name in enumerate(("one", "two")):
        toy_model(tmp_path / name, bit=bit)

    def write(name: str, files: Files) -> str:
        for file, texts in files.items():
            path = tmp_path / name / file
            path.parent.mkdir(exist_ok=True)
            path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
        return name

    return write


def kept_texts(done: Run) -> list[str]:
    def column(node: str, name: str) -> list[Any]:
        shards = [done.store.open(shard.data) for shard in done.artifact(node).shards]
        return [value for file in shards for value in pq.read_table(file).column(name).to_pylist()]

    texts, counts = column("clean", "text"), column("keep", "count")
    return [text for text, count in zip(texts, counts, strict=True) if count]


@pytest.mark.slow
def test_a_pair_through_the_pipeline_is_the_plain_sort_for_any_workers_and_files(
    write: Callable[[str, Files], str], tmp_path: Path
) -> None:
    """Every row is written once and stays in its place, whatever the file, worker or shard that it went through."""
    whole = write("whole", {"all.jsonl": [*TEXTS, *ODD]})
    parts = write("parts", {"0.jsonl": TEXTS[:1], "1.jsonl": [], "2.jsonl": TEXTS[1:], "3.jsonl": ODD})
    first = run(recipe(whole, "one-worker"), out="a", quiet=True)
    run(recipe(whole, "more-workers", workers=2), out="b", quiet=True)
    assert tree(tmp_path / "one-worker") == tree(tmp_path / "more-workers")
    cut = run(recipe(parts, "in-parts"), out="c", quiet=True)
    assert len(cut.artifact("keep").shards) > 1

    def bits(text: str) -> float:
        return (toy_bits(text) - toy_bits(text, bit=1)) / len(text.encode())

    every = [text for text in [*TEXTS, *ODD] if text]
    for done in (first, cut):
        kept = kept_texts(done)
        assert len(kept) == len(every) // 2
        # Ties at the cut go by document id, which is of the place in a file: the scores are what all cuts share.
        best = sorted((bits(text) for text in every), reverse=True)[: len(kept)]
        assert sorted((bits(text) for text in kept), reverse=True) == pytest.approx(best)


def test_losses_of_the_same_documents_in_another_order_are_refused(write: Callable[[str, Files], str]) -> None:
    """Two score files whose rows do not stand for the same documents, the official code's silent mistake."""
    data = write("data", {"all.jsonl": TEXTS})
    other = write("turned", {"all.jsonl": TEXTS[::-1]})
    with pytest.raises(RecipeError, match="do not describe the same rows"):
        run(recipe(data, "store", second=other), out="a", quiet=True)


ROWS = st.lists(
    st.tuples(
        st.one_of(st.integers(-8, 8).map(float), st.sampled_from([math.nan, math.inf, -math.inf])),
        st.integers(0, 9),
        st.sampled_from(["prose", "code"]),
    ),
    min_size=4,
    max_size=24,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, share=st.integers(1, 100), quotas=st.sampled_from([None, "proportional"]))
def test_kept_tokens_come_within_one_document_of_the_budget_in_each_domain(
    lab: Lab, rows: list[tuple[float, int, str]], share: int, quotas: Any
) -> None:
    scores, tokens, domains = zip(*rows, strict=True)
    corpus = lab.corpus([str(row) for row in range(len(rows))], domains=domains)
    table = lab.table(corpus, v=np.array(scores), num_tokens=np.array(tokens))
    plugin = TopK(by="a.v", keep=Budget(share=share / 100, of="tokens"), quotas=quotas)
    out = lab.top_k(plugin, corpus=corpus, a=table, lengths=table)
    account = out.account["groups"] if quotas else {"all": out.account}
    assert out.account["requested"] >= out.account["reached"]["tokens"]
    for name, told in account.items():
        mine = [row for row in range(len(rows)) if name in (domains[row], "all")]
        held = sum(tokens[row] for row in mine if row in out.rows)
        assert told["reached"]["tokens"] == held <= told["requested"]
        left = [row for row in mine if math.isfinite(scores[row]) and row not in out.rows]
        if left:
            assert told["requested"] - held < max(tokens[row] for row in left)
            assert max(scores[row] for row in left) <= min((scores[r] for r in mine if r in out.rows), default=math.inf)
    undefined = [row for row, score in enumerate(scores) if not math.isfinite(score)]
    assert [row for row, why in enumerate(out.reasons) if why == "undefined"] == undefined


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scores=st.lists(st.floats(-60_000, 60_000, width=32), min_size=8, max_size=24), number=st.integers(1, 8))
def test_half_precision_changes_only_what_ties_in_it(lab: Lab, scores: list[float], number: int) -> None:
    corpus, single = lab.corpus([str(row) for row in range(len(scores))]), np.array(scores, np.float32)
    half = single.astype(np.float16)
    plugin = TopK(by="a.v", keep=Budget(documents=number))
    exact, coarse = (lab.top_k(plugin, corpus=corpus, a=lab.table(corpus, v=v)).rows for v in (single, half))
    border = np.sort(half)[::-1][number - 1]
    assert all(half[row] == border for row in set(exact) ^ set(coarse))
