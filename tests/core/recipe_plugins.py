"""Small plugins for the tests of recipes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import pyarrow as pa

from vernier.core.config import Bytes, Count
from vernier.core.errors import RecipeError
from vernier.core.plugin import Piece, Unit
from vernier.core.shard import Inputs, Shard


@dataclass(frozen=True)
class Budget:
    share: float | None = None
    documents: Count | None = None


@dataclass(frozen=True, kw_only=True)
class Read:
    """Reads."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "corpus"
    takes: ClassVar[Mapping[str, str]] = {}

    paths: tuple[str, ...]
    shard: Bytes = 1000

    def units(self) -> list[Unit]:
        return []

    def read(self, unit: Unit, start: int) -> Iterator[Piece]:
        yield from ()


@dataclass(frozen=True, kw_only=True)
class Score:
    """Scores."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "model": "model?"}

    column: str = "nll"
    batch: int = field(default=1, metadata={"key": False})

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        yield from ()


@dataclass(frozen=True, kw_only=True)
class Keep:
    """Selects.

    by  which column
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "selection"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "scores": "scores?*", "within": "selection?"}

    by: Literal["excess_loss", "low_loss"] = "excess_loss"
    keep: Budget = field(default_factory=Budget)
    rank: bool = False
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.scale <= 0:
            raise RecipeError("the scale is not positive", found=f"scale: {self.scale}", expected="above 0")

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        yield from ()


@dataclass(frozen=True, kw_only=True)
class Draw:
    """Draws."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "selection"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "within": "selection?"}
    draws: ClassVar[bool] = True

    keep: Budget = field(default_factory=Budget)

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        yield from ()


@dataclass(frozen=True, kw_only=True)
class Train:
    """Trains."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "model"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "selection": "selection?", "init": "model?"}

    tokens: Count = 1000
    hidden: int = 8

    def build(self, inputs: Inputs, out: Path) -> dict[str, Any]:
        return {}


@dataclass(frozen=True, kw_only=True)
class Test:
    """Tests."""

    __test__: ClassVar[bool] = False
    version: ClassVar[int] = 1
    makes: ClassVar[str] = "results"
    takes: ClassVar[Mapping[str, str]] = {"model": "model", "corpus": "corpus"}

    def build(self, inputs: Inputs, out: Path) -> dict[str, Any]:
        return {}


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of all results."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "results"
    takes: ClassVar[Mapping[str, str]] = {"results": "results*"}

    def build(self, inputs: Inputs, out: Path) -> dict[str, Any]:
        return {}


@dataclass(frozen=True, kw_only=True)
class Mix:
    """Reads any number of results."""

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "results"
    takes: ClassVar[Mapping[str, str]] = {"results": "results?*"}

    n: int = 0

    def build(self, inputs: Inputs, out: Path) -> dict[str, Any]:
        return {}
