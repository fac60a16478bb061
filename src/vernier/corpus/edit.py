"""The same documents with other texts: what the maps that edit text have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b

import pyarrow as pa

from vernier.core import tables
from vernier.core.shard import Shard

Edit = Callable[[str], tuple[str, Mapping[str, int]]]  # a text -> the new one, and what was done to it, counted by name


def edited(shard: Shard, edits: Sequence[Edit]) -> Iterator[pa.Table]:
    """The documents of a shard with each text edited, one edit after the other; all is counted in `left_out`."""
    for batch in shard.batches("corpus", shard.columns("corpus")):
        texts: list[str] = []
        for text in batch.column("text").to_pylist():
            for edit in edits:
                text, counts = edit(text)
                shard.left_out.update(counts)
            texts.append(text)
        yield with_texts(batch, texts)


def with_texts(table: pa.Table, texts: Sequence[str]) -> pa.Table:
    """A corpus table with these texts: `num_bytes` and `text_hash` are made anew, rows and other columns stay."""
    raw = [text.encode() for text in texts]
    made = {
        "text": texts,
        "num_bytes": [len(one) for one in raw],
        "text_hash": [blake2b(one, digest_size=tables.ID_BYTES).digest() for one in raw],
    }
    for name, values in made.items():
        place = table.schema.get_field_index(name)
        column = table.schema.field(place)
        table = table.set_column(place, column, pa.array(values, column.type))
    return table
