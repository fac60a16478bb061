"""The comparison of arms that are really scored and trained, on the smallest of models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from vernier.core.recipe import Recipe
from vernier.core.run import Run
from vernier.models.flops import of_folder
from vernier.pipeline.account import Account
from vernier.pipeline.compare import FILE
from vernier.pipeline.lineage import finished

ONE = {"workers": 1}
TINY = {"model": {"hidden": 16, "layers": 1}, "context": 32, "tokens": 1024, "batch": 4}
POOL = {"corpus": "clean", "within": "pool"}


def stage(do: str, given: dict[str, str], **settings: Any) -> dict[str, Any]:
    return {"do": do, "in": given, "with": settings, "on": ONE}


def lot(draw: int) -> dict[str, Any]:
    return stage("select.random", POOL, keep={"share": 0.5}, draw=draw)


RECIPE = {
    "vernier": 1,
    "name": "tiny",
    "target": {"domain": "odd"},
    "seeds": {"values": [0, 1], "from": ["keep"]},
    "stages": {
        "clean": stage("corpus.read_jsonl", {}, paths=["data/*.jsonl"]),
        "meta": stage("select.slice", {"corpus": "clean"}, range=[0, 0.3]),
        "held": stage("select.slice", {"corpus": "clean"}, range=[0.3, 0.5]),
        "pool": stage("select.slice", {"corpus": "clean"}, range=[0.5, 1]),
        "bpe": stage("train.tokenizer", {"corpus": "clean", "selection": "meta"}, vocab=300),
        "small": stage("train.pretrain", {"corpus": "clean", "selection": "meta", "tokenizer": "bpe"}, **TINY),
        "nll": stage("score.nll", {"corpus": "clean", "selection": "pool", "model": "small"}),
        "keep": stage("select.top_k", {**POOL, "a": "nll"}, by="low_loss", keep={"share": 0.5}),
        "train": stage("train.pretrain", {"corpus": "clean", "selection": "keep", "tokenizer": "bpe"}, **TINY),
        "test": stage("evaluate.loss", {"model": "train", "corpus": "clean", "selection": "held"}),
    },
    "arms": {"low_loss": {}, "random": {"keep": lot(0)}, "random2": {"keep": lot(1)}},
}


@pytest.mark.slow
def test_trained_arms_are_compared_and_their_scoring_is_paid_for(here: Path, go: Callable[..., Run]) -> None:
    done = go(Recipe.from_data(RECIPE))
    facts = done.artifact("comparison").facts
    told = facts["evaluations"]["test"]
    assert told["order"] == ["random", "low_loss", "random2"] and told["judged"] and told["df"] == 2
    for name in ("low_loss", "random2"):
        measured = [
            [done.artifact(f"test@{arm}@{seed}").facts["bits_per_byte"]["odd"] for seed in (0, 1)]
            for arm in (name, "random")
        ]
        assert told["arms"][name]["difference"] == pytest.approx(np.mean(measured[0]) - np.mean(measured[1]))
    assert [name for name, arm in told["arms"].items() if arm.get("second_lot")] == ["random2"]
    arm = told["arms"]["low_loss"]
    assert [name for name in arm["overhead_stages"] if "@" not in name] == ["small", "nll"]
    assert "bpe" not in arm["overhead_stages"]  # random needs the tokenizer too
    # Scoring takes a forward pass over every document of the pool, each read in one window.
    cost = of_folder(done.folder / "small")
    assert cost is not None
    tables = [pq.read_table(path) for path in sorted((done.folder / "nll").glob("*.parquet"))]
    tokens = np.concatenate([t.column("num_tokens").drop_null().to_numpy() for t in tables])
    windows = [w for n in tokens for w in ([n] if n <= 32 else [32] * (1 + -(-(n - 32) // 16)))]
    scoring = sum(cost.forward(w, w * (w + 1) / 2) for w in windows)
    spent = Account(finished(Recipe.from_data(RECIPE).nodes(), {}, [done], done.store)).of("nll")
    assert spent.actual == pytest.approx(scoring) and 0.5 < spent.planned / spent.actual < 2
    assert not [defect for defect in facts["defects"] if defect["stage"] == "nll"]
    shares = pq.read_table(done.folder / "comparison" / FILE).to_pylist()
    by_domain = {r["domain"]: r["value"] for r in shares if r["metric"] == "token_share" and r["arm"] == "low_loss"}
    counted = [done.artifact(f"train@low_loss@{seed}").facts["tokens_by_domain"] for seed in (0, 1)]
    assert by_domain["odd"] == pytest.approx(sum(c["odd"] for c in counted) / sum(sum(c.values()) for c in counted))
