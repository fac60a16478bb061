"""Read, count, keep the better half, write Parquet: with datatrove, and with Polars.

    python bench/refine_peers.py datatrove|polars INPUT OUT WORKERS

INPUT is a folder of JSON Lines under Zstandard. OUT gets `scored/` (every document with its counts) and `kept/` (the
half with the highest zlib ratio), both Parquet. The counts are those of `score.surface`, written the ordinary way:
some lines of Python for each document, or the expressions that Polars has. Both do without what would only cost them:
content-defined chunking, copying a document field by field, heavy compression of the table between the two passes.
"""

from __future__ import annotations

import re
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

COUNTS = ("num_bytes", "num_chars", "num_words", "num_stop_words", "num_symbols", "zlib_bytes")
FIELDS = ("id", "domain", "license", "url")
STOP_WORDS = frozenset(
    """a about all also an and are as at be been but by can could do for from had has have he her his how i if in into
    is it its like more my no not of on one or our out over she so some such than that the their them then there these
    they this to up was we were what when where which who will with would you your""".split()  # noqa: SIM905
)
WORD = re.compile("[a-zA-Z0-9\x80-\U0010ffff]+")
SYMBOL = r"[\x00-\x08\x0e-\x1f!-/:-@\[-`{-\x7f]"
NO_SYMBOL = bytes(byte for byte in range(256) if not re.match(SYMBOL, chr(byte)))
LEVEL = 1  # of zlib and of the Zstandard of what is kept
SHARE = 2  # one in SHARE is kept


def counts(text: str) -> dict[str, int]:
    """The six counts of one document."""
    data = text.encode()
    words = WORD.findall(text.lower())
    return {
        "num_bytes": len(data),
        "num_chars": len(text),
        "num_words": len(words),
        "num_stop_words": sum(map(STOP_WORDS.__contains__, words)),
        "num_symbols": len(data.translate(None, NO_SYMBOL)),
        "zlib_bytes": len(zlib.compress(data, LEVEL)),
    }


def with_datatrove(source: Path, out: Path, workers: int) -> None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.filters import LambdaFilter
    from datatrove.pipeline.readers import JsonlReader, ParquetReader
    from datatrove.pipeline.writers import ParquetWriter

    tasks = len(list(source.glob("*.jsonl.zst")))
    schema = pa.schema([(name, pa.string()) for name in ("text", *FIELDS)] + [(name, pa.int64()) for name in COUNTS])

    def writer(folder: str, compression: Any) -> ParquetWriter:
        return ParquetWriter(
            str(out / folder),
            compression=compression,
            adapter=_flat,
            schema=schema,
            use_content_defined_chunking=False,
        )

    def execute(pipeline: list[Any], name: str) -> None:
        LocalPipelineExecutor(pipeline, tasks, workers, logging_dir=str(out / "log" / name)).run()

    reader = JsonlReader(str(source), glob_pattern="*.jsonl.zst", add_file_path=False)
    execute([reader, _count, writer("scored", "snappy")], "score")
    scored = pq.read_table(out / "scored", columns=["zlib_bytes", "num_bytes"])
    ratio = scored.column("zlib_bytes").to_numpy() / scored.column("num_bytes").to_numpy()
    keep = len(ratio) // SHARE
    cut = float(np.partition(ratio, len(ratio) - keep)[len(ratio) - keep])
    better = LambdaFilter(_Better(cut))
    execute([ParquetReader(str(out / "scored")), better, writer("kept", "zstd")], "keep")


def _count(data: Iterator[Any], rank: int = 0, world_size: int = 1) -> Iterator[Any]:
    """The scoring step: datatrove takes a function of the stream."""
    for document in data:
        document.metadata.update(counts(document.text))
        yield document


def _flat(_: Any, document: Any) -> dict[str, Any]:
    """A row of the output. The writer's own form copies deeply and leaves out every zero."""
    return {"text": document.text, "id": document.id, **document.metadata}


class _Better:
    """Whether a document is at or above the cut."""

    def __init__(self, cut: float) -> None:
        self.cut = cut

    def __call__(self, document: Any) -> bool:
        found = document.metadata
        return found["zlib_bytes"] / found["num_bytes"] >= self.cut


def with_polars(source: Path, out: Path) -> None:
    import polars as pl

    def compressed(texts: pl.Series) -> pl.Series:
        return pl.Series([len(zlib.compress(text.encode(), LEVEL)) for text in texts], dtype=pl.Int64)

    word = r"[a-zA-Z0-9\x{80}-\x{10ffff}]+"
    text = pl.col("text")
    stops = text.str.to_lowercase().str.extract_all(word).list.eval(pl.element().is_in(list(STOP_WORDS)))
    (out / "scored").mkdir(parents=True)
    (out / "kept").mkdir()
    schema = pl.Schema(dict.fromkeys(("id", "text", "domain", "license", "url"), pl.String))
    pl.scan_ndjson(sorted(source.glob("*.jsonl.zst")), schema=schema).with_columns(
        num_bytes=text.str.len_bytes(),
        num_chars=text.str.len_chars(),
        num_words=text.str.count_matches(word),
        num_stop_words=stops.list.sum(),
        num_symbols=text.str.count_matches(SYMBOL),
        zlib_bytes=text.map_batches(compressed, return_dtype=pl.Int64, is_elementwise=True),
    ).sink_parquet(out / "scored" / "all.parquet", compression="snappy", engine="streaming")
    scored = pl.scan_parquet(out / "scored" / "all.parquet")
    ratio = pl.col("zlib_bytes") / pl.col("num_bytes")
    ratios = scored.select(ratio).collect(engine="streaming").to_series()
    cut = ratios.top_k(len(ratios) // SHARE).min()
    kept = scored.filter(ratio >= cut)
    kept.sink_parquet(out / "kept" / "all.parquet", compression="zstd", compression_level=LEVEL, engine="streaming")


def main() -> None:
    library, source, out, workers = sys.argv[1:]
    if library == "datatrove":
        with_datatrove(Path(source), Path(out), int(workers))
    else:
        with_polars(Path(source), Path(out))


if __name__ == "__main__":
    main()
