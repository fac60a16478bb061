"""Runs: what is made, what is reused, and what happens when the world changes between two runs."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import zstandard
from tests.pipeline.small import small_recipe, tree, units_done, write_jsonl

from vernier.core.errors import DataError, RecipeError, ResumeError, SetupError
from vernier.core.recipe import Recipe
from vernier.core.run import Run
from vernier.corpus.records import MaxBad
from vernier.pipeline import verify
from vernier.pipeline.plan import plan
from vernier.pipeline.run import run

Go = Callable[..., Run]


def kept_ids(folder: Run, node: str = "keep") -> set[str]:
    """The doc_ids that a selection of a run keeps."""
    out: set[str] = set()
    for corpus, selection in zip(folder.artifact("clean").shards, folder.artifact(node).shards, strict=True):
        ids = pq.read_table(folder.store.path(corpus.data)).column("doc_id").to_pylist()
        counts = pq.read_table(folder.store.path(selection.data)).column("count").to_pylist()
        out |= {i.hex() for i, c in zip(ids, counts, strict=True) if c}
    return out


def test_every_row_is_accounted_for(here: Path, go: Go) -> None:
    done = go(small_recipe())
    assert done.artifact("clean").rows == 120
    counts = done.artifact("keep").counts
    pool = done.artifact("pool").counts["kept"]
    assert counts["kept"] == pool // 2
    assert counts["kept"] + sum(n for name, n in counts.items() if name.startswith("dropped.")) == 120
    assert counts["dropped.outside"] == 120 - pool


def test_links_lead_to_the_tables(here: Path, go: Go) -> None:
    done = go(small_recipe())
    tables = sorted((done.folder / "keep").glob("*.parquet"))
    assert [t.name for t in tables] == ["00000.parquet", "00001.parquet", "00002.parquet"]
    assert sum(pq.read_table(t).num_rows for t in tables) == 120


def test_a_second_run_does_nothing(here: Path, go: Go) -> None:
    go(small_recipe())
    before = tree(here / ".vernier")
    done = go(small_recipe())
    assert units_done(done) == [] and tree(here / ".vernier") == before
    steps = plan(small_recipe(), done, small_recipe().nodes())
    assert [(s.action, s.to_do, s.why) for s in steps] == [("reuse", 0, "nothing changed")] * 3


def test_an_added_file_is_the_only_one_read(here: Path, go: Go) -> None:
    go(small_recipe())
    write_jsonl(here / "data" / "part-1b.jsonl", range(500, 510))
    steps = plan(small_recipe(), Run("runs/small"), small_recipe().nodes())
    assert (steps[0].action, steps[0].to_do, steps[0].units) == ("run", 1, 4)
    assert steps[0].why == "added: part-1b.jsonl"
    done = go(small_recipe())
    units = units_done(done)
    assert [u for n, u in units if n == "clean"] == ["part-1b.jsonl"]
    assert len([u for n, u in units if n == "pool"]) == 1, "a slice is shard by shard: only the new one"
    assert len([u for n, u in units if n == "keep"]) == 4, "a budget is shared by all shards"
    assert done.artifact("clean").rows == 130


def test_a_file_changed_in_place_is_read_again(here: Path, go: Go) -> None:
    go(small_recipe())
    path = here / "data" / "part-1.jsonl"
    path.write_text(path.read_text().replace("Document 41.", "Document XX."))
    assert plan(small_recipe(), Run("runs/small"), small_recipe().nodes())[0].why == "changed: part-1.jsonl"
    done = go(small_recipe())
    assert [u for n, u in units_done(done) if n == "clean"] == ["part-1.jsonl"]
    texts = [r for t in sorted((done.folder / "clean").glob("*.parquet")) for r in pq.read_table(t)["text"].to_pylist()]
    assert any("Document XX." in t for t in texts) and not any("Document 41." in t for t in texts)


def test_a_touched_file_is_not(here: Path, go: Go) -> None:
    go(small_recipe())
    path = here / "data" / "part-1.jsonl"
    shutil.copy(path, here / "copy")
    path.unlink()
    shutil.copy(here / "copy", path)
    assert units_done(go(small_recipe())) == []


def test_a_moved_mount_keeps_every_key(here: Path, go: Go) -> None:
    go(small_recipe())
    shutil.move(here / "data", here / "elsewhere")
    assert units_done(go(small_recipe(paths=["elsewhere/*.jsonl"]))) == []


def test_a_changed_setting_redoes_that_stage_and_what_follows(here: Path, go: Go) -> None:
    go(small_recipe())
    recipe = small_recipe()
    recipe.arm("other", pool={"with": {"range": [0.0, 0.6]}})
    steps = plan(recipe, Run("runs/small"), recipe.nodes())
    assert [s.action for s in steps] == ["reuse", "run", "later"]
    done = go(recipe)
    assert {n for n, _ in units_done(done)} == {"pool", "keep"}


def test_seeds_draw_differently_and_share_what_does_not_draw(here: Path, go: Go) -> None:
    data = {**small_recipe().to_data(), "seeds": {"values": [0, 1], "from": ["keep"]}}
    done = go(Recipe.from_data(data))
    assert set(done.nodes) == {"clean", "pool", "keep@0", "keep@1"}
    zero, one = kept_ids(done, "keep@0"), kept_ids(done, "keep@1")
    assert len(zero) == len(one) and zero != one


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_store_is_the_same_for_any_number_of_workers(here: Path, go: Go, workers: int) -> None:
    go(small_recipe("one"), out="a")
    recipe = small_recipe("many")
    recipe.arm("all", **{stage: {"on": {"workers": workers}} for stage in ("clean", "pool", "keep")})
    go(recipe, out="b")
    assert tree(here / "one") == tree(here / "many")


def test_another_number_of_workers_goes_on_with_what_is_there(here: Path, go: Go) -> None:
    """Trap: a state that only the same number of processes can take up. Only the lost shard is made again."""
    done = go(small_recipe())
    before = tree(here / ".vernier")
    Path(done.store.path(done.artifact("clean").shards[1].data)).unlink()
    recipe = small_recipe()
    recipe.arm("all", **{stage: {"on": {"workers": 2}} for stage in ("clean", "pool", "keep")})
    assert units_done(go(recipe)) == [("clean", "part-1.jsonl")]
    assert tree(here / ".vernier") == before


def test_the_selection_is_the_same_for_any_shard_cut(here: Path, go: Go) -> None:
    """A shard ends at a piece of 4 MB, so the corpus is large enough for several."""
    line = json.dumps({"text": "All work and no play makes Jack a dull boy. " * 20}) + "\n"
    lines = [json.dumps({"text": f"{i} {np.base_repr(i * 7919, 36)} " * 60}) + "\n" for i in range(12_000)]
    (here / "data" / "part-3.jsonl").write_text(line + "".join(lines))
    whole = go(small_recipe("one"), out="a")
    cut = go(small_recipe("two", shard=1_000_000), out="b")
    assert len(cut.artifact("clean").shards) > len(whole.artifact("clean").shards)
    assert cut.artifact("clean").rows == whole.artifact("clean").rows
    assert kept_ids(whole) == kept_ids(cut)


def test_a_deleted_shard_is_made_anew(here: Path, go: Go) -> None:
    done = go(small_recipe())
    before = tree(here / ".vernier")
    victim = done.artifact("clean").shards[1]
    Path(done.store.path(victim.data)).unlink()
    with pytest.raises(ResumeError, match="no longer has 'clean' whole"):
        Run("runs/small").artifact("clean")
    assert units_done(go(small_recipe())) == [("clean", "part-1.jsonl")]
    assert tree(here / ".vernier") == before


def test_a_flipped_bit_is_found_told_and_mended(here: Path, go: Go) -> None:
    done = go(small_recipe())
    before = tree(here / ".vernier")
    path = Path(done.store.path(done.artifact("clean").shards[2].data))
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 3] ^= 4
    path.write_bytes(raw)
    _, damages = verify.check(done)
    assert [(d.node, d.shard) for d in damages] == [("clean", 2)] and "SHA-256" in damages[0].wrong
    verify.repair(done, damages)
    assert units_done(go(small_recipe())) == [("clean", "part-2.jsonl")]
    assert tree(here / ".vernier") == before and verify.check(done)[1] == []


def test_damaged_pages_are_not_read_in_silence(here: Path, go: Go) -> None:
    done = go(small_recipe(), to="clean")
    path = Path(done.store.path(done.artifact("clean").shards[0].data))
    raw = bytearray(path.read_bytes())
    for at in range(8, 40):
        raw[at] ^= 255
    path.write_bytes(raw)
    with pytest.raises(DataError, match="damaged") as caught:
        go(small_recipe())
    assert "vernier verify" in str(caught.value)


def test_two_runs_on_one_store_at_once(here: Path) -> None:
    errors: list[BaseException] = []

    def one(out: str) -> None:
        code = (
            "import sys; sys.path.insert(0, sys.argv[1]); from tests.pipeline.small import small_recipe; "
            "from vernier.pipeline.run import run; run(small_recipe(), out=sys.argv[2], quiet=True)"
        )
        done = subprocess.run([sys.executable, "-c", code, str(Path(__file__).parents[2]), out], capture_output=True)
        if done.returncode:
            errors.append(RuntimeError(done.stderr.decode()))

    threads = [threading.Thread(target=one, args=(f"run-{i}",)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors
    run(small_recipe("alone"), out="run-2", quiet=True)
    assert tree(here / ".vernier") == tree(here / "alone")


def test_two_runs_in_one_folder_are_refused(here: Path) -> None:
    with Run("runs/small").locked(), pytest.raises(ResumeError, match="another run"):
        run(small_recipe(), quiet=True)


def test_a_folder_with_other_things_is_left_alone(here: Path) -> None:
    (here / "mine").mkdir()
    (here / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ResumeError, match="other things"):
        run(small_recipe(), out="mine", quiet=True)
    assert (here / "mine" / "thesis.txt").read_text() == "years of work"


def test_stages_that_left_the_recipe_leave_the_folder(here: Path, go: Go) -> None:
    go(small_recipe())
    shorter = small_recipe().to_data()
    del shorter["stages"]["keep"]
    done = go(Recipe.from_data(shorter))
    assert (
        not (done.folder / "keep").exists() and (done.folder / "pool").exists() and set(done.nodes) == {"clean", "pool"}
    )


def test_a_partial_run_keeps_the_rest(here: Path, go: Go) -> None:
    go(small_recipe())
    done = go(small_recipe(), to="pool")
    assert done.nodes["keep"]["earlier"] and (done.folder / "keep").exists()
    assert not go(small_recipe()).nodes["keep"]["earlier"]


def test_an_empty_corpus_is_an_error(here: Path, go: Go) -> None:
    for path in (here / "data").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match="the corpus is empty"):
        go(small_recipe())


def test_one_empty_file_is_not(here: Path, go: Go) -> None:
    (here / "data" / "part-1.jsonl").write_bytes(b"")
    assert go(small_recipe()).artifact("clean").rows == 80


def bad_lines(here: Path, number: int) -> None:
    path = here / "data" / "part-1.jsonl"
    path.write_text(path.read_text() + "{not json\n" * number)


def test_too_many_bad_records_stop_and_a_higher_limit_reads_nothing_again(here: Path, go: Go) -> None:
    bad_lines(here, 20)
    with pytest.raises(DataError, match="20 of 140 records") as caught:
        go(small_recipe())
    assert "bad_json" in str(caught.value) and "part-1.jsonl" in str(caught.value) and "max_bad" in str(caught.value)
    done = go(small_recipe(max_bad=MaxBad(share=0.0, at_least=20)))
    assert [n for n, _ in units_done(done) if n == "clean"] == []
    counts = done.artifact("clean").counts
    assert (counts["rows"], counts["quarantined"], counts["quarantined.bad_json"]) == (120, 20, 20)
    raw = pq.read_table(next((done.folder / "clean" / "bad").iterdir())).column("raw").to_pylist()
    assert raw == [b"{not json"] * 20


@pytest.mark.parametrize("packed", ["gz", "zst"])
def test_a_truncated_file_stops_the_run_and_keeps_its_lines(here: Path, go: Go, packed: str) -> None:
    noise = np.random.default_rng(0).integers(0, 1 << 62, 20_000)
    lines = b"".join(b'{"text": "%d"}\n' % n for n in noise)
    whole = gzip.compress(lines, mtime=0) if packed == "gz" else zstandard.compress(lines, level=1)
    (here / "data" / f"part-9.jsonl.{packed}").write_bytes(whole[: len(whole) // 2])
    paths = ["data/*.jsonl", f"data/*.jsonl.{packed}"]
    with pytest.raises(DataError, match="ends too early") as caught:
        go(small_recipe(paths=paths))
    assert "on_truncated: keep" in str(caught.value) and f"part-9.jsonl.{packed}" in str(caught.value)
    done = go(small_recipe(paths=paths, on_truncated="keep"))
    assert [n for n, _ in units_done(done) if n == "clean"] == []
    assert done.artifact("clean").rows > 120
    assert done.artifact("clean").counts["quarantined.truncated"] == 1
    with pytest.raises(DataError, match="ends too early"):
        go(small_recipe(paths=paths))


def test_a_budget_above_the_pool_says_both_numbers(here: Path, go: Go) -> None:
    recipe = small_recipe()
    recipe.arm("greedy", keep={"with": {"keep": {"documents": 500}}})
    with pytest.raises(RecipeError, match="500"):
        go(recipe)


def test_a_store_that_can_not_be_written(here: Path) -> None:
    (here / "file").write_text("")
    with pytest.raises(SetupError, match="can not be written"):
        run(small_recipe("file/store"), quiet=True)


def test_verify_by_recomputing(here: Path, go: Go) -> None:
    done = go(small_recipe())
    assert [equal for *_, equal in verify.recompute(done, 6)] == [True] * 6


def test_recomputing_notices_another_output(here: Path, go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same key and another output: here the committed facts say something else."""
    done = go(small_recipe())
    manifest = done.store.manifest(done.nodes["clean"]["key"])
    assert manifest is not None
    record = Path(done.store.path(f"artifacts/{manifest.key[:2]}/{manifest.key}.json"))
    record.write_text(record.read_text().replace('"next": ', '"next": 1'))
    assert False in [equal for *_, equal in verify.recompute(done, 9)]


def test_recomputing_nothing_is_an_error(here: Path, go: Go) -> None:
    done = go(small_recipe())
    done.nodes.clear()
    with pytest.raises(ResumeError, match="nothing to make again"):
        list(verify.recompute(done, 5))


def test_a_damaged_manifest_is_told_and_made_anew(here: Path, go: Go) -> None:
    done = go(small_recipe())
    before = tree(here / ".vernier")
    key = done.nodes["pool"]["key"]
    record = here / ".vernier" / "artifacts" / key[:2] / f"{key}.json"
    record.write_bytes(record.read_bytes()[:100])
    _, damages = verify.check(done)
    assert [(d.node, d.shard) for d in damages] == [("pool", None)]
    verify.repair(done, damages)
    assert units_done(go(small_recipe())) == [] and tree(here / ".vernier") == before


def test_a_run_on_an_object_store(here: Path, go: Go, s3: str) -> None:
    local = go(small_recipe())
    remote = go(small_recipe(f"{s3}/store"), out="runs/remote")
    assert kept_ids_content(remote) == kept_ids_content(local)
    assert units_done(go(small_recipe(f"{s3}/store"), out="runs/remote")) == []
    assert verify.check(remote)[1] == []


def kept_ids_content(folder: Run) -> dict[str, Any]:
    return {node: record["content"] for node, record in folder.nodes.items()}
