"""Tables of losses and lengths."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vernier.core.artifact import Artifact
from vernier.core.errors import RecipeError
from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.core.tables import SELECTION
from vernier.models.build import Shape, build
from vernier.models.flops import of_folder
from vernier.models.nll import windows
from vernier.models.tokenizer import Tokenizer
from vernier.pipeline.keys import map_key
from vernier.pipeline.work import Task, do
from vernier.score.nll import NLL
from vernier.score.tokens import Tokens
from vernier.testing.make import corpus_table, make_artifact, make_folder, run
from vernier.testing.toy import byte_tokenizer, toy_bits, toy_model

TEXTS = ["", "a", "the cat " * 30, "é🙂", "x" * 64, "x" * 65, "<|endoftext|>"] * 3


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


@pytest.fixture
def inputs(store: Store, tmp_path: Path) -> Inputs:
    table = corpus_table(TEXTS)
    corpus = make_artifact(store, "corpus", [table.slice(0, 9), table.slice(9, 0), table.slice(9)])
    model = make_folder(store, "model", toy_model(tmp_path / "toy"))
    return Inputs(store.url, {"corpus": corpus, "model": model})


def chosen(store: Store, counts: list[int]) -> Artifact:
    table = pa.table({"count": counts, "reason": [None if c else "x" for c in counts]}, schema=SELECTION)
    return make_artifact(store, "selection", [table.slice(0, 9), table.slice(9, 0), table.slice(9)])


def test_known_bits_in_every_shard(inputs: Inputs) -> None:
    table = pa.concat_tables(run(NLL(), inputs))
    bits = np.array([toy_bits(text) for text in TEXTS])
    np.testing.assert_allclose(table["nll"].to_numpy(), bits * math.log(2), rtol=1e-6)
    sizes = [len(text.encode()) for text in TEXTS]
    assert table["num_tokens"].to_pylist() == table["num_bytes"].to_pylist() == sizes


def test_rows_that_are_not_selected_are_null(inputs: Inputs, store: Store) -> None:
    counts = [i % 2 * 3 for i in range(len(TEXTS))]
    masked = Inputs(store.url, {**inputs.artifacts, "selection": chosen(store, counts)})
    whole, some = pa.concat_tables(run(NLL(), inputs)), pa.concat_tables(run(NLL(), masked))
    for name in ("nll", "num_tokens", "num_bytes"):
        for count, one, all_ in zip(counts, some[name].to_pylist(), whole[name].to_pylist(), strict=True):
            assert one == (all_ if count else None)


@pytest.fixture(scope="module")
def alone(trained: tuple[Store, Artifact]) -> dict[str, dict[str, float]]:
    """The row of each text, scored in a corpus that holds no other."""
    store, model = trained
    rows: dict[str, dict[str, float]] = {}
    for text in TEXTS:
        corpus = make_artifact(store, "corpus", [corpus_table([text])])
        rows[text] = run(NLL(), Inputs(store.url, {"corpus": corpus, "model": model}))[0].to_pylist()[0]
    return rows


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Artifact]:
    """A store with a model in which everything before a token matters."""
    import torch

    folder = tmp_path_factory.mktemp("trained")
    model = build(Shape(hidden=64, layers=2), vocabulary=257, context=64, separator=256, seed=0)
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.normal_(std=0.3, generator=random)
    model.save_pretrained(folder / "model")
    byte_tokenizer(folder / "model")
    store = Store(str(folder / "store"))
    return store, make_folder(store, "model", folder / "model")


@settings(max_examples=25, deadline=None)
@given(rows=st.lists(st.tuples(st.sampled_from(TEXTS), st.booleans()), min_size=1, max_size=30), cut=st.integers(0, 30))
def test_a_row_is_the_same_bits_in_any_company(
    trained: tuple[Store, Artifact], alone: dict[str, dict[str, float]], rows: list[tuple[str, bool]], cut: int
) -> None:
    """Whatever the order, the number of rows, the cut into shards, and the rows copied from an earlier mask."""
    store, model = trained
    table = corpus_table([text for text, _ in rows])
    corpus = make_artifact(store, "corpus", [table.slice(0, cut), table.slice(cut)])
    inputs = Inputs(store.url, {"corpus": corpus, "model": model})
    made: list[pa.Table] = []
    for i, known in enumerate((rows[:cut], rows[cut:])):
        shard = inputs.only(i).shard(0)
        shard.skip = np.array([copied for _, copied in known], dtype=bool)
        made += NLL().map(shard)
    nothing = dict.fromkeys(("nll", "num_tokens", "num_bytes"))
    assert pa.concat_tables(made).to_pylist() == [nothing if copied else alone[text] for text, copied in rows]


def scored(store: Store, corpus: Artifact, model: Artifact, counts: list[int]) -> bytes:
    """The file that a worker commits for a one-shard corpus under a mask."""
    table = pa.table({"count": counts, "reason": [None if c else "x" for c in counts]}, schema=SELECTION)
    mask = make_artifact(store, "selection", [table])
    inputs = Inputs(store.url, {"corpus": corpus, "selection": mask, "model": model})
    key, base = map_key(NLL(), 0, inputs, 0), map_key(NLL(), 0, inputs, 0, without=["selection"])
    (ref,) = do(Task(store.url, "scores", "0", "scores", NLL(), key, inputs, base))
    with store.open(ref.data) as file:
        return file.read()


@settings(max_examples=15, deadline=None)
@given(masks=st.lists(st.lists(st.integers(0, 1), min_size=40, max_size=40), min_size=2, max_size=4))
def test_the_history_of_a_store_leaves_no_trace(
    trained: tuple[Store, Artifact], tmp_path_factory: pytest.TempPathFactory, masks: list[list[int]]
) -> None:
    """Under the last of some masks, a store that knows rows from the others commits the bytes that a new one does."""
    table = corpus_table([TEXTS[i % 7] + "ab" * i for i in range(40)])
    made: list[bytes] = []
    for history in (masks, masks[-1:]):
        store = Store(str(tmp_path_factory.mktemp("store")))
        corpus, model = make_artifact(store, "corpus", [table]), copied(trained, store)
        made.append([scored(store, corpus, model, counts) for counts in history][-1])
    assert made[0] == made[1]


def copied(trained: tuple[Store, Artifact], store: Store) -> Artifact:
    return make_folder(store, "model", trained[0].local_folder(trained[1].shards[0]))


def test_a_cap_counts_alike_in_losses_and_lengths(inputs: Inputs, store: Store) -> None:
    losses = pa.concat_tables(run(NLL(max_tokens=5), inputs))
    lengths = Inputs(store.url, {"corpus": inputs.artifacts["corpus"], "tokenizer": inputs.artifacts["model"]})
    counted = pa.concat_tables(run(Tokens(max_tokens=5), lengths))
    assert counted.to_pydict() == losses.drop_columns(["nll"]).to_pydict()
    assert max(counted["num_tokens"].to_pylist()) == 5
    uncapped = pa.concat_tables(run(Tokens(), lengths))
    assert uncapped["num_tokens"].to_pylist() == [len(text.encode()) for text in TEXTS]


def test_facts_name_the_tokenizer(inputs: Inputs, store: Store) -> None:
    digest = Tokenizer(inputs.folder("model")).digest
    lengths = Inputs(store.url, {"tokenizer": inputs.artifacts["model"]})
    assert NLL().facts(inputs) == Tokens().facts(lengths) == {"tokenizer": digest}


@pytest.mark.parametrize("plugin", [NLL, Tokens])
def test_a_cap_of_nothing_is_refused(plugin: type[NLL | Tokens]) -> None:
    with pytest.raises(RecipeError, match="max_tokens"):
        plugin(max_tokens=0)


def test_what_scoring_costs_is_planned_and_counted(inputs: Inputs, store: Store) -> None:
    """The toy's tokens are bytes: what is planned from bytes is what is counted from tokens."""
    cost = of_folder(inputs.folder("model"))
    assert cost is not None
    counts = [i % 2 * 3 for i in range(len(TEXTS))]
    masked = Inputs(store.url, {**inputs.artifacts, "selection": chosen(store, counts)})
    for scorer, seen in ((NLL(), inputs), (NLL(window=16), masked), (NLL(max_tokens=7), masked)):
        wanted = [text for text, count in zip(TEXTS, counts, strict=True) if count or seen is inputs]
        sizes = [min(len(text.encode()), scorer.max_tokens or 10**9) for text in wanted]
        every = [w.end - w.start for size in sizes for w in windows(size, scorer.window or 64)]
        expected = cost.forward(sum(every), sum(w * (w + 1) / 2 for w in every))
        assert scorer.flops(seen, None) == pytest.approx(expected)
        out = make_artifact(store, "scores", run(scorer, seen))
        assert scorer.flops(seen, out) == pytest.approx(expected)
