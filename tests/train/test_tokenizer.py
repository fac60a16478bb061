"""The tokenizer that is trained here."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from vernier.core.artifact import Artifact
from vernier.core.errors import DataError, RecipeError
from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.core.tables import SELECTION
from vernier.models.tokenizer import Tokenizer as Loaded
from vernier.testing.make import build, corpus_table, make_artifact
from vernier.train.tokenizer import Tokenizer

TEXTS = ["the cat sat on the mat\n" * 9, "der Hund schläft 🙂 \u2028", "", "def f(x):\n    return x\n" * 5]


def select(store: Store, counts: list[int]) -> Artifact:
    reasons = [None if count else "below_cut" for count in counts]
    return make_artifact(store, "selection", [pa.table({"count": counts, "reason": reasons}, schema=SELECTION)])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def inputs(store: Store, texts: list[str], **more: Artifact) -> Inputs:
    return Inputs(store.url, {"corpus": make_artifact(store, "corpus", [corpus_table(texts)]), **more})


def test_same_bytes_again_and_facts(store: Store, tmp_path: Path) -> None:
    plugin = Tokenizer(vocab=300)
    files, facts = build(plugin, inputs(store, TEXTS), tmp_path / "a")
    assert (files, facts) == build(plugin, inputs(store, TEXTS), tmp_path / "b")
    loaded = Loaded(tmp_path / "a")
    assert facts["tokenizer"] == loaded.digest
    assert facts["vocabulary"] == loaded.vocabulary == 300
    num_tokens = sum(len(e.ids) for e in loaded.encode(TEXTS))
    num_bytes = sum(len(t.encode()) for t in TEXTS)
    assert facts["bytes_per_token"] == round(num_bytes / num_tokens, 6) > 1


def test_transformers_loads_it_and_text_comes_back(store: Store, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    build(Tokenizer(vocab=300), inputs(store, TEXTS), tmp_path / "a")
    theirs = AutoTokenizer.from_pretrained(tmp_path / "a")
    text = "The cat, schläft 🙂\n\n  twice  "
    (ours,) = Loaded(tmp_path / "a").encode([text])
    ids = theirs(text, add_special_tokens=False)["input_ids"]
    assert ours.ids.tolist() == ids
    assert theirs.decode(ids) == text
    assert theirs.bos_token_id == theirs.eos_token_id == Loaded(tmp_path / "a").separator


def test_only_selected_documents_are_read(store: Store, tmp_path: Path) -> None:
    chosen = inputs(store, TEXTS, selection=select(store, [1, 0, 0, 1]))
    files, _ = build(Tokenizer(vocab=280), chosen, tmp_path / "a")
    alone, _ = build(Tokenizer(vocab=280), inputs(store, [TEXTS[0], TEXTS[3]]), tmp_path / "b")
    assert files == alone


def test_nothing_selected_and_a_tiny_vocabulary(store: Store, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no text"):
        build(Tokenizer(), inputs(store, TEXTS, selection=select(store, [0, 0, 0, 0])), tmp_path / "a")
    with pytest.raises(RecipeError, match="too small"):
        Tokenizer(vocab=256)


@pytest.mark.parametrize("blob", ["qxwz" * 250_000, " " * 1_000_000, "日" * 300_000])
def test_a_megabyte_without_a_break_is_learnt_from_in_pieces(store: Store, tmp_path: Path, blob: str) -> None:
    """As one word it took more than nine minutes; the other documents' merges are found all the same."""
    _, facts = build(Tokenizer(vocab=300), inputs(store, [*TEXTS * 50, blob]), tmp_path / "a")
    assert facts["vocabulary"] == 300
    (encoded,) = Loaded(tmp_path / "a").encode([blob[:5000]])
    assert len(encoded.ids) < 1500  # what repeats itself in it was merged
