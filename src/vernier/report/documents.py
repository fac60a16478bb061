"""The documents that a score wants most and least, coloured by what two models make of each token.

Numbers are read whole, a shard at a time; text is read of the documents that are shown, by row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from vernier.core.run import Run
from vernier.report import read
from vernier.report.choices import Score, choices, scores
from vernier.report.drawing import axes
from vernier.report.parts import Section, paragraph
from vernier.report.pool import Names, scored
from vernier.report.spans import LEVELS, STRONG, Losses, coloured, plain, spans, style

SHOWN = 6  # documents at each end
LONGEST = 1200  # characters shown of one
NAME = 200  # characters shown of a name
TOKEN_NLL = "score.token_nll"
_TEXT = (
    "white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:isolate;overflow:auto;max-height:22rem;background:var(--panel);"
    "padding:.5rem .75rem;border-radius:.375rem;max-width:45rem;-webkit-box-decoration-break:clone;line-height:1.7"
)


@dataclass(frozen=True)
class Found:
    """A document by its place, and its score."""

    score: float
    shard: int
    row: int


def section(run: Run) -> Section | None:
    """The best and worst documents of each score; None if no selection went by one."""
    found = scores(run)
    parts = [part for score in found for part in _shown(run, score)]
    if not parts:
        return None
    chosen = {choice.name for score in found for choice in score.choices}
    without = [choice.name for choice in choices(run) if choice.name not in chosen]
    says = paragraph(
        "What the numbers mean, to be judged by reading: the ends of each score, where it errs most visibly."
        + (f" Not shown: {', '.join(without)}, which went by no score of documents." if without else "")
    )
    return Section("documents", "What does each score want, and what not?", says + Markup("").join(parts))


def ends(run: Run, score: Score, most: int = SHOWN, tokens: Sequence[str] = ()) -> tuple[list[Found], list[Found], int]:
    """The documents of a score's pool with the highest values, highest first, and with the lowest, lowest first; and of
    how many they are the ends.

    Ties by place in the corpus. A document is in one of them at most: a pool of few has few worst ones.

    tokens   tables of token losses: only documents that all of them read
    """
    number = 0
    best: list[Found] = []
    worst: list[Found] = []
    for part in scored(run, score, Names()):
        usable = part.defined
        for node in tokens:
            lengths = read.read(read.shards(run, node)[part.shard], ["num_tokens"]).column("num_tokens")
            usable = usable & lengths.is_valid().to_numpy()[part.rows]
        defined = np.flatnonzero(usable)
        number += len(defined)
        values = part.values[defined]
        for order, into in ((np.argsort(-values, kind="stable"), best), (np.argsort(values, kind="stable"), worst)):
            into += [Found(float(values[i]), part.shard, int(part.rows[defined[i]])) for i in order[:most]]
        best = sorted(best, key=lambda one: (-one.score, one.shard, one.row))[:most]
        worst = sorted(worst, key=lambda one: (one.score, one.shard, one.row))[:most]
    return best, [one for one in worst if one not in best], number


def token_tables(run: Run, score: Score) -> tuple[str, str] | None:
    """The tables of token losses to colour by: those of the score's two models, else of two others; None without.

    The first has the model of table `a`; of two others the model with fewer parameters.
    """
    by_model: dict[str, str] = {}
    content = run.nodes[score.corpus]["content"]
    for node, record in run.nodes.items():
        inputs = record["inputs"]
        if record["stage"]["plugin"] == TOKEN_NLL and run.nodes[inputs["corpus"]]["content"] == content:
            by_model.setdefault(run.nodes[inputs["model"]]["content"], node)
    own = [_model(run, node) for node in (score.a, score.b) if node]
    if len(own) == 2 and own[0] != own[1] and all(model in by_model for model in own):
        return by_model[own[0] or ""], by_model[own[1] or ""]
    if len(by_model) < 2:
        return None
    size = {node: _parameters(run, node) for node in by_model.values()}
    first, *_, last = sorted(by_model.values(), key=lambda node: size[node])
    return first, last


def _model(run: Run, node: str) -> str | None:
    model = run.nodes[node]["inputs"].get("model")
    return run.nodes[model]["content"] if model else None


def _parameters(run: Run, node: str) -> int:
    return run.nodes[run.nodes[node]["inputs"]["model"]].get("facts", {}).get("parameters", 0)


def _shown(run: Run, score: Score) -> Iterator[Markup]:
    tokens = token_tables(run, score)
    best, worst, number = ends(run, score, tokens=tokens or ())
    if not best:
        return
    used = ", ".join(choice.name for choice in score.choices)
    yield Markup("<h3>{}</h3>").format(f"{score.title} ({used})")
    several = max(len(choice.nodes) for choice in score.choices) > 1
    says = f"Score ({score.unit}): {score.doc}. Of {number:,} documents"
    says += " whose tokens were scored." if tokens else "."
    yield paragraph(says + (" Scores and choices are those of the lowest seed." if several else ""))
    if tokens is not None:
        yield _legend(*(_named(run, node) for node in tokens))
    for title, found, opened in (("Most wanted", best, True), ("Least wanted", worst, True)):
        if found:
            cards = [_card(run, score, one, tokens) for one in found]
            yield Markup("<details{}><summary>{}</summary>{}</details>").format(
                Markup(" open") if opened else "", f"{title}: {len(found)} documents", Markup("").join(cards)
            )


def _named(run: Run, node: str) -> str:
    """A model as readers know it: the stage that made it."""
    return run.nodes[node]["inputs"]["model"]


def _legend(a: str, b: str) -> Markup:
    """The colours, drawn and in words."""
    steps = [-LEVELS, -LEVELS // 2, LEVELS // 2, LEVELS]
    samples = [
        Markup('<span style="{};padding:0 .5em">{}</span>').format(style(step), f"{step * STRONG / LEVELS:+g}")
        for step in steps
    ]
    return Markup(
        "<p>Colour of a token: loss under {a} minus loss under {b}, in nat. {} {} dotted: <strong>{a}</strong> is "
        "surer; {} {} plain: <strong>{b}</strong> is surer. Both losses show when one points at a token; grey text was "
        "not read.</p>"
    ).format(*samples, a=a, b=b)


def _card(run: Run, score: Score, one: Found, tokens: tuple[str, str] | None) -> Markup:
    shard = read.shards(run, score.corpus)[one.shard]
    (row,) = read.rows(shard, [one.row], ["text", "domain", "source", "num_bytes"])
    text = str(row["text"])
    losses = _losses(run, tokens, one) if tokens else None
    if losses is not None and tokens is not None:
        body = coloured(spans(text, *losses, LONGEST), (_named(run, tokens[0]), _named(run, tokens[1])))
    else:
        body = plain(text[:LONGEST])
    facts = [f"score {axes.number(one.score)}", *_named_by(row), f"{row['num_bytes']:,} bytes"]
    head = Markup(" · ").join(Markup("<bdi>{}</bdi>").format(plain(shortened(fact))) for fact in facts)
    kept = _kept(run, score, one)
    more = f"… {len(text) - LONGEST:,} more characters" if len(text) > LONGEST else ""
    return Markup(
        '<article style="margin:1rem 0"><p style="margin:.25rem 0">{}<br>{}</p>'
        '<pre dir="auto" tabindex="0" style="{}">{}</pre>{}</article>'
    ).format(head, kept, _TEXT, body, Markup("<p>{}</p>").format(more) if more else "")


def shortened(name: str) -> str:
    """A name, shortened in the middle if it is very long."""
    return name if len(name) <= NAME else f"{name[: NAME // 2]}…{name[-NAME // 2 :]}"


def _named_by(row: dict[str, Any]) -> list[str]:
    return [str(row[name]) for name in ("domain", "source") if row[name]]


def _kept(run: Run, score: Score, one: Found) -> str:
    """Which arms kept a document, at the lowest seed."""
    here = [choice for choice in choices(run) if run.nodes[choice.node]["inputs"]["corpus"] == score.corpus]
    kept = [choice.name for choice in here if _has(run, choice.node, one)]
    return f"kept by {', '.join(kept)}" if kept else "kept by no arm"


def _has(run: Run, node: str, one: Found) -> bool:
    (row,) = read.rows(read.shards(run, node)[one.shard], [one.row], ["count"])
    return bool(row["count"])


def _losses(run: Run, tokens: Sequence[str], one: Found) -> tuple[Losses, Losses] | None:
    """Both rows of token losses; None if a table did not read the document."""
    found: list[Losses] = []
    for node in tokens:
        (row,) = read.rows(read.shards(run, node)[one.shard], [one.row], ["nll", "end"])
        if row["nll"] is None or row["end"] is None:
            return None
        found.append(Losses(row["nll"], row["end"]))  # type: ignore[arg-type]
    return found[0], found[1]
