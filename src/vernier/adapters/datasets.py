"""Scores and selections as functions for `map` and `filter` of Hugging Face's datasets.

    from vernier.adapters.datasets import Kept, Scores

    small = Scores("score.nll", name="small", model="models/small")
    large = Scores("score.nll", name="large", model="models/large")
    scored = dataset.map(small, batched=True).map(large, batched=True)
    chosen = scored.filter(Kept("select.threshold", a=small, b=large, by="excess_loss", at_least=0.1), batched=True)

The columns (`small.nll` ...) hold the values that the same stage has in a run. The functions may go to other processes
(`num_proc`), and equal ones have equal fingerprints, so datasets finds what it has made before; one with another
setting, another version of the plugin, or other bytes in a model's folder has another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vernier.adapters.outside import Documents, Outside, Table


class Scores:
    """Adds the columns of a score table, each as `NAME.COLUMN`.

    do      a plugin that scores document by document, as a recipe names it
    name    what stands before its columns; by default the plugin's own (`nll` of `score.nll`)
    text    the column of the texts
    given   settings and inputs: see `vernier.adapters.outside.Outside`
    """

    def __init__(self, do: str, *, name: str | None = None, text: str = "text", **given: Any) -> None:
        self.outside, self._text = Outside(do, "scores", given), text
        self.name = self.outside.name if name is None else name

    @property
    def table(self) -> Table:
        """The table that it makes, as an input of another."""
        return Table(self.name, self.outside.facts())

    def __call__(self, rows: Mapping[str, Any]) -> dict[str, Any]:
        """New columns of a batch, or new fields of one row."""
        documents, one = _documents(rows, self._text)
        made = self.outside.over(documents)
        columns = {f"{self.name}.{name}": made.column(name).to_pylist() for name in made.column_names}
        return {name: values[0] for name, values in columns.items()} if one else columns

    def __getstate__(self) -> dict[str, Any]:
        return _state(self)


class Kept:
    """Whether a row is kept. A row whose score is null or NaN is not.

    do      a plugin that selects document by document (`select.threshold`, `select.slice`)
    text    the column of the texts
    given   settings and inputs; a score table is given as the `Scores` that made it, or as the name of its columns
    """

    def __init__(self, do: str, *, text: str = "text", **given: Any) -> None:
        self.outside, self._text = Outside(do, "selection", given), text

    def __call__(self, rows: Mapping[str, Any]) -> Any:
        """A list of bool for a batch, a bool for one row."""
        documents, one = _documents(rows, self._text)
        kept = [count > 0 for count in self.outside.over(documents).column("count").to_pylist()]
        return kept[0] if one else kept

    def __getstate__(self) -> dict[str, Any]:
        return _state(self)


def _state(function: Scores | Kept) -> dict[str, Any]:
    """What is pickled, and what datasets makes a fingerprint of: the bytes of the models among it."""
    return {**vars(function), "contents": function.outside.contents()}


def _documents(rows: Mapping[str, Any], text: str) -> tuple[Documents, bool]:
    """A batch, or a row as a batch of one, and whether it is one."""
    texts = rows[text]
    if isinstance(texts, str):
        return Documents(1, list(rows.keys()), lambda name: [rows[name]], text), True
    return Documents(len(texts), list(rows.keys()), lambda name: rows[name], text), False
