"""The sections on what was chosen, on a run whose documents, scores and selections are known."""

from __future__ import annotations

import math
import re
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from tests.report import world
from tests.report.small import folder, node
from tests.report.world import NUM_DOCUMENTS, SEEDS

from vernier.core.run import Run
from vernier.report import agreement, curves, documents, kept, pool, read, scores
from vernier.report.choices import choices
from vernier.report.choices import scores as used_scores

EVERY = range(NUM_DOCUMENTS)
POOL = [n for n in EVERY if world.in_pool(n)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return world.build(tmp_path_factory.mktemp("world") / "run")


def domain(number: int) -> str:
    return world.domain(number) or pool.NO_DOMAIN


def test_a_histogram_holds_every_document_of_the_pool_once(run: Run) -> None:
    (score,) = used_scores(run)
    found = scores.histogram(run, score)
    assert found is not None
    for name in {domain(n) for n in POOL}:
        here = [n for n in POOL if domain(n) == name]
        assert found.documents(name) == len(here)
        assert found.not_scored[name] == sum(n % 10 == 7 for n in here)
        assert found.undefined[name] == sum(n == 8 for n in here)
        values = np.array([v for n in here if math.isfinite(v := world.excess(n))])
        assert found.below[name] == (values < found.edges[0]).sum()
        assert found.above[name] == (values > found.edges[-1]).sum()
        # numpy's histogram is the slow reference: it sorts values into edges that need not be even.
        assert found.counts[name].tolist() == np.histogram(values, found.edges)[0].tolist()
    assert sum(map(found.documents, found.domains)) == len(POOL)
    assert found.domains[-1] == pool.PLANTED


def test_a_histogram_is_the_same_for_any_shard_cut(run: Run, tmp_path: Path) -> None:
    other = world.build(tmp_path / "run", shards=7)
    one, two = (scores.histogram(each, used_scores(each)[0]) for each in (run, other))
    assert one is not None
    assert two is not None
    assert one.edges.tolist() == two.edges.tolist()
    assert {name: counts.tolist() for name, counts in one.counts.items()} == {
        name: counts.tolist() for name, counts in two.counts.items()
    }


def test_small_domains_are_joined_and_none_is_lost(run: Run) -> None:
    found = scores.histogram(run, used_scores(run)[0])
    assert found is not None
    joined = scores.joined(found, most=2)
    assert joined.domains == [found.domains[0], scores.OTHERS, pool.PLANTED]
    assert sum(map(joined.documents, joined.domains)) == len(POOL)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-3.2, 41.7), (5.0, 5.0), (-1e-9, 1e-9), (1e6, 1e6)])
def test_bins_hold_their_range(low: float, high: float) -> None:
    edges = scores.bins(low, high)
    assert edges[0] <= low
    assert edges[-1] >= high
    assert (np.diff(edges) > 0).all()
    assert 2 <= len(edges) <= scores.BINS + 1


def test_the_range_is_near_the_quantiles() -> None:
    values = np.random.default_rng(0).normal(size=50_000)
    ones = np.ones(5000, dtype=bool)
    zeros = np.zeros(5000, dtype=np.int64)
    parts = (pool.Scored(0, zeros, zeros, part, ones) for part in np.split(values, 10))
    found = pool.range_of(parts, 0.01)
    assert found is not None
    shares = [float((values <= end).mean()) for end in found]
    assert shares == pytest.approx([0.01, 0.99], abs=0.002)


def test_keep_rates_are_the_counts_of_the_selections(run: Run) -> None:
    found = kept.keep_rates(run, choices(run))
    assert found.unit == "bytes"
    groups = {
        **{name: [n for n in POOL if domain(n) == name] for name in {domain(n) for n in POOL}},
        **{f"planted: {kind}": [n for n in POOL if world.kind(n) == kind] for kind in ("base64", "shuffled")},
        kept.ALL: POOL,
    }
    assert set(found.groups) == groups.keys()
    assert found.groups[-1] == kept.ALL
    assert found.groups.index("planted") + 1 == found.groups.index("planted: base64")
    for place, name in enumerate(found.groups):
        sizes = [len(world.text(n).encode()) for n in groups[name]]
        assert found.pool[:, place].tolist() == [len(sizes), sum(sizes)]
        for arm in ("excess", "random"):
            for seed in SEEDS:
                chosen = [n for n in groups[name] if world.kept(arm, seed, n)]
                expected = [len(chosen), sum(len(world.text(n).encode()) for n in chosen)]
                assert found.kept[arm][seed][:, place].tolist() == expected
            assert found.shares(arm, 0)[0, place] == found.kept[arm][0][0, place] / len(sizes)


def test_agreement_has_known_answers(run: Run) -> None:
    found = agreement.agreement(run, choices(run))
    sets = {(arm, seed): {n for n in EVERY if world.kept(arm, seed, n)} for arm in found.names for seed in SEEDS}

    def jaccard(one: set[int], other: set[int]) -> float:
        return len(one & other) / len(one | other)

    assert found.names == ["excess", "random"]
    assert found.documents == len(POOL)
    assert found.shared[0][0] == 1.0  # it draws nothing: both seeds are equal
    assert found.shared[1][1] == pytest.approx(jaccard(sets["random", 0], sets["random", 1]))
    between = np.mean([jaccard(sets["excess", seed], sets["random", seed]) for seed in SEEDS])
    assert found.shared[0][1] == found.shared[1][0] == pytest.approx(between)


def test_what_two_lots_share_by_chance() -> None:
    halves = agreement.Agreement(["a", "b", "none"], 100, [50.0, 50.0, 0.0], [])
    assert halves.by_chance(0, 1) == pytest.approx(1 / 3)
    assert halves.by_chance(2, 2) is None
    assert agreement.jaccard(0, 0, 0) is None


def test_the_ends_of_a_score_are_those_of_a_sorted_list(run: Run) -> None:
    (score,) = used_scores(run)
    best, worst, number = documents.ends(run, score)
    order = sorted((n for n in POOL if math.isfinite(world.excess(n))), key=world.excess)
    assert [20 * one.shard + one.row for one in best] == order[::-1][: documents.SHOWN]
    assert [20 * one.shard + one.row for one in worst] == order[: documents.SHOWN]
    few, _, _ = documents.ends(run, score, most=10_000)
    assert len(few) == len(order) == number
    table = next(node for node, record in run.nodes.items() if record["stage"]["plugin"] == documents.TOKEN_NLL)
    read_there = [
        20 * number + row
        for number, shard in enumerate(read.shards(run, table))
        for row, length in enumerate(read.read(shard, ["num_tokens"]).column("num_tokens").to_pylist())
        if length is not None
    ]
    best, worst, number = documents.ends(run, score, tokens=(table,))
    order = [n for n in order if n in read_there]
    assert [20 * one.shard + one.row for one in best] == order[::-1][: documents.SHOWN] and number == len(order)


def test_every_section_of_hostile_documents_is_harmless_and_small(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "SHOWN", 30)  # every document that has a score, the hostile ones among them
    monkeypatch.setattr(documents.ends, "__defaults__", (30, ()))
    made = [module.section(run) for module in (scores, kept, agreement, documents)]
    assert all(section is not None for section in made)
    page = "".join(str(section.body) for section in made if section is not None)
    assert not re.search(r"<(script|img|b>|i>)", page)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", page)
    shown = unescape(re.sub("<[^>]*>", "", page))
    assert shown.count("<script>alert(1)</script>") == 3
    assert "\u2400\u2401\u241b[31m\u2421" in shown
    assert "998,800 more characters" in shown
    assert shown.count("x" * 50) < 30
    assert 'dir="auto"' in page
    assert "unicode-bidi:isolate" in page


def test_without_token_losses_documents_are_plain(tmp_path: Path) -> None:
    run = world.build(tmp_path / "run", tokens=False)
    section = documents.section(run)
    assert section is not None
    assert "surer" not in section.body
    assert "kept by excess" in section.body
    assert "random, which went by no score" in section.body


def test_a_run_without_arms_or_scores_has_no_such_sections(tmp_path: Path) -> None:
    empty = folder(tmp_path / "empty", {"text": node("corpus", "corpus.read_jsonl")})
    plain = world.build(tmp_path / "plain", arms=False)
    for run in (empty, plain):
        assert [module.section(run) for module in (scores, kept, curves, agreement, documents)] == [None] * 5


def test_a_larger_model_that_loses_more_is_said(tmp_path: Path) -> None:
    """The large one loses less on all documents. Put the other way round it loses more on all of them."""
    run = world.build(tmp_path / "run")
    (score,) = used_scores(run)
    assert scores.behind(run, score) == 0
    assert "trained on the same text" not in scores.section(run).body
    for seed in (0, 1):
        run.nodes[f"keep@excess@{seed}"]["inputs"] |= {"a": "nll_l", "b": "nll_s"}
    (turned,) = used_scores(run)
    assert scores.behind(run, turned) is None  # the smaller one may lose more
    run.nodes["small"]["facts"]["parameters"] = 900
    share = scores.behind(run, turned)
    assert share is not None and share > 0.9
    assert "trained on the same text" in scores.section(run).body
    run.nodes["small"]["inputs"]["selection"] = "pool"
    assert scores.behind(run, turned) is None  # and so may one that read other text
