"""The sentence that a report begins with, from comparisons with known numbers."""

from __future__ import annotations

from pathlib import Path

from tests.report.small import arm, comparison, control, evaluation, folder, node, second_lot

from vernier.report.verdict import section, sentences


def said(told: dict, **more: object) -> list[str]:  # type: ignore[type-arg]
    return sentences(comparison(told, **more), told)


def test_a_better_arm_with_the_conditions_that_it_holds_under() -> None:
    first = said(evaluation(contrast=arm(-0.08)))[0]
    assert first == (
        "`contrast` trains a better model than `random` on the target prose, docstring (each counting the same): "
        "-0.0800 bit/byte, 95 % -0.1400 to -0.0200 (for all arms at once, 3 seeds, 4 degrees of freedom, equal "
        "training compute)."
    )


def test_the_best_of_several_comes_first_and_the_others_are_not_hidden() -> None:
    told = evaluation(good=arm(-0.1), same=arm(-0.01), best=arm(-0.2), bad=arm(0.3))
    first, bad, same, *_ = said(told)
    assert first.startswith("`best` and `good` train better models than `random`") and first.index("-0.2000") > 0
    assert bad == "`bad` trains a worse model than `random`: +0.3000 bit/byte, 95 % +0.2400 to +0.3600."
    assert same.startswith("For `same` no difference from `random` was shown: -0.0100 bit/byte")


def test_a_worse_arm() -> None:
    assert said(evaluation(bad=arm(0.08)))[0].startswith(
        "`bad` trains a worse model than `random` on the target prose, docstring (each counting the same): "
        "+0.0800 bit/byte, 95 % +0.0200 to +0.1400"
    )


def test_the_interval_for_all_arms_decides_not_the_one_alone() -> None:
    """-0.05 is below zero alone (-0.08 to -0.02), but not with the others beside it."""
    first, second = said(evaluation(close=arm(-0.05)))
    assert first.startswith("No difference was shown between `close` and `random` on the target prose, docstring")
    assert "95 % -0.1100 to +0.0100" in first and "does not mean that there is none" in second


def test_without_a_target_there_is_no_verdict() -> None:
    told = {**evaluation(contrast=arm(-0.5)), "judged": False, "on": ["macro"]}
    first, *others = said(told)
    assert first == "No verdict: no target named."
    assert not any("better" in text for text in others)


def test_a_target_that_was_not_measured() -> None:
    told = {**evaluation(contrast=arm(-0.5)), "judged": False, "on": ["macro"]}
    assert said(told, target=["poems"]) == ["No verdict: the target was not measured here."]


def test_one_seed_shows_nothing() -> None:
    first = said(evaluation(contrast=arm(-0.5, None)))[0]
    assert first.startswith("No verdict: one seed shows nothing of `contrast` against `random`")


def test_unequal_compute_is_no_verdict_however_good() -> None:
    longer = arm(-0.5) | {"equal_compute": False, "compute": 8.0}
    first, second = said(evaluation(longer=longer))
    assert first == "No verdict: no arm was trained with the compute of `random`."
    assert second == "`longer` was not trained at equal compute: no verdict on that."
    texts = said(evaluation(longer=longer, contrast=arm(-0.2)))
    assert texts[0].startswith("`contrast` trains a better model") and texts[-1] == second


def test_compute_that_nobody_knows_is_not_called_equal() -> None:
    """Such arms are judged, as nothing is known against them; the sentence must not say more than that."""
    first = said(evaluation(bought=arm(-0.5) | {"compute": None}))[0]
    assert first.endswith("4 degrees of freedom, training compute not compared).")


def test_a_failed_a_a_check_puts_the_verdict_in_doubt(tmp_path: Path) -> None:
    told = evaluation(contrast=arm(-0.5), random2=second_lot(-0.1))
    assert said(told)[0].startswith("In doubt, as the A/A check fails: `contrast` trains a better model")
    body = _page(tmp_path / "fails", told)
    assert "A/A check FAILS: random2" in body and "WARNING: random2 is random by another lot" in body
    told = evaluation(contrast=arm(-0.5), random2=second_lot(-0.01))
    assert said(told)[0].startswith("`contrast` trains a better model")
    body = _page(tmp_path / "holds", told)
    assert "A/A check holds: random2" in body and "WARNING" not in body


def test_a_second_lot_alone_is_no_rival() -> None:
    assert said(evaluation(random2=second_lot(-0.5)))[0].endswith(
        "there is no arm beside `random` and its second lots."
    )


def test_what_a_better_arm_is_worth_and_whether_choosing_pays() -> None:
    worth = {
        "training_multiplier": {"value": 2.406, "bound": ""},
        "training_multiplier_ends": [{"value": 1.326, "bound": ""}, {"value": 4.0, "bound": ">"}],
        "net_multiplier": {"value": 0.058, "bound": ""},
        "break_even": {"value": 28.7, "bound": ""},
    }
    texts = said(evaluation(contrast=arm(-0.5, **worth)))
    assert texts[1] == (
        "`random` would need 2.41x the training compute to do as well as `contrast` (1.33x to > 4x at the ends of its "
        "interval alone)."
    )
    assert texts[2] == (
        "With the cost of choosing counted it would need 0.058x the compute: choosing pays from 28.7 such trainings on."
    )
    never = {**worth, "break_even": {"value": None, "bound": ""}}
    assert said(evaluation(contrast=arm(-0.5, **never)))[2].endswith("choosing never pays.")


def test_an_arm_beside_one_that_knew_the_same_without_models() -> None:
    def beside(difference: float, alone: list[float] | None) -> str:
        other = {"arm": "reference_random", "difference": difference, "alone": alone}
        return said(evaluation(contrast=arm(-0.5, told=["domains"], same_knowledge=[other])))[-1]

    start = "`reference_random` was told the same (domains) and uses no models: "
    assert beside(-0.02, [-0.03, -0.01]) == (
        f"{start}`contrast` beats it (-0.0200 bit/byte, 95 % -0.0300 to -0.0100 alone)."
    )
    assert beside(-0.02, [-0.05, 0.01]).startswith(f"{start}`contrast` is not shown to beat it (")
    assert beside(0.02, [0.01, 0.03]).startswith(f"{start}`contrast` is worse than it (")
    assert beside(0.02, None).endswith("of one seed, which shows nothing.")


def test_defects_twins_and_earlier_comparisons_are_said_aloud(tmp_path: Path) -> None:
    found = comparison(
        evaluation(contrast=arm(-0.5)),
        defects=[{"stage": "train@contrast@0", "planned": 1e4, "actual": 4e4}],
        twins=[{"arms": ["contrast", "other"], "seed": 0}],
    )
    run = folder(tmp_path / "run", {"comparison": node("results", "comparison", facts=found, earlier=True)})
    body = str(section(run).body)
    assert "DEFECT: train@contrast@0 was planned at 1.00e+04 FLOPs and took 4.00e+04: 4 times as many" in body
    assert "ERROR: contrast and other are one experiment under two names (seed 0)" in body
    assert "this comparison is of an earlier run" in body


def test_an_evaluation_with_nothing_beside_the_control_keeps_its_notes(tmp_path: Path) -> None:
    told = {**evaluation(), "arms": {"random": control()}, "notes": ["tuned does not repeat per seed"]}
    body = _page(tmp_path / "run", told)
    assert "tuned does not repeat per seed" in body and "no arm beside" in body


def _page(place: Path, told: dict) -> str:  # type: ignore[type-arg]
    run = folder(place, {"comparison": node("results", "comparison", facts=comparison(told))})
    return str(section(run).body)
