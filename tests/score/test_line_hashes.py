"""Keys of lines and of whole texts against plain Python."""

from __future__ import annotations

import hashlib
from typing import Any

import pyarrow as pa
import pytest
from tests.select.world import World

from vernier.core.errors import RecipeError
from vernier.core.shard import Inputs
from vernier.core.shingles.form import Form
from vernier.core.shingles.sets import lines
from vernier.score.line_hashes import LineHashes
from vernier.score.text_hash import TextHash

LONG = "A line that is long enough to be a key 1."
TEXTS = [
    f"Home\n{LONG}\n{LONG}\nRead more\n",
    "home\nà line that is long enough, to be a KEY 2\n\nAnother line that is long enough to be one",
    "",
    " \n---\n",
    "Home\nRead more",
]


def of(world: World, plugin: Any, texts: list[str]) -> list[dict[str, Any]]:
    inputs = Inputs(world.store.url, {"corpus": world.corpus(len(texts), [2, 0], text=texts)})
    tables = [table for i in range(3) for table in plugin.map(inputs.only(i).shard(0))]
    assert {str(table.schema) for table in tables} == {str(tables[0].schema)}
    return pa.concat_tables(tables).to_pylist()


def test_keys_are_the_hashes_of_long_lines(world: World) -> None:
    found = of(world, LineHashes(), TEXTS)
    assert [(len(one["keys"]), one["num_lines"]) for one in found] == [(1, 3), (2, 3), (0, 0), (0, 0), (0, 2)]
    assert found[0]["keys"][0] in found[1]["keys"]
    assert found[1]["keys"] == sorted(found[1]["keys"])
    for text, one in zip(TEXTS, found, strict=True):
        hashes, weights = lines(text, LineHashes().lines)
        assert one["keys"] == hashes[weights > 30].tolist()


def test_paragraphs_and_other_lengths(world: World) -> None:
    found = of(world, LineHashes(unit="paragraph", min_chars=1), ["a\nb\n\nc", "A b", "a\nb c", "c\n\n\n\nd e"])
    assert [len(one["keys"]) for one in found] == [2, 1, 1, 2]
    assert found[1]["keys"][0] in found[0]["keys"] and found[2]["keys"][0] not in found[0]["keys"]
    assert len({*found[0]["keys"]} & {*found[3]["keys"]}) == 1
    assert [len(one["keys"]) for one in of(world, LineHashes(min_chars=3), ["ab\nabc\na-c\néàü"])] == [2]
    with pytest.raises(RecipeError, match="min_chars"):
        LineHashes(min_chars=0)


def test_texts_that_are_the_same_but_for_case_and_space(world: World) -> None:
    texts = ["The cat.", " the\n\tCAT. ", "the cat", "", " \n ", "e\u0301", "É", "e"]
    found = of(world, TextHash(), texts)
    groups = [(*one["keys"], one["check"]) for one in found]
    assert groups[0] == groups[1] != groups[2]
    assert groups[3] == groups[4] == (0,)
    assert groups[5] == groups[6] != groups[7]
    digest = hashlib.blake2b(b"the cat.", digest_size=16).digest()
    assert groups[0] == (int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little"))


def test_texts_that_are_the_same_in_a_wider_form(world: World) -> None:
    plugin = TextHash(form=Form(unicode="nfkc", punctuation="drop"))
    found = of(world, plugin, ["The cat.", "ｔｈｅ “cat”", "the ca\u0301t", "!", "-\n"])
    assert found[0] == found[1] == found[2]
    assert found[3] == found[4] == {"keys": [], "check": 0}
