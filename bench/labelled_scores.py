"""How well each score tells high quality from low: AUC with document-bootstrap intervals, trivial scores beside.

Labels come last: the scores are in the run's tables, and are joined with the labels by document id here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vernier.core import measures
from vernier.core.run import Run
from vernier.core.shard import Inputs

RESAMPLES = 1000
CONFIDENCE = 0.95
# score: the measure and the stages that are its tables a and b
LEARNED = {"scalingfilter": ("excess_loss", ("nll_s", "nll_l")), "low_perplexity": ("low_loss", ("nll_l",))}
TRIVIAL = {name: (name, ("surface",)) for name in ("length", "zlib_ratio", "stop_word_share")}
PEOPLE = "web_crawl"  # the domain whose documents people labelled one by one, for language models


def table(run: Run, labels: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row for each score and set of labelled documents of the pool. labels: by document id."""
    scores = {name: score(run, by, tables) for name, (by, tables) in (LEARNED | TRIVIAL).items()}
    rows: list[dict[str, Any]] = []
    for what in ("high against low, all domains", f"high against low by people, {PEOPLE}"):
        ids = [
            name
            for name in scores["length"]
            if labels[name]["quality"] in ("high", "low")
            and (
                not what.endswith(PEOPLE)
                or (labels[name]["domain"], labels[name]["quality_basis"]) == (PEOPLE, "human")
            )
        ]
        high = np.array([labels[name]["quality"] == "high" for name in ids])
        values = {of: np.array([by_id[name] for name in ids]) for of, by_id in scores.items()}
        found = {of: auc(value, high) for of, value in values.items()}
        best = max(TRIVIAL, key=lambda of: found[of])
        for of, value in values.items():
            low_end, high_end = interval(value, high)
            row = {"documents": what, "score": of, "auc": found[of], "low": low_end, "high": high_end}
            row |= {"num_high": int(high.sum()), "num_low": int((~high).sum())}
            if of in LEARNED:
                row["above_best_trivial"] = f"{'yes' if found[of] > found[best] else 'no'} ({best})"
            rows.append(row)
    return rows


def score(run: Run, by: str, tables: tuple[str, ...]) -> dict[str, float]:
    """A measure of every document of the pool, by the document's own id. Larger is more wanted; NaN is undefined."""
    given = dict(zip(("a", "b"), tables, strict=False))
    inputs = Inputs(run.store.url, {name: run.artifact(stage) for name, stage in {"corpus": "pool", **given}.items()})
    found: dict[str, float] = {}
    for shard in inputs.shards():
        values, _ = measures.evaluate(by, None, shard)
        found |= zip(shard.read("corpus", ["id"]).column("id").to_pylist(), values.tolist(), strict=True)
    return found


def auc(values: NDArray[np.float64], high: NDArray[np.bool_]) -> float:
    """The chance that a high document scores above a low one, ties half. An undefined score ranks below all."""
    return float(_auc(*_ranked(values), high, np.ones(len(high), dtype=np.int64)))


def interval(values: NDArray[np.float64], high: NDArray[np.bool_], seed: int = 0) -> tuple[float, float]:
    """Percentile bootstrap over documents (Efron 1979): low and high end."""
    rng = np.random.default_rng(seed)
    ranked, found = _ranked(values), list[float]()
    for _ in range(RESAMPLES):
        times = np.bincount(rng.integers(0, len(high), len(high)), minlength=len(high))
        found.append(float(_auc(*ranked, high, times)))
    low, up = np.quantile(found, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(up)


def _ranked(values: NDArray[np.float64]) -> tuple[NDArray[np.int64], int]:
    """The place of each value among the distinct ones, from 0, and how many those are."""
    distinct, place = np.unique(np.where(np.isnan(values), -np.inf, values), return_inverse=True)
    return place, len(distinct)


def _auc(place: NDArray[np.int64], places: int, high: NDArray[np.bool_], times: NDArray[np.int64]) -> float:
    """Mann and Whitney's U over the number of pairs, each document taken `times` times."""
    of_high = np.bincount(place[high], times[high], places)
    of_low = np.bincount(place[~high], times[~high], places)
    below = np.cumsum(of_low) - of_low
    return float(of_high @ (below + of_low / 2)) / (of_high.sum() * of_low.sum())


def summary(rows: list[dict[str, Any]]) -> list[str]:
    """The rows as lines of text."""
    return [_line(row) for row in rows]


def _line(row: Mapping[str, Any]) -> str:
    return f"{row['documents']}: {row['score']}: AUC {row['auc']:.3f} ({row['low']:.3f} to {row['high']:.3f})"
