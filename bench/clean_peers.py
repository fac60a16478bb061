"""Read, clean by the rules of Gopher, FineWeb and C4, write Parquet: with datatrove.

    python bench/clean_peers.py INPUT OUT WORKERS

INPUT is a folder of JSON Lines under Zstandard; OUT gets what is kept as Parquet. The filters are datatrove's own. They
are given the words and sentences that `score.signals` has (their API takes a tokenizer; the usual one, spaCy's, would
cost them far more), and the limits of `vernier.core.rules` where theirs differ. C4's filter alters the text, so it
comes last. Left out is what would only cost them: content-defined chunking, copying a document field by field.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

FIELDS = ("id", "domain", "license", "url")
ENDS = re.compile("[.?!]+[\"')\\]\u00bb\u2019\u201d]*(?=\\s|$)|[\u3002\uff01\uff1f]+")


def words(text: str) -> list[str]:
    return text.split()


def spans(text: str) -> list[tuple[int, int]]:
    """Where the sentences of a line are: up to a terminator, the commonest of those that `score.signals` knows."""
    found, start = list[tuple[int, int]](), 0
    for end in ENDS.finditer(text):
        found.append((start, end.end()))
        start = end.end()
    if text[start:].strip() or not found:
        return [*found, (start, len(text))]
    return [*found[:-1], (found[-1][0], len(text))]


def clean(source: Path, out: Path, workers: int) -> None:
    import pyarrow as pa
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.filters import (
        C4QualityFilter,
        FineWebQualityFilter,
        GopherQualityFilter,
        GopherRepetitionFilter,
    )
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import ParquetWriter
    from datatrove.utils.word_tokenizers import WordTokenizer

    class Own(WordTokenizer):
        def word_tokenize(self, text: str) -> list[str]:
            return words(text)

        def sent_tokenize(self, text: str) -> list[str]:
            return [text[start:end] for start, end in spans(text)]

        def span_tokenize(self, text: str) -> list[tuple[int, int]]:
            return spans(text)

    own: Any = Own()
    schema = pa.schema([(name, pa.string()) for name in ("text", *FIELDS)])
    writer = ParquetWriter(
        str(out / "kept"), compression="zstd", adapter=_flat, schema=schema, use_content_defined_chunking=False
    )
    pipeline: list[Any] = [
        JsonlReader(str(source), glob_pattern="*.jsonl.zst", add_file_path=False),
        GopherRepetitionFilter(language=own),
        GopherQualityFilter(language=own),
        FineWebQualityFilter(language=own, char_duplicates_ratio=0.1),
        C4QualityFilter(language=own, min_num_sentences=3, min_words_per_line=5),
        writer,
    ]
    tasks = len(list(source.glob("*.jsonl.zst")))
    LocalPipelineExecutor(pipeline, tasks, workers, logging_dir=str(out / "log")).run()


def _flat(_: Any, document: Any) -> dict[str, Any]:
    """A row of the output. The writer's own form copies deeply and leaves out every zero."""
    return {"text": document.text, "id": document.id, **document.metadata}


if __name__ == "__main__":
    source, out, workers = sys.argv[1:]
    clean(Path(source), Path(out), int(workers))
