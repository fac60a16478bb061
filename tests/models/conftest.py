"""A small model that has learnt something, for tests whose answer needs one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

import vernier.core
from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.models.build import Shape
from vernier.testing.make import build, corpus_table, make_artifact, make_folder
from vernier.testing.toy import byte_tokenizer
from vernier.train.pretrain import Pretrain

CONTEXT = 32


@dataclass(frozen=True)
class Trained:
    """A model folder, text of the same kind that the model has not seen, and the loss that training ended with."""

    folder: Path
    text: str
    final_loss: float


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A byte model of two layers, trained for some seconds on our own sources."""
    folder = tmp_path_factory.mktemp("trained")
    sources = sorted(Path(vernier.core.__path__[0]).glob("*.py"))
    *texts, unseen = (path.read_text(encoding="utf-8") for path in sources)
    store = Store(str(folder / "store"))
    byte_tokenizer(_new(folder / "bytes"))
    inputs = Inputs(
        store.url,
        {
            "corpus": make_artifact(store, "corpus", [corpus_table(texts)]),
            "tokenizer": make_folder(store, "model", folder / "bytes"),
        },
    )
    plugin = Pretrain(model=Shape(hidden=64, layers=2), tokens=80_000, context=CONTEXT, batch=8)
    _, facts = build(plugin, inputs, folder / "model")
    return Trained(folder / "model", unseen, facts["final_loss"])


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder
