"""Duplicates by a recipe, on real versions of the same texts: found, kept by rule, a new corpus against an old one."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from tests.pipeline.small import units_done

from vernier.core.errors import RecipeError
from vernier.core.recipe import Recipe
from vernier.core.run import Run
from vernier.core.shingles.form import Form
from vernier.pipeline.run import run

SURE = {"bands": 40, "band_rows": 4}  # two texts that are alike by 0.7 share a key but once in 65,000
LEAST = 0.7
Record = Mapping[str, Any]


def records(data: Path) -> list[dict[str, Any]]:
    """Versions of some 40 documents; `group` says of which."""
    raw = zstandard.ZstdDecompressor().stream_reader((data / "dedup" / "near_duplicates.jsonl.zst").open("rb"))
    every = [json.loads(line) for line in io.TextIOWrapper(raw, encoding="utf-8")]
    some = [one for one in every if int(re.sub(r"\D", "", one["dup_group"]) or 0) % 3 == 0]
    assert 80 < len(some) < len(every)
    return some


def write(path: Path, lines: Iterable[Record]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def stage(do: str, inputs: Mapping[str, Any], *, workers: int = 1, **settings: Any) -> dict[str, Any]:
    return {"do": do, "in": dict(inputs), "with": settings, "on": {"workers": workers}}


def read(paths: str, **more: Any) -> dict[str, Any]:
    return stage("corpus.read_jsonl", {}, paths=[paths], columns=["dup_group"], **more)


def search(corpus: str, name: str = "", *, minhash: Record = SURE, **more: Any) -> dict[str, Any]:
    """Keys of a corpus, its duplicates, what is left."""
    inputs: dict[str, Any] = {"corpus": corpus, "keys": f"keys{name}", **more.pop("old", {})}
    return {
        f"keys{name}": stage("score.minhash", {"corpus": corpus}, **minhash),
        f"found{name}": stage("select.duplicates", inputs, **{"at_least": LEAST, "memory": "256MiB", **more}),
        f"unique{name}": stage("select.unique", {"corpus": corpus, "duplicates": f"found{name}"}),
    }


def go(folder: Path, stages: Record, arms: Record | None = None, name: str = "run") -> Run:
    data = {"vernier": 1, "name": "copies", "store": str(folder / "store"), "stages": dict(stages)}
    return run(Recipe.from_data({**data, **({"arms": dict(arms)} if arms else {})}), out=folder / name, quiet=True)


def table(done: Run, node: str, *columns: str) -> list[dict[str, Any]]:
    shards = [
        pq.read_table(done.store.path(shard.data), columns=list(columns) or None)
        for shard in done.artifact(node).shards
    ]
    return pa.concat_tables(shards).to_pylist()


def rows(done: Run, corpus: str = "docs", unique: str = "unique") -> list[dict[str, Any]]:
    documents = table(done, corpus, "doc_id", "id", "text", "domain", "num_bytes", "dup_group")
    return [one | two for one, two in zip(documents, table(done, unique), strict=True)]


def jaccard(one: str, other: str) -> float:
    """Of the sets of five words in a row: the slow way."""
    words = [Form().apply(text).split() for text in (one, other)]
    sets = [set(zip(*(some[i:] for i in range(5)), strict=False)) for some in words]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Run:
    """Arms that differ in which of several documents is kept."""
    folder = tmp_path_factory.mktemp("recipe")
    every = records(data)
    write(folder / "a.jsonl", [one | {"domain": "old"} for one in every if not one["id"].endswith("@now")])
    write(folder / "b.jsonl", [one | {"domain": "new"} for one in every if one["id"].endswith("@now")])
    arms: dict[str, Any] = {"first": {}, "longest": {"found": {"with": {"prefer": "longest"}}}}
    arms["new"] = {"found": {"with": {"domains": ["new"]}}}
    return go(folder, {"docs": read(str(folder / "*.jsonl")), **search("docs")}, arms)


def test_versions_of_a_text_are_found_and_others_are_not(done: Run) -> None:
    every = rows(done, unique="unique@first")
    by_id = {one["doc_id"]: one for one in every}
    dropped = [one for one in every if not one["count"]]
    assert len(dropped) > 0.6 * len(every)
    for one in dropped:
        kept = by_id[one["duplicate_of"]]
        assert one["reason"] == "duplicate" and kept["count"] == 1
        assert kept["dup_group"] == one["dup_group"] and LEAST <= one["measured"] <= 1
    for one in dropped[::7]:
        assert one["measured"] == pytest.approx(jaccard(one["text"], by_id[one["duplicate_of"]]["text"]), abs=1e-12)


@pytest.mark.parametrize("arm", ["first", "longest", "new"])
def test_no_two_of_what_is_kept_are_alike(done: Run, arm: str) -> None:
    kept = [one for one in rows(done, unique=f"unique@{arm}") if one["count"]]
    groups: dict[str, list[str]] = {}
    for one in kept:
        groups.setdefault(one["dup_group"], []).append(one["text"])
    likeness = [jaccard(a, b) for texts in groups.values() for i, a in enumerate(texts) for b in texts[i + 1 :]]
    assert likeness and max(likeness) < LEAST


def test_which_is_kept_is_a_rule_of_the_recipe(done: Run) -> None:
    every = {arm: rows(done, unique=f"unique@{arm}") for arm in ("first", "longest", "new")}
    by_id = {one["doc_id"]: one for one in every["first"]}
    place = {document: number for number, document in enumerate(by_id)}
    for arm, these in every.items():
        pairs = [(one, by_id[one["duplicate_of"]]) for one in these if not one["count"]]
        first = [place[kept["doc_id"]] < place[one["doc_id"]] for one, kept in pairs]
        longest = [kept["num_bytes"] >= one["num_bytes"] for one, kept in pairs]
        new = [kept["domain"] == "new" for one, kept in pairs if one["domain"] == "old"]
        assert all({"first": first, "longest": longest, "new": [one["domain"] == "old" for one, _ in pairs]}[arm])
        assert arm == "first" or not all(first)
        assert arm == "longest" or not all(longest)
        assert sum(new) == 0 if arm == "first" else sum(new) > 0


@pytest.mark.slow
def test_a_new_corpus_against_an_old_one(tmp_path: Path, data: Path) -> None:
    """The old one's stages are not done again, and of the new one stays what is like nothing that is there."""
    every = records(data)
    write(tmp_path / "old" / "a.jsonl", [one for one in every if re.search("@now|@2016", one["id"])])
    old = {"before": read(str(tmp_path / "old" / "*.jsonl")), **search("before", "_before")}
    first = go(tmp_path, old)
    assert {node for node, _ in units_done(first)} == set(old)
    fresh = [{"id": f"x{n}", "text": f"{n} is a number {n} of {n + 1} numbers " * 3, "dup_group": "x"} for n in (1, 2)]
    write(tmp_path / "new" / "a.jsonl", [one for one in every if not re.search("@now|@2016", one["id"])] + fresh)
    earlier = {"old_corpus": "before", "old_keys": "keys_before", "old": "unique_before"}
    new = {"docs": read(str(tmp_path / "new" / "*.jsonl")), **search("docs", old=earlier)}
    done = go(tmp_path, {**old, **new})
    assert {node for node, _ in units_done(done)} == set(new)
    kept_before = {one["doc_id"]: one for one in rows(done, "before", "unique_before") if one["count"]}
    now = rows(done)
    kept = {one["doc_id"]: one for one in now if one["count"]}
    assert {"x1", "x2"} <= {one["id"] for one in kept.values()}
    told = pq.read_table(done.store.path(f"{done.artifact('found').shards[0].folder}/duplicates.parquet")).to_pylist()
    for one in told:
        assert one["duplicate_of"] in (kept if one["old"] is None else kept_before)
    of_old = sum(one["old"] == 0 for one in told)
    assert of_old == done.artifact("found").facts["of_old"] > 0.5 * len(now)
    for one in kept.values():
        for other in kept_before.values():
            if one["dup_group"] == other["dup_group"]:
                assert jaccard(one["text"], other["text"]) < LEAST


@pytest.mark.slow
def test_the_same_with_other_shards_workers_and_memory(tmp_path: Path, data: Path) -> None:
    every = records(data)
    for name, part in (("a", every[::2]), ("b", every[1::2])):
        write(tmp_path / "data" / f"{name}.jsonl", part)
    told = list[list[tuple[Any, ...]]]()
    for number, (shard, workers, memory) in enumerate([("64MiB", 1, "1GiB"), ("300kB", 2, "256MiB")]):
        stages = {"docs": read(str(tmp_path / "data" / "*.jsonl"), shard=shard), **search("docs", memory=memory)}
        stages = {name: {**one, "on": {"workers": workers}} for name, one in stages.items()}
        done = go(tmp_path, stages, name=f"run{number}")
        assert (len(done.artifact("docs").shards) > 5) == (shard == "300kB")
        told.append([(one["doc_id"], one["count"], one["measured"], one["duplicate_of"]) for one in rows(done)])
    assert told[0] == told[1] and any(not one[1] for one in told[0])


TEXTS = [f"{word} went up the hill and down again to fetch some water" for word in ("jack", "jill", "jack", "john")]
EARLIER = {"old_corpus": "other", "old_keys": "keys_other", "old": "unique_other"}


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A recipe without a mistake, and the folder that it was run in."""
    folder = tmp_path_factory.mktemp("right")
    stages: dict[str, Any] = {}
    for name, texts in (("docs", TEXTS), ("other", TEXTS[::-1])):
        write(folder / f"{name}.jsonl", [{"text": text} for text in texts])
        stages[name] = stage("corpus.read_jsonl", {}, paths=[str(folder / f"{name}.jsonl")])
    stages |= {**search("other", "_other", minhash={}), **search("docs", minhash={}, old=EARLIER)}
    stages["first"] = stage("select.top_k", {"corpus": "docs", "a": "long"}, by="length", keep={"documents": 2})
    stages["long"] = stage("score.surface", {"corpus": "docs"})
    done = go(folder, stages)
    for node in ("unique", "unique_other"):
        assert {"reason": "duplicate"} in table(done, node, "reason")
    return folder, stages


@pytest.mark.parametrize(
    ("name", "inputs", "settings", "said"),
    [
        ("unique", {"duplicates": "found_other"}, {}, "duplicates are those of another corpus"),
        ("unique", {"within": "first"}, {}, "4 documents searched, 2 here"),
        ("keys", {}, {"ngram": 3}, "keys of earlier documents were made in another way"),
        ("found", {"old": None}, {}, "'old' does not fit `old_corpus`"),
    ],
)
def test_what_does_not_go_together_is_an_error(
    right: tuple[Path, dict[str, Any]], name: str, inputs: dict[str, Any], settings: dict[str, Any], said: str
) -> None:
    folder, stages = right
    one = stages[name]
    given = {label: source for label, source in {**one["in"], **inputs}.items() if source is not None}
    with pytest.raises(RecipeError, match=re.escape(said)):
        go(folder, {**stages, name: {**one, "in": given, "with": {**one["with"], **settings}}})
