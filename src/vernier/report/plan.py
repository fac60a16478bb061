"""How it was made: the recipe, what each stage took against its plan, what was read, and with which versions."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup

from vernier.core.run import Run
from vernier.report.parts import Section, paragraph, table
from vernier.report.words import comparison, facts, flops, listed


def section(run: Run) -> Section:
    """Recipe, costs, corpora, environment."""
    parts = [*_costs(run), _stages(run), *_corpora(run), _environment(run), _recipe(run)]
    return Section("plan", "How it was made", Markup("").join(parts))


def _costs(run: Run) -> Iterator[Markup]:
    """Planned and real operations of each arm."""
    found = comparison(run)
    for stage, told in (found["evaluations"] if found else {}).items():
        rows = [
            (
                arm,
                flops(one["training"]["planned"]),
                flops(one["training"]["actual"]),
                _times(one["training"]),
                flops(one["overhead"]["planned"]),
                flops(one["overhead"]["actual"]),
                _times(one["overhead"]),
            )
            for arm, one in ((arm, told["arms"][arm]) for arm in told["order"])
        ]
        if rows:
            head = ("arm", "training planned", "actual", "ratio", "choosing planned", "actual", "ratio")
            yield table(head, rows, says=f"{stage}: plan against actual, in FLOPs a seed")
    if found:
        off = listed(defect["stage"] for defect in found["defects"])
        text = f"Off its plan by more than a factor of two: {off or 'nothing'}."
        if found.get("unplanned"):
            text += f" Not planned, so held against no plan: {listed(found['unplanned'])}."
        yield paragraph(text)


def _times(spent: Mapping[str, float | None]) -> str | None:
    planned, actual = spent["planned"], spent["actual"]
    return f"{actual / planned:.2f}" if planned and actual is not None else None


def _stages(run: Run) -> Markup:
    """Seconds of each stage, summed over its nodes of one arm."""
    took = run.seconds()
    by_stage: dict[tuple[str, str], list[str]] = {}
    for name, record in run.nodes.items():
        by_stage.setdefault((record["of"], _arms(run, record)), []).append(name)
    rows = [
        (
            stage,
            arms,
            run.nodes[names[0]]["stage"]["plugin"],
            len(names),
            f"{sum(took[n] for n in names if n in took):.1f}" if any(n in took for n in names) else None,
            _spent(run, names),
        )
        for (stage, arms), names in by_stage.items()
    ]
    head = ("stage", "arm", "plugin", "times made", "seconds", "FLOPs")
    body = table(head, rows, says="Seconds of the last time that the work was done in this folder; a dash: never")
    return Markup("<details><summary>Seconds by stage</summary>{}</details>").format(body)


def _spent(run: Run, names: list[str]) -> str | None:
    known = [made["flops"] for made in (facts(run, name) for name in names) if made.get("flops") is not None]
    return flops(sum(known)) if known else None


def _arms(run: Run, record: Mapping[str, Any]) -> str:
    every = dict.fromkeys(arm for one in run.nodes.values() for arm in one["arms"])
    return "all" if len(record["arms"]) == len(every) else listed(record["arms"])


def _corpora(run: Run) -> Iterator[Markup]:
    """What was read, by the hash of its content."""
    rows = [
        (
            name,
            record["stage"]["plugin"],
            record["rows"],
            record["counts"].get("bytes"),
            record["content"],
            "; ".join(f"{key}: {_plain(value)}" for key, value in record["facts"].items()) or None,
        )
        for name, record in run.nodes.items()
        if record["kind"] == "corpus"
    ]
    if rows:
        head = ("corpus", "plugin", "documents", "bytes", "hash of its content", "facts")
        yield table(head, rows, says="What was read: equal hashes are equal texts")


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(inner)}" for key, inner in value.items())
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _environment(run: Run) -> Markup:
    rows = list(run.data["environment"].items())
    body = table(("library", "version"), rows)
    return Markup("<details><summary>Environment</summary>{}</details>").format(body)


def _recipe(run: Run) -> Markup:
    """The recipe as it was resolved, defaults written out."""
    from ruamel.yaml import YAML

    text = io.StringIO()
    yaml: Any = YAML(typ="safe", pure=True)
    yaml.sort_base_mapping_type_on_output = False  # its order is that of the work
    yaml.default_flow_style = None  # the innermost mappings in one line, as a recipe is written
    yaml.width = 100
    yaml.dump(run.recipe, text)
    return Markup(
        "<details><summary>Recipe, with all defaults</summary>"
        '<div class="scroll" tabindex="0"><pre><code>{}</code></pre></div></details>'
    ).format(text.getvalue())
