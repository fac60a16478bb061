"""Stages that train, score and measure nothing, but write what a recipe tells them: known losses and costs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from vernier.core.artifact import Artifact
from vernier.core.fingerprint import key_of
from vernier.core.recipe import Recipe
from vernier.core.shard import Inputs, Shard
from vernier.select import pool

HALVING = 0.5  # bits per byte that twice the tokens are worth
ONE = {"workers": 1}


@dataclass(frozen=True, kw_only=True)
class Train:
    """A model whose loss is `losses[seed]` at 1000 tokens; takes 10 operations a token, times `off` in the end.

    unlucky   added to the loss for each number of the random lot
    planned   whether the operations are known beforehand
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "model"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "selection": "selection?", "scores": "scores?"}
    draws: ClassVar[bool] = True

    losses: tuple[float, ...]
    tokens: int = 1000
    schedule: str = "constant"
    unlucky: float = 0.0
    off: float = 1.0
    planned: bool = True

    def flops(self, inputs: Inputs, out: Artifact | None) -> float | None:
        if out is not None:
            return out.facts["flops"]
        return 10.0 * self.tokens if self.planned else None

    def build(self, inputs: Inputs, out: Path) -> dict[str, Any]:
        ids = [shard.doc_ids()[shard.kept()].tobytes().hex() for shard in inputs.shards()]
        draw = inputs.artifacts["selection"].stage["settings"].get("draw", 0) if "selection" in inputs else 0
        loss = self.losses[inputs.seed] - HALVING * math.log2(self.tokens / 1000) + self.unlucky * draw
        (out / "model.json").write_text(json.dumps({"loss": loss}))
        return {
            "flops": 10.0 * self.tokens * self.off,
            "windows": key_of(ids, inputs.seed, self.tokens),
            "tokens": self.tokens,
            "tokens_by_domain": {"even": self.tokens // 4, "odd": self.tokens - self.tokens // 4},
        }


@dataclass(frozen=True, kw_only=True)
class Tune:
    """Trains a model on, to no effect, for one operation a token."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "model"
    takes: ClassVar[Mapping[str, str]] = {"model": "model"}
    draws: ClassVar[bool] = True

    tokens: int = 1000
    schedule: str = "constant"

    def flops(self, inputs: Inputs, out: Artifact | None) -> float | None:
        return float(self.tokens)

    def build(self, inputs: Inputs, out: Path) -> dict[str, Any]:
        (out / "model.json").write_bytes((inputs.folder("model") / "model.json").read_bytes())
        (out / "tuned").write_text(str(self.tokens))
        return {"tokens": self.tokens}


@dataclass(frozen=True, kw_only=True)
class Quiet:
    """The same, by somebody who says nothing of it: no operations, and no facts but the number of tokens, if given.

    losses   by seed
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "model"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "selection": "selection?"}
    draws: ClassVar[bool] = True

    losses: tuple[float, ...]
    tokens: int | None = None

    def build(self, inputs: Inputs, out: Path) -> dict[str, Any]:
        (out / "model.json").write_text(json.dumps({"loss": self.losses[inputs.seed]}))
        return {} if self.tokens is None else {"tokens": self.tokens}


@dataclass(frozen=True, kw_only=True)
class Score:
    """Scores, for `cost` operations in all."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus"}

    cost: float = 1000.0

    def flops(self, inputs: Inputs, out: Artifact | None) -> float | None:
        return self.cost

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        yield pa.table({"value": pa.array([1.0] * shard.rows)})


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Scores by a model, for nobody knows how many operations."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "model": "model"}

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        yield pa.table({"value": pa.array([1.0] * shard.rows)})


@dataclass(frozen=True, kw_only=True)
class Known:
    """Drops an eighth of the documents, and was told the label of each."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "selection"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus"}

    eighth: int

    def told(self) -> tuple[str, ...]:
        return ("label: good",)

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        count, reason = pool.within(shard)
        reason[shard.doc_ids()[:, 0] % 8 == self.eighth] = pool.code("outside")
        yield pool.selection(count, reason)


@dataclass(frozen=True, kw_only=True)
class Measure:
    """The model's loss, times `ease`, on `odd`, and three times that on `even`."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "results"
    takes: ClassVar[Mapping[str, str]] = {"model": "model", "corpus": "corpus?", "selection": "selection?"}

    ease: float = 1.0

    def build(self, inputs: Inputs, out: Path) -> dict[str, Any]:
        loss = self.ease * json.loads((inputs.folder("model") / "model.json").read_text())["loss"]
        (out / "results.json").write_text(json.dumps(loss))
        return {"bits_per_byte": {"macro": 2 * loss, "all": 2 * loss, "even": 3 * loss, "odd": loss}}


def stage(plugin: type[Any] | str, on: bool = True, **parts: Any) -> dict[str, Any]:
    """A stage in plain form: `with_` and inputs."""
    do = plugin if isinstance(plugin, str) else f"{plugin.__module__}:{plugin.__name__}"
    given = {"do": do, "in": parts.pop("in_", {}), "with": parts.pop("with_", {})}
    assert not parts
    return {**given, "on": ONE} if on else given


POOL: dict[str, Any] = {"corpus": "clean", "within": "pool"}
RANDOM = stage("select.random", in_=POOL, with_={"keep": {"share": 0.5}})
SECOND = stage("select.random", in_=POOL, with_={"keep": {"share": 0.5}, "draw": 1})
HALF = stage("select.slice", in_=POOL, with_={"range": [0, 0.3]})


def trained(**settings: Any) -> dict[str, Any]:
    """An arm's change to the settings of its training stage."""
    return {"train": {"with": settings}}


def recipe(arms: Mapping[str, Any], *, target: Any = "odd", seeds: int = 3, **train: Any) -> Recipe:
    """read -> pool -> keep (random) -> train -> test, and scores that an arm may use."""
    settings = {"losses": [4.0, 4.2, 4.1], **train}
    data = {
        "vernier": 1,
        "name": "trials",
        "plugins": ["tests.pipeline.trials"],
        "seeds": {"values": list(range(seeds)), "from": ["keep"]},
        "stages": {
            "clean": stage("corpus.read_jsonl", with_={"paths": ["data/*.jsonl"]}),
            "pool": stage("select.slice", in_={"corpus": "clean"}, with_={"range": [0, 0.9]}),
            "scores": stage(Score, in_={"corpus": "clean"}),
            "keep": RANDOM,
            "train": stage(Train, on=False, in_={"corpus": "clean", "selection": "keep"}, with_=settings),
            "test": stage(Measure, on=False, in_={"model": "train"}),
        },
        "arms": arms,
    }
    return Recipe.from_data({**data, "target": {"domain": target}} if target else data)
