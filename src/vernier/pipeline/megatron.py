"""An export as an indexed dataset of Megatron-LM: `train.bin` and `train.idx` (megatron/core/datasets/
indexed_dataset.py, version 1), as its tools/preprocess_data.py writes it with `--append-eod`.

    train.bin   the tokens of all sequences, one behind the other
    train.idx   MMIDIDX NUL NUL   9 bytes
                version           uint64, 1
                type of a token   uint8: 8 is uint16, 4 is int32
                sequences S       uint64
                entries D         uint64: one more than there are documents
                lengths           int32 [S], tokens of each sequence
                pointers          int64 [S], where it begins in train.bin, in bytes
                documents         int64 [D]: document d has the sequences documents[d] .. documents[d + 1] - 1

All little-endian. A document is one sequence, its tokens and the end-of-text token; one without tokens has no sequence,
as there. Documents stand in order of `rank` if the selection has one, else in the corpus's order, and the copies of
one side by side, as in `corpus.materialise` (Megatron shuffles).

Workers write the tokens of a shard, each document once, to a piece; `join` puts the pieces together.
"""

from __future__ import annotations

import shutil
import struct
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vernier.core.errors import DataError
from vernier.models.tokenizer import Tokenizer
from vernier.pipeline.kept import Task, kept
from vernier.pipeline.swap import sync

BIN, INDEX, PIECES = "train.bin", "train.idx", "pieces"
HEADER = b"MMIDIDX\x00\x00" + struct.pack("<Q", 1)
CODES: dict[str, int] = {"uint16": 8, "int32": 4}
LONGEST = 2**31 - 1  # tokens of a sequence: its length is an int32
OPEN = 64  # pieces open at once: a corpus may have more shards than a process may have files


def type_of(tokenizer: Tokenizer) -> np.dtype[Any]:
    """uint16 if every token id fits, else int32."""
    return np.dtype("<u2") if tokenizer.vocabulary <= 1 << 16 else np.dtype("<i4")


def write(task: Task, ledger: dict[str, int]) -> None:
    """Write a shard's piece: `task.path` with the tokens, and beside it (.npy) length, count and rank of each document.

    Raises DataError for a document with more tokens than an int32 can count.
    """
    tokenizer = Tokenizer(Path(task.tokenizer))
    kind, names = type_of(tokenizer), [own.name for own in task.own]
    about: list[NDArray[np.int64]] = []
    with open(task.path, "wb") as file:
        for rows in kept(task, ledger):
            lengths = np.zeros(rows.num_rows, np.int64)
            for i, encoded in enumerate(tokenizer.encode(rows.column("text").to_pylist())):
                if (tokens := len(encoded.ids)) == 0:
                    continue
                if tokens >= LONGEST:
                    raise _too_long(rows.column("doc_id")[i].as_py(), tokens)
                file.write(np.append(encoded.ids, tokenizer.end).astype(kind).tobytes())
                lengths[i] = tokens + 1
            about.append(np.stack([lengths, *(rows.column(name).to_numpy().astype(np.int64) for name in names)]))
    np.save(f"{task.path}.npy", np.concatenate(about, axis=1))


def join(folder: Path, pieces: list[Path], *, tokenizer: Tokenizer, ranked: bool) -> dict[str, Any]:
    """Put the pieces together as `train.bin` and `train.idx` in `folder`, and take them away.

    ranked   whether the pieces say the rank of each document
    Returns what the summary says: documents (copies counted), those without tokens, tokens (ends of text counted),
    their type, the end-of-text token.
    """
    kind = type_of(tokenizer)
    about = [np.load(f"{piece}.npy") for piece in pieces]
    piece = np.repeat(np.arange(len(pieces)), [one.shape[1] for one in about])
    begin = np.concatenate([np.cumsum(one[0]) - one[0] for one in about])
    length, count, *rank = np.concatenate(about, axis=1)
    order = np.argsort(rank[0], kind="stable") if ranked else np.arange(len(length))
    order = np.repeat(order, count[order])
    filled = order[length[order] > 0]

    @lru_cache(maxsize=OPEN)
    def tokens_of(number: int) -> Any:
        return np.memmap(pieces[number], kind, "r")

    with open(folder / BIN, "wb") as file:
        for document in filled:
            tokens = tokens_of(int(piece[document]))
            file.write(tokens[begin[document] : begin[document] + length[document]].data)
    lengths = length[filled]
    with open(folder / INDEX, "wb") as file:
        file.write(HEADER + struct.pack("<BQQ", CODES[kind.name], len(filled), len(order) + 1))
        file.write(lengths.astype("<i4").tobytes())
        file.write(((np.cumsum(lengths) - lengths) * kind.itemsize).astype("<i8").tobytes())
        file.write(np.concatenate([[0], np.cumsum(length[order] > 0)]).astype("<i8").tobytes())
    for name in (BIN, INDEX):
        sync(folder / name)
    tokens_of.cache_clear()
    shutil.rmtree(folder / PIECES)
    return {
        "documents": len(order),
        "without_tokens": len(order) - len(filled),
        "tokens": int(lengths.sum()),
        "type": kind.name,
        "end": tokenizer.end,
    }


def _too_long(doc_id: str, tokens: int) -> DataError:
    return DataError(
        "a document is too long for an indexed dataset",
        where=f"document {doc_id}",
        found=f"{tokens} tokens",
        expected=f"fewer than {LONGEST}: a sequence's length is an int32",
        do="cut the documents first (corpus.chunk)",
    )
