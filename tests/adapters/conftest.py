"""A run of `vernier run`, for the adapters to be equal to, and its documents."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.pipeline.small import ONE, small_recipe, write_jsonl

from vernier.core.run import Run
from vernier.pipeline.run import run
from vernier.score.nll import NLL
from vernier.score.surface import Surface
from vernier.select.slice import Slice
from vernier.select.threshold import Threshold
from vernier.testing.toy import toy_model
from vernier.train.read_hf import ReadHf


@dataclass(frozen=True)
class Reference:
    """folder: with `data`, the models `small` and `large`, and the run `run`; here: its tables by stage."""

    folder: Path
    run: Run
    documents: list[dict[str, Any]]

    def table(self, stage: str) -> pa.Table:
        paths = sorted((self.run.folder / stage).glob("*.parquet"))
        return pa.concat_tables([pq.read_table(path) for path in paths])

    def kept(self, stage: str) -> list[bool]:
        return [count > 0 for count in self.table(stage).column("count").to_pylist()]


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    folder = tmp_path_factory.mktemp("adapters")
    for i in range(3):
        write_jsonl(folder / "data" / f"part-{i}.jsonl", range(i * 40, i * 40 + 40))
    odd = [{"id": "empty", "text": ""}, {"id": "odd", "text": "naïve 🙂 text"}]
    (folder / "data" / "part-3.jsonl").write_text("".join(json.dumps(one) + "\n" for one in odd))
    recipe = small_recipe(str(folder / ".vernier"), paths=[str(folder / "data" / "*.jsonl")], columns=["page"])
    recipe.add("surface", Surface(), corpus="clean", on=ONE)
    recipe.add("stops", Threshold(by="low_symbol_share", at_least=-0.02), corpus="clean", a="surface", on=ONE)
    recipe.add("pages", Slice(range=(0.2, 0.7), group="page"), corpus="clean", on=ONE)
    for bit, name in enumerate(("small", "large")):
        toy_model(folder / name, bit=bit)
        recipe.add(name, ReadHf(path=str(folder / name)), on=ONE)
        recipe.add(f"nll_{name}", NLL(max_tokens=50, window=16), corpus="clean", model=name, on=ONE)
    excess = Threshold(by="excess_loss", at_least=0.0)
    recipe.add("pair", excess, corpus="clean", a="nll_small", b="nll_large", on=ONE)
    done = run(recipe, out=folder / "run", quiet=True)
    paths = sorted((done.folder / "clean").glob("*.parquet"))
    columns = ["id", "text", "domain", "page"]
    documents = pa.concat_tables([pq.read_table(path, columns=columns) for path in paths]).to_pylist()
    return Reference(folder, done, documents)


def same(table: pa.Table, column: Callable[[str], list[Any]]) -> bool:
    """Whether each column of a table, of which there is one at least, is what a function has under its name, NaN for
    NaN."""
    assert table.column_names
    return all(repr(column(name)) == repr(table.column(name).to_pylist()) for name in table.column_names)
