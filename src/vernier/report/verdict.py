"""The answer, first: one sentence for each evaluation, the conditions that it holds under, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from markupsafe import Markup

from vernier.core.run import Run
from vernier.core.written import COMPARISON
from vernier.report.parts import Section, paragraph, quoted
from vernier.report.words import (
    Told,
    beside,
    comparison,
    fails,
    interval,
    multiplier,
    notes,
    said,
    suspect,
    warnings,
)


def section(run: Run) -> Section:
    """The verdict of a run; of one that compares nothing, that there is none and what there is instead."""
    found = comparison(run)
    if found is None:
        return Section("verdict", "Verdict", _lead(["No verdict: this run compares nothing.", *_instead(run)]))
    parts: list[Markup] = []
    for stage, told in found["evaluations"].items():
        if len(found["evaluations"]) > 1:
            parts.append(Markup("<h3>{}</h3>").format(stage))
        parts += [_lead(sentences(found, told)), _conditions(found, told)]
    return Section("verdict", "Verdict", Markup("").join([*_alarms(run, found), *parts]))


def sentences(found: Told, told: Told) -> list[str]:
    """The verdict of one evaluation, then what follows from it. Names of arms stand in backticks.

    found: the facts of the comparison; told: those of the evaluation
    """
    control = found["control"]
    arms = {arm: told["arms"][arm] for arm in told["order"] if "difference" in told["arms"][arm]}
    failed = [arm for arm, one in arms.items() if fails(one)]
    first, *others = _judgement(found, told, arms)
    if failed and told["judged"]:
        first = f"In doubt, as the A/A check fails: {first}"
    out = [first, *others]
    for arm, one in arms.items():
        if said(one, told) == "better than random":
            out += _worth(arm, one, control)
        if told["judged"] and not one["second_lot"]:
            out += [beside(arm, one, other) for other in one.get("same_knowledge", ())]
    return out


def _judgement(found: Told, told: Told, arms: Mapping[str, Told]) -> list[str]:
    """Which arms train better models than the control, on what, by how much."""
    control = found["control"]
    if not found["target"]:
        return [
            "No verdict: no target named.",
            "The differences below are means over all domains; which of them matter, only a target says "
            "(`target: {domain: ...}` in the recipe).",
        ]
    if not told["judged"]:
        return ["No verdict: the target was not measured here."]
    rivals = {arm: one for arm, one in arms.items() if not one["second_lot"]}
    by_word: dict[str, list[str]] = {}
    for arm, one in sorted(rivals.items(), key=lambda item: item[1]["difference"]):
        by_word.setdefault(said(one, told), []).append(arm)
    better, worse = by_word.get("better than random", []), by_word.get("worse than random", [])
    open_, single = by_word.get("no difference shown", []), by_word.get("one seed shows nothing", [])
    unequal = by_word.get("not at equal compute", [])
    on = f"on the target {_target(told['on'])}"
    out: list[str] = []
    if better:
        trains = "trains a better model" if len(better) == 1 else "train better models"
        numbers = f"{_measured(better, rivals, told)} {_terms(better, rivals, told)}"
        out.append(f"{_arms(better)} {trains} than `{control}` {on}: {numbers}.")
    elif open_:
        out.append(
            f"No difference was shown between {_arms(open_)} and `{control}` {on}: {_measured(open_, rivals, told)} "
            f"{_terms(open_, rivals, told)}."
        )
    elif worse:
        out.append(f"{_worse(worse, control)} {on}: {_measured(worse, rivals, told)} {_terms(worse, rivals, told)}.")
    elif single:
        out.append(
            f"No verdict: one seed shows nothing of {_arms(single)} against `{control}` {on}, as nobody knows how far "
            "two runs of one arm differ by chance."
        )
    elif unequal:
        out.append(f"No verdict: no arm was trained with the compute of `{control}`.")
    else:
        out.append(f"No verdict: there is no arm beside `{control}` and its second lots.")
    if worse and (better or open_):
        out.append(f"{_worse(worse, control)}: {_measured(worse, rivals, told)}.")
    if better and open_:
        out.append(f"For {_arms(open_)} no difference from `{control}` was shown: {_measured(open_, rivals, told)}.")
    if open_:
        out.append(
            "That no difference was shown does not mean that there is none: it may lie anywhere in the interval."
        )
    if unequal and len(out) > 0:
        trained = "was" if len(unequal) == 1 else "were"
        out.append(f"{_arms(unequal)} {trained} not trained at equal compute: no verdict on that.")
    return out


def _worse(names: Sequence[str], control: str) -> str:
    return f"{_arms(names)} {'trains a worse model' if len(names) == 1 else 'train worse models'} than `{control}`"


def _measured(names: Sequence[str], arms: Mapping[str, Told], told: Told) -> str:
    """Differences with their intervals."""
    percent = f"{100 * told['confidence']:g} %"
    each = [
        f"{f'`{name}` ' if len(names) > 1 else ''}{arms[name]['difference']:+.4f} bit/byte, "
        f"{percent} {interval(arms[name]['together'])}"
        for name in names
    ]
    return "; ".join(each)


def _terms(names: Sequence[str], arms: Mapping[str, Told], told: Told) -> str:
    """What the intervals of the first sentence hold under."""
    seeds = f"{len(told['seeds'])} seeds, {told['df']} degrees of freedom"
    compute = (
        "equal training compute" if all(arms[n].get("compute") for n in names) else "training compute not compared"
    )
    return f"(for all arms at once, {seeds}, {compute})"


def _worth(arm: str, one: Told, control: str) -> Iterator[str]:
    """What a better arm saves, and whether that pays for choosing."""
    if "training_multiplier" not in one:
        return
    ends = " to ".join(map(multiplier, one.get("training_multiplier_ends", ())))
    yield (
        f"`{control}` would need {multiplier(one['training_multiplier'])} the training compute to do as well as "
        f"`{arm}`{f' ({ends} at the ends of its interval alone)' if ends else ''}."
    )
    if "net_multiplier" in one:
        text = f"With the cost of choosing counted it would need {multiplier(one['net_multiplier'])} the compute"
        if one.get("break_even") is not None:
            often = one["break_even"]["value"]
            text += ": choosing never pays" if often is None else f": choosing pays from {often:.3g} such trainings on"
        yield text + "."


def _conditions(found: Told, told: Told) -> Markup:
    """All that the sentence rests on, as a list."""
    control = found["control"]
    lots = {arm: one for arm, one in told["arms"].items() if one.get("second_lot")}
    lines = list(notes(found, told))
    for arm, one in lots.items():
        if one["alone"] is None:
            lines.append(f"A/A check: {arm}, {control} by another lot, with one seed checks nothing")
        else:
            word = "FAILS" if fails(one) else "holds"
            lines.append(
                f"A/A check {word}: {arm}, {control} by another lot, differs from it by {one['difference']:+.4f} "
                f"(95 % {interval(one['alone'])} alone)"
            )
    if told["arms"] and not lots:
        lines.append(f"no A/A check: no arm is {control} by another lot")
    items = Markup("").join(Markup("<li>{}</li>").format(quoted(line)) for line in lines)
    return Markup('<ul class="conditions">{}</ul>').format(items)


def _alarms(run: Run, found: Told) -> Iterator[Markup]:
    texts = list(warnings(found))
    for told in found["evaluations"].values():
        texts += [
            suspect(arm, found["control"]) for arm, one in told["arms"].items() if one.get("second_lot") and fails(one)
        ]
    if run.nodes[COMPARISON]["earlier"]:
        texts.append("this comparison is of an earlier run: the last one had nothing to compare")
    for text in texts:
        yield Markup('<p class="alarm">{}</p>').format(quoted(text))


def _instead(run: Run) -> Iterator[str]:
    """What a run without a comparison has to show, and how it would come to one."""
    records = run.nodes.values()
    rows = [record["rows"] for record in records if record["kind"] == "corpus"]
    selections = {name: record for name, record in run.nodes.items() if record["kind"] == "selection"}
    if rows:
        yield f"It holds {rows[0]:,} documents" + (f", of which {_kept(selections)}." if selections else ".")
    yield (
        "A verdict needs arms, one of them named `random`, each trained on its selection and measured on the same "
        "held-out documents."
    )


def _kept(selections: Mapping[str, Mapping[str, Mapping[str, int]]]) -> str:
    shown = [f"`{name}` keeps {record['counts']['kept']:,}" for name, record in list(selections.items())[-3:]]
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def _lead(texts: Sequence[str]) -> Markup:
    first, *others = texts
    lead = Markup('<p class="lead">{}</p>').format(quoted(first))
    return lead + Markup("").join(paragraph(quoted(text)) for text in others)


def _arms(names: Sequence[str]) -> str:
    ticked = [f"`{name}`" for name in names]
    return " and ".join([", ".join(ticked[:-1]), ticked[-1]] if len(ticked) > 1 else ticked)


def _target(domains: Sequence[str]) -> str:
    return domains[0] if len(domains) == 1 else f"{', '.join(domains)} (each counting the same)"
