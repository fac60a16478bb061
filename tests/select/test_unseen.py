"""Unseen: a document is dropped if its exact text is in a list of texts, whatever the shards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.select.world import World

from vernier.core import seen
from vernier.core.errors import DataError
from vernier.core.shard import Inputs
from vernier.select.unseen import Unseen
from vernier.testing.make import build, corpus_table, make_artifact, make_folder
from vernier.train.texts import Texts

TEXT = st.sampled_from(["", "a", "a ", "b", "ü", "a\nb", "long " * 50])


@given(pool=st.lists(TEXT, max_size=20), known=st.lists(st.lists(TEXT, max_size=6), min_size=1, max_size=2))
@settings(max_examples=40, deadline=None)
def test_exact_copies_are_dropped(
    world: World, tmp_path_factory: pytest.TempPathFactory, pool: list[str], known: list[list[str]]
) -> None:
    folder = tmp_path_factory.mktemp("seen")
    corpus = make_artifact(world.store, "corpus", [corpus_table(pool[:7]), corpus_table(pool[7:])], rows_of="pool")
    models = {}
    for number, texts in enumerate(known):
        other = make_artifact(world.store, "corpus", [corpus_table(texts), corpus_table([])], rows_of=f"known {number}")
        facts = build(Texts(), Inputs(world.store.url, {"corpus": other}), folder / str(number))[1]
        assert facts == {"texts": len(set(texts))}
        models[f"seen[{number}]"] = make_folder(world.store, "model", folder / str(number), facts=facts)
    out = world.run(Unseen(), corpus=corpus, **models)
    gone = {text for texts in known for text in texts}
    assert out.count == [int(text not in gone) for text in pool]
    assert out.reason == ["seen" if text in gone else None for text in pool]


def test_another_model_and_a_damaged_list_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="remembers no texts"):
        seen.load(tmp_path)
    np.save(tmp_path / seen.FILE, np.zeros(3))
    with pytest.raises(DataError, match="damaged"):
        seen.load(tmp_path)
