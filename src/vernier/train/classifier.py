"""Fit a classifier that tells wanted documents from others: what DCLM filters by, with fastText.

Li et al., arXiv 2406.11794: positives are instruction answers and liked explanations, negatives a crawl; the pool is
ranked by the probability of being a positive. Here both are selections of one corpus. What comes from elsewhere is read
by the same reader as the pool and selected by its `source` or `domain` (`select.where`): the report then says what the
arm was told.

    good:   {do: select.where, in: {corpus: clean, within: meta}, with: {among: [answers]}}
    bad:    {do: select.where, in: {corpus: clean, within: meta}, with: {among: [crawl]}}
    fitted: {do: train.classifier, in: {corpus: clean, positive: good, negative: bad}}
    odds:   {do: score.classifier, in: {corpus: clean, selection: pool, classifier: fitted}}
    keep:   {do: select.top_k, in: {corpus: clean, within: pool, a: odds}, with: {by: a.log_odds, keep: {share: 0.1}}}

A classifier does not score what it was fitted on. To choose among labelled documents too, give it `folds: 5`: each is
then scored by a fit that has not seen its text, all others by the fit on all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from vernier.core.artifact import Artifact
from vernier.core.errors import RecipeError
from vernier.core.shard import Inputs


@dataclass(frozen=True, kw_only=True)
class Classifier:
    """Logistic regression on hashed words and pairs of words (`vernier.models.classifier`).

    documents   of each class, at most so many, drawn at random, are fitted on (DCLM: 200,000)
    folds       2 or more: so many more fits, each without one fold of the texts (by a hash: copies stay together)
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "model"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "positive": "selection", "negative": "selection"}

    documents: int = 200_000
    folds: int = 0

    def __post_init__(self) -> None:
        if self.folds < 0 or self.folds == 1:
            raise RecipeError("folds are two or more", found=f"folds: {self.folds}", do="write 0 for one fit alone")
        if self.documents < 1:
            raise RecipeError("a classifier is fitted on documents", found=f"documents: {self.documents}")

    def flops(self, inputs: Inputs, out: Artifact | None) -> float | None:
        """Of all fits; how many iterations they take is not known before."""
        from vernier.models.classifier import operations_of

        return None if out is None else operations_of(replace(inputs, artifacts={"model": out}).folder("model"))

    def build(self, inputs: Inputs, out: Path) -> dict[str, Any]:
        """Facts: documents of each class, how many texts are in both, and with folds how many documents each holds.

        Raises DataError if a class has no text, or none outside a fold.
        """
        from vernier.models.classifier import fit, fold_of, hashes_of

        positive, negative = (self._draw(inputs, name) for name in ("positive", "negative"))
        fit(positive, negative, self.folds).save(out)
        both = len({*positive} & {*negative})
        facts = {"documents": {"positive": len(positive), "negative": len(negative)}, "texts_in_both": both}
        if self.folds:
            folds = fold_of(hashes_of([*positive, *negative]), self.folds)
            facts["folds"] = [int((folds == each).sum()) for each in range(self.folds)]
        return facts

    def _draw(self, inputs: Inputs, name: str) -> list[str]:
        """Texts in an order that depends on the documents alone."""
        given = {"corpus": inputs.artifacts["corpus"], "selection": inputs.artifacts[name]}
        return replace(inputs, artifacts=given).draw(self.documents, 0, "train.classifier")
