"""What a model's likelihoods say about items: right or not, by how much, and how sure a share of right ones is.

For the choices i of an item, with nll_i [nat] and bytes_i of the continuation and r the right one:

    right            nll_r < nll_i for every other i
    right by byte    nll_r / bytes_r < nll_i / bytes_i for every other i
    margin           min over i != r of nll_i / bytes_i, less nll_r / bytes_r        [nat per byte]

A tie is not right. A model whose choices are all alike, which argmax would give the share of the label 0, gets nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vernier.core.stats import binomial, student
from vernier.evaluate.items import Item

# Losses are added up in float32, in an order that differs between choices: what is nearer than this share of them is
# the same. Half the last digit of float32 is 6e-8, and a continuation has at most some hundred tokens.
TIE = 1e-6


@dataclass(frozen=True)
class Reply:
    """What a model makes of one continuation.

    nll          nat, of the continuation after its context
    num_tokens   of the continuation
    num_bytes    of UTF-8 that they stand for, with the spaces taken over from the end of the context
    greedy       every token is the likeliest one
    cut          the context did not fit into the window: its beginning was left out
    apart        a token would span the end of the context: the two were encoded by themselves
    """

    nll: float
    num_tokens: int
    num_bytes: int
    greedy: bool
    cut: bool
    apart: bool


@dataclass(frozen=True)
class Grade:
    """An item and the replies to it; `tie`: the best wrong choice is exactly as likely as the right one."""

    item: Item
    replies: tuple[Reply, ...]
    right: bool
    right_by_byte: bool
    tie: bool
    margin: float | None

    @property
    def answer(self) -> Reply:
        """The reply to the right choice."""
        return self.replies[self.item.label]


def grade(item: Item, replies: Sequence[Reply]) -> Grade:
    """Hold the replies to an item's choices against its label."""
    answer = replies[item.label]
    if item.is_cloze:
        return Grade(item, tuple(replies), answer.greedy, answer.greedy, False, None)
    others = [reply for i, reply in enumerate(replies) if i != item.label]
    wrong, wrong_by_byte = min(o.nll for o in others), min(o.nll / o.num_bytes for o in others)
    by_byte = answer.nll / answer.num_bytes
    return Grade(
        item,
        tuple(replies),
        right=_is_less(answer.nll, wrong),
        right_by_byte=_is_less(by_byte, wrong_by_byte),
        tie=not _is_less(answer.nll, wrong) and not _is_less(wrong, answer.nll),
        margin=wrong_by_byte - by_byte,
    )


def summary(grades: Sequence[Grade]) -> dict[str, Any]:
    """A task in numbers, from the grades of its items (one or more), in JSON values.

    accuracy, low, high    share of right ones, and its 95 % interval over items (Wilson)
    accuracy_by_byte       the same by likelihood per byte; with its own ends
    bits_per_byte          of the right answers: sum of nll over sum of bytes
    margin                 mean over items, nat per byte, with its 95 % interval over items (Student); None of a cloze
    chance                 accuracy of a lot
    label_share            of the commonest place of the right answer: what a model gets that always takes this one
    items, bytes, tokens   counts: of items, and of what the right answers are made of
    ties, cut, apart       counts of items: see `Grade` and `Reply`
    """
    number = len(grades)
    right = sum(g.right for g in grades)
    by_byte = sum(g.right_by_byte for g in grades)
    sure, sure_by_byte = binomial(right, number), binomial(by_byte, number)
    num_bytes = sum(g.answer.num_bytes for g in grades)
    margins = [g.margin for g in grades if g.margin is not None]
    places = Counter(g.item.label for g in grades)
    return {
        "items": number,
        "bytes": num_bytes,
        "tokens": sum(g.answer.num_tokens for g in grades),
        "accuracy": right / number,
        "low": sure.low,
        "high": sure.high,
        "accuracy_by_byte": by_byte / number,
        "low_by_byte": sure_by_byte.low,
        "high_by_byte": sure_by_byte.high,
        "bits_per_byte": math.fsum(g.answer.nll for g in grades) / (math.log(2) * num_bytes),
        **_margin(margins),
        "chance": math.fsum(g.item.chance for g in grades) / number,
        "label_share": None if not margins else max(places.values()) / number,
        "ties": sum(g.tie for g in grades),
        "cut": sum(any(r.cut for r in g.replies) for g in grades),
        "apart": sum(any(r.apart for r in g.replies) for g in grades),
    }


def _margin(margins: Sequence[float]) -> dict[str, float | None]:
    if not margins:
        return {"margin": None, "low_margin": None, "high_margin": None}
    mean = math.fsum(margins) / len(margins)
    if len(margins) < 2:
        return {"margin": mean, "low_margin": None, "high_margin": None}
    half = student(len(margins) - 1) * float(np.std(margins, ddof=1)) / math.sqrt(len(margins))
    return {"margin": mean, "low_margin": mean - half, "high_margin": mean + half}


def _is_less(one: float, other: float) -> bool:
    return one < other - TIE * max(abs(one), abs(other))
