"""Export: the kept documents leave the store whole."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import zstandard
from tests.pipeline.small import ONE, document, small_recipe, tree

from vernier.core.errors import RecipeError, ResumeError
from vernier.core.run import Run
from vernier.pipeline.export import export as export_with
from vernier.select.budget import Budget
from vernier.select.random import Random
from vernier.select.slice import Slice

Go = Callable[..., Run]


def export(*args: Any, **more: Any) -> dict[str, Any]:
    return export_with(*args, **{"workers": 1, "quiet": True, **more})


def lines(folder: Path) -> list[dict[str, object]]:
    out: list[dict[str, object]] = []
    for path in sorted(folder.glob("*.jsonl.zst")):
        raw = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(path.read_bytes())).read()
        out.extend(json.loads(line) for line in raw.split(b"\n") if line)
    return out


def test_what_was_read_comes_out_again(here: Path, done: Run) -> None:
    said = export(done, "keep", here / "out", format="jsonl.zst")
    rows = lines(here / "out")
    assert said["rows"] == len(rows) == done.artifact("keep").counts["kept"]
    for row in rows:
        assert {k: row[k] for k in ("id", "text", "domain", "page")} == document(int(str(row["id"])[1:]))
    assert set(rows[0]["vernier"]) == {"doc_id", "source", "offset", "count"}  # type: ignore[call-overload]


def test_odd_fields_come_out_as_they_went_in(here: Path, go: Go) -> None:
    """Half a surrogate pair, integers beyond 64 bits, names that are ours, and names of columns filled from others."""
    records: list[dict[str, Any]] = [
        {"body": "0", "half": "\ud800", "in": {"\udfff": [1]}},
        {"body": "1", "most": 2**64 - 1, "more": 2**64, "less": [-(2**63) - 1], "much": 10**400},
        {"body": "2", "vernier": {"mine": 1}, "vernier_": 2, "count": 7, "doc_id": "x", "a.b": 1e300},
        {"body": "3", "text": "not the text", "id": 5, "license": None, "c.d": "declared", "offset": "mine"},
    ]
    (here / "data" / "odd.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    recipe = small_recipe(paths=["data/odd.jsonl"], text="body", id=None, columns=["c.d"])
    recipe.add("all", Slice(range=(0.0, 1.0)), corpus="clean", on=ONE)
    export(go(recipe), "all", here / "out", format="jsonl.zst")
    for number, (row, record) in enumerate(zip(lines(here / "out"), records, strict=True)):
        ours: dict[str, Any] = row["vernier__" if number == 2 else "vernier"]  # type: ignore[assignment]
        assert ours["source"] == "odd.jsonl" and ours["count"] == 1
        assert row["text"] == record.pop("body") == str(number)
        if number == 3:
            assert ours["extra"] == {"text": record.pop("text")}
        for name, value in record.items():
            assert row[name] == value and type(row[name]) is type(value)


def test_formats_hold_the_same_documents(here: Path, done: Run) -> None:
    import datasets

    for format in ("parquet", "jsonl.zst", "hf"):
        export(done, "keep", here / format, format=format)
    tables = [pq.read_table(p) for p in sorted((here / "parquet").glob("*.parquet"))]
    parquet = [text for table in tables for text in table.column("text").to_pylist()]
    dataset = datasets.load_dataset(str(here / "hf"), split="train", cache_dir=str(here / "cache"))
    assert parquet == [row["text"] for row in lines(here / "jsonl.zst")] == list(dataset["text"])


def test_a_flipped_bit_in_an_exported_text_is_noticed(here: Path, done: Run) -> None:
    export(done, "keep", here / "out")
    path = min((here / "out").glob("*.parquet"))
    column = pq.read_metadata(path).row_group(0).column(1)
    raw = bytearray(path.read_bytes())
    for bit in range(8):
        raw[column.data_page_offset + column.total_compressed_size - 30] ^= 1 << bit
        with pytest.raises(OSError, match="checksum"):
            pq.ParquetFile(io.BytesIO(raw), page_checksum_verification=True).read(["text"])


def test_a_shard_of_which_nothing_is_kept(here: Path, go: Go) -> None:
    recipe = small_recipe()
    recipe.add("one", Random(keep=Budget(documents=1)), corpus="clean", on=ONE)
    said = export(go(recipe), "one", here / "out")
    assert [pq.read_table(here / "out" / name).num_rows for name in said["files"]].count(0) == 2
    assert pq.read_table(sorted((here / "out").glob("*.parquet"))).num_rows == said["rows"] == 1


def test_a_parquet_export_is_read_as_a_folder(here: Path, go: Go) -> None:
    done = go(small_recipe())
    said = export(done, "keep", here / "out", quiet=True)
    assert pq.read_table(here / "out").num_rows == said["rows"]


def test_licences_are_counted(here: Path, go: Go) -> None:
    path = here / "data" / "part-0.jsonl"
    records = [{**json.loads(line), "license": "CC0"} for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(r) + "\n" for r in records))
    done = go(small_recipe())
    said = export(done, "pool", here / "out")
    assert set(said["licenses"]) == {"CC0", "unknown"}
    assert sum(said["licenses"].values()) == said["rows"]


def test_scores_go_along(here: Path, go: Go) -> None:
    from vernier.score.surface import Surface
    from vernier.select.threshold import Threshold

    recipe = small_recipe()
    recipe.add("surface", Surface(), corpus="clean")
    recipe.add("long", Threshold(by="length", at_least=40), corpus="clean", a="surface")
    done = go(recipe)
    export(done, "long", here / "out")
    table = pq.read_table(sorted((here / "out").glob("*.parquet")))
    assert table.column("surface.num_bytes").to_pylist() == [len(t.encode()) for t in table.column("text").to_pylist()]


def test_ranks_go_along_and_a_table_given_twice_goes_once(here: Path, go: Go) -> None:
    from vernier.score.surface import Surface
    from vernier.select.top_k import TopK

    recipe = small_recipe(columns=["page", "count", "surface.num_bytes"])
    path = here / "data" / "part-0.jsonl"
    mine = {"count": "mine", "surface.num_bytes": "mine too"}
    path.write_text("".join(json.dumps({**document(n), **mine}) + "\n" for n in range(40)))
    recipe.add("surface", Surface(), corpus="clean", on=ONE)
    best = TopK(by="length", keep=Budget(documents=30), rank=True)
    recipe.add("best", best, corpus="clean", a="surface", on=ONE)
    done = go(recipe)
    done.nodes["best"]["inputs"]["lengths"] = "surface"  # one table for two inputs, as a budget in tokens may have it
    said = export(done, "best", here / "flat")
    assert len(set(said["columns"])) == len(said["columns"])
    table = pq.read_table(sorted((here / "flat").glob("*.parquet")))
    assert table.column_names == said["columns"]
    assert sorted(table.column("rank").to_pylist()) == list(range(30))
    by_rank = table.sort_by("rank").column("surface.num_bytes_").to_pylist()
    assert by_rank == sorted(by_rank, reverse=True) and set(table.column("count_").to_pylist()) == {1}
    assert {"mine"} <= set(table.column("count").to_pylist()) <= {"mine", None}
    export(done, "best", here / "lines", format="jsonl.zst", scores=["surface", "surface"])
    for row, flat in zip(lines(here / "lines"), table.to_pylist(), strict=True):
        assert row["count"] == flat["count"] and row["surface.num_bytes"] == flat["surface.num_bytes"]
        ours = {name: flat[name] for name in ("count_", "rank", "surface.num_bytes_")}
        assert ours.items() <= row["vernier"].items()  # type: ignore[attr-defined]


def test_only_score_tables_go_along(here: Path, done: Run) -> None:
    with pytest.raises(RecipeError, match="no score table named 'pool'"):
        export(done, "keep", here / "out", scores=["pool"])
    assert not (here / "out").exists()


def test_an_export_replaces_an_export(here: Path, done: Run) -> None:
    export(done, "keep", here / "out", format="hf")
    export(done, "pool", here / "out", format="jsonl.zst")
    said = json.loads((here / "out" / "_export.json").read_text())
    assert sorted(tree(here / "out")) == sorted([*said["files"], "_export.json"])
    assert not list(here.glob(".out*"))


@pytest.mark.parametrize("own", ["notes.txt", "_export.json", "data/mine.parquet", "empty/", "link", "README.md"])
def test_an_export_never_replaces_what_is_not_its_own(here: Path, done: Run, own: str) -> None:
    """A file, an _export.json that says something else, a file among the exported ones, a card that was worked on."""
    mine = here / "out" / own
    if own != "_export.json":
        export(done, "keep", here / "out", format="hf")
    mine.parent.mkdir(parents=True, exist_ok=True)
    if own == "link":
        mine.symlink_to(here / "data")
    elif own == "empty/":
        mine.mkdir()
    else:
        mine.write_text('{"vernier": "mine", "files": []}')
    before = tree(here / "out")
    with pytest.raises(ResumeError, match=own.strip("/")):
        export(done, "pool", here / "out")
    assert tree(here / "out") == before and os.path.lexists(mine)
    assert len(list((here / "data").glob("*.jsonl"))) == 3 and not list(here.glob(".out*"))


def test_an_export_to_a_file_is_refused(here: Path, done: Run) -> None:
    (here / "out").write_text("mine")
    with pytest.raises(RecipeError, match="a file stands"):
        export(done, "keep", here / "out")
    assert (here / "out").read_text() == "mine"


def test_files_are_on_the_disk_before_an_export_is_complete_and_nobody_prunes_meanwhile(
    here: Path, done: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []

    class Here:
        """A pool that works in this process."""

        def __init__(self, **_: Any) -> None: ...
        def __enter__(self) -> Here:
            return self

        def __exit__(self, *_: object) -> None: ...
        def map(self, task: Callable[[Any], Any], items: list[Any], **_: Any) -> list[Any]:
            with pytest.raises(ResumeError, match="in use"), done.store.alone():
                pass
            return [task(item) for item in items]

    def fsync(fd: int) -> None:
        synced.append(Path(os.readlink(f"/proc/self/fd/{fd}")).name)

    monkeypatch.setattr("vernier.pipeline.export.Pool", Here)
    monkeypatch.setattr(os, "fsync", fsync)
    said = export(done, "keep", here / "out")
    assert synced[: len(said["files"])] == said["files"]
    rest = synced[len(said["files"]) :]
    assert rest[0] == "new" and rest[1].startswith("._export.json.") and rest[2:] == ["new", here.name]


def test_a_mistyped_selection_names_the_nearest(here: Path, done: Run) -> None:
    with pytest.raises(RecipeError, match=r"did you mean .keep."):
        export(done, "kep", here / "out")
    with pytest.raises(RecipeError, match=r"jsonl\.zst"):
        export(done, "keep", here / "out", format="csv")
