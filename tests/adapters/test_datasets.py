"""Functions for datasets: the values of a run, in other processes too, under a fingerprint that tells them apart."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import pytest
from datasets.fingerprint import Hasher
from tests.adapters.conftest import Reference, same

from vernier.adapters.datasets import Kept, Scores
from vernier.score.surface import Surface
from vernier.testing.toy import toy_model


@pytest.fixture
def dataset(reference: Reference) -> datasets.Dataset:
    return datasets.Dataset.from_list(reference.documents)


@pytest.mark.parametrize("how", [{"batched": True}, {"batched": True, "batch_size": 7}, {}])
def test_columns_are_those_of_the_run(reference: Reference, dataset: datasets.Dataset, how: Any) -> None:
    nll = Scores("score.nll", name="small", model=reference.folder / "small", max_tokens=50, window=16)
    scored = dataset.map(nll, **how).map(Scores("score.surface"), **how)
    assert same(reference.table("nll_small"), lambda name: scored[f"small.{name}"][:])
    assert same(reference.table("surface"), lambda name: scored[f"surface.{name}"][:])
    assert scored.features["small.nll"].dtype == "float64" and scored["id"][:] == dataset["id"][:]


@pytest.mark.parametrize("how", [{"batched": True, "batch_size": 50}, {}])
def test_rows_kept_are_those_of_the_run(reference: Reference, dataset: datasets.Dataset, how: Any) -> None:
    small, large = (
        Scores("score.nll", name=name, model=reference.folder / name, max_tokens=50, window=16)
        for name in ("small", "large")
    )
    scored = dataset.map(small, batched=True).map(large, batched=True).map(Scores("score.surface"), batched=True)
    for stage, function in {
        "pair": Kept("select.threshold", a=small, b=large, by="excess_loss", at_least=0.0),
        "stops": Kept("select.threshold", a="surface", by="low_symbol_share", at_least=-0.02),
        "pages": Kept("select.slice", range=(0.2, 0.7), group="page"),
    }.items():
        kept = reference.kept(stage)
        assert 0 < sum(kept) < len(kept)
        chosen = scored.filter(function, **how)
        assert chosen["id"][:] == [d["id"] for d, keep in zip(reference.documents, kept, strict=True) if keep]


def test_a_model_of_a_run_is_named_by_its_stage(reference: Reference, dataset: datasets.Dataset) -> None:
    nll = Scores("score.nll", model=reference.run.folder / "large", max_tokens=50, window=16)
    scored = dataset.map(nll, batched=True)
    assert same(reference.table("nll_large"), lambda name: scored[f"nll.{name}"][:])
    assert nll.table.facts == reference.run.nodes["nll_large"]["facts"]


def test_other_processes(reference: Reference, dataset: datasets.Dataset) -> None:
    scored = dataset.map(Scores("score.surface"), batched=True, batch_size=10, num_proc=2)
    assert same(reference.table("surface"), lambda name: scored[f"surface.{name}"][:])


def test_texts_under_another_name(reference: Reference, dataset: datasets.Dataset) -> None:
    renamed = dataset.rename_column("text", "content").with_format("numpy")
    scored = renamed.map(Scores("score.surface", text="content", name="s"), batched=True)
    assert same(reference.table("surface"), lambda name: scored.with_format(None)[f"s.{name}"][:])


def fresh(code: str) -> str:
    """What a new Python process prints."""
    code = f"from datasets.fingerprint import Hasher\nfrom vernier.adapters.datasets import Kept, Scores\n{code}"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_equal_functions_have_equal_fingerprints_in_any_process(reference: Reference) -> None:
    folder = str(reference.folder / "small")
    nll = Scores("score.nll", model=folder, max_tokens=50, window=16)
    again = Scores("score.nll", window=16, max_tokens=50, model=Path(folder))
    kept = Kept("select.threshold", a=nll, by="low_loss", at_least=-3.0)
    assert Hasher.hash(nll) == Hasher.hash(again) == Hasher.hash(pickle.loads(pickle.dumps(nll)))
    _ = nll({"text": ["a text"]}), nll.table  # having worked changes nothing
    assert Hasher.hash(nll) == Hasher.hash(again)
    said = fresh(
        f"nll = Scores('score.nll', model={folder!r}, max_tokens=50, window=16)\n"
        "print(Hasher.hash(nll), Hasher.hash(Kept('select.threshold', a=nll, by='low_loss', at_least=-3.0)))"
    )
    assert said.split() == [Hasher.hash(nll), Hasher.hash(kept)]


def test_what_changes_a_value_changes_the_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy_model(tmp_path / "a")
    toy_model(tmp_path / "b", bit=1)
    made = [
        Scores("score.surface"),
        Scores("score.surface", zlib=False),
        Scores("score.surface", name="other"),
        Scores("score.surface", text="content"),
        Scores("score.nll", model=tmp_path / "a"),
        Scores("score.nll", model=tmp_path / "a", max_tokens=9),
        Kept("select.slice", range=(0, 0.5)),
        Kept("select.slice", range=(0, 0.6)),
    ]
    prints = [Hasher.hash(function) for function in made]
    assert len(set(prints)) == len(prints)
    (tmp_path / "a" / "model.safetensors").write_bytes((tmp_path / "b" / "model.safetensors").read_bytes())
    assert Hasher.hash(Scores("score.nll", model=tmp_path / "a")) not in prints, "other bytes in the model's folder"
    monkeypatch.setattr(Surface, "version", Surface.version + 1)
    assert Hasher.hash(Scores("score.surface")) not in prints, "another version of the plugin"


def test_what_was_made_before_is_found(reference: Reference, tmp_path: Path) -> None:
    path = tmp_path / "docs.jsonl"
    path.write_text("".join(json.dumps(document) + "\n" for document in reference.documents))
    dataset = datasets.load_dataset("json", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    first = dataset.map(Scores("score.surface"), batched=True)
    again = dataset.map(Scores("score.surface"), batched=True)
    other = dataset.map(Scores("score.surface", zlib=False), batched=True)
    assert first.cache_files == again.cache_files != other.cache_files


def test_the_example_of_the_module(reference: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import vernier.adapters.datasets as module

    assert module.__doc__ is not None
    code = "\n".join(line[4:] for line in module.__doc__.split("\n") if line.startswith("    "))
    monkeypatch.chdir(tmp_path)
    for bit, name in enumerate(("small", "large")):
        toy_model(tmp_path / "models" / name, bit=bit)
    (tmp_path / "docs.json").write_text(json.dumps(reference.documents))
    before = "import datasets, json\ndataset = datasets.Dataset.from_list(json.load(open('docs.json')))\n"
    kept, of = map(int, fresh(f"{before}{code}\nprint(len(chosen), len(dataset))").split()[-2:])
    assert 0 < kept < of == len(reference.documents)
