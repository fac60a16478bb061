"""Training: exact, seeded, counted; what is trained on and what comes out."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vernier.core.artifact import Artifact
from vernier.core.errors import DataError, RecipeError, StageError
from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.core.tables import SELECTION
from vernier.corpus.pack import Pack
from vernier.models.build import Shape
from vernier.models.load import load_pair
from vernier.models.nll import measure
from vernier.models.tokenizer import Tokenizer
from vernier.models.windows import Stream, read_documents
from vernier.testing.make import build, corpus_table, make_artifact, make_folder
from vernier.testing.toy import SEPARATOR, byte_tokenizer
from vernier.train.pretrain import Pretrain

TEXTS = [f"{i} cats sat on {i * 7} mats; " * (1 + i % 3) for i in range(20)] + ["", "end"]
DOMAINS = ["prose" if i % 3 else None for i in range(22)]
TINY = Pretrain(model=Shape(hidden=16, layers=1), tokens=640, context=32, batch=4)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


@pytest.fixture
def tokenizer(store: Store, tmp_path: Path) -> Artifact:
    (tmp_path / "bytes").mkdir()
    byte_tokenizer(tmp_path / "bytes")
    return make_folder(store, "model", tmp_path / "bytes")


def corpus(store: Store, cuts: tuple[int, ...] = (22,), texts: list[str] = TEXTS) -> Artifact:
    table, at, shards = corpus_table(texts, domains=DOMAINS[: len(texts)]), 0, list[pa.Table]()
    for length in cuts:
        shards.append(table.slice(at, length))
        at += length
    return make_artifact(store, "corpus", shards)


def test_the_seed_decides_bit_for_bit_whatever_the_shards(store: Store, tokenizer: Artifact, tmp_path: Path) -> None:
    def files(name: str, cuts: tuple[int, ...], seed: int) -> tuple[dict[str, str], dict[str, Any]]:
        inputs = Inputs(store.url, {"corpus": corpus(store, cuts), "tokenizer": tokenizer}, seed)
        return build(TINY, inputs, tmp_path / name)

    first = files("a", (22,), 0)
    assert files("b", (22,), 0) == first
    assert files("c", (0, 5, 17), 0) == first
    other = files("d", (22,), 1)
    assert other[0]["model.safetensors"] != first[0]["model.safetensors"]
    assert other[1]["windows"] != first[1]["windows"]  # not the weights alone are drawn anew


def test_it_learns_and_plain_transformers_agrees(store: Store, tokenizer: Artifact, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    inputs = Inputs(store.url, {"corpus": corpus(store), "tokenizer": tokenizer})
    plugin = Pretrain(model=Shape(hidden=32, layers=1), tokens=16_000, context=32, batch=4, lr=1e-2)
    _, facts = build(plugin, inputs, tmp_path / "model")
    assert facts["tokens"] == 16_000
    assert facts["steps"] == 125
    assert facts["final_loss"] < 2.0 < np.log(257)
    model, ours = load_pair(tmp_path / "model")
    text = TEXTS[7][:30]
    measured = measure(model, ours, [text])
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    ids = AutoTokenizer.from_pretrained(tmp_path / "model")("<|endoftext|>" + text, return_tensors="pt")
    with torch.no_grad():
        loss = float(theirs(input_ids=ids["input_ids"], labels=ids["input_ids"]).loss)
    assert measured.nll[0] / measured.num_tokens[0] == pytest.approx(loss, rel=1e-5)


def test_tokens_by_domain_are_counted_from_the_windows(store: Store, tokenizer: Artifact, tmp_path: Path) -> None:
    inputs = Inputs(store.url, {"corpus": corpus(store), "tokenizer": tokenizer})
    one_epoch = Pretrain(model=Shape(hidden=16, layers=1), context=1, batch=64, max_tokens=11)
    _, facts = build(one_epoch, inputs, tmp_path / "model")
    trained = [(min(11, len(t)) + 1, d or "(none)") for t, d in zip(TEXTS, DOMAINS, strict=True) if t]
    assert facts["tokens_by_domain"] == {name: sum(n for n, d in trained if d == name) for name in ("(none)", "prose")}
    assert facts["epochs"] == 1.0


def test_each_epoch_is_the_selected_documents_as_often_as_wanted(store: Store, tokenizer: Artifact) -> None:
    counts = [i % 3 for i in range(22)]
    reasons = [None if count else "below_cut" for count in counts]
    selection = make_artifact(store, "selection", [pa.table({"count": counts, "reason": reasons}, schema=SELECTION)])
    inputs = Inputs(store.url, {"corpus": corpus(store), "selection": selection, "tokenizer": tokenizer})
    documents = read_documents(inputs, Tokenizer(inputs.folder("tokenizer")), None)
    wanted = sorted(t for t, n in zip(TEXTS, counts, strict=True) if t for _ in range(n))
    length = documents.epoch_tokens
    windows = Stream(documents, context=1, separator=SEPARATOR, seed=3)
    stream = [windows.take(epoch * length, length) for epoch in (0, 1)]
    orders: list[list[str]] = []
    for epoch in stream:
        assert len(epoch.targets) == length
        text = "".join("\0" if t == SEPARATOR else chr(t) for t in epoch.targets.ravel())
        assert text.endswith("\0")
        orders.append(text.split("\0")[:-1])
        assert sorted(orders[-1]) == wanted
    assert orders[0] != orders[1]
    flat_in = np.concatenate([w.inputs.ravel() for w in stream])
    flat_out = np.concatenate([w.targets.ravel() for w in stream])
    assert flat_in[0] == SEPARATOR
    np.testing.assert_array_equal(flat_in[1:], flat_out[:-1])


def test_going_on_from_a_model(store: Store, tokenizer: Artifact, tmp_path: Path) -> None:
    base = {"corpus": corpus(store), "tokenizer": tokenizer}
    start = Pretrain(model=Shape(hidden=32, layers=1), tokens=6400, context=32, batch=4, lr=1e-2)
    _, first = build(start, Inputs(store.url, base), tmp_path / "first")
    init = make_folder(store, "model", tmp_path / "first")
    more = Pretrain(tokens=640, context=32, batch=4, lr=1e-4)
    _, then = build(more, Inputs(store.url, {**base, "init": init}), tmp_path / "then")
    assert then["parameters"] == first["parameters"]
    assert then["final_loss"] < first["final_loss"] + 0.2 < 4.0
    with pytest.raises(RecipeError, match="size already"):
        build(TINY, Inputs(store.url, {**base, "init": init}), tmp_path / "both")
    with pytest.raises(RecipeError, match="longer than the model"):
        build(Pretrain(context=64), Inputs(store.url, {**base, "init": init}), tmp_path / "long")


def test_divergence_stops_and_keeps_the_batch(store: Store, tokenizer: Artifact, tmp_path: Path) -> None:
    inputs = Inputs(store.url, {"corpus": corpus(store), "tokenizer": tokenizer})
    wild = Pretrain(model=Shape(hidden=16, layers=1), tokens=6400, context=32, batch=4, lr=1e30)
    with pytest.raises(StageError, match="diverged") as told:
        build(wild, inputs, tmp_path / "model")
    kept = re.search(r"kept in (\S+)", str(told.value))
    assert kept is not None
    with np.load(kept.group(1)) as batch:
        assert batch["inputs"].shape == batch["targets"].shape == (4, 32)


def test_nothing_to_train_on(store: Store, tokenizer: Artifact, tmp_path: Path) -> None:
    inputs = Inputs(store.url, {"corpus": corpus(store, (2,), ["", ""]), "tokenizer": tokenizer})
    with pytest.raises(DataError, match="nothing to train on"):
        build(TINY, inputs, tmp_path / "model")


@pytest.mark.parametrize("wrong", [{"tokens": 0}, {"lr": 0.0}, {"decay": 1.0}, {"batch": 0}, {"share": 2.0}])
def test_wrong_settings(wrong: dict[str, Any]) -> None:
    with pytest.raises(RecipeError):
        Pretrain(**wrong)


def losses(folder: Path) -> list[float]:
    return pq.read_table(folder / "metrics.parquet").column("loss").to_pylist()


def test_metrics_have_a_row_a_step(store: Store, tokenizer: Artifact, tmp_path: Path) -> None:
    inputs = Inputs(store.url, {"corpus": corpus(store), "tokenizer": tokenizer})
    _, facts = build(replace(TINY, tokens=700), inputs, tmp_path / "model")
    rows = pq.read_table(tmp_path / "model" / "metrics.parquet").to_pylist()
    assert [row["step"] for row in rows] == list(range(facts["steps"])) == list(range(6))
    assert [row["tokens"] for row in rows] == [128, 256, 384, 512, 640, 672]  # the last step has one window
    assert facts["tokens"] == 672
    assert rows[0]["loss"] == pytest.approx(math.log(257), abs=0.2)


def test_pieces_of_a_step_make_the_same_step(store: Store, tokenizer: Artifact, tmp_path: Path) -> None:
    inputs = Inputs(store.url, {"corpus": corpus(store), "tokenizer": tokenizer})
    whole, pieces = replace(TINY, tokens=1440), replace(TINY, tokens=1440, accumulate=3)
    facts = [build(plugin, inputs, tmp_path / str(i))[1] for i, plugin in enumerate((whole, pieces))]
    assert losses(tmp_path / "0") == pytest.approx(losses(tmp_path / "1"), rel=1e-6)
    assert facts[0]["windows"] == facts[1]["windows"]


def test_packed_windows_train_as_documents_do(store: Store, tokenizer: Artifact, tmp_path: Path) -> None:
    base = {"corpus": corpus(store), "tokenizer": tokenizer}
    _, told = build(Pack(context=32), Inputs(store.url, base), tmp_path / "windows")
    windows = make_folder(store, "windows", tmp_path / "windows", facts=told)
    plugin = replace(TINY, tokens=None, context=None)  # the windows say how long they are
    inputs = Inputs(store.url, {"windows": windows, "tokenizer": tokenizer})
    _, facts = build(plugin, inputs, tmp_path / "model")
    assert facts["tokens"] == told["tokens"] == sum(facts["tokens_by_domain"].values())
    assert facts["epochs"] == 1.0
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "tokenizer.json").write_text(
        (inputs.folder("tokenizer") / "tokenizer.json").read_text() + "\n"
    )
    other = {"windows": windows, "tokenizer": make_folder(store, "model", tmp_path / "other")}
    with pytest.raises(RecipeError, match="`windows` was made with another tokenizer"):
        build(plugin, Inputs(store.url, other), tmp_path / "none")


def test_a_teacher_that_is_the_student_teaches_nothing(store: Store, tokenizer: Artifact, tmp_path: Path) -> None:
    """With soft targets alone, the gradient is the difference of the two distributions: none."""
    base = {"corpus": corpus(store), "tokenizer": tokenizer}
    build(TINY, Inputs(store.url, base), tmp_path / "first")
    same = make_folder(store, "model", tmp_path / "first")
    inputs = Inputs(store.url, {**base, "init": same, "teacher": same})
    plugin = replace(TINY, model=None, tokens=128, share=1.0)
    build(plugin, inputs, tmp_path / "alone")
    build(replace(plugin, share=0.5), inputs, tmp_path / "both")
    alone, both = (pq.read_table(tmp_path / name / "metrics.parquet").to_pylist()[0] for name in ("alone", "both"))
    assert alone["grad_norm"] < 1e-6 < both["grad_norm"]


def test_a_student_comes_near_its_teacher(store: Store, tokenizer: Artifact, tmp_path: Path) -> None:
    """Soft targets of a trained teacher: the student ends nearer to the teacher than one that never saw it."""
    base = {"corpus": corpus(store), "tokenizer": tokenizer}
    build(replace(TINY, tokens=16_000, lr=1e-2), Inputs(store.url, base), tmp_path / "teacher")
    teacher = make_folder(store, "model", tmp_path / "teacher")
    taught = Inputs(store.url, {**base, "teacher": teacher}, seed=1)
    build(replace(TINY, tokens=8_000, lr=1e-2, share=1.0), taught, tmp_path / "taught")
    # the mean loss against soft targets ends near the teacher's entropy, far below that of an untrained student
    found = losses(tmp_path / "taught")
    assert found[-1] < found[0] - 2.0
    with pytest.raises(RecipeError, match="there is no teacher"):
        replace(TINY, share=0.5).check({"corpus": None, "tokenizer": None})


def test_what_a_training_reads() -> None:
    with pytest.raises(RecipeError, match="documents or packed windows"):
        TINY.check({"corpus": None, "windows": None, "tokenizer": None})
    with pytest.raises(RecipeError, match="documents or packed windows"):
        TINY.check({"tokenizer": None})
    with pytest.raises(RecipeError, match="`selection` has no effect"):
        TINY.check({"windows": None, "selection": None, "tokenizer": None})
    with pytest.raises(RecipeError, match="needs its `warmup`"):
        Pretrain(schedule="constant")
