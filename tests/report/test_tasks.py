"""Tasks on the page and in the terminal: which arms stand there, what is greyed, and a run from recipe to verdict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.report.small import arm, comparison, evaluation, folder, node

from vernier.cli.look import summary
from vernier.core.errors import DataError
from vernier.core.recipe import Recipe
from vernier.core.run import Run
from vernier.core.stats import binomial
from vernier.pipeline.run import run
from vernier.report import build
from vernier.report.tasks import AT_CHANCE, measured, notes, section, tables
from vernier.testing.toy import toy_model

Values = dict[str, dict[int | None, float]]  # arm -> seed -> accuracy


def found(accuracy: float, **more: Any) -> dict[str, Any]:
    counts = {"items": 400, "bytes": 4000, "tokens": 2000, "ties": 0, "cut": 0, "apart": 0}
    return {**counts, "accuracy": accuracy, "bits_per_byte": 2 - accuracy, "margin": accuracy, "chance": 0.25, **more}


def run_of(place: Path, accuracies: dict[str, Values], compared: dict[str, Any] | None = None, **more: Any) -> Run:
    """A run whose stage `zero` measured tasks. accuracies: task -> arm -> seed -> accuracy."""
    nodes: dict[str, dict[str, Any]] = {}
    for task, by_arm in accuracies.items():
        for name, by_seed in by_arm.items():
            for seed, accuracy in by_seed.items():
                record = nodes.setdefault(
                    f"zero@{name}@{seed}",
                    node("results", "evaluate.tasks", of="zero", arms=[name], seed=seed, facts={"tasks": {}}),
                )
                record["facts"]["tasks"][task] = found(accuracy, **more)
    if compared is not None:
        nodes["comparison"] = node("results", "comparison", facts=comparison({**compared}))
        nodes["comparison"]["facts"]["evaluations"] = {"zero": compared}
    return folder(place, nodes)


SEEDS = {
    "easy": {
        "random": {0: 0.50, 1: 0.52, 2: 0.51},
        "best": {0: 0.60, 1: 0.63, 2: 0.60},
        "half": {0: 0.4, 1: 0.4, 2: 0.4},
    },
    "hard": {
        "random": {0: 0.26, 1: 0.24, 2: 0.27},
        "best": {0: 0.30, 1: 0.31, 2: 0.32},
        "half": {0: 0.25, 1: 0.25, 2: 0.2},
    },
}


def test_a_task_whose_random_interval_holds_chance_is_greyed_and_says_so(tmp_path: Path) -> None:
    one = run_of(tmp_path / "run", SEEDS, evaluation(best=arm(-0.1)))
    accuracy, *others = tables(measured(one)[0])
    rows = {row[0]: row for row in accuracy.rows}
    assert [rows[task][-1] for task in ("easy", "hard")] == ["-", AT_CHANCE]
    assert [accuracy.rows[i][0] for i in accuracy.faint] == ["hard"]
    assert not any(shown.faint for shown in others)  # bits per byte and margins say something there too
    page = str(section(one).body)  # type: ignore[union-attr]
    assert page.count('<tr class="faint"><th scope="row">hard</th>') == page.count('class="faint"') == 1
    assert any(
        note.startswith("At chance, and greyed: hard. The interval of random") for note in notes(measured(one)[0])
    )


def test_arms_and_seeds_are_those_of_the_comparison(tmp_path: Path) -> None:
    """A rung of the ladder (`half`) is no competitor: its noise must not widen or narrow the intervals of others."""
    one = measured(run_of(tmp_path / "run", SEEDS, evaluation(best=arm(-0.1))))[0]
    assert (one.arms, one.control, one.seeds) == (["random", "best"], "random", [0, 1, 2])
    accuracy, bits, margin = tables(one)
    assert accuracy.head == ["task", "items", "by lot", "random", "95 %", "best minus random", "so"]
    easy = accuracy.rows[0]
    assert easy[:4] == ["easy", 400, "0.250", "0.510"]
    # Differences of 10, 11 and 9 points: the standard error is 1 / sqrt(3) points, Student's t for 2 is 4.3027.
    assert easy[5] == "+0.1000 (+0.0752 to +0.1248)"
    assert bits.rows[0][-1] == "-0.1000 (-0.1248 to -0.0752)"
    assert margin.rows[0][1] == "0.5100"


def test_more_seeds_do_not_narrow_the_interval_over_items(tmp_path: Path) -> None:
    """The trap: seeds that agree on 400 items still know no other items."""
    same = {"t": {"random": dict.fromkeys(range(3), 0.28), "best": dict.fromkeys(range(3), 0.28)}}
    one = measured(run_of(tmp_path / "same", same, evaluation(best=arm(-0.1))))[0]
    assert one.spread("t", "random") == binomial(0.28 * 400, 400)
    assert one.at_chance("t")  # 0.238 to 0.326
    apart = {"t": {"random": {0: 0.2, 1: 0.4, 2: 0.6}, "best": dict.fromkeys(range(3), 0.28)}}
    wide = measured(run_of(tmp_path / "apart", apart, evaluation(best=arm(-0.1))))[0].spread("t", "random")
    assert (wide.low, wide.high) == (pytest.approx(0.4 - 0.4968, abs=1e-3), pytest.approx(0.4 + 0.4968, abs=1e-3))


def test_a_run_without_a_comparison_shows_each_arm(tmp_path: Path) -> None:
    one = run_of(tmp_path / "run", {"t": {"one": {None: 0.25}, "two": {None: 0.6}}})
    accuracy = next(tables(measured(one)[0]))
    assert accuracy.head == ["task", "items", "by lot", "one", "95 %", "two", "95 %", "so"]
    assert not accuracy.faint  # one of the arms is told from chance
    assert section(folder(tmp_path / "none", {"read": node("corpus", "corpus.read_jsonl")})) is None


def test_what_happened_to_items_is_said(tmp_path: Path) -> None:
    told = list(notes(measured(run_of(tmp_path / "run", SEEDS, evaluation(best=arm(-0.1)), ties=3, cut=7))[0]))
    assert any("so not right: easy 3, hard 3 items." in note for note in told)
    assert any("its beginning was left out: easy 7, hard 7 items." in note for note in told)
    assert not any("apart" in note for note in told)


def test_a_cloze_has_no_margin(tmp_path: Path) -> None:
    one = measured(run_of(tmp_path / "run", {"t": {"a": {None: 0.1}}}, chance=0.0, margin=None))[0]
    assert [shown.title.split(",")[0] for shown in tables(one)] == [
        "zero: accuracy on tasks",
        "zero: bits per byte of the right answers",
    ]


def recipe(place: Path, target: dict[str, Any]) -> Recipe:
    """Two ready models, one to each arm, on one task."""
    items = [
        {"id": str(i), "task": "letters", "kind": "multiple_choice", "context": "Q:", "choices": pair, "label": 0}
        for i, pair in enumerate([[" aaaa", " abab"], [" cccc", " cdcd"]] * 10)
    ]
    (place / "t.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    models = [str(toy_model(place / f"toy{bit}", bit=bit)) for bit in (0, 7)]
    return Recipe.from_data(
        {
            "vernier": 1,
            "name": "tasks",
            "store": str(place / "store"),
            "target": target,
            "stages": {
                "model": {"do": "train.read_hf", "with": {"path": models[1]}},
                "zero": {"do": "evaluate.tasks", "in": {"model": "model"}, "with": {"tasks": [str(place / "t.jsonl")]}},
            },
            "arms": {"random": {}, "letters": {"model": {"with": {"path": models[0]}}}},
        }
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("place")


def test_from_recipe_to_verdict(place: Path, tmp_path: Path) -> None:
    """Bit 7 is the same in all letters, so to `random` all are alike; to the other arm `aaaa` is 3 bits cheaper."""
    done = run(recipe(place, {"tasks": "letters"}), out=tmp_path / "run", quiet=True)
    facts = done.nodes["comparison"]["facts"]
    told = facts["evaluations"]["zero"]
    assert (facts["target"], told["on"], told["judged"]) == (["letters"], ["letters"], True)
    # To bit 7 all five bytes agree: 8 bits each. To bit 0: 8 (the space), 9 (even to odd), then 8, 8, 8.
    assert told["arms"]["random"]["loss"] == pytest.approx(8)
    assert told["arms"]["letters"]["difference"] == pytest.approx(1 / 5)
    assert (done.folder / "zero@letters" / "items.parquet").exists()
    text = summary(done)
    assert "zero: accuracy on tasks" in text
    assert "so not right: letters 20 items" in text
    assert "At chance, and greyed: letters" in text  # of 20 ties none is right: below what a lot gets, and no news
    assert "on the target 'letters'" in text
    page = build.build(done)
    assert 'id="tasks"' in page and "Zero-shot tasks" in page


def test_a_target_task_that_was_not_measured(place: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the target 'piqa' was not measured") as caught:
        run(recipe(place, {"tasks": ["piqa"]}), out=tmp_path / "run", quiet=True)
    assert "letters" in str(caught.value)
