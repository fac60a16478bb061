"""Steps for datatrove: the values of a run, every document either kept or dropped with its reason."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from datatrove.data import Document
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.writers import JsonlWriter
from tests.adapters.conftest import Reference, same

from vernier.adapters.datatrove import Kept, Scores
from vernier.core.errors import DataError, RecipeError
from vernier.models import load


def written(folder: Path) -> list[dict[str, Any]]:
    """The documents that writers wrote, in order of file and line."""
    lines = [line for path in sorted(folder.glob("*.gz")) for line in gzip.decompress(path.read_bytes()).split(b"\n")]
    return [json.loads(line) for line in lines if line]


def in_order(rows: list[dict[str, Any]], reference: Reference) -> list[dict[str, Any]]:
    places = {document["id"]: place for place, document in enumerate(reference.documents)}
    return sorted(rows, key=lambda row: places[row["id"]])


def test_the_example_of_the_module_in_a_real_pipeline(reference: Reference, tmp_path: Path) -> None:
    import vernier.adapters.datatrove as module

    assert module.__doc__ is not None
    code = "\n".join(line[4:] for line in module.__doc__.split("\n") if line.startswith("    "))
    (tmp_path / "data").symlink_to(reference.folder / "data")
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
    kept, dropped = written(tmp_path / "kept"), written(tmp_path / "dropped")
    rows = in_order(kept + dropped, reference)
    # datatrove itself leaves out documents without text
    assert [row["id"] for row in rows] == [d["id"] for d in reference.documents if d["text"]]
    assert all(row["metadata"]["surface.zlib_bytes"] >= 0.5 * row["metadata"]["surface.num_bytes"] for row in kept)
    assert kept and {row["metadata"]["filter_reason"] for row in dropped} == {"below_cut"}
    filled = [bool(d["text"]) for d in reference.documents]
    table = reference.table("surface").filter(pa.array(filled))
    assert same(table, lambda name: [row["metadata"][f"surface.{name}"] for row in rows])


def test_a_pair_of_models_each_loaded_once(
    reference: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    loads, real = Counter[Path](), load.load_pair

    def load_pair(folder: Path) -> Any:
        loads[folder] += 1
        return real(folder)

    monkeypatch.setattr(load, "load_pair", load_pair)
    load._loaded.clear()
    small, large = (
        Scores("score.nll", name=name, model=reference.folder / name, max_tokens=50, window=16, batch_size=25)
        for name in ("small", "large")
    )
    keep = Kept(
        "select.threshold",
        a=small,
        b=large,
        by="excess_loss",
        at_least=0.0,
        batch_size=9,
        exclusion_writer=JsonlWriter("dropped"),
    )
    documents = [Document(d["text"], d["id"]) for d in reference.documents]
    stats = LocalPipelineExecutor([documents, small, large, keep, JsonlWriter("kept")], tasks=1).run()
    assert loads == {reference.folder / "small": 1, reference.folder / "large": 1}
    kept, dropped = written(tmp_path / "kept"), written(tmp_path / "dropped")
    rows = in_order(kept + dropped, reference)
    for name in ("small", "large"):
        assert same(
            reference.table(f"nll_{name}"), lambda column, name=name: [r["metadata"][f"{name}.{column}"] for r in rows]
        )
    wanted = {d["id"] for d, keep in zip(reference.documents, reference.kept("pair"), strict=True) if keep}
    assert {row["id"] for row in kept} == wanted and len(kept) == len(wanted)
    reasons = Counter(row["metadata"]["filter_reason"] for row in dropped)
    ledger = reference.run.nodes["pair"]["counts"]
    assert {f"dropped.{reason}": n for reason, n in reasons.items()} == {
        name: n for name, n in ledger.items() if name.startswith("dropped.")
    }
    of_filter = next(one for one in stats.stats if one.name.endswith("select.threshold"))
    assert {name: one.total for name, one in of_filter.stats.items() if name.startswith("dropped_")} == {
        f"dropped_{reason}": n for reason, n in reasons.items()
    }


def test_several_workers_and_tasks(reference: Reference, tmp_path: Path) -> None:
    code = f"""
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter
from vernier.adapters.datatrove import Kept, Scores

if __name__ == "__main__":
    slice = Kept("select.slice", range=(0.2, 0.7), group="page")
    steps = [JsonlReader({str(reference.folder / "data")!r}), Scores("score.surface", batch_size=3), slice]
    LocalPipelineExecutor([*steps, JsonlWriter("kept")], tasks=2, workers=2).run()
"""
    (tmp_path / "pipeline.py").write_text(code)
    subprocess.run([sys.executable, "pipeline.py"], cwd=tmp_path, check=True, capture_output=True)
    rows = in_order(written(tmp_path / "kept"), reference)
    kept = [keep and bool(d["text"]) for d, keep in zip(reference.documents, reference.kept("pages"), strict=True)]
    assert [row["id"] for row in rows] == [d["id"] for d, keep in zip(reference.documents, kept, strict=True) if keep]
    table = reference.table("surface").filter(pa.array(kept))
    assert same(table, lambda name: [row["metadata"][f"surface.{name}"] for row in rows])
    assert len(list((tmp_path / "kept").glob("*.gz"))) == 2 and os.listdir(tmp_path / "kept")


def test_documents_without_a_score_are_dropped_as_such() -> None:
    values = [2.0, None, float("nan"), 0.0]
    documents = [Document("a", str(i), metadata={"s.value": value}) for i, value in enumerate(values)]
    keep = Kept("select.threshold", a="s", by="a.value", at_least=1.0)
    answers = [True, (False, "not_scored"), (False, "undefined"), (False, "below_cut")]
    assert keep.filter_batch(documents) == [keep.filter(one) for one in documents] == answers


def test_a_document_that_no_step_scored_is_an_error_whatever_its_company() -> None:
    scored, not_scored = Document("a", "0", metadata={"s.value": 2.0}), Document("b", "lost")
    keep = Kept("select.threshold", a="s", by="a.value", at_least=1.0)
    with pytest.raises(DataError, match=r"was not scored[\s\S]*document lost"):
        keep.filter_batch([scored, not_scored])
    with pytest.raises(RecipeError, match=r"no columns s\.\*"):
        keep.filter(not_scored)
