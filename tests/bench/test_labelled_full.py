"""The full labelled experiment: what is judged, shares of pairs by their definition, the recipe, the chart."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from bench.line_chart import APART, line_chart, spread

from bench import labelled_full as full
from bench import labelled_judged as judged
from bench import labelled_scores as scores
from bench import labelled_split as split
from vernier.core.recipe import load


@pytest.fixture(scope="module")
def parts(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("labelled")
    split.prepare(data, folder)
    judged.judge(data, folder)
    return folder


def test_no_scorer_has_seen_what_it_is_judged_on(data: Path, parts: Path) -> None:
    meta = {row["text"] for row in split.records(parts / "meta.jsonl.zst")}
    sample, pairs = (split.records(parts / name) for name in (judged.SAMPLE, judged.PAIRS))
    assert not meta & {row["text"] for row in [*sample, *pairs]}
    held = {row["id"] for row in split.records(parts / "held.jsonl.zst")}
    corrupted = {row["id"]: row for row in split.records(data / "corpus" / "corrupted.jsonl.zst")}
    assert {row["id"] for row in pairs} - held == corrupted.keys()
    assert not held & corrupted.keys()


def test_the_sample_has_all_that_people_labelled_and_is_even(parts: Path) -> None:
    labels = {row["id"]: row for row in split.records(parts / split.LABELS)}
    names = {row["id"] for row in split.records(parts / judged.SAMPLE)}
    people = {n for n, row in labels.items() if row["quality_basis"] == "human" and row["domain"] == scores.PEOPLE}
    assert {name for name in people if labels[name]["side"] != "meta"} <= names
    assert Counter(labels[name]["quality"] for name in names) == {"high": 800, "low": 800}
    there = Counter((r["domain"], r["quality"]) for r in labels.values() if r["side"] in judged.SIDES)
    taken = Counter((labels[name]["domain"], labels[name]["quality"]) for name in names)
    for quality in ("high", "low"):
        cut = [taken[key] for key in there if key[1] == quality and taken[key] < there[key]]
        assert max(cut) - min(cut) <= 1  # those that have more than their turn
        whole = [there[key] for key in there if key[1] == quality and taken[key] == there[key]]
        assert all(size <= max(cut) for size in whole)


def test_every_corrupted_document_stands_beside_its_twin(data: Path, parts: Path) -> None:
    rows = {row["id"] for row in split.records(parts / judged.PAIRS)}
    twins = split.records(parts / judged.TWINS)
    assert Counter(twin["corruption"] for twin in twins) == Counter(
        row["corruption"] for row in split.records(data / "corpus" / "corrupted.jsonl.zst")
    )
    assert {name for twin in twins for name in (twin["id"], twin["clean_id"])} == rows


def test_a_quick_look_keeps_each_domain(data: Path, tmp_path: Path) -> None:
    split.prepare(data, tmp_path)
    domains = {row["domain"] for row in split.records(tmp_path / "pool.jsonl.zst")}
    judged.few(tmp_path)
    short = split.records(tmp_path / "pool.jsonl.zst")
    assert {row["domain"] for row in short} == domains
    assert len(short) < 1000


TWINS = [{"id": f"x{i}", "clean_id": f"c{i // 2}", "corruption": "ocr"} for i in range(6)]


def test_the_share_of_pairs_in_order() -> None:
    """x0 and x1 are copies of c0, and so on. Won, tied, won, undefined copy, undefined original, both undefined."""
    values = {"c0": 1.0, "x0": 0.5, "x1": 1.0, "c1": 2.0, "x2": -1.0, "x3": math.nan, "c2": math.nan, "x4": 0.0}
    found = scores.in_order(values | {"x5": math.nan}, TWINS)
    assert found[0] == pytest.approx((1 + 0.5 + 1 + 1 + 0 + 0.5) / 6)
    # A resample takes whole documents: the shares are means of three of 0.75, 1 and 0.25.
    possible = {(a + b + c) / 3 for a in (0.75, 1, 0.25) for b in (0.75, 1, 0.25) for c in (0.75, 1, 0.25)}
    assert all(min(abs(value - one) for one in possible) < 1e-9 for value in found[1:])
    low, high = scores.ends(found)
    assert low == pytest.approx(0.25) and high == pytest.approx(1.0)


def test_a_difference_of_two_scores_is_taken_on_the_same_documents() -> None:
    rng = np.random.default_rng(0)
    high = np.arange(200) < 100
    values = rng.normal(size=200) + high
    assert np.array_equal(scores.aucs(values, high), scores.aucs(np.exp(values), high))  # the same order
    assert scores.interval(values, high) == scores.ends(scores.aucs(values, high))


def test_a_score_is_above_the_trivial_ones_only_if_its_interval_is() -> None:
    assert full.above({"value": 0.1, "low": 0.01, "high": 0.2}) == "yes"
    assert full.above({"value": 0.1, "low": -0.01, "high": 0.2}) == "not shown"
    assert full.above({"value": -0.1, "low": -0.2, "high": 0.1}) == "no"


def test_rows_say_which_trivial_score_is_best() -> None:
    names = [f"d{i}" for i in range(20)]
    labels = {
        n: {"quality": "high" if i < 10 else "low", "domain": "web_crawl", "quality_basis": "human"}
        for i, n in enumerate(names)
    }
    found = {name: dict.fromkeys(names, 0.0) for name in scores.TRIVIAL}
    found["zlib_ratio"] = {n: float(i < 5) for i, n in enumerate(names)}  # AUC 0.75
    found["mine"] = {n: -float(i) for i, n in enumerate(names)}  # AUC 1
    rows = [row for row in scores.rows(found, labels) if row["score"] == "mine"]
    assert [row["above_best_trivial"] for row in rows] == ["yes (zlib_ratio)"] * 2
    assert rows[0]["auc"] == 1.0
    assert rows[0]["above_by"]["value"] == pytest.approx(0.25)
    assert 0 < rows[0]["above_by"]["low"] < 0.25 < rows[0]["above_by"]["high"] <= 0.5


@pytest.mark.parametrize("small", [False, True])
def test_the_recipe_has_no_mistake_and_what_the_bench_reads(small: bool, parts: Path) -> None:
    text = full.RECIPE.read_text(encoding="utf-8")
    path = parts / ("small.yaml" if small else "whole.yaml")
    path.write_text(full.shortened(text) if small else text, encoding="utf-8")
    nodes = {node.id: node for node in load(path).nodes()}
    for corpus in ("sample", "pairs"):
        tables = full.on(corpus, full.SCORES).values()
        assert {stage for _, stages in tables for stage in stages} <= nodes.keys()
    assert {f"sample_{size}_{n}" for size in full.SIZES for n in full.LENGTHS} <= nodes.keys()
    tokens = [nodes[f"large_{n}"].plugin.tokens for n in full.LENGTHS]
    assert tokens == ([4096, 8192, 16384, 32768] if small else [262144, 524288, 1048576, 2097152])
    for a, b in zip(full.LENGTHS, full.LENGTHS[1:], strict=False):
        assert list(nodes).index(f"large_{a}") < list(nodes).index(f"large_{b}")


def test_arms_differ_in_their_selection_alone(parts: Path) -> None:
    path = parts / "whole.yaml"
    path.write_text(full.RECIPE.read_text(encoding="utf-8"), encoding="utf-8")
    nodes = {node.id: node for node in load(path).nodes()}
    arms = [arm for arm in load(path).arms if not arm.startswith("ladder")]
    assert len(arms) == 6
    assert len({repr(nodes[f"train@{arm}@{seed}"].plugin) for arm in arms for seed in (0, 1, 2)}) == 1
    told = [nodes[name].plugin.told() for name in ("clean", "clean_pool")]
    assert told[0] == told[1]


def test_wall_time_counts_every_part_once(tmp_path: Path) -> None:
    events = [("run", 7, 10.0), ("stage_done", 7, 15.0), ("run", 8, 100.0), ("run_done", 8, 103.0), ("run", 8, 200.0)]
    lines = [json.dumps({"event": event, "pid": pid, "time": at}) for event, pid, at in events]
    (tmp_path / "log").write_text("\n".join([*lines, '{"event": "sta']), encoding="utf-8")  # killed while writing
    assert full.wall_s(tmp_path / "log") == 8.0


def test_a_chart_is_drawn_to_scale() -> None:
    lines = {"a & b": [[1e5, 0.5, 0.45, 0.55], [2e5, 0.6, 0.55, 0.65], [4e5, 0.7, 0.65, 0.75]]}
    root = ElementTree.fromstring(line_chart("t", "tokens", "AUC", lines, {"chance": 0.5}))
    space = "{http://www.w3.org/2000/svg}"
    dots = [(float(dot.attrib["cx"]), float(dot.attrib["cy"])) for dot in root.iter(f"{space}circle")]
    assert dots[1][0] - dots[0][0] == pytest.approx(dots[2][0] - dots[1][0], abs=0.2)  # doubling is one step
    assert dots[0][1] - dots[1][1] == pytest.approx(dots[1][1] - dots[2][1], abs=0.2) and dots[0][1] > dots[1][1]
    dashed = [line for line in root.iter(f"{space}line") if "stroke-dasharray" in line.attrib]
    assert [float(line.attrib["y1"]) for line in dashed] == [pytest.approx(dots[0][1], abs=0.1)]
    texts = [text.text for text in root.iter(f"{space}text")]
    assert {"a & b", "chance", "AUC", "tokens"} <= set(texts)


def test_names_beside_a_chart_do_not_cover_each_other() -> None:
    placed = spread([(50.0, "x", "b"), (48.0, "x", "a"), (200.0, "x", "c")])
    assert [name for _, _, name in placed] == ["a", "b", "c"]
    assert [at for at, _, _ in placed] == [48.0, 48.0 + APART, 200.0]
