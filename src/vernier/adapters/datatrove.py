"""Scores and selections as steps of a datatrove pipeline.

    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter

    from vernier.adapters.datatrove import Kept, Scores

    surface = Scores("score.surface")
    LocalPipelineExecutor(
        pipeline=[
            JsonlReader("data"),
            surface,
            Kept(
                "select.threshold",
                a=surface,
                by="zlib_ratio",
                at_least=0.5,
                exclusion_writer=JsonlWriter("dropped"),
            ),
            JsonlWriter("kept"),
        ],
        tasks=1,
    ).run()

Values go to `doc.metadata` (`surface.num_words` ...) and are those that the same stage has in a run. A dropped document
goes to the exclusion writer with its reason (`filter_reason`: below_cut, undefined, not_scored ...), and the pipeline's
statistics count the reasons. A step with a model names its folder: `Scores("score.nll", model="models/small")`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Mapping
from typing import Any

from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.filters.base_filter import BaseFilter
from datatrove.utils.batching import batched
from datatrove.utils.typeshelper import StatHints

from vernier.adapters.outside import Documents, Outside, Table
from vernier.core.errors import DataError
from vernier.models.load import keeping

BATCH = 1000  # documents that a plugin sees at once: no value depends on it


class Scores(PipelineStep):
    """Puts a document's row of a score table into its metadata, each column as `NAME.COLUMN`.

    do           a plugin that scores document by document, as a recipe names it
    name         what stands before its columns; by default the plugin's own (`nll` of `score.nll`)
    batch_size   documents handed to the plugin at once
    given        settings and inputs: see `vernier.adapters.outside.Outside`
    """

    type = "Vernier scores"

    def __init__(self, do: str, *, name: str | None = None, batch_size: int = BATCH, **given: Any) -> None:
        self.outside, self.batch_size = Outside(do, "scores", given), batch_size
        self.name = self.outside.name if name is None else name
        super().__init__()

    @property
    def table(self) -> Table:
        """The table that it makes, as an input of another step."""
        return Table(self.name, self.outside.facts())

    def run(self, data: Iterable[Document] | None, rank: int = 0, world_size: int = 1) -> Generator[Document]:
        """The documents with their scores, in order."""
        with contextlib.ExitStack() as stack:
            for folder in self.outside.local_folders():
                stack.enter_context(keeping(folder))
            for batch in batched(data or (), self.batch_size):
                with self.track_time("batch"):
                    made = self.outside.over(_documents(batch, self.outside.tables))
                columns = [(f"{self.name}.{name}", made.column(name).to_pylist()) for name in made.column_names]
                for row, doc in enumerate(batch):
                    doc.metadata |= {name: values[row] for name, values in columns}
                    self.stat_update(StatHints.total)
                    self.update_doc_stats(doc)
                    yield doc


class Kept(BaseFilter):
    """Drops what a selection does not keep, with its reason.

    do                 a plugin that selects document by document (`select.threshold`, `select.slice`)
    exclusion_writer   a writer of datatrove, for the dropped documents
    batch_size         documents handed to the plugin at once
    given              settings and inputs; a score table is the step that made it, or the name of its columns
    """

    def __init__(self, do: str, *, exclusion_writer: Any = None, batch_size: int = BATCH, **given: Any) -> None:
        self.outside, self.name = Outside(do, "selection", given), do
        super().__init__(exclusion_writer, batch_size)

    def filter(self, doc: Document) -> bool | tuple[bool, str]:
        return self.filter_batch([doc])[0]

    def filter_batch(self, batch: list[Document]) -> list[bool | tuple[bool, str]]:
        """Of each document: True, or False and the reason."""
        made = self.outside.over(_documents(batch, self.outside.tables))
        counts, reasons = (made.column(name).to_pylist() for name in ("count", "reason"))
        return [count > 0 or (False, reason) for count, reason in zip(counts, reasons, strict=True)]


def _documents(batch: list[Document], beside: Mapping[str, Table]) -> Documents:
    """A batch. A field that a document lacks is null, but for a score, which an earlier step must have put there."""
    scores = tuple(f"{table.name}." for table in beside.values())

    def column(name: str) -> list[Any]:
        if name in ("text", "id"):
            return [getattr(doc, name) for doc in batch]
        lacking = next((doc.id for doc in batch if name not in doc.metadata), None)
        if lacking is not None and name.startswith(scores):
            raise DataError(
                "a document was not scored",
                where=f"document {lacking}",
                expected=f"{name} in its metadata",
                do="let every document pass the step that scores it",
            )
        return [doc.metadata.get(name) for doc in batch]

    names = dict.fromkeys(name for doc in batch for name in ("text", "id", *doc.metadata))
    return Documents(len(batch), names, column)
