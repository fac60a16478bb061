"""How well each score tells high quality from low, and clean from corrupted, with document-bootstrap intervals.

Labels come last: the scores are in the run's tables, and are joined with the labels by document id here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    return rows(scores(run, "pool", LEARNED | TRIVIAL), labels)


def rows(found: Mapping[str, Mapping[str, float]], labels: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row for each score and set of labelled documents. found: by score and document id, the trivial ones too."""
    out: list[dict[str, Any]] = []
    for what, wanted in DOCUMENTS.items():
        ids = [name for name in found["length"] if wanted(labels[name])]
        high = np.array([labels[name]["quality"] == "high" for name in ids])
        resampled = {of: aucs(np.array([by_id[name] for name in ids]), high) for of, by_id in found.items()}
        best = max(TRIVIAL, key=lambda of: resampled[of][0])
        for of, values in resampled.items():
            low, up = ends(values)
            row = {"documents": what, "score": of, "auc": float(values[0]), "low": low, "high": up}
            row |= {"num_high": int(high.sum()), "num_low": int((~high).sum())}
            if of not in TRIVIAL:
                more = values - resampled[best]
                row["above_best_trivial"] = f"{'yes' if more[0] > 0 else 'no'} ({best})"
                row["above_by"] = dict(zip(("value", "low", "high"), (float(more[0]), *ends(more)), strict=True))
            out.append(row)
    return out


def _by_quality(label: Mapping[str, Any]) -> bool:
    return label["quality"] in ("high", "low")


def _by_people(label: Mapping[str, Any]) -> bool:
    return _by_quality(label) and (label["domain"], label["quality_basis"]) == (PEOPLE, "human")


DOCUMENTS = {"high against low, all domains": _by_quality, f"high against low by people, {PEOPLE}": _by_people}


def scores(run: Run, corpus: str, of: Mapping[str, tuple[str, tuple[str, ...]]]) -> dict[str, dict[str, float]]:
    """Each score of every document of a corpus. of: by score its measure and the stages that are tables a and b."""
    return {name: score(run, corpus, by, tables) for name, (by, tables) in of.items()}


def score(run: Run, corpus: str, by: str, tables: tuple[str, ...]) -> dict[str, float]:
    """A measure of every document, by the document's own id. Larger is more wanted; NaN is undefined."""
    given = dict(zip(("a", "b"), tables, strict=False))
    inputs = Inputs(run.store.url, {name: run.artifact(stage) for name, stage in {"corpus": corpus, **given}.items()})
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
    return ends(aucs(values, high, seed))


def aucs(values: NDArray[np.float64], high: NDArray[np.bool_], seed: int = 0) -> NDArray[np.float64]:
    """The AUC, and that of each resample of the documents: float64 [1 + RESAMPLES].

    Two scores of the same documents meet the same resamples, so their difference is taken pair by pair.
    """
    rng = np.random.default_rng(seed)
    ranked, found = _ranked(values), [auc(values, high)]
    for _ in range(RESAMPLES):
        times = np.bincount(rng.integers(0, len(high), len(high)), minlength=len(high))
        found.append(float(_auc(*ranked, high, times)))
    return np.array(found)


def in_order(values: Mapping[str, float], twins: Sequence[Mapping[str, str]], seed: int = 0) -> NDArray[np.float64]:
    """The share of pairs whose clean document scores above the corrupted one, ties half, and that of each resample of
    the clean documents: float64 [1 + RESAMPLES]. An undefined score ranks below all."""
    clean = {name: place for place, name in enumerate(sorted({twin["clean_id"] for twin in twins}))}
    both = np.array([[values[twin["clean_id"]], values[twin["id"]]] for twin in twins])
    both = np.where(np.isnan(both), -np.inf, both)
    won = np.where(both[:, 0] > both[:, 1], 1.0, np.where(both[:, 0] == both[:, 1], 0.5, 0.0))
    of = np.array([clean[twin["clean_id"]] for twin in twins])
    rng, found = np.random.default_rng(seed), [float(won.mean())]
    for _ in range(RESAMPLES):
        times = np.bincount(rng.integers(0, len(clean), len(clean)), minlength=len(clean))[of]
        found.append(float(won @ times) / int(times.sum()))
    return np.array(found)


def ends(resampled: NDArray[np.float64]) -> tuple[float, float]:
    """Low and high end of the percentile interval: the first value is the estimate, the others are of resamples."""
    low, up = np.nanquantile(resampled[1:], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
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
