"""Chunks in a run: a worker reads other shards than its own, and the promises of a run hold for them too."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from tests.pipeline.small import ONE, small_recipe, tree, units_done

from vernier.core.run import Run
from vernier.corpus.chunk import Chunk
from vernier.score.tokens import Tokens
from vernier.select.budget import Budget
from vernier.select.top_k import TopK
from vernier.train.tokenizer import Tokenizer

Go = Callable[..., Run]


def rows(done: Run, node: str) -> pa.Table:
    return pa.concat_tables(pq.read_table(done.store.path(shard.data)) for shard in done.artifact(node).shards)


def test_chunks_are_scored_and_selected_like_documents(here: Path, go: Go) -> None:
    """read -> half -> chunks of it -> their tokens -> the longest half. A lost shard is made again as it was."""
    recipe = small_recipe(shard=1500)
    recipe.add("bpe", Tokenizer(vocab=280), corpus="clean", on=ONE)
    recipe.add("chunks", Chunk(tokens=60), corpus="clean", selection="keep", tokenizer="bpe", on={"workers": 2})
    recipe.add("lengths", Tokens(), corpus="chunks", tokenizer="bpe", on=ONE)
    recipe.add("best", TopK(by="a.num_tokens", keep=Budget(share=0.5)), corpus="chunks", a="lengths", on=ONE)
    done = go(recipe)
    made, kept = rows(done, "chunks"), rows(done, "keep").column("count").to_pylist()
    ids = rows(done, "clean").column("doc_id").to_pylist()
    parents = {one for names in made.column("parents").to_pylist() for one in names.split()}
    assert parents == {one.hex() for one, count in zip(ids, kept, strict=True) if count}
    assert any(" " in names for names in made.column("parents").to_pylist())
    artifact = done.artifact("chunks")
    assert len(artifact.shards) > 3 and artifact.facts == {"documents": sum(kept), "buffers": 2}
    assert artifact.counts == {"bytes": sum(made.column("num_bytes").to_pylist()), "rows": made.num_rows}
    assert done.artifact("lengths").rows == made.num_rows
    assert done.artifact("best").counts["kept"] == made.num_rows // 2

    before = tree(here / ".vernier")
    shutil.rmtree(done.store.path(artifact.shards[1].folder))
    done = go(recipe)
    assert units_done(done) == [("chunks", "1")]
    assert tree(here / ".vernier") == before and done.artifact("chunks").key == artifact.key


def test_what_was_left_out_is_in_the_ledger(here: Path, go: Go) -> None:
    lines = ['{"text": "\\nabcdefgh", "domain": "p"}', '{"text": "ijklmnop", "domain": "p"}']
    for path in (here / "data").glob("*.jsonl"):
        path.unlink()
    (here / "data" / "odd.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    recipe = small_recipe()
    recipe.add("bpe", Tokenizer(vocab=257), corpus="clean", on=ONE)
    recipe.add("chunks", Chunk(tokens=6), corpus="clean", tokenizer="bpe", on=ONE)
    done = go(recipe)
    assert done.artifact("chunks").counts["left_out.one_token"] == 1
    assert rows(done, "chunks").column("text").to_pylist() == ["abcdef", "gh", "ijklmn", "op"]
