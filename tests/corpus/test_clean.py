"""Several edits in one pass: what the stages one after the other make, byte by byte, and their counts together."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.test_personal import KEYS

from vernier.core import tables
from vernier.core.config import decode
from vernier.core.errors import RecipeError
from vernier.core.fingerprint import settings as in_key
from vernier.core.recipe import Recipe
from vernier.core.run import Run
from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.core.yaml import Marks
from vernier.corpus.clean import Clean
from vernier.corpus.lines import Lines
from vernier.corpus.mask import Mask
from vernier.corpus.read_jsonl import ReadJsonl
from vernier.pipeline.run import run
from vernier.testing.make import corpus_table, make_artifact

LINES, MASK = Lines(rules=["redstone"]), Mask()
ONE = {"workers": 1}
Made = tuple[list[pa.Table], Counter[str]]


def corpus(folder: Path, shards: Sequence[pa.Table]) -> Inputs:
    store = Store(str(folder))
    return Inputs(store.url, {"corpus": make_artifact(store, "corpus", shards, rows_of="t")})


def edited(plugin: Any, given: Inputs) -> Made:
    """Each shard, and all that was counted."""
    made: list[pa.Table] = []
    counted = Counter[str]()
    for index in range(given.num_shards):
        shard = given.only(index).shard(0)
        made.append(pa.concat_tables(plugin.map(shard)))
        counted += shard.left_out
    return made, counted


def one_after_the_other(plugins: Sequence[Any], given: Inputs, folder: Path) -> Made:
    counted, shards = Counter[str](), list[pa.Table]()
    for number, plugin in enumerate(plugins):
        shards, more = edited(plugin, given)
        counted += more
        given = corpus(folder / f"behind-{number}", shards)
    return shards, counted


PIECES = st.sampled_from(
    [
        *("HOME", "", " ", "7", "2 likes", "A fine day, all in all.", "sign in", "\u2028x"),
        *("a@corp.de", "a@corp.de b@corp.de", "8.8.4.44", "83.149.9.216 and more words"),
        *("Call +49 30 901820 or 415-217-8895.", f"key {KEYS['github']}"),
    ]
)


@settings(max_examples=25)
@given(
    texts=st.lists(st.lists(PIECES | st.text(max_size=4), max_size=6).map("\n".join), min_size=1, max_size=8),
    cut=st.integers(0, 8),
    edits=st.tuples(
        st.none() | st.sampled_from([LINES, Lines(rules=["c4"])]),
        st.none() | st.sampled_from([MASK, Mask(phone=None, key=None, email="email@example.com")]),
    ).filter(any),
)
def test_the_same_as_one_stage_after_the_other(
    tmp_path_factory: pytest.TempPathFactory,
    texts: list[str],
    cut: int,
    edits: tuple[Lines | None, Mask | None],
) -> None:
    folder, whole = tmp_path_factory.mktemp("c"), corpus_table(texts)
    given = corpus(folder / "read", [whole.slice(0, cut), whole.slice(cut)])
    made, counted = edited(Clean(lines=edits[0], mask=edits[1]), given)
    wanted, wanted_counts = one_after_the_other([edit for edit in edits if edit is not None], given, folder)
    assert made == wanted and counted == wanted_counts
    assert all(shard.schema == tables.CORPUS for shard in made)


def test_lines_go_before_places_are_masked(tmp_path: Path) -> None:
    """Two addresses are not upper case, and an address of digits is one line of numbers; their placeholders are not."""
    given = corpus(tmp_path, [corpus_table(["a@corp.de b@corp.de\n83.149.9.216", "Mail a@corp.de, a fine day."])])
    (made,), counted = edited(Clean(lines=LINES, mask=MASK), given)
    email = "|||EMAIL_ADDRESS|||"
    assert made.column("text").to_pylist() == [f"{email} {email}", f"Mail {email}, a fine day."]
    assert counted == {"lines.numeric": 1, "words.numeric": 1, "masked.email": 3}


def test_a_run_of_real_pages(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same files, byte for byte, and the same counts, from pages with menus and from logs full of addresses."""
    monkeypatch.chdir(tmp_path)
    for name, most in (("web_boilerplate", 40), ("web_main", 20), ("logs_apache", 8)):
        with zstandard.open(data / "corpus" / f"{name}.jsonl.zst", "rt", encoding="utf-8", newline="\n") as lines:
            Path(f"{name}.jsonl").write_text("".join(line for line, _ in zip(lines, range(most), strict=False)))
    recipe = Recipe("clean")
    recipe.add("read", ReadJsonl(paths=["*.jsonl"], shard=50_000), on=ONE)
    recipe.add("lines", LINES, corpus="read", on=ONE)
    recipe.add("mask", MASK, corpus="lines", on=ONE)
    recipe.add("clean", Clean(lines=LINES, mask=MASK), corpus="read", on=ONE)
    done = run(recipe, quiet=True)
    apart, together = done.artifact("mask"), done.artifact("clean")
    assert len(apart.shards) > 3
    for one, other in zip(apart.shards, together.shards, strict=True):
        assert Path(done.store.path(one.data)).read_bytes() == Path(done.store.path(other.data)).read_bytes()
    assert apart.rows_of == together.rows_of
    sums = counts_of(done, "lines") | counts_of(done, "mask")
    assert counts_of(done, "clean") == sums
    assert any(name.startswith("lines.") for name in sums) and any(name.startswith("masked.") for name in sums)


def counts_of(done: Run, node: str) -> dict[str, int]:
    """What a stage left out, by reason."""
    counts: Mapping[str, int] = done.artifact(node).counts
    return {name.removeprefix("left_out."): n for name, n in counts.items() if name.startswith("left_out.")}


MARKS = Marks("recipe.yaml", {})


def test_settings_of_the_stages_within() -> None:
    written = {"lines": {"rules": ["redstone"], "limits": {"min_words": 3}}, "mask": {}}
    made = decode(Clean, written, MARKS)
    assert made == Clean(lines=decode(Lines, written["lines"], MARKS), mask=Mask())
    assert in_key(made) == {
        "lines": {"Lines": {"rules": ["redstone"], "limits": {"Limits": {"min_words": 3}}}},
        "mask": {"Mask": {}},
    }
    assert in_key(Clean(mask=Mask())) == {"mask": {"Mask": {}}}


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({}, "nothing is cleaned"),
        ({"lines": None}, "nothing is cleaned"),
        ({"lines": {}}, "needs the setting 'lines.rules'"),
        ({"lines": ["redstone"]}, "the setting 'lines' of Clean has a wrong value"),
        ({"lines": {"rules": ["redstoen"]}}, "no line rule 'redstoen'"),
        ({"mask": {"emial": None}}, "no setting 'mask.emial'.*did you mean 'email'"),
        ({"mask": {"region": 1}}, "the setting 'mask.region' of Clean has a wrong value"),
        ({"boilerplate": {}}, "no setting 'boilerplate'"),
    ],
)
def test_settings_that_are_wrong(written: dict[str, Any], told: str) -> None:
    with pytest.raises(RecipeError, match=f"(?s){told}"):
        decode(Clean, json.loads(json.dumps(written)), MARKS)


def test_what_the_stage_refuses(tmp_path: Path) -> None:
    with pytest.raises(RecipeError):
        edited(Clean(mask=Mask(region="XX")), corpus(tmp_path, [corpus_table(["a"])]))
