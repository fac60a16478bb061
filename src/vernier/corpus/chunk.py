"""Cut documents into chunks of about equal length, short ones together in one: the pieces that MiniPLM selects.

MiniPLM (arXiv 2410.17215) scores and selects packed chunks in place of documents; its rule is in
`vernier.corpus.cutting`. A chunk is a row like any other and names the documents that it is made of, so it is scored,
selected and trained on like them. One buffer for each domain takes the documents in order (`vernier.corpus.runs`) and
begins anew once in `run` bytes of text, by a lot that a document's id decides: which chunks there are does not depend
on shards or workers. A chunk stands where the document stands that it begins in.

Memory: a worker holds the text of its shard, and of others what their part of its runs has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from vernier.core import tables
from vernier.core.artifact import Artifact
from vernier.core.config import Bytes
from vernier.core.errors import RecipeError
from vernier.core.shard import Inputs, Shard
from vernier.corpus.cutting import Cut, cut, places
from vernier.corpus.runs import Document, Layout, Part, runs, survey
from vernier.models.tokenizer import Tokenizer

BETWEEN = "\n\n"  # documents of a chunk: the end-of-text token can not be spelt out in a text
PARENTS = ("parents", "start_byte", "end_byte")
KEPT = ("id", "license")  # standard columns that a chunk has from its documents, if they agree


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """A corpus of chunks, of one domain each. Its columns `parents` (document ids in hex, a space between them),
    `start_byte` (in the first of them) and `end_byte` (in the last) say where the text is from: documents between these
    are whole, and a blank line stands between two. `id`, `license` and the corpus's own columns are kept where all
    parents agree, else null; `source` and `offset` are those of the first; `extra` is null. A selection says which
    documents are cut, each once. What is left out is counted: chunks of `one_token`, those of `no_text`, and the rest
    of a document (with what was before it in the buffer) `beyond_2000` chunks.

    tokens   most tokens in a chunk, counted as they are in their documents with one more behind each document; read by
             itself a chunk may be cut into a few more or fewer
    run      bytes of text after which a buffer begins anew, about; the last chunk before that is a short one
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "corpus"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "selection": "selection?", "tokenizer": "model"}
    rows: ClassVar[str] = "new"

    tokens: int = 1025  # as the released code stores: 1024 inputs, and as many targets one further on
    run: Bytes = 1 << 21

    def __post_init__(self) -> None:
        for name, least in (("tokens", 2), ("run", 1)):
            if getattr(self, name) < least:
                raise RecipeError(f"`{name}` is too small", found=str(getattr(self, name)), expected=f"{least} or more")

    def flops(self, inputs: Inputs, out: Artifact | None) -> float:
        """None of the model's: only its tokenizer is read."""
        return 0.0

    def fold(self, shard: Shard, state: Layout | None) -> Part:
        return survey(shard, self.run)

    def merge(self, parts: Sequence[Part], state: Layout | None) -> tuple[Layout, bool]:
        return Layout.of(parts), True

    def account(self, state: Layout) -> dict[str, Any]:
        """What is cut: documents, and how often a buffer began."""
        return {"documents": sum(part.documents for part in state.parts), "buffers": state.runs}

    def map(self, shard: Shard, state: Layout) -> Iterator[pa.Table]:
        """The chunks that begin in a shard's documents."""
        tokenizer = Tokenizer(shard.inputs.folder("tokenizer"))
        own = [name for name in shard.columns("corpus") if name not in (*tables.CORPUS.names, *PARENTS)]
        made: list[tuple[int, int, dict[str, Any]]] = []
        for (domain, _), documents in runs(shard, state, [*KEPT, *own]):
            stream = _Stream.of(documents, tokenizer)
            for piece in cut(stream.lengths, stream.allowed, self.tokens):
                row, why = stream.owner(piece), _left_out(piece, stream)
                if row is None:
                    continue
                if why is not None:
                    shard.left_out[why] += 1
                    continue
                values = stream.chunk(piece)
                made.append((row, int(values["start_byte"]), {**values, "domain": domain}))
        made.sort(key=lambda one: one[:2])
        yield from _tables([values for _, _, values in made], tables.corpus_schema([*own, *PARENTS]))


@dataclass(frozen=True)
class _Stream:
    """The documents of a run that have tokens, one behind the other.

    ends      of each document: the byte before its first token and behind each, that of the end of text counted
    starts    int64 [N + 1]: the place of each document's first token in the stream
    allowed   as `cut` takes them
    """

    documents: list[Document]
    texts: list[bytes]
    ends: list[np.ndarray[Any, np.dtype[np.int64]]]
    starts: np.ndarray[Any, np.dtype[np.int64]]
    allowed: list[int]

    @staticmethod
    def of(documents: Sequence[Document], tokenizer: Tokenizer) -> _Stream:
        kept: list[Document] = []
        texts: list[bytes] = []
        ends: list[np.ndarray[Any, np.dtype[np.int64]]] = []
        allowed: list[int] = []
        starts = [0]
        encoded = tokenizer.encode([document.text for document in documents], ends=True)
        for document, one in zip(documents, encoded, strict=True):
            if not len(one.ends):
                continue
            text = document.text.encode()
            behind = one.ends.copy()
            behind[-1] = len(text)  # a tokenizer may pass over what stands at the end
            may = np.append(places(text, behind), True)
            allowed += (starts[-1] + 1 + np.flatnonzero(may)).tolist()
            kept.append(document)
            texts.append(text)
            ends.append(np.concatenate(([0], behind, behind[-1:])))
            starts.append(starts[-1] + len(may))
        return _Stream(kept, texts, ends, np.array(starts, dtype=np.int64), allowed)

    @property
    def lengths(self) -> list[int]:
        return np.diff(self.starts).tolist()

    def spans(self, piece: Cut) -> list[tuple[int, int, int]]:
        """The documents that a piece has text of: number, first byte, the byte behind the last."""
        first = int(np.searchsorted(self.starts, piece.start, side="right")) - 1
        last = int(np.searchsorted(self.starts, piece.end, side="left"))
        spans: list[tuple[int, int, int]] = []
        for number in range(first, last):
            base, ends = int(self.starts[number]), self.ends[number]
            low, high = int(ends[max(0, piece.start - base)]), int(ends[min(len(ends) - 1, piece.end - base)])
            if low < high:
                spans.append((number, low, high))
        return spans

    def owner(self, piece: Cut) -> int | None:
        """The row, in the shard at work, of the document that a piece begins in; None if it lies in another shard."""
        spans = self.spans(piece)
        number = spans[0][0] if spans else int(np.searchsorted(self.starts, piece.start, side="right")) - 1
        return self.documents[number].row

    def chunk(self, piece: Cut) -> dict[str, Any]:
        """The row of a chunk, by column."""
        spans = self.spans(piece)
        parents = [self.documents[number] for number, _, _ in spans]
        text = BETWEEN.join(self.texts[number][low:high].decode() for number, low, high in spans)
        data, start, (source, offset, first) = text.encode(), spans[0][1], parents[0].key
        agreed = {
            name: value if all(parent.values[name] == value for parent in parents) else None
            for name, value in parents[0].values.items()
        }
        return {
            **agreed,
            "doc_id": blake2b(b"%b\0%d" % (first, start), digest_size=tables.ID_BYTES).digest(),
            "text": text,
            "num_bytes": len(data),
            "text_hash": blake2b(data, digest_size=tables.ID_BYTES).digest(),
            "source": source,
            "offset": offset,
            "parents": " ".join(parent.key[2].hex() for parent in parents),
            "start_byte": str(start),
            "end_byte": str(spans[-1][2]),
        }


def _left_out(piece: Cut, stream: _Stream) -> str | None:
    if not piece.is_chunk:
        return "beyond_2000"
    if piece.end - piece.start <= 1:
        return "one_token"
    return None if stream.spans(piece) else "no_text"


def _tables(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> Iterator[pa.Table]:
    """Tables of at most 4 MB of text, or one row; one at least."""
    ends = np.cumsum([0, *(row["num_bytes"] for row in rows)])
    begin = 0
    while begin < len(rows) or begin == 0:
        fits = int(np.searchsorted(ends, ends[begin] + tables.ROW_GROUP_TEXT, side="right")) - 1
        end = max(begin + 1, fits)
        yield pa.Table.from_pylist([dict(row) for row in rows[begin:end]], schema=schema)
        begin = end
