"""recipes/dataman.yaml as it stands: a language model with a known answer rates two domains, and each keeps half."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from tests.models.test_asked import writer
from tests.recipes.test_qurating import column, kept

from vernier.core.recipe import load
from vernier.pipeline.run import run
from vernier.score.rubrics import DATAMAN

RECIPE = Path(__file__).parents[2] / "recipes" / "dataman.yaml"
DIGITS = {"1": 0.0, "2": 0.0, "3": 0.0, "4": 0.0, "5": math.log(4)}


@pytest.mark.slow
def test_each_domain_keeps_its_share_and_a_lot_breaks_ties(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"text": f"document {n:03}", "domain": "code" if n % 4 == 3 else "prose"} for n in range(80)]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "docs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    writer(tmp_path / "models" / "rater", {"C": 3.0}, DIGITS)  # field C; the expected digit is 30 / 8
    monkeypatch.chdir(tmp_path)
    done = run(load(RECIPE), out=tmp_path / "run", quiet=True)
    for name in DATAMAN:
        rating = np.array(column(done, "rated", name)) / np.array(column(done, "rated", "num_tokens"))
        np.testing.assert_allclose(rating, 3.75, rtol=1e-5)
    assert set(column(done, "rated", "application")) == {2}
    keep, domains = kept(done, "keep"), np.array(column(done, "docs", "domain"))
    assert {domain: int(keep[domains == domain].sum()) for domain in ("prose", "code")} == {"prose": 30, "code": 10}
    assert 10 < keep[:40].sum() < 30  # of equal ratings neither the first nor the last
