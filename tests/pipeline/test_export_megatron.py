"""An export for Megatron-LM: what a reader of the format finds is what the selection wants, in its order."""

from __future__ import annotations

import hashlib
import itertools
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.pipeline.plugins import OddThrice
from tests.pipeline.small import ONE, document, small_recipe, tree

from vernier.core import tables
from vernier.core.errors import DataError, RecipeError
from vernier.core.run import Run
from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.models.tokenizer import Tokenizer
from vernier.pipeline import megatron
from vernier.pipeline.export import export
from vernier.pipeline.kept import Own, Task
from vernier.score.surface import Surface
from vernier.select.budget import Budget
from vernier.select.threshold import Threshold
from vernier.select.top_k import TopK
from vernier.testing.make import corpus_table, make_artifact
from vernier.testing.toy import byte_tokenizer
from vernier.train.tokenizer import Tokenizer as Trained

Go = Callable[..., Run]
END = 256  # of the byte tokenizer


@dataclass(frozen=True)
class Dataset:
    type: str
    documents: list[list[list[int]]]  # tokens of each sequence of each document

    @property
    def sequences(self) -> list[list[int]]:
        return [sequence for document in self.documents for sequence in document]


def read(folder: Path) -> Dataset:
    """The slow way, from the format's description: every number unpacked by itself, nothing mapped."""
    index, data = (folder / "train.idx").read_bytes(), (folder / "train.bin").read_bytes()
    at = 0

    def take(form: str, number: int) -> list[Any]:
        nonlocal at
        values = list(struct.unpack_from(f"<{number}{form}", index, at))
        at += struct.calcsize(f"<{number}{form}")
        return values

    assert bytes(take("B", 9)) == b"MMIDIDX\x00\x00"
    assert take("Q", 1) == [1]
    (code,) = take("B", 1)
    form, size = {8: ("H", 2), 4: ("i", 4)}[code]
    (num_sequences,), (num_entries,) = take("Q", 1), take("Q", 1)
    lengths, pointers, entries = take("i", num_sequences), take("q", num_sequences), take("q", num_entries)
    assert at == len(index) and entries[0] == 0 and entries[-1] == num_sequences
    sequences = [
        list(struct.unpack_from(f"<{n}{form}", data, pointer)) for n, pointer in zip(lengths, pointers, strict=True)
    ]
    assert sum(lengths) * size == len(data)
    documents = [sequences[a:b] for a, b in itertools.pairwise(entries)]
    return Dataset({2: "uint16", 4: "int32"}[size], documents)


@pytest.fixture(scope="module")
def bytes_of(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder = tmp_path_factory.mktemp("bytes")
    byte_tokenizer(folder)
    return Tokenizer(folder)


def write(
    folder: Path, tokenizer: Tokenizer, shards: list[list[tuple[str, int, int]]], *, ranked: bool
) -> tuple[dict[str, Any], dict[str, int]]:
    """Export documents (text, count, rank) as the pipeline does: what the summary and the ledger say."""
    store = Store(str(folder / "store"))
    corpora = [corpus_table([d[0] for d in shard], source=f"{i}.jsonl") for i, shard in enumerate(shards)]
    chosen: list[pa.Table] = []
    for shard in shards:
        counts = pa.array([d[1] for d in shard], pa.int32())
        reasons = pa.array([None if d[1] else "below_cut" for d in shard], pa.string()).dictionary_encode()
        table = pa.table([counts, reasons.cast(tables.SELECTION.field("reason").type)], schema=tables.SELECTION)
        if ranked:
            table = table.append_column(tables.RANK, pa.array([d[2] if d[1] else None for d in shard], pa.int64()))
        chosen.append(table)
    artifacts = {
        "corpus": make_artifact(store, "corpus", corpora),
        "selection": make_artifact(store, "selection", chosen),
    }
    inputs = Inputs(store.url, artifacts)
    own = tuple(Own("selection", name, "keep", name) for name in ("count", *(["rank"] if ranked else [])))
    out = folder / "out"
    (out / megatron.PIECES).mkdir(parents=True)
    pieces = [out / megatron.PIECES / str(i) for i in range(len(shards))]
    columns = tuple(c for c in tables.CORPUS.names if c not in ("text_hash", "num_bytes"))
    ledgers: list[dict[str, int]] = []
    for i, piece in enumerate(pieces):
        ledgers.append({})
        task = Task(inputs.only(i), str(piece), "megatron", columns, own, str(tokenizer.folder))
        megatron.write(task, ledgers[-1])
    return megatron.join(out, pieces, tokenizer=tokenizer, ranked=ranked), tables.add_counts(ledgers)


def documents_of(shards: list[list[tuple[str, int, int]]], *, ranked: bool) -> list[list[list[int]]]:
    """What the format must hold, by its definition."""
    kept = [document for shard in shards for document in shard if document[1]]
    if ranked:
        kept.sort(key=lambda document: document[2])
    return [[[*text.encode(), END]] if text else [] for text, count, _ in kept for _ in range(count)]


documents = st.lists(
    st.lists(
        st.tuples(st.sampled_from(["", "a", "bc", "höher", "<|endoftext|>", "x\ny"]), st.integers(0, 3)), max_size=6
    ),
    min_size=1,
    max_size=4,
)


@given(shards=documents, ranked=st.booleans(), seed=st.integers(0, 99))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory,
    bytes_of: Tokenizer,
    shards: list[list[tuple[str, int]]],
    ranked: bool,
    seed: int,
) -> None:
    ranks = iter(np.random.default_rng(seed).permutation(sum(map(len, shards))).tolist())
    full = [[(*document, next(ranks)) for document in shard] for shard in shards]
    folder = tmp_path_factory.mktemp("trip")
    said, ledger = write(folder, bytes_of, full, ranked=ranked)
    found, want = read(folder / "out"), documents_of(full, ranked=ranked)
    assert found == Dataset("uint16", want)
    assert said["documents"] == len(want) and said["without_tokens"] == want.count([])
    assert said["tokens"] == sum(map(len, found.sequences))
    assert ledger["rows"] == sum(count > 0 for shard in shards for _, count in shard)
    assert not (folder / "out" / megatron.PIECES).exists()


@pytest.mark.parametrize("ranked", [False, True])
def test_pieces_are_opened_again_when_there_are_more_than_may_be_open(
    ranked: bool, tmp_path: Path, bytes_of: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(megatron, "OPEN", 2)
    shards = [[(f"{i} {j}", 1, 5 * j + i) for j in range(4)] for i in range(5)]
    write(tmp_path, bytes_of, shards, ranked=ranked)
    assert read(tmp_path / "out").documents == documents_of(shards, ranked=ranked)


def test_megatron_itself_reads_it(tmp_path: Path, bytes_of: Tokenizer) -> None:
    from megatron.core.datasets.indexed_dataset import IndexedDataset

    shards = [[("first", 1, 2), ("", 1, 0), ("dropped", 0, 9)], [("second, twice", 2, 1)]]
    write(tmp_path, bytes_of, shards, ranked=True)
    mine, theirs = read(tmp_path / "out"), IndexedDataset(str(tmp_path / "out" / "train"))
    assert len(theirs) == 3 and theirs.document_indices.tolist() == [0, 0, 1, 2, 3]
    assert [theirs[i].tolist() for i in range(len(theirs))] == mine.sequences
    assert bytes(mine.sequences[0][:-1]) == b"second, twice"


def test_a_vocabulary_beyond_16_bits(tmp_path: Path) -> None:
    from tokenizers import Tokenizer as Library
    from tokenizers import pre_tokenizers
    from tokenizers.models import WordLevel

    for size, type_ in ((1 << 16, "uint16"), ((1 << 16) + 1, "int32")):
        folder = tmp_path / type_
        folder.mkdir()
        library = Library(WordLevel({"<end>": 0, **{f"w{i}": i for i in range(1, size)}}, unk_token="<end>"))
        library.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        library.save(str(folder / "tokenizer.json"))
        (folder / "tokenizer_config.json").write_text('{"eos_token": "<end>"}')
        last = size - 1
        said, _ = write(folder, Tokenizer(folder), [[(f"w1 w{last} w65535", 1, 0)]], ranked=False)
        assert said["type"] == type_
        assert read(folder / "out") == Dataset(type_, [[[1, last, 65535, 0]]])


def test_one_huge_document(tmp_path: Path, bytes_of: Tokenizer) -> None:
    text = "a word and another one, " * 200_000  # 4.8 MB: more than a row group holds
    write(tmp_path, bytes_of, [[("small", 1, 0), (text, 1, 0), ("", 1, 0)]], ranked=False)
    raw = np.fromfile(tmp_path / "out" / "train.bin", "<u2")
    assert len(raw) == 6 + len(text) + 1
    assert hashlib.sha256(raw[6:-1].astype(np.uint8)).digest() == hashlib.sha256(text.encode()).digest()


def test_a_document_that_no_length_can_tell_is_an_error(
    tmp_path: Path, bytes_of: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(megatron, "LONGEST", 5)
    write(tmp_path / "fits", bytes_of, [[("four", 1, 0)]], ranked=False)
    with pytest.raises(DataError, match=r"too long[\s\S]*5 tokens"):
        write(tmp_path / "not", bytes_of, [[("four", 1, 0), ("fiver", 1, 0)]], ranked=False)


def test_a_tokenizer_without_an_end(tmp_path: Path, bytes_of: Tokenizer) -> None:
    (tmp_path / "tokenizer.json").write_bytes((bytes_of.folder / "tokenizer.json").read_bytes())
    (tmp_path / "tokenizer_config.json").write_text('{"bos_token": "<|endoftext|>"}')
    with pytest.raises(DataError, match="no eos token"):
        write(tmp_path, Tokenizer(tmp_path), [[("text", 1, 0)]], ranked=False)


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with a tokenizer, an empty selection, and one that is ranked."""
    from tests.pipeline.small import write_jsonl

    from vernier.pipeline.run import run

    folder = tmp_path_factory.mktemp("tokens")
    for i in range(3):
        write_jsonl(folder / "data" / f"part-{i}.jsonl", range(i * 40, i * 40 + 40))
    recipe = small_recipe(str(folder / ".vernier"), paths=[str(folder / "data" / "*.jsonl")])
    recipe.add("bpe", Trained(vocab=300), corpus="clean", on=ONE)
    recipe.add("surface", Surface(), corpus="clean", on=ONE)
    recipe.add("none", Threshold(by="length", at_least=1e9), corpus="clean", a="surface", on=ONE)
    recipe.add("thrice", OddThrice(), corpus="clean", on=ONE)
    best = TopK(by="length", keep=Budget(documents=30), rank=True)
    recipe.add("best", best, corpus="clean", a="surface", on=ONE)
    return run(recipe, out=folder / "run", quiet=True)


def texts_of(run: Run, found: Dataset) -> list[str]:
    decode = Tokenizer(Inputs(run.store.url, {"bpe": run.artifact("bpe")}).folder("bpe")).decode
    return [decode(sequence[:-1]) for sequence in found.sequences]


def test_a_ranked_selection_comes_out_in_its_order(tmp_path: Path, tokens: Run) -> None:
    said = export(tokens, "best", tmp_path / "out", format="megatron", tokenizer="bpe", workers=1, quiet=True)
    sizes = [len(text) for text in texts_of(tokens, read(tmp_path / "out"))]
    assert sizes == sorted(sizes, reverse=True) and len(sizes) == said["rows"] == said["documents"] == 30
    assert (
        said["files"] == ["train.bin", "train.idx"] and said["tokenizer"] == tokens.nodes["bpe"]["facts"]["tokenizer"]
    )
    assert json.loads((tmp_path / "out" / "_export.json").read_text()) == said


def test_what_is_wanted_thrice_stands_there_thrice(tmp_path: Path, tokens: Run) -> None:
    said = export(tokens, "thrice", tmp_path / "out", format="megatron", tokenizer="bpe", workers=1, quiet=True)
    odd = [document(n)["text"] for n in range(120) if n % 2]
    assert texts_of(tokens, read(tmp_path / "out")) == [text for text in odd for _ in range(3)]
    assert said["rows"] == 60 and said["documents"] == 180


def test_any_number_of_workers_writes_the_same_bytes_and_replaces_an_export(tmp_path: Path, tokens: Run) -> None:
    export(tokens, "keep", tmp_path / "one", format="megatron", tokenizer="bpe", workers=1, quiet=True)
    export(tokens, "keep", tmp_path / "three", format="parquet", workers=1, quiet=True)
    export(tokens, "keep", tmp_path / "three", format="megatron", tokenizer="bpe", workers=3, quiet=True)
    assert tree(tmp_path / "one") == tree(tmp_path / "three") and len(tree(tmp_path / "one")) == 3


def test_an_empty_selection(tmp_path: Path, tokens: Run) -> None:
    said = export(tokens, "none", tmp_path / "out", format="megatron", tokenizer="bpe", workers=1, quiet=True)
    assert read(tmp_path / "out") == Dataset("uint16", [])
    assert said["rows"] == said["documents"] == said["tokens"] == 0


def test_what_does_not_go_together_is_refused(tmp_path: Path, tokens: Run) -> None:
    with pytest.raises(RecipeError, match=r"needs a tokenizer[\s\S]*one of: bpe"):
        export(tokens, "keep", tmp_path / "out", format="megatron")
    with pytest.raises(RecipeError, match=r"needs a tokenizer[\s\S]*did you mean .bpe."):
        export(tokens, "keep", tmp_path / "out", format="megatron", tokenizer="bp")
    with pytest.raises(RecipeError, match="no place for scores"):
        export(tokens, "best", tmp_path / "out", format="megatron", tokenizer="bpe", scores=["surface"])
    with pytest.raises(RecipeError, match="needs no tokenizer"):
        export(tokens, "keep", tmp_path / "out", tokenizer="bpe")
    assert not (tmp_path / "out").exists()
