"""`why`, `show`, the report on duplicates: an old corpus and a new one whose files, and so doc_ids, are named alike."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.cli.conftest import Verb

from vernier.core.recipe import load
from vernier.core.run import Run
from vernier.pipeline.run import run
from vernier.pipeline.why import find, story
from vernier.report.build import build
from vernier.report.duplicates import found

RECIPE = """\
vernier: 1
name: copies
store: FOLDER/store
stages:
  before: {do: corpus.read_jsonl, with: {paths: [FOLDER/old/*.jsonl]}, on: {workers: 1}}
  keys_before: {do: score.minhash, in: {corpus: before}, with: {bands: 40, band_rows: 4}, on: {workers: 1}}
  kept: {do: select.slice, in: {corpus: before}, with: {range: [0, 1]}, on: {workers: 1}}
  docs: {do: corpus.read_jsonl, with: {paths: [FOLDER/new/*.jsonl]}, on: {workers: 1}}
  keys: {do: score.minhash, in: {corpus: docs}, with: {bands: 40, band_rows: 4}, on: {workers: 1}}
  found:
    do: select.duplicates
    in: {corpus: docs, keys: keys, old_corpus: [before], old_keys: [keys_before], old: [kept]}
    with: {at_least: 0.5, memory: 256MiB}
    on: {workers: 1}
  unique: {do: select.unique, in: {corpus: docs, duplicates: found}, on: {workers: 1}}
"""


def words(seed: int) -> list[str]:
    rng = random.Random(seed)
    return [f"w{rng.randrange(9999)}" for _ in range(60)]


def changed(text: Sequence[str], word: str) -> str:
    return " ".join([*text[:30], word, *text[31:]])


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("copies")
    one, two, three = (words(seed) for seed in range(3))
    old = [{"id": "o0", "text": " ".join(one)}, {"id": "o1", "text": " ".join(three)}]
    new = [{"id": "n0", "text": " ".join(two), "domain": "web"}, {"id": "n1", "text": changed(one, "ANOTHER")}]
    new += [{"id": f"n{i}", "text": changed(two, f"x\x1b<b>{i}"), "domain": "web"} for i in range(2, 15)]
    for name, lines in (("old", old), ("new", new)):
        (folder / name).mkdir()
        (folder / name / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "copies.yaml").write_text(RECIPE.replace("FOLDER", str(folder)))
    return run(load(folder / "copies.yaml"), out=folder / "run", quiet=True)


def doc_id(done: Run, name: str) -> str:
    ((place,), _) = find(done, name)
    return place.values["doc_id"].hex()


def test_why_of_a_copy_of_an_earlier_document(done: Run, verb: Verb) -> None:
    kept = doc_id(done, "o0")
    assert doc_id(done, "n0") == kept, "both are the first of a file of this name"
    code, out, err = verb("why", str(done.folder), "n1")
    assert code == 0, err
    lines = out.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("  found: "))
    assert lines[at] == f"  found: a copy of {kept} o0 (before, a.jsonl at 0), which is kept"
    # One word of 60 stands in 5 of its 56 sequences of 5 words.
    assert lines[at + 1] == f"    likeness {51 / 61:.4f}: Jaccard index of word 5-grams"
    one = words(0)
    assert f" {one[29]} [-{one[30]}-]{{+ANOTHER+}} {' '.join(one[31:35])} " in lines[at + 3]
    assert f"  unique: dropped: duplicate (of {kept}, likeness {51 / 61:.4g})" in lines


def test_why_of_kept_documents_with_one_doc_id(done: Run, verb: Verb) -> None:
    """Each is told of its own copies alone."""
    out = verb("why", str(done.folder), "n0")[1]
    assert "  found: kept; 13 of its duplicates dropped, the first 10 (likeness: Jaccard index of word 5-grams):" in out
    assert re.findall(r"0\.8\d+ [0-9a-f]{32} (n\d+) \(docs, a.jsonl at", out) == [f"n{i}" for i in range(2, 12)]
    assert "  unique: kept" in out
    out = verb("why", str(done.folder), "o0")[1]
    assert re.findall(r"kept; (\d+) of its.*|0\.8361 [0-9a-f]{32} (\S+)", out) == [("1", ""), ("", "n1")]
    assert "found" not in verb("why", str(done.folder), "o1")[1]
    assert "\x1b" not in verb("why", str(done.folder), "n7")[1]


def test_why_reads_no_text_but_that_of_the_two(done: Run) -> None:
    ((place,), _) = find(done, "n1")
    told = [chapter.values["copies"] for chapter in story(done, place) if "copies" in chapter.values]
    assert len(told) == 1 and told[0].kept is not None
    assert (told[0].kept.node, told[0].kept.shard, told[0].kept.row) == ("before", 0, 0)
    assert told[0].texts == (" ".join(words(0)), changed(words(0), "ANOTHER"))


def test_show_gives_an_account(done: Run, verb: Verb) -> None:
    code, out, err = verb("show", str(done.folder), "found")
    assert code == 0, err
    told = dict(re.findall(r"^(\S.*?)  +(.*)$", out, re.MULTILINE))
    assert (told["documents"], told["duplicates"]) == ("15", "14 (93.3 %), 0 of them alike by 1")
    assert told["duplicates of earlier documents"] == "1" and told["kept documents that have some"] == "2"
    assert told["kept of several"] == "the first"
    bars = re.search(r"How alike duplicates are: 0\.5 (.{40}) 1$", out, re.MULTILINE)
    assert bars is not None and bars[1].count("█") == 1 and set(bars[1]) <= set(" ▁█")
    domains = [line.split() for line in out.splitlines() if re.match(r"web|\(no domain\)", line)]
    assert domains == [["web", "14", "13", "92.9", "%"], ["(no", "domain)", "1", "1", "100.0", "%"]]
    kept = doc_id(done, "n0")
    clusters = [line.split()[:3] for line in out.splitlines() if line.startswith(kept)]
    assert clusters == [[kept, "n0", "13"], [kept, "o0", "1"]]
    assert f"vernier why {done.folder} {kept}" in out and "{'doc_id'" not in out
    rows = verb("show", str(done.folder), "unique", "--reason", "duplicate")[1].splitlines()
    assert json.loads(next(line for line in rows if line.startswith("{")))["duplicate_of"] == kept


def test_the_report_tells_of_duplicates_without_the_store(done: Run, tmp_path: Path) -> None:
    shutil.copytree(done.folder, tmp_path / "run", symlinks=False)
    page = build(Run.open(tmp_path / "run"))
    assert "What is there more than once?" in page and "How alike the duplicates of found are" in page
    assert "14 duplicate" in page and "\x1b" not in page and "<b>7" not in page
    copied = found(Run.open(tmp_path / "run"), "found")
    assert copied is not None and copied.counts.sum() == 14 and copied.same == 0
    assert copied.domains == {"web": (14, 13), "(no domain)": (1, 1)}
    assert [(c.name, c.node, c.duplicates) for c in copied.largest] == [("n0", "docs", 13), ("o0", "before", 1)]
    assert found(Run.open(tmp_path / "run"), "docs") is None
