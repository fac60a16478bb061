"""Training curves of known metrics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.report.small import arm, comparison, control, evaluation, folder, node

from vernier.core.run import Run
from vernier.report import curves

STEPS = 100


def losses(name: str, seed: int) -> list[float]:
    return [5 - step / 50 + seed + (name == "excess") for step in range(STEPS)]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    nodes = {}
    for name in ("excess", "random", "ladder_2x"):
        for seed in (0, 1):
            more = {"arms": [name], "seed": seed}
            nodes[f"train@{name}@{seed}"] = node("model", "train.pretrain", of="train", **more)
            inputs = {"model": f"train@{name}@{seed}"}
            nodes[f"test@{name}@{seed}"] = node("results", "evaluate.loss", of="test", inputs=inputs, **more)
    told = evaluation(random=control(), excess=arm(-0.1))
    told["ladder"] = [
        {"arm": "random", "tokens": 1000, "flops": 1e9, "loss": 3.0, "seeds": [0, 1]},
        {"arm": "ladder_2x", "tokens": 2000, "flops": 2e9, "loss": 2.8, "seeds": [0, 1]},
    ]
    nodes["comparison"] = node("results", "comparison", facts=comparison(told))
    run = folder(tmp_path / "run", nodes)
    for name, record in nodes.items():
        if record["kind"] == "model":
            (run.folder / name).mkdir()
            tokens = [1024 * (step + 1) for step in range(STEPS)]
            table = pa.table({"tokens": tokens, "loss": losses(record["arms"][0], record["seed"])})
            pq.write_table(table, run.folder / name / curves.METRICS)
    return run


def test_curves_are_means_of_equal_numbers_of_steps(run: Run) -> None:
    (found,) = curves.curves(run).values()
    assert [one.arm for one in found] == ["excess", "random"]  # a rung stands in the figure of costs
    for one in found:
        assert one.loss.shape[0] == 2
        assert one.loss.shape[1] <= curves.POINTS
        for seed in (0, 1):
            whole = losses(one.arm, seed)
            parts = [whole[start : start + one.steps] for start in range(0, STEPS, one.steps)]
            assert one.loss[seed] == pytest.approx([np.mean(part) for part in parts])
        assert one.tokens[-1] == 1024 * STEPS


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=50), st.integers(1, 20))
def test_smoothing_keeps_the_sum(loss: list[float], steps: int) -> None:
    tokens = np.arange(1, len(loss) + 1)
    at, means = curves.smoothed(tokens, np.array(loss), steps)
    assert at[-1] == len(loss)
    sizes = np.diff([0, *at])
    assert float((sizes * means).sum()) == pytest.approx(sum(loss), abs=1e-6)


def test_the_section_says_that_it_is_smoothed(run: Run) -> None:
    section = curves.section(run)
    assert section is not None
    assert "Smoothed: each point is the mean of 5 steps" in section.body
    assert section.body.count("<svg") == 1


def test_a_model_without_metrics_has_no_curve(tmp_path: Path) -> None:
    nodes = {
        "model": node("model", "train.read_hf"),
        "test": node("results", "evaluate.loss", inputs={"model": "model"}),
    }
    assert curves.section(folder(tmp_path / "run", nodes)) is None
