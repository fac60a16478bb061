"""The command line as a person meets it: every verb once on the way from a folder of JSONL to an export."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.cli.conftest import RECIPE, Verb
from tests.corpus import warcs
from tests.pipeline.small import document

from vernier.testing.toy import toy_model


def test_from_recipe_to_export(here: Path, verb: Verb) -> None:
    assert verb("check", "small.yaml")[:2] == (0, "small.yaml: 2 stages, 2 pieces of input found, no mistakes\n")
    code, out, _ = verb("plan", "small.yaml")
    assert code == 0 and "2 of 2" in out and "after clean" in out
    code, out, err = verb("run", "small.yaml")
    assert code == 0 and "50 kept; 30 not_drawn" in out
    assert "clean: done, 2/2 shards" in err
    code, out, _ = verb("plan", "small.yaml")
    assert out.count("nothing changed") == 2
    code, out, _ = verb("show", "runs/small", "clean", "--rows", "1")
    first = json.loads(out.splitlines()[-1])
    assert code == 0 and first["text"] == document(0)["text"]
    code, out, _ = verb("why", "runs/small", first["doc_id"])
    assert code == 0 and "read from part-0.jsonl at 0" in out and "keep: " in out
    code, out, _ = verb("verify", "runs/small")
    assert (code, out) == (0, "4 files checked, 0 damaged or missing\n")
    code, out, _ = verb("verify", "runs/small", "--recompute", "2")
    assert code == 0 and out.count("the same bytes") == 2
    code, out, _ = verb("export", "runs/small", "keep", "--to", "out", "-q")
    assert code == 0 and "50 documents" in out
    assert sum(pq.read_table(p).num_rows for p in (here / "out").glob("*.parquet")) == 50


def test_dry_run_makes_nothing(here: Path, verb: Verb) -> None:
    code, out, _ = verb("run", "small.yaml", "--dry-run")
    assert code == 0 and "to run" in out
    assert not (here / ".vernier").exists() and not (here / "runs").exists()


def test_a_setting_from_the_command_line(here: Path, verb: Verb) -> None:
    code, out, _ = verb("run", "small.yaml", "--set", "keep.with.keep={documents: 10}", "--out", "runs/ten", "-q")
    assert code == 0 and "10 kept; 70 not_drawn" in out
    verb("run", "small.yaml", "-q")
    code, out, _ = verb("diff", "runs/small", "runs/ten")
    assert code == 0 and "50 (10 in both)" in out and '"documents": 10' in out
    assert verb("diff", "runs/ten", "runs/ten")[1] == "the two runs made the same\n"


def test_prune_says_first_and_deletes_when_told(here: Path, verb: Verb) -> None:
    verb("run", "small.yaml", "-q")
    verb("run", "small.yaml", "-q", "--set", "keep.with.keep={documents: 10}")
    code, out, err = verb("prune")
    assert code == 0 and "kept: " in out and "4 units and records" in out and "--yes" in err
    before = len(list((here / ".vernier").rglob("*.parquet")))
    assert verb("prune", "--yes")[0] == 0
    assert len(list((here / ".vernier").rglob("*.parquet"))) == before - 2
    assert verb("verify", "runs/small")[0] == 0


def test_prune_keeps_what_partial_and_distant_runs_need(here: Path, verb: Verb) -> None:
    verb("run", "small.yaml", "-q", "--out", "elsewhere/run")
    verb("run", "small.yaml", "-q")
    verb("run", "small.yaml", "-q", "--to", "clean")
    assert "nothing to delete" in verb("prune", "--yes")[1]
    assert verb("verify", "elsewhere/run")[0] == verb("verify", "runs/small")[0] == 0
    assert verb("export", "runs/small", "keep", "--to", "out", "-q")[0] == 0, "a partial run forgets nothing"


def test_prune_lets_go_of_a_run_whose_folder_is_gone(here: Path, verb: Verb) -> None:
    verb("run", "small.yaml", "-q", "--set", "keep.with.keep={documents: 10}", "--out", "runs/ten")
    verb("run", "small.yaml", "-q")
    shutil.rmtree(here / "runs" / "ten")
    code, out, _ = verb("prune", "--yes")
    assert code == 0 and "no longer there: " in out and "4 units and records" in out
    assert verb("verify", "runs/small")[0] == 0


def test_prune_without_a_store(here: Path, verb: Verb) -> None:
    code, _, err = verb("prune")
    assert code == 5 and "there is no store" in err


def test_a_project_can_move(here: Path, verb: Verb, monkeypatch: pytest.MonkeyPatch) -> None:
    verb("run", "small.yaml", "-q")
    shutil.copytree(here, here.parent / "moved", symlinks=True)
    monkeypatch.chdir(here.parent / "moved")
    shutil.rmtree(here / ".vernier")
    assert verb("verify", "runs/small")[:2] == (0, "4 files checked, 0 damaged or missing\n")
    assert "nothing to delete" in verb("prune")[1]


def test_a_failed_run_forgets_nothing(here: Path, verb: Verb) -> None:
    verb("run", "small.yaml", "-q")
    assert verb("run", "small.yaml", "-q", "--set", "keep.with.keep={documents: 1000}")[0] == 2
    assert verb("export", "runs/small", "keep", "--to", "out", "-q")[0] == 0


def test_a_stopped_read_can_be_looked_at(here: Path, verb: Verb) -> None:
    path = here / "data" / "part-1.jsonl"
    path.write_text(path.read_text() + "{not json\n" * 20)
    code, _, err = verb("run", "small.yaml", "-q")
    assert code == 3 and "show RUN clean --bad" in err
    code, out, _ = verb("show", "runs/small", "clean", "--bad", "--rows", "1")
    assert code == 0 and "{not json" in out


def test_a_stopped_extraction_can_be_looked_at(here: Path, verb: Verb) -> None:
    pages = ["", *["x" * 4000] * 12, "<p>One that can be read, with some words in it."]
    (here / "web.jsonl").write_text("".join(json.dumps({"id": f"p{i}", "text": t}) + "\n" for i, t in enumerate(pages)))
    (here / "web.yaml").write_text("""\
vernier: 1
name: web
stages:
  pages: {do: corpus.read_jsonl, with: {paths: [web.jsonl], domain: null}}
  text: {do: corpus.extract, in: {corpus: pages}, with: {max_bytes: 3000}}
""")
    code, _, err = verb("run", "web.yaml", "-q")
    assert code == 3 and "12 of 14 rows failed" in err and "show RUN text --bad --reason too_large" in err
    shown = partial(verb, "show", "runs/web", "text", "--rows", "20", "--bad")
    ids = [
        [json.loads(row)["id"] for row in out.splitlines() if row.startswith("{")]
        for _, out, _ in (shown(), shown("--reason", "too_large"), shown("--reason", "timeout"))
    ]
    assert ids == [[f"p{i}" for i in range(13)], [f"p{i}" for i in range(1, 13)], []]
    assert verb("show", "runs/web", "text", "--reason", "too_large")[0] == 2
    assert verb("run", "web.yaml", "-q", "--set", "text.with.max_bad.share=0.9")[0] == 0


def test_a_file_where_the_run_would_be(here: Path, verb: Verb) -> None:
    code, _, err = verb("run", "small.yaml", "-q", "--out", "small.yaml")
    assert code == 5 and "--out" in err


def test_work_of_other_versions_is_told(here: Path, verb: Verb) -> None:
    verb("run", "small.yaml", "-q")
    for path in (here / ".vernier" / "made").rglob("*.json"):
        path.write_text(path.read_text().replace('"pyarrow": "', '"pyarrow": "1.'))
    for _ in range(2):
        assert "pyarrow 1." in verb("plan", "small.yaml")[2]
        verb("run", "small.yaml", "-q")


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (("do: corpus.read_jsonl", "do: corpus.read_jsonk"), 2, ["read_jsonk", "did you mean 'corpus.read_jsonl'"]),
        (("paths:", "pahts:"), 2, ["small.yaml:4", "pahts", "did you mean 'paths'"]),
        (("data/*.jsonl", "nowhere/*.jsonl"), 2, ["nowhere/*.jsonl"]),
        (("documents: 50", "documents: 5000"), 2, ["5000 documents", "80 documents"]),
        (("in: {corpus: clean}", "in: {corpus: keep}"), 2, ["small.yaml:5", "keep"]),
        (("vernier: 1", "vernier: 1\nvernier: 1"), 2, ["small.yaml:2", "vernier"]),
    ],
)
def test_mistakes_are_told_with_their_place(
    here: Path, verb: Verb, change: tuple[str, str], code: int, words: list[str]
) -> None:
    (here / "small.yaml").write_text(RECIPE.replace(*change))
    got, _, err = verb("run", "small.yaml", "-q")
    assert got == code and err.startswith("RecipeError")
    for word in words:
        assert word in err, err


def test_no_run_there(here: Path, verb: Verb) -> None:
    code, _, err = verb("show", "runs/none")
    assert code == 5 and "vernier run" in err


def test_ls_lists_plugins_and_tells_of_one(verb: Verb) -> None:
    code, out, _ = verb("ls")
    assert code == 0 and "corpus.read_jsonl" in out and "select.top_k" in out
    code, out, _ = verb("ls", "select.top_k")
    assert code == 0 and "within" in out and "keep" in out
    code, _, err = verb("ls", "select.topk")
    assert code == 2 and "did you mean 'select.top_k'" in err


def test_a_bug_keeps_its_traceback(here: Path) -> None:
    """Anything that is not one of our errors is a bug: exit code 1, and the traceback for the report."""
    code = "import sys; sys.argv = ['vernier', 'check', 'small.yaml']\nimport vernier.core.recipe as r; r.load = None\n"
    code += "from vernier.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1 and "TypeError" in done.stderr


class TestInit:
    def test_jsonl_runs_as_written(self, here: Path, verb: Verb) -> None:
        code, out, _ = verb("init", "data", "--surface")
        assert code == 0 and "2 files" in out and "text = 'text'" in out
        assert verb("check", "recipe.yaml")[0] == 0
        code, out, _ = verb("run", "recipe.yaml", "-q")
        assert code == 0 and "40 kept" in out

    def test_the_recipe_with_models_is_right_too(self, here: Path, verb: Verb) -> None:
        assert verb("init", "data", "--target", "odd", "--to", "full.yaml")[0] == 0
        code, _, err = verb("check", "full.yaml")
        assert code == 0, err
        assert 'domain: "odd"' in (here / "full.yaml").read_text()

    def test_other_field_names_are_found(self, here: Path, verb: Verb) -> None:
        (here / "web").mkdir()
        rows = [{"raw_content": f"page {i}", "url": f"u{i}", "license": "CC0"} for i in range(30)]
        pq.write_table(pa.Table.from_pylist(rows), here / "web" / "a.parquet")
        code, out, _ = verb("init", "web", "--surface")
        assert code == 0 and "text = 'raw_content'" in out and "id = 'url'" in out
        code, _, err = verb("run", "recipe.yaml", "-q")
        assert code == 0, err

    def test_a_folder_of_texts(self, here: Path, verb: Verb) -> None:
        for i in range(5):
            (here / "texts").mkdir(exist_ok=True)
            (here / "texts" / f"{i}.txt").write_text(f"the text of file {i}\n")
        assert verb("init", "texts", "--surface")[0] == 0
        code, _, err = verb("run", "recipe.yaml", "-q")
        assert code == 0, err

    @pytest.mark.parametrize("name", ["a.warc.gz", "a.warc.wet.gz", "a.html"])
    def test_web_pages(self, here: Path, verb: Verb, name: str) -> None:
        (here / "web").mkdir()
        text = b"The harbour was quiet that morning, and the old captain told us of the ships that he had seen. " * 9
        record = warcs.record(text, kind="conversion", content="text/plain")
        whole = record if "wet" in name else warcs.response(1, b"<p>" + text)
        (here / "web" / name).write_bytes(text if name == "a.html" else warcs.packed([whole]))
        code, out, err = verb("init", "web")
        assert code == 0 and "1 files" in out, err
        code, _, err = verb("run", "recipe.yaml", "-q")
        assert code == 0, err
        assert "1 kept" in verb("show", "runs/recipe")[1]

    def test_it_overwrites_nothing(self, here: Path, verb: Verb) -> None:
        assert verb("init", "data", "--to", "small.yaml")[0] == 5
        assert (here / "small.yaml").read_text() == RECIPE

    def test_a_folder_without_texts(self, here: Path, verb: Verb) -> None:
        (here / "pictures").mkdir()
        (here / "pictures" / "a.png").write_bytes(b"\x89PNG")
        code, _, err = verb("init", "pictures")
        assert code == 2 and ".png" in err and ".jsonl" in err


def test_check_and_show_know_a_model_from_outside(here: Path, verb: Verb) -> None:
    model = toy_model(here / "models" / "my-small")
    with (here / "small.yaml").open("a") as recipe:
        recipe.write("  small: {do: train.read_hf, with: {path: models/my-small}}\n")
    code, out, _ = verb("check", "small.yaml")
    assert code == 0
    assert "6 pieces of input found" in out  # two files of documents and four of the model
    assert verb("run", "small.yaml", "--to", "small", "--quiet")[0] == 0
    code, out, _ = verb("show", "runs/small", "small")
    assert code == 0
    assert "parameters" in out
    assert "records" not in out
    (model / "model.safetensors").unlink()
    code, _, err = verb("check", "small.yaml")
    assert code == 3
    assert "has no weights" in err


def test_a_run_ends_with_its_report_which_can_be_written_again(here: Path, verb: Verb) -> None:
    _, said, _ = verb("run", "small.yaml", "-q")
    page = here / "runs" / "small" / "report.html"
    assert said.split("\n")[-2] == "report: runs/small/report.html"
    assert "<title>small" in page.read_text() and "No verdict: this run compares nothing." in page.read_text()
    code, said, _ = verb("report", "runs/small", "--to", "told/page.html")
    assert code == 0 and said == "report: told/page.html\n"
    assert (here / "told" / "page.html").read_bytes() == page.read_bytes()
    code, _, complaint = verb("report", "runs/other")
    assert code == 5 and "there is no run at runs/other" in complaint
