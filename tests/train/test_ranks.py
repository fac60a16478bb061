"""Two ranks train as one does: the same windows, the same losses but for the last bits."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.pipeline.small import ONE, write_jsonl

from vernier.core.recipe import Recipe
from vernier.corpus.read_jsonl import ReadJsonl
from vernier.models.build import Shape
from vernier.pipeline.run import run
from vernier.train.pretrain import Pretrain
from vernier.train.tokenizer import Tokenizer


def test_one_and_two_ranks_come_to_the_same_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an odd number of windows in a step, pieces of a step, and a last step that leaves a rank without any."""
    monkeypatch.chdir(tmp_path)
    write_jsonl(tmp_path / "data" / "docs.jsonl", range(80))
    training = Pretrain(
        model=Shape(hidden=16, layers=1), tokens=(20 * 5 + 1) * 32, context=32, batch=5, accumulate=2, checkpoint=7
    )
    made = []
    for ranks in (1, 2):
        recipe = Recipe("ranks", store=f"store-{ranks}")
        docs = recipe.add("docs", ReadJsonl(paths=["data/*.jsonl"]), on=ONE)
        bpe = recipe.add("bpe", Tokenizer(vocab=300), corpus=docs)
        recipe.add("train", training, corpus=docs, tokenizer=bpe, on={"ranks": ranks})
        made.append(run(recipe, out=f"run-{ranks}", quiet=True))
    one, two = (pq.read_table(f"run-{ranks}/train/metrics.parquet").to_pydict() for ranks in (1, 2))
    assert len(one["loss"]) == 21
    assert two["loss"] == pytest.approx(one["loss"], rel=1e-5)
    assert two["grad_norm"] == pytest.approx(one["grad_norm"], rel=1e-4)
    facts = [dict(done.artifact("train").facts) for done in made]
    assert facts[0].pop("final_loss") == pytest.approx(facts[1].pop("final_loss"), rel=1e-5)
    assert facts[0] == facts[1]
    boards = [sorted(p.name for p in Path(f"run-{ranks}/log/train").iterdir()) for ranks in (1, 2)]
    assert [len(board) for board in boards] == [1, 1]  # only the first rank writes
