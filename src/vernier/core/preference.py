"""Preferences from pair judgments: votes in both orders, as one probability without the taste for a position.

Source: QuRating (arXiv 2402.09739, section 2; the rule for missing judgments is that of its published code).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]


def preference(
    ab_votes: Counts, ab_answers: Counts, ba_votes: Counts, ba_answers: Counts, generations: int
) -> NDArray[np.float64]:
    """The probability that the second document of each pair is preferred, float64 [N]; NaN = undefined.

    With vote = votes / answers in an order, p = (vote(ab) + 1 - vote(ba)) / 2: a judge that always names the text
    shown last comes to 1/2. A pair is undefined if at most half of the generations of either order were readable.

    ab_votes, ab_answers   int64 [N], first shown first: answers for the second document, readable answers
    ba_votes, ba_answers   int64 [N], second shown first: answers for the first document, readable answers
    generations            answers asked for in each order
    """
    known = (2 * ab_answers > generations) & (2 * ba_answers > generations)
    votes = [
        np.divide(votes, answers, out=np.full(known.shape, math.nan), where=known)
        for votes, answers in ((ab_votes, ab_answers), (ba_votes, ba_answers))
    ]
    return (votes[0] + 1 - votes[1]) / 2
