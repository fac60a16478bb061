"""Reports of real runs: from a copied folder without a store and without torch, with numbers equal to the tables'."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML
from tests.pipeline.small import small_recipe, write_jsonl
from tests.pipeline.trials import HALF, SECOND, recipe, trained
from tests.report.small import arm, comparison, evaluation, folder, node

from vernier.core.run import Run
from vernier.pipeline.run import run
from vernier.report.build import build, write

WITHOUT_TORCH = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "transformers", "ray"):
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocked())
from pathlib import Path
from vernier.core.run import Run
from vernier.report.build import write
write(Run.open(sys.argv[1]), Path(sys.argv[2]))
"""


OURS = """a article bdi body br button caption code details div figcaption figure h1 h2 h3 head header html li link main
meta nav ol p pre script section span strong style summary table tbody td th thead title tr ul
svg circle g line path rect text tspan"""


class Tables(HTMLParser):
    """The rows of every table of a page, by the start of its caption."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._cell = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag == "tr":
            self.rows.append([])
        self._cell = self._cell or tag in ("td", "th")
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._cell = False

    def handle_data(self, data: str) -> None:
        if self._cell:
            self.rows[-1][-1] += data

    def of(self, start: str) -> list[list[str]]:
        return [row for row in self.rows if row[0] == start]


class Tags(HTMLParser):
    """The names of all tags of a page, and of all their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.names.add(tag)
        self.attributes.update(name for name, _ in attrs)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run with arms, a ladder and a target."""
    place = tmp_path_factory.mktemp("report")
    write_jsonl(place / "data" / "a.jsonl", range(40))
    scored = {"train": {"in": {"scores": "scores"}, "with": {"losses": [3.5, 3.7, 3.65]}}}
    arms = {
        "random": {},
        "scored": scored,
        "half": {"keep": HALF, **trained(losses=[4.5, 4.7, 4.65])},
        "random2": {"keep": SECOND},
        "twice": trained(tokens=2000),
    }
    before = Path.cwd()
    os.chdir(place)
    try:
        run(recipe(arms), quiet=True)
    finally:
        os.chdir(before)
    return place / "runs" / "trials"


def test_a_copied_folder_needs_neither_store_nor_torch(made: Path, tmp_path: Path) -> None:
    copied = tmp_path / "elsewhere" / "trials"
    shutil.copytree(made, copied, symlinks=False)
    out = tmp_path / "report.html"
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, str(copied), str(out)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / ".vernier").exists()
    assert out.read_text() == build(Run.open(made))


def test_the_page_has_the_numbers_of_the_comparison_table(made: Path) -> None:
    page = build(Run.open(made))
    told = pq.read_table(made / "comparison" / "comparison.parquet").to_pylist()
    whole = {(row["arm"], row["metric"]): row for row in told if row["seed"] is None and row["domain"] is None}
    tables = Tables(page)
    for name in ("scored", "half", "random2"):
        loss, difference = whole[name, "bits_per_byte"], whole[name, "difference_together"]
        alone, training = whole[name, "difference"], whole[name, "training_flops"]
        board, numbers, cost, *_, planned = tables.of(name)
        assert [board[1], *board[4:6]] == [
            f"{difference['value']:+.4f}",
            f"{difference['low']:+.4f} to {difference['high']:+.4f}",
            f"{loss['value']:.4f}",
        ]
        assert numbers[2] == f"{alone['low']:+.4f} to {alone['high']:+.4f}"
        assert cost[1] == f"{training['value']:.2e}"
        assert planned[1:3] == [f"{whole[name, 'training_flops_planned']['value']:.2e}", cost[1]]
    assert tables.of("scored")[0][6:8] == [
        f"{whole['scored', f'{what}_multiplier']['value']:.3g}x" for what in ("training", "net")
    ]
    even = [
        row["value"] for row in told if (row["arm"], row["domain"]) == ("random", "even") and row["seed"] is not None
    ]
    assert tables.of("even")[0][1] == f"{sum(even) / 3:.4f}"
    assert "`" not in re.sub(r"<pre>.*</pre>", "", page, flags=re.S).partition("<main")[2]


def test_the_ledger_conserves_every_document(made: Path) -> None:
    opened = Run.open(made)
    tables = Tables(build(opened))
    lines = [row for row in tables.rows if len(row) == 8 and row[-1] in ("yes", "NO")]
    assert {row[-1] for row in lines} == {"yes"}
    kept = opened.nodes["pool"]["counts"]["kept"]
    assert [row[3:6] for row in lines if row[0] == "pool"] == [["40", str(kept), f"{40 - kept} other slice"]]


def test_all_that_was_read_is_accounted_for_in_each_last_selection(tmp_path: Path) -> None:
    read = {"rows": 90, "quarantined": 10, "quarantined.bad_json": 10}
    clean = {"rows": 90, "kept": 60, "dropped.few_words": 30}
    kept = {"rows": 90, "kept": 20, "dropped.outside": 30, "dropped.below_cut": 40}
    more = {"rows": 90, "kept": 60, "dropped.outside": 30}
    nodes = {
        "text": node("corpus", "corpus.read_jsonl", of="text", counts=read, rows=90),
        "edited": node(
            "corpus",
            "corpus.lines",
            of="edited",
            inputs={"corpus": "text"},
            counts={"rows": 90, "failed.empty": 2},
            rows=90,
        ),
        "clean": node("selection", "select.rules", of="clean", inputs={"corpus": "edited"}, counts=clean, rows=90),
        "keep": node(
            "selection", "select.top_k", of="keep", inputs={"corpus": "edited", "within": "clean"}, counts=kept, rows=90
        ),
        "more": node(
            "selection", "select.top_k", of="more", inputs={"corpus": "edited", "within": "clean"}, counts=more, rows=90
        ),
    }
    rows = Tables(build(folder(tmp_path / "run", nodes))).rows
    assert [row for row in rows if row[0] in ("keep", "more") and row[-1] in ("yes", "NO") and len(row) == 6] == [
        ["keep", "100", "20", "30 clean: few words, 40 keep: below cut", "10 text: bad json", "yes"],
        ["more", "100", "60", "30 clean: few words", "10 text: bad json", "yes"],
    ]


def test_counts_that_do_not_add_up_are_called_a_bug(tmp_path: Path) -> None:
    lost = {"rows": 10, "kept": 4, "dropped.below_cut": 5}
    opened = folder(tmp_path / "run", {"keep": node("selection", "select.top_k", counts=lost, rows=10)})
    assert "The counts of keep do not add up: that is a bug." in build(opened)


def test_the_recipe_stands_there_whole_and_in_its_order(made: Path) -> None:
    opened = Run.open(made)
    shown = re.search(r"<pre><code>(.*)</code></pre>", build(opened), re.S)
    assert shown is not None
    read = YAML(typ="safe").load(unescape(shown[1]))
    assert read == opened.recipe and list(read["stages"]) == list(opened.recipe["stages"])


def test_the_same_run_gives_the_same_bytes_and_one_file(made: Path, tmp_path: Path) -> None:
    first, second = (write(Run.open(made), tmp_path / name) for name in ("a.html", "b.html"))
    assert first.read_bytes() == second.read_bytes()
    page = first.read_text()
    assert not re.findall(r"""(?:src|href)=["'](?!#|data:,)""", page) and "@import" not in page
    assert re.search(r"default-src 'none'", page) and page.count("<script>") == 1


def test_headings_go_down_one_level_at_a_time_and_every_entry_leads_somewhere(made: Path) -> None:
    page = build(Run.open(made))
    levels = [int(level) for level in re.findall(r"<h([1-6])", page)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    anchors = re.findall(r'href="#([^"]*)"', page)
    assert anchors and all(f'id="{anchor}"' in page for anchor in anchors)
    for drawing in re.findall(r"<svg[^>]*>", page):
        assert 'role="img"' in drawing and "aria-label=" in drawing and "viewBox=" in drawing


def test_a_run_without_arms_still_tells_what_it_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_jsonl(tmp_path / "data" / "a.jsonl", range(40))
    opened = run(small_recipe(), quiet=True)
    page = unescape(build(opened))
    kept = opened.nodes["keep"]["counts"]["kept"]
    assert "No verdict: this run compares nothing." in page and "It holds 40 documents" in page
    assert f"<code>keep</code> keeps {kept}" in page
    assert "Every line adds up" in page and opened.nodes["clean"]["content"] in page
    assert "do: select.random" in page and 'id="leaderboard"' not in page


def test_diversity_stands_by_arm_and_seed_and_what_an_arm_was_told_in_words(tmp_path: Path) -> None:
    measured = {"semantic_diversity": {"mean": 12.3456, "low": 11.0, "high": 13.75, "shift": False}}
    diverse = node("results", "evaluate.diversity", of="spread", arms=["contrast"], seed=1, facts=measured)
    shifted = {"semantic_diversity": {**measured["semantic_diversity"], "shift": True}}
    told = evaluation(contrast=arm(-0.5, told=["domains", "labels"]), older=arm(0.5))
    del told["arms"]["older"]["told"]
    nodes = {"spread@contrast@1": diverse, "other": node("results", "evaluate.diversity", facts=shifted)}
    nodes |= {"comparison": node("results", "comparison", facts=comparison(told))}
    opened = folder(tmp_path / "run", nodes)
    (opened.folder / "comparison").mkdir()
    rows = {name: pa.array([], pa.string()) for name in ("evaluation", "arm", "seed", "domain", "metric", "value")}
    pq.write_table(pa.table(rows), opened.folder / "comparison" / "comparison.parquet")
    tables = Tables(build(opened))
    assert tables.of("spread")[0] == ["spread", "contrast", "1", "12.346", "11.000 to 13.750", "cosines"]
    assert tables.of("other")[0][-1] == "shifted cosines, (S + 1) / 2"  # values of the two do not compare
    said = {name: tables.of(name)[0][3] for name in ("contrast", "random", "older")}
    assert said == {"contrast": "domains, labels", "random": "nothing", "older": "not recorded"}


def test_names_and_values_are_text_whatever_they_hold(tmp_path: Path) -> None:
    bad = "</script><script>alert(1)</script><b>`x` & \"'"
    told = evaluation(**{bad: arm(-0.5, told=[bad], same_knowledge=[{"arm": bad, "difference": 0.1, "alone": None}])})
    told |= {"on": [bad], "notes": [bad]}
    read = {"rows": 3, "quarantined": 1, f"quarantined.{bad}": 1, "bytes": 9}
    losses = {"arms": [bad], "facts": {"semantic_diversity": {"mean": 2.0, "low": 1.0, "high": 3.0}}}
    nodes = {
        bad: node("corpus", bad, counts=read, rows=3, facts={bad: bad}),
        "keep": node("selection", bad, counts={"rows": 3, "kept": 1, f"dropped.{bad}": 2}, inputs={"corpus": bad}),
        "model": node("model", bad, facts={"tokens": 5, "epochs": 0.5}, inputs={"selection": "keep"}, arms=[bad]),
        "diverse": node("results", "evaluate.diversity", **losses),
        "comparison": node("results", bad, facts=comparison(told, domains=[bad], missing=[bad])),
    }
    opened = folder(tmp_path / "run", nodes, name=bad, stages={bad: {"do": bad}})
    (opened.folder / "comparison").mkdir()
    schema = ("evaluation", "arm", "domain", "metric")
    row = {**dict.fromkeys(schema, bad), "metric": "bits_per_byte", "seed": 0, "value": 1.0}
    pq.write_table(pa.Table.from_pylist([row]), opened.folder / "comparison" / "comparison.parquet")
    page = build(opened)
    assert "alert(1)" in page and "<script>alert" not in page and "<b>" not in page
    assert page.count("<script>") == page.count("</script>") == 1
    tags = Tags(page)
    assert tags.names <= set(OURS.split())
    assert not any(name.startswith("on") for name in tags.attributes)
