"""Learn the weights of many scores from small models that were each trained on another weighting of them.

    w* = mean of the k simulated weight vectors of which f foretells the lowest loss,  f: weights -> loss of a proxy

after Meta-rater (arXiv 2504.14194), whose proxy runs, regression and weights were never released: the law of the drawn
weights (here even over the simplex), the settings of the regression, the number of simulated vectors and of those that
are averaged are unconfirmed. `vernier.mix.proxies.add_proxies` writes the proxies into a recipe; this reads what their
evaluations measured and writes `weights.json` for `score.combine` and `proxies.parquet`, a row for each proxy.

A regression on few points in many dimensions always has a lowest point. So the weights are only accepted if losses
foretold out of fold have a rank correlation with the measured ones that chance seldom reaches; `score.combine` refuses
others. Correlated scores share their weight in no certain way: it is the sum that was tested, not the single weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vernier.core.config import Count
from vernier.core.errors import DataError, RecipeError
from vernier.core.shard import Inputs
from vernier.core.terms import Fitted, Term, check_terms
from vernier.mix import regression, simplex
from vernier.models.needs import needs

SUM = 1e-4  # how far the sum of written weights may lie from 1


@dataclass(frozen=True, kw_only=True)
class MetaRater:
    """Weights of terms, from what models trained on as many weightings of them have reached.

    terms      what is weighted, without weights
    weights    of each proxy: one number for each term, at least 0, summing to 1
    metric     that the proxies' evaluations measured
    domains    on which; the mean over several. Not those documents by which the result is judged later
    wanted     the end of the metric that is wanted: low for a loss
    simulated  weight vectors whose loss is foretold
    best       of them are averaged: trees are flat between experiments, so the lowest one is a matter of chance
    folds      of the cross-validation
    p_value    the weights are accepted if chance reaches the rank correlation out of fold at most so often
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "results"
    takes: ClassVar[Mapping[str, str]] = {"proxies": "results*"}
    draws: ClassVar[bool] = True

    terms: tuple[Term, ...]
    weights: tuple[tuple[float, ...], ...]
    metric: str = "bits_per_byte"
    domains: tuple[str, ...] = ("macro",)
    wanted: Literal["low", "high"] = "low"
    simulated: Count = 100_000
    best: int = 100
    folds: int = 5
    p_value: float = 0.01

    def __post_init__(self) -> None:
        check_terms(self.terms)
        if any(term.weight != 1.0 for term in self.terms):
            raise RecipeError("the weights of terms are what is looked for", do="leave `weight` out of them")
        if len(self.terms) < 2 or len(self.weights) < 2:
            raise RecipeError(
                "weights are learned from at least two proxies, for at least two terms",
                found=f"{len(self.terms)} terms, weights of {len(self.weights)} proxies",
            )
        for number, row in enumerate(self.weights):
            if len(row) != len(self.terms) or min(row) < 0 or abs(math.fsum(row) - 1) > SUM:
                raise RecipeError(
                    f"the weights of proxy {number} are not on the simplex",
                    found=str(list(row)),
                    expected=f"{len(self.terms)} numbers from 0 up that sum to 1",
                )
        if not (1 <= self.best <= self.simulated and self.folds >= 2 and 0 < self.p_value < 1 and self.domains):
            raise RecipeError(
                "the search has a setting that makes no sense",
                found=f"simulated: {self.simulated}, best: {self.best}, folds: {self.folds}, p_value: {self.p_value}, "
                f"domains: {list(self.domains)}",
                expected="1 <= best <= simulated, at least 2 folds, 0 < p_value < 1, at least one domain",
            )

    def told(self) -> tuple[str, ...]:
        """What the weights were told besides the texts: for the report."""
        return tuple(f"{self.metric} of proxies on {domain}" for domain in self.domains)

    def build(self, inputs: Inputs, out: Path) -> dict[str, Any]:
        """Raises RecipeError unless there are results for each row of weights, DataError if they lack the metric."""
        needs("lightgbm", "scipy")
        proxies = inputs.names("proxies")
        if len(proxies) != len(self.weights):
            raise RecipeError(
                "there are not as many proxies as rows of weights",
                found=f"{len(proxies)} results, weights of {len(self.weights)} proxies",
            )
        measured = np.array([self._measured(inputs.folder(name), name) for name in proxies])
        names = [term.name for term in self.terms]
        order = sorted(range(len(names)), key=names.__getitem__)  # so that the order of the terms changes nothing
        weights = np.array(self.weights)[:, order]
        losses = measured if self.wanted == "low" else -measured
        foretold = regression.out_of_fold(weights, losses, min(self.folds, len(losses)), inputs.seed)
        correlation, p_value = regression.rank_correlation(foretold, losses, inputs.seed)
        predict = regression.fit(weights, losses)
        found = self._search(predict, [names[place] for place in order], inputs.seed)
        best = np.empty(len(names))
        best[order] = found

        accepted = correlation > 0 and p_value <= self.p_value
        because = (
            f"rank correlation out of fold {correlation:.3f} over {len(losses)} proxies, "
            f"reached by chance with p = {p_value:.4f} (at most {self.p_value} is accepted)"
        )
        Fitted.of(self.terms, best.tolist(), accepted=accepted, because=because).save(out)
        sign = 1 if self.wanted == "low" else -1
        columns = {f"weight of {name}": [row[i] for row in self.weights] for i, name in enumerate(names)}
        columns |= {"measured": measured.tolist(), "out_of_fold": (sign * foretold).tolist()}
        pq.write_table(pa.table(columns), out / "proxies.parquet")
        even = np.full((1, len(names)), 1 / len(names))
        return {
            "weights": dict(zip(names, best.tolist(), strict=True)),
            "accepted": accepted,
            "because": because,
            "rank_correlation": correlation,
            "p_value": p_value,
            "proxies": len(losses),
            "foretold": {
                "weights": sign * float(predict(found[None])[0]),
                "even_weights": sign * float(predict(even)[0]),
            },
            "measured": {"best": sign * float(losses.min()), "worst": sign * float(losses.max())},
        }

    def _measured(self, folder: Path, name: str) -> float:
        """The mean of the metric over the domains."""
        rows = pq.read_table(folder / "results.parquet", columns=["metric", "domain", "value"]).to_pylist()
        values = {row["domain"]: row["value"] for row in rows if row["metric"] == self.metric}
        missing = [domain for domain in self.domains if not math.isfinite(values.get(domain, math.nan))]
        if missing:
            raise DataError(
                f"{name} did not measure {self.metric} on {missing[0]!r}",
                found=", ".join(sorted({f"{row['metric']} on {row['domain']}" for row in rows})),
            )
        return math.fsum(values[domain] for domain in self.domains) / len(self.domains)

    def _search(self, predict: regression.Predictor, names: list[str], seed: int) -> NDArray[np.float64]:
        """The mean of the simulated weights with the lowest foretold losses, on the simplex, float64 [terms]."""
        simulated = simplex.draw(names, self.simulated, seed, "mix.meta_rater search")
        lowest = np.argsort(predict(simulated), kind="stable")[: self.best]
        mean = simulated[lowest].mean(axis=0)
        return mean / math.fsum(mean)
