"""Lines that recur: a plain count beside the rounds, for any cut; by site; and real pages."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from vernier.core import tables
from vernier.core.errors import RecipeError
from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.corpus.boilerplate import Boilerplate, normalised
from vernier.testing.make import corpus_table, make_artifact, run, settle


def inputs(folder: Path, texts: Sequence[str], cuts: Sequence[int] = (), sites: Sequence[str | None] = ()) -> Inputs:
    store, whole = Store(str(folder)), corpus_table(texts, domains=sites or None)
    ends = [0, *sorted(cuts), len(texts)]
    shards = [whole.slice(start, end - start) for start, end in pairwise(ends)]
    return Inputs(store.url, {"corpus": make_artifact(store, "corpus", shards)})


def reference(texts: Sequence[str], sites: Sequence[str | None], documents: int) -> list[str]:
    """Every line and the documents that have it, in one dictionary."""
    having: defaultdict[tuple[str | None, str], set[int]] = defaultdict(set)

    def known(line: str) -> str:
        plain = re.sub(r"\s+", " ", re.sub(r"\d", "0", line.lower())).strip()
        return plain if re.search(r"[^\W_]", plain) else ""

    for number, text in enumerate(texts):
        for line in text.split("\n"):
            having[sites[number], known(line)].add(number)
    left: list[str] = []
    for site, text in zip(sites, texts, strict=True):
        lines = text.split("\n")
        kept = [line for line in lines if not known(line) or len(having[site, known(line)]) < documents]
        joined = "\n".join(kept)
        left.append(joined if len(kept) == len(lines) or joined.strip() else "")
    return left


LINES = st.sampled_from(
    ["Home", "home ", "HOME", "3 likes", "4 likes", "12 likes", "", "---", "  ", "a", "Read on", "b b"]
)


@settings(max_examples=25)
@given(
    rows=st.lists(
        st.tuples(st.lists(LINES, max_size=6).map("\n".join), st.sampled_from(["x", "y", None])),
        min_size=1,
        max_size=12,
    ),
    cuts=st.lists(st.integers(0, 12), max_size=3),
    documents=st.integers(2, 4),
    entries=st.sampled_from([5, 11, 1 << 26]),
    by_site=st.booleans(),
)
def test_the_rounds_count_as_a_dictionary_does(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, str | None]],
    cuts: list[int],
    documents: int,
    entries: int,
    by_site: bool,
) -> None:
    texts, sites = [text for text, _ in rows], [site for _, site in rows]
    given = inputs(tmp_path_factory.mktemp("b"), texts, [min(cut, len(texts)) for cut in cuts], sites)
    plugin = Boilerplate(documents=documents, within="domain" if by_site else None, entries=entries)
    made = pa.concat_tables(run(plugin, given))
    want = reference(texts, sites if by_site else [None] * len(texts), documents)
    assert made.column("text").to_pylist() == want
    fresh, before = corpus_table(want), corpus_table(texts, domains=sites)
    for name in made.column_names:
        source = fresh if name in ("text", "num_bytes", "text_hash") else before
        assert made.column(name).to_pylist() == source.column(name).to_pylist()


def test_as_many_documents_as_asked_for_and_one_less(tmp_path: Path) -> None:
    texts = [f"Text {name}.\n{menu}" for name, menu in zip("abcdef", ["Menu\nMenu"] * 3 + ["Menu"] * 3, strict=True)]
    for documents, kept in ((6, "Text a."), (7, texts[0])):
        given = inputs(tmp_path / str(documents), texts)
        made = pa.concat_tables(run(Boilerplate(documents=documents), given))
        assert made.column("text")[0].as_py() == kept
    given = inputs(tmp_path / "counted", texts, [2])
    plugin = Boilerplate(documents=6)
    state = settle(plugin, given)
    assert plugin.account(state) == {"lines": 7, "recurring": 1}
    shard = given.only(0).shard(0)
    assert pa.concat_tables(plugin.map(shard, state)).schema == tables.CORPUS
    assert shard.left_out == {"lines.boilerplate": 4, "words.boilerplate": 4}


def test_what_a_line_is_known_by() -> None:
    assert normalised("  Page\t12 of 300 ") == "page 00 of 000" == normalised("page 99 OF 123")
    assert normalised("page 1 of 300") != normalised("page 12 of 300")
    assert normalised("--- }") == ""


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no column 'site'"):
        run(Boilerplate(within="site"), inputs(tmp_path, ["a"]))
    with pytest.raises(RecipeError, match="too small"):
        Boilerplate(documents=1)


def test_real_pages(tmp_path: Path, data: Path) -> None:
    """Menus of pages hold many times the recurring lines that the main text of the same pages holds."""
    share: dict[str, float] = {}
    for file in ("web_main", "web_boilerplate"):
        with zstandard.open(data / "corpus" / f"{file}.jsonl.zst", "rt", encoding="utf-8", newline="\n") as lines:
            texts = [json.loads(line)["text"] for line, _ in zip(lines, range(300), strict=False)]
        made = pa.concat_tables(run(Boilerplate(), inputs(tmp_path / file, texts, [100])))
        left = made.column("text").to_pylist()
        share[file] = 1 - sum(len(text.split()) for text in left) / sum(len(text.split()) for text in texts)
    assert share["web_boilerplate"] > 5 * share["web_main"]
    assert share["web_main"] < 0.02
