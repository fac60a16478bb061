"""The strategies make tables that the store takes and that plugins may get."""

from __future__ import annotations

import tempfile

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from vernier.core import tables
from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.testing import corpora, cuts, make_artifact, score_tables, selections


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_tables_of_one_corpus_go_through_the_store(data: st.DataObject) -> None:
    corpus = data.draw(corpora(max_rows=16))
    rows = corpus.num_rows
    made = {
        "corpus": corpus,
        "scores": data.draw(score_tables(rows)),
        "selection": data.draw(selections(rows)),
    }
    cut = data.draw(cuts(rows))
    assert sum(length for _, length in cut) == rows
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        inputs = Inputs(
            store.url,
            {k: make_artifact(store, k, [table.slice(*at) for at in cut]) for k, table in made.items()},
        )
        inputs.check_aligned()
        for name, table in made.items():
            read = [shard.read(name, table.column_names) for shard in inputs.shards()]
            assert repr(pa.concat_tables(read).to_pylist()) == repr(table.to_pylist())
        assert tables.check_conserved("selection", inputs.artifacts["selection"].counts) is None
