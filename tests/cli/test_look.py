"""`show` and `diff`: a stage by any of its names, the cause of a difference and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import RECIPE, Verb
from tests.pipeline.small import document, write_jsonl

from vernier.cli.look import _ledger, node_named, nodes_named
from vernier.cli.words import outline
from vernier.core.errors import RecipeError, ResumeError
from vernier.core.run import Run

ARMS = (
    RECIPE.replace("name: small", "name: arms\nseeds: {values: [0, 1], from: [keep]}")
    + """\
  half: {do: select.random, in: {corpus: clean, within: keep}, with: {keep: {share: 0.5}}}
arms:
  few: {keep: {with: {keep: {documents: 10}}}}
  many: {}
"""
)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run by its record alone: `clean` once, `keep` in two arms and two seeds, `test` in one."""
    run = Run(tmp_path)
    run.nodes["clean"] = {"of": "clean", "arms": ["few", "many"], "seed": None}
    for arm in ("few", "many"):
        for seed in (0, 1):
            run.nodes[f"keep@{arm}@{seed}"] = {"of": "keep", "arms": [arm], "seed": seed}
    run.nodes["test@few"] = {"of": "test", "arms": ["few"], "seed": None}
    return run


@pytest.mark.parametrize(
    ("name", "nodes"),
    [
        ("clean", ["clean"]),
        ("clean@many", ["clean"]),
        ("test", ["test@few"]),
        ("keep@many@1", ["keep@many@1"]),
        ("keep@many", ["keep@many@0", "keep@many@1"]),
        ("keep@0", ["keep@few@0", "keep@many@0"]),
        ("keep", ["keep@few@0", "keep@few@1", "keep@many@0", "keep@many@1"]),
        ("test@many", []),
        ("test@None", []),
    ],
)
def test_nodes_by_name(run: Run, name: str, nodes: list[str]) -> None:
    assert nodes_named(run, name) == nodes
    if len(nodes) == 1:
        assert node_named(run, name) == nodes[0]
    else:
        with pytest.raises(RecipeError if nodes else ResumeError) as caught:
            node_named(run, name)
        assert all(node in str(caught.value) for node in nodes)


def test_a_node_that_there_is_not_has_a_nearest_one(run: Run) -> None:
    with pytest.raises(ResumeError, match="did you mean 'keep@many@1'"):
        node_named(run, "kep@many@1")


def test_show_takes_a_stage_that_is_one_node(here: Path, verb: Verb) -> None:
    (here / "small.yaml").write_text(ARMS)
    verb("run", "small.yaml", "-q", "--to", "keep@many@1")
    code, out, err = verb("show", "runs/arms", "keep")
    assert code == 0 and "keep@many@1" in out, err
    verb("run", "small.yaml", "-q", "--to", "keep")
    code, _, err = verb("show", "runs/arms", "keep")
    assert code == 2 and "keep@few@0, keep@few@1, keep@many@0, keep@many@1" in err


def test_a_reader_accounts_for_every_record(here: Path, verb: Verb) -> None:
    path = here / "data" / "part-1.jsonl"
    path.write_text(path.read_text() + "{not json\n")
    code, out, _ = verb("run", "small.yaml", "-q")
    assert code == 0 and "81 records = 80 rows + 1 quarantined" in out
    assert "81 records = 80 rows + 1 quarantined" in verb("show", "runs/small", "clean")[1]


def told(out: str) -> list[list[str]]:
    """The lines of a table below its head, without those of the environment."""
    return [line.split() for line in out.splitlines()[2:] if line and not line.startswith("(environment)")]


def test_diff_names_the_file_that_changed(here: Path, verb: Verb) -> None:
    (here / "small.yaml").write_text(
        RECIPE + "  half: {do: select.slice, in: {corpus: clean}, with: {range: [0, 1]}}\n"
    )
    verb("run", "small.yaml", "-q", "--out", "runs/a")
    write_jsonl(here / "data" / "part-1.jsonl", range(40, 81))
    verb("run", "small.yaml", "-q", "--out", "runs/b")
    code, out, _ = verb("diff", "runs/a", "runs/b")
    assert code == 0
    assert told(out)[:2] == [["clean", "changed", "part-1.jsonl", "part-1.jsonl"], ["clean", "rows", "80", "81"]]
    assert out.splitlines()[0].split() == ["stage", "what", "runs/a", "runs/b"]
    assert out.splitlines()[-1] == "differ only because of what they read: keep, half"
    assert all(line[:2] == [line[0], "rows"] for line in told(out)[2:-1])


def test_diff_names_files_that_came_and_went(here: Path, verb: Verb) -> None:
    verb("run", "small.yaml", "-q", "--out", "runs/a", "--to", "clean")
    (here / "data" / "part-1.jsonl").rename(here / "data" / "part-2.jsonl")
    verb("run", "small.yaml", "-q", "--out", "runs/b", "--to", "clean")
    assert told(verb("diff", "runs/a", "runs/b")[1]) == [
        ["clean", "added", "-", "part-2.jsonl"],
        ["clean", "gone", "part-1.jsonl", "-"],
    ]


def test_diff_names_what_was_wired_otherwise(here: Path, verb: Verb) -> None:
    text = RECIPE + "  pool: {do: select.slice, in: {corpus: clean}, with: {range: [0, 0.9]}}\n"
    (here / "small.yaml").write_text(
        text.replace("{corpus: clean}, with: {keep", "{corpus: clean, within: pool}, with: {keep")
    )
    verb("run", "small.yaml", "-q", "--out", "runs/a")
    (here / "small.yaml").write_text(text)
    verb("run", "small.yaml", "-q", "--out", "runs/b")
    assert told(verb("diff", "runs/a", "runs/b")[1])[0] == ["keep", "input", "within", "pool", "none"]


def test_outline() -> None:
    facts = {
        "parameters": 1234567,
        "loss": 1.23456789,
        "by": {"web": 1, "prose": None},
        "steps": list(range(20)),
        "e": {},
    }
    assert outline(facts).splitlines() == [
        "  parameters  1,234,567",
        "  loss        1.23457",
        "  by",
        "    web    1",
        "    prose  none",
        "  steps       0, 1, 2, ..., 19 (20 in all)",
        "  e           none",
    ]


def test_rows_of_a_selection_name_their_documents(here: Path, verb: Verb) -> None:
    verb("run", "small.yaml", "-q")
    kept = _shown(verb("show", "runs/small", "keep", "--kept", "--rows", "99")[1])
    dropped = _shown(verb("show", "runs/small", "keep", "--reason", "not_drawn", "--rows", "99")[1])
    assert (len(kept), len(dropped)) == (50, 30) and all(row["count"] for row in kept)
    assert {row["id"] for row in kept}.isdisjoint(row["id"] for row in dropped)
    for row in kept[:3]:
        assert "keep: kept" in verb("why", "runs/small", row["doc_id"])[1]
    code, _, err = verb("show", "runs/small", "clean", "--kept")
    assert code == 2 and "a selection" in err


def test_why_tells_the_number_that_decided(here: Path, verb: Verb) -> None:
    stages = (
        "  surf: {do: score.surface, in: {corpus: clean}}\n  long: {do: select.top_k, in: {corpus: clean, a: surf}, "
    )
    stages += "with: {by: length, keep: {documents: 40}}}\n"
    (here / "small.yaml").write_text(RECIPE + stages)
    verb("run", "small.yaml", "-q")
    rows = [document(n) for n in range(80)]
    cut = sorted((len(r["text"]) for r in rows), reverse=True)[40]
    for row in rows[:3]:
        told = next(line for line in verb("why", "runs/small", row["id"])[1].splitlines() if "long: " in line)
        assert f"length {len(row['text'])}, cut at {cut}" in told


def test_show_and_why_send_no_control_characters_to_the_terminal(here: Path, verb: Verb) -> None:
    record = {"id": "odd", "text": "a\tb\n\x1b[31mc\x9bd\0 ü 中 e"}
    (here / "data" / "part-0.jsonl").write_text(json.dumps(record) + "\n")
    verb("run", "small.yaml", "-q", "--set", "keep.with.keep.documents=5")
    line = next(line for line in verb("why", "runs/small", "odd")[1].splitlines() if "text: " in line)
    assert line == "  text: a b \ufffd[31mc\ufffdd\ufffd ü 中 e"
    shown = verb("show", "runs/small", "clean", "--rows", "1")[1]
    assert _shown(shown)[0]["text"] == record["text"]
    assert not any((c < " " and c != "\n") or "\x7f" <= c <= "\x9f" for c in shown)


def _shown(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines() if line.startswith("{")]


RULES = """\
vernier: 1
name: cleaned
stages:
  clean: {do: corpus.read_jsonl, with: {paths: ["data/*.jsonl"]}}
  signals: {do: score.signals, in: {corpus: clean}, with: {families: [gopher, fineweb]}}
  keep: {do: select.rules, in: {corpus: clean, signals: signals}, with: {rules: gopher, limits: {few_words: 3}}}
"""


def test_show_draws_each_rule_before_and_after_anything_is_dropped(here: Path, verb: Verb) -> None:
    texts = {"short": "of the", "words": "a b c d to the", "fine": "the art of doing such things", "none": ""}
    lines = [json.dumps({"id": name, "text": text}) + "\n" for name, text in texts.items()]
    (here / "data" / "part-0.jsonl").write_text("".join(lines))
    (here / "data" / "part-1.jsonl").unlink()
    (here / "cleaned.yaml").write_text(RULES)
    assert verb("run", "cleaned.yaml", "--to", "signals", "-q")[0] == 0
    code, out, _ = verb("show", "runs/cleaned", "signals")
    assert code == 0 and "by itself would drop of 4 documents (limits of the presets" in out
    line = {words[0]: words for words in map(str.split, out.splitlines()) if words}
    assert line["few_words"][1:6] == ["at", "least", "50", "100.0", "%"] and "punctuated_lines" in line
    assert "dup_5gram" not in line  # its family was not asked for
    assert line["short_words"][4:6] == ["50.0", "%"]  # one more has no words to measure
    assert "|" in next(row for row in out.splitlines() if row.startswith("short_words"))

    assert verb("run", "cleaned.yaml", "-q")[0] == 0
    code, out, _ = verb("show", "runs/cleaned", "keep")
    line = {words[0]: words for words in map(str.split, out.splitlines()) if words}
    assert code == 0 and line["few_words"][-1] == "words" and "limits as set" in out
    shown = [row for row in out.splitlines() if row.startswith("few_words") and "at least" in row]
    assert shown[0].split()[3:6] == ["3", "50.0", "%"]
    assert "punctuated_lines" not in line
    told = {name: verb("why", "runs/cleaned", name)[1] for name in texts}
    assert "keep: dropped: few_words (gopher: number of words 2, at least 3 is wanted)" in told["short"]
    assert "keep: dropped: short_words (gopher: mean word length 1.5, at least 3 is wanted)" in told["words"]
    assert "keep: kept" in told["fine"] and "keep: dropped: few_words" in told["none"]
    page = (here / "runs" / "cleaned" / "report.html").read_text()
    assert "What do the cleaning rules measure?" in page and "share of words with a letter" in page


def test_a_line_of_the_ledger_names_the_most_frequent_reasons() -> None:
    dropped = {f"dropped.{name}": n for name, n in zip("abcdef", [3, 50, 1, 9, 1, 7000], strict=True)}
    assert (
        _ledger("selection", {"kept": 8, **dropped}, False) == "8 kept; 7,000 f, 50 b, 9 d, 3 a, 2 for 2 other reasons"
    )
    assert _ledger("selection", {"kept": 8}, False) == "8 kept"
    assert _ledger("corpus", {"bytes": 5, "failed.empty": 2}, False) == "5 B; failed: 2 empty"
