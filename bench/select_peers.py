"""Select from score tables as one would with numpy or Polars alone: load the columns, order them, write the counts.

    python bench/select_peers.py numpy|polars share|tokens|quotas ROWS SCORES OUT

ROWS and SCORES are folders of Parquet files that belong together, OUT gets one file for each with the column
`count` (1 = kept). share: 30 % of the documents; tokens: 30 % of the tokens; quotas: 30 % of the tokens, the same
number from each domain. The best scores first; the first document that does not fit ends it.
"""

from __future__ import annotations

import sys
from pathlib import Path

PERCENT = 30


def with_numpy(task: str, rows: list[Path], scores: list[Path], out: Path) -> None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    def column(files: list[Path], name: str) -> np.ndarray:
        return np.concatenate([pq.read_table(f, columns=[name]).column(name).to_numpy() for f in files])

    score = column(scores, "score")
    count = np.zeros(len(score), np.int32)
    if task == "share":
        keep = len(score) * PERCENT // 100
        count[np.argpartition(-score, keep)[:keep]] = 1
    else:
        tokens = column(scores, "num_tokens")
        budget = int(tokens.sum()) * PERCENT // 100
        if task == "tokens":
            order = np.argsort(-score)
            count[order[: np.searchsorted(np.cumsum(tokens[order]), budget, "right")]] = 1
        else:
            codes = pa.chunked_array(
                [pq.read_table(f, columns=["domain"]).column("domain").combine_chunks() for f in rows]
            ).dictionary_encode()
            codes = codes.combine_chunks().indices.to_numpy()
            domains = np.unique(codes)
            for domain in domains:
                places = np.flatnonzero(codes == domain)
                order = places[np.argsort(-score[places])]
                kept = np.searchsorted(np.cumsum(tokens[order]), budget // len(domains), "right")
                count[order[:kept]] = 1
    start = 0
    for file in scores:
        n = pq.read_metadata(file).num_rows
        part = pa.table({"count": count[start : start + n]})
        pq.write_table(part, out / file.name, compression="zstd")
        start += n


def with_polars(task: str, rows: list[Path], scores: list[Path], out: Path) -> None:
    import polars as pl

    frame = pl.scan_parquet(scores)
    if task == "quotas":
        frame = pl.concat([frame, pl.scan_parquet(rows).select("domain")], how="horizontal")
    by = ["domain"] if task == "quotas" else []
    if task == "share":
        keep = pl.scan_parquet(scores).select(pl.len()).collect().item() * PERCENT // 100
        cut = frame.select(pl.col("score").top_k(keep).min()).collect(engine="streaming").item()
        chosen = pl.col("score") >= cut
    else:
        budget = pl.scan_parquet(scores).select(pl.col("num_tokens").sum()).collect().item() * PERCENT // 100
        ordered = frame.sort("score", descending=True)
        used = pl.col("num_tokens").cum_sum()
        if task == "tokens":
            cut = ordered.filter(used <= budget).select(pl.col("score").min())
            cut = cut.collect(engine="streaming").item()
            chosen = pl.col("score") >= cut
        else:
            share = budget // frame.select(pl.col("domain").n_unique()).collect(engine="streaming").item()
            cuts = ordered.filter(used.over(by) <= share).group_by(by).agg(pl.col("score").min().alias("cut"))
            frame = frame.join(cuts.collect(engine="streaming").lazy(), on=by, maintain_order="left")
            chosen = pl.col("score") >= pl.col("cut")
    kept = frame.select(chosen.cast(pl.Int32).alias("count"))
    kept.sink_parquet(out / "all.parquet", compression="zstd", engine="streaming")


def main() -> None:
    library, task, rows, scores, out = sys.argv[1:]
    Path(out).mkdir(parents=True, exist_ok=True)
    run = {"numpy": with_numpy, "polars": with_polars}[library]
    run(task, sorted(Path(rows).glob("*.parquet")), sorted(Path(scores).glob("*.parquet")), Path(out))


if __name__ == "__main__":
    main()
