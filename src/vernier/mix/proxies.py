"""Write Meta-rater's proxies into a recipe: N small models, each trained on another weighting of the scores.

    scored = add_proxies(
        recipe, "mixed",
        terms=[Term(column="num_stop_words", per="byte"), Term(column="num_symbols", per="byte", wanted="low")],
        scores=["surface"], corpus="clean", within="pool", number=64,
        select=Step(select.TopK(by="a.value", keep=Budget(tokens=1_000_000)), {"lengths": "lengths"}),
        train=Step(train.Pretrain(), {"tokenizer": "bpe"}),
        evaluate=Step(evaluate.Loss(), {"corpus": "clean", "selection": "tune"}),
    )
    recipe.add("keep", select.TopK(by="a.value", keep=Budget(share=0.5)), corpus="clean", within="pool", a=scored)

They are ordinary stages: planned, run, kept and paid for as any other; the report counts them among what an arm that
uses the weights needs beyond its control. The documents that proxies are evaluated on choose the weights, so the arm
must be judged on others. This file knows no plugin of another folder: how to select, train and evaluate is handed in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from vernier.core.errors import RecipeError
from vernier.core.plugin import find
from vernier.core.recipe import Recipe
from vernier.core.terms import Term
from vernier.mix import simplex
from vernier.mix.meta_rater import MetaRater

CLIP = 3.0  # standard deviations: a top-k by a weighted sum is else a hunt for outliers of single scores
DIGITS = 6  # of a drawn weight, so that a recipe reads the same wherever it was made


@dataclass(frozen=True)
class Step:
    """A stage that is repeated for each proxy.

    plugin  with its settings
    inputs  beside those that the proxy gives it, by name
    on      where it runs
    """

    plugin: Any
    inputs: Mapping[str, str] = field(default_factory=dict[str, str])
    on: Mapping[str, Any] = field(default_factory=dict[str, Any])


def add_proxies(
    recipe: Recipe,
    name: str,
    *,
    terms: Sequence[Term],
    scores: Sequence[str],
    corpus: str,
    number: int,
    select: Step,
    train: Step,
    evaluate: Step,
    within: str | None = None,
    seed: int = 0,
    clip: float | None = CLIP,
    accept: bool = False,
    on: Mapping[str, Any] | None = None,
    **search: Any,
) -> str:
    """Add `number` proxies, the fit of their weights (`NAME_fit`) and the scores by these weights (NAME).

    terms     what is weighted; `wanted` turns each so that more is better
    scores    stages of score tables, in the order that `of` of a term counts
    within    the pool: scores are standardised over it, and proxies select from it
    select    reads the weighted scores as `a`, with `corpus` and `within`: by a.value, to the proxies' budget
    train     gets `corpus` and `selection`
    evaluate  gets `model`; `metric`, `domains` and `wanted` in `search` say what of its results counts
    seed      of the drawn weights
    accept    use the weights even if their test says that they mean nothing
    search    further settings of mix.meta_rater
    Returns the name of the last stage, whose column `value` is to be selected by.
    """
    if any(term.weight != 1.0 for term in terms):
        raise RecipeError("the weights of terms are what is looked for", do="leave `weight` out of them")
    combine: Any = find("score.combine")  # by name, as a recipe in YAML has it
    pool = {"corpus": corpus, **({"within": within} if within is not None else {})}
    drawn = simplex.draw([term.name for term in terms], number, seed, "mix.proxies").round(DIGITS)
    results: list[str] = []
    for index, weights in enumerate(drawn.tolist()):
        weighted = tuple(replace(term, weight=weight) for term, weight in zip(terms, weights, strict=True))
        scored = recipe.add(f"{name}_score_{index}", combine(terms=weighted, clip=clip), **pool, scores=scores, on=on)
        kept = _add(recipe, f"{name}_keep_{index}", select, **pool, a=scored)
        model = _add(recipe, f"{name}_train_{index}", train, corpus=corpus, selection=kept)
        results.append(_add(recipe, f"{name}_test_{index}", evaluate, model=model))
    fit = MetaRater(terms=tuple(terms), weights=tuple(map(tuple, drawn.tolist())), **search)
    fitted = recipe.add(f"{name}_fit", fit, proxies=results, on=on)
    return recipe.add(name, combine(clip=clip, accept=accept), **pool, scores=scores, weights=fitted, on=on)


def _add(recipe: Recipe, name: str, step: Step, **given: str) -> str:
    return recipe.add(name, step.plugin, on=step.on, **given, **step.inputs)
