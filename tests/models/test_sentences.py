"""Embedders of sentence-transformers: a real one, small and random, as the library writes it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file

from vernier.core.errors import DataError, SetupError
from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.evaluate.diversity import Diversity, semantic_diversity
from vernier.models.embed import load_embedder
from vernier.testing.make import build, corpus_table, make_artifact, make_folder
from vernier.train.read_hf import ReadHf

WORDS = ["the", "cat", "dog", "cow", "ate", "a", "hen", "pig", "def", "return", "x", "##s"]
TEXTS = ["the cat ate a hen", "the dog ate", "def x return", "a cow", "x x x x x x x x x x", "pigs"]


@pytest.fixture(scope="session")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """BERT of width 16 with random weights, WordPiece, mean pooling, unit length."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    bare, out = tmp_path_factory.mktemp("bare"), tmp_path_factory.mktemp("embedder")
    (bare / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]) + "\n")
    BertWordPieceTokenizer(str(bare / "vocab.txt")).save(str(bare / "tokenizer.json"))
    BertTokenizerFast(tokenizer_file=str(bare / "tokenizer.json"), model_max_length=32).save_pretrained(bare)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = BertModel(BertConfig(vocab_size=5 + len(WORDS), max_position_embeddings=32, **sizes))
    model.save_pretrained(bare)
    word = Transformer(str(bare))
    pooling = Pooling(word.get_embedding_dimension(), pooling_mode="mean")
    SentenceTransformer(modules=[word, pooling, Normalize()]).save(str(out))
    return out


@pytest.fixture
def taken(embedder: Path, tmp_path: Path) -> Path:
    """The embedder as `train.read_hf` takes it in."""
    plugin = ReadHf(path=str(embedder))
    files, facts = build(plugin, Inputs("", {}, 0, tuple(plugin.units())), tmp_path / "taken")
    assert {"modules.json", "1_Pooling/config.json", "model.safetensors", "tokenizer.json"} <= set(files)
    assert facts["parameters"] > 1000
    return tmp_path / "taken"


def by_hand(folder: Path, text: str) -> np.ndarray:
    """Mean of BERT's last states over the tokens of one text, at length 1."""
    from transformers import AutoModel, AutoTokenizer

    inputs = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")
    with torch.inference_mode():
        states = AutoModel.from_pretrained(folder)(**inputs).last_hidden_state[0].mean(0)
    return (states / states.norm()).numpy()


def test_embeddings_are_those_of_the_library(taken: Path) -> None:
    found = load_embedder(taken).embed(TEXTS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [by_hand(taken, text) for text in TEXTS], atol=1e-6)


def test_an_embedding_has_no_company(taken: Path) -> None:
    embed = load_embedder(taken).embed
    alone = np.concatenate([embed([text]) for text in TEXTS])
    assert np.array_equal(embed(TEXTS), alone)
    assert np.array_equal(embed(TEXTS[::-1]), alone[::-1])


def test_diversity_is_measured_in_it(taken: Path, tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    corpus = make_artifact(store, "corpus", [corpus_table(TEXTS)])
    inputs = Inputs(store.url, {"corpus": corpus, "embedder": make_folder(store, "model", taken)})
    _, facts = build(Diversity(group=3, groups=2), inputs, tmp_path / "out")
    values = pq.read_table(tmp_path / "out" / "results.parquet").column("value").to_pylist()
    drawn = np.array([by_hand(taken, text) for text in inputs.draw(6, 0, "evaluate.diversity")], dtype=np.float64)
    assert values == pytest.approx([semantic_diversity(drawn[:3]), semantic_diversity(drawn[3:])], rel=1e-5)
    assert facts["without_direction"] == 0


def test_weights_with_nan(taken: Path) -> None:
    weights = load_file(taken / "model.safetensors")
    weights["encoder.layer.0.output.dense.bias"][0] = float("nan")
    save_file(weights, taken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(DataError, match=r"(?s)not a number.*begins 'the cat"):
        load_embedder(taken).embed(TEXTS)


def test_a_module_with_code_of_its_own_is_not_run(taken: Path) -> None:
    modules = json.loads((taken / "modules.json").read_text())
    modules[1]["type"] = "strange.Pooling"
    (taken / "modules.json").write_text(json.dumps(modules))
    (taken / "strange.py").write_text("raise SystemExit('ran')\n")
    with pytest.raises(DataError, match=r"(?s)needs code.*strange\.Pooling.*trust_remote_code: true"):
        load_embedder(taken)


def test_a_damaged_embedder(taken: Path) -> None:
    (taken / "1_Pooling" / "config.json").write_text("{}")
    with pytest.raises(DataError, match="embedder can not be loaded"):
        load_embedder(taken)
    (taken / "modules.json").write_text('["a"]')
    with pytest.raises(DataError, match="list of modules is damaged"):
        load_embedder(taken)
    (taken / "modules.json").write_text("[]")
    (taken / "model.safetensors").unlink()
    with pytest.raises(DataError, match="has no weights"):
        load_embedder(taken)


def test_without_the_library(taken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(SetupError, match=r"(?s)sentence_transformers.*vernier\[train\]"):
        load_embedder(taken)
