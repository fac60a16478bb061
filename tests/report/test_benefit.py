"""Cost against benefit: known costs in, the figure's numbers out."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.report.small import arm, control, evaluation, second_lot, spent

from vernier.report.benefit import benefit, spendings

RUNGS = [
    {"arm": "half", "tokens": 500, "flops": 50.0, "loss": 3.2, "seeds": [0, 1]},
    {"arm": "random", "tokens": 1000, "flops": 100.0, "loss": 3.0, "seeds": [0, 1]},
]


@pytest.fixture
def told() -> dict[str, Any]:
    return evaluation(
        random2=second_lot(0.01),
        cheap=arm(-0.1),
        dear=arm(-0.2) | {"overhead": spent(900.0, 900.0)},
        unknown=arm(0.1) | {"overhead": spent(None, None)},
        silent=arm(0.1) | {"training": spent(None, None)},
    )


def test_an_arm_spends_its_training_and_its_choosing(told: dict[str, Any]) -> None:
    found = {one.arm: (one.loss, one.training, one.total) for one in spendings(told, told["order"])}
    assert found == {
        "random": (3.0, 100, 100),
        "cheap": (pytest.approx(2.9), 100, 100),
        "dear": (pytest.approx(2.8), 100, 1000),
        "unknown": (pytest.approx(3.1), 100, None),
    }


def test_the_figure_shows_every_arm_and_every_rung_with_its_numbers(told: dict[str, Any]) -> None:
    body = str(benefit("test", {**told, "ladder": RUNGS}, told["order"], "random"))
    rows = [re.sub("<[^>]*>", " ", row).split() for row in re.findall("<tr>(.*?)</tr>", body)]
    assert ["random", "as", "half", "3.2000", "50", "50", "–", "1x", "1x"] in rows
    assert ["dear", "2.8000", "100", "1e+03", "&lt;", "3.0000", "–", "–"] in rows
    assert ["unknown", "3.1000", "100", "–", "–", "–", "–"] in rows
    assert "nobody knows what choosing took (unknown)" in body and "silent" not in body and "random2" not in body
    assert "falling line" in body and "falling line" not in str(benefit("test", told, told["order"], "random"))


def test_a_right_end_lies_where_the_whole_cost_is(told: dict[str, Any]) -> None:
    """On the logarithmic axis the whole cost of `dear` is a decade right of its training."""
    body = str(benefit("test", {**told, "ladder": RUNGS}, ["random", "dear"], "random"))
    lines = re.findall(r'<path d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)" style="fill:none', body)
    (x1, y1, x2, y2), (a1, _, a2, _) = [list(map(float, one)) for one in reversed(lines)]
    assert y1 == y2
    assert (x2 - x1) / (a2 - a1) == pytest.approx(3.3219, abs=0.02)  # log 10 / log 2: a decade against an octave


def test_nothing_is_drawn_where_nobody_says_what_training_took() -> None:
    told = evaluation(random=control(training=spent(None, None)), other=arm(-0.1))
    assert benefit("test", told, told["order"], "random") == ""
