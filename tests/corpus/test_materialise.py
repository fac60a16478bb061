from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from unittest import mock

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vernier.core import tables
from vernier.core.errors import StageError
from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.corpus import materialise
from vernier.corpus.materialise import Materialise
from vernier.testing.make import corpus_table, make_artifact, run


def selection(counts: Sequence[int]) -> pa.Table:
    reasons = [None if count else "not_wanted" for count in counts]
    return pa.table({"count": counts, "reason": pa.array(reasons, pa.string()).dictionary_encode()}).cast(
        tables.SELECTION
    )


def inputs(folder: Path, texts: Sequence[str], cut: int, *selections: Sequence[int]) -> Inputs:
    store = Store(str(folder))
    whole = corpus_table(texts, domains=["d"] * len(texts))
    artifacts = {"corpus": make_artifact(store, "corpus", [whole.slice(0, cut), whole.slice(cut)])}
    for i, counts in enumerate(selections):
        name = "selection" if len(selections) == 1 else f"selection[{i}]"
        table = selection(counts)
        artifacts[name] = make_artifact(store, "selection", [table.slice(0, cut), table.slice(cut)])
    return Inputs(store.url, artifacts)


def test_kept_rows_as_often_as_counted(tmp_path: Path) -> None:
    texts = ["a", "b", "c", "d"]
    given = inputs(tmp_path, texts, 1, [1, 0, 3, 1])
    source = corpus_table(texts, domains=["d"] * 4)
    made = pa.concat_tables(run(Materialise(), given))
    assert made.schema == tables.CORPUS
    assert made.column("text").to_pylist() == ["a", "c", "c", "c", "d"]
    ids = made.column("doc_id").to_pylist()
    c = source.column("doc_id")[2].as_py()
    assert ids[1:4] == [c, *(blake2b(c + b"%d" % i, digest_size=16).digest() for i in (1, 2))]
    for name in source.column_names:
        if name != "doc_id":
            assert made.column(name).to_pylist() == [source.column(name)[i].as_py() for i in (0, 2, 2, 2, 3)]


def test_several_selections_are_multiplied(tmp_path: Path) -> None:
    given = inputs(tmp_path, ["a", "b", "c", "d"], 2, [1, 0, 3, 1], [2, 5, 1, 0])
    assert pa.concat_tables(run(Materialise(), given)).column("text").to_pylist() == ["a", "a", "c", "c", "c"]


def test_nothing_kept(tmp_path: Path) -> None:
    made = run(Materialise(), inputs(tmp_path, ["a", "b"], 2, [0, 0]))
    assert [table.num_rows for table in made] == [0, 0]
    assert all(table.schema == tables.CORPUS for table in made)


def test_a_lost_row_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = materialise._copies
    monkeypatch.setattr(materialise, "_copies", lambda table, counts: (t.slice(1) for t in honest(table, counts)))
    with pytest.raises(StageError, match="does not hold the rows"):
        run(Materialise(), inputs(tmp_path, ["a", "b", "c"], 3, [1, 0, 2]))


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(st.tuples(st.text(max_size=12), st.integers(0, 4)), min_size=1, max_size=20),
    cut=st.integers(0, 20),
    limit=st.integers(1, 60),
)
def test_same_rows_in_small_tables_whatever_the_cut(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int]], cut: int, limit: int
) -> None:
    texts, counts = [text for text, _ in rows], [count for _, count in rows]
    given = inputs(tmp_path_factory.mktemp("m"), texts, cut, counts)
    with mock.patch.object(tables, "ROW_GROUP_TEXT", limit):
        made = [table for i in range(2) for table in Materialise().map(given.only(i).shard(0))]
    table = pa.concat_tables(made)
    assert table.column("text").to_pylist() == [text for text, count in rows for _ in range(count)]
    assert len(set(table.column("doc_id").to_pylist())) == sum(counts)
    for part in made:
        assert part.num_rows <= 1 or sum(part.column("num_bytes").to_pylist()) <= limit
