"""How the spread of what cleaning rules measure looks in the terminal: a line a rule, its histogram with its cut."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vernier.cli.words import table
from vernier.core.rules import RULES
from vernier.report.rules import Spread, Spreads

BARS = "▁▂▃▄▅▆▇█"
CUT = "|"


def drawn(found: Spreads) -> str:
    """A table of rules: what each wants, what share its cut alone would drop, and how the documents are spread."""
    rows = [
        (
            one.rule,
            f"{RULES[one.rule].wanted} {one.limit:g}",
            f"{100 * one.share:.1f} %",
            *_ends(one),
            f"{RULES[one.rule].family}: {RULES[one.rule].says}",
        )
        for one in found.rules
    ]
    documents = found.rules[0].documents if found.rules else 0
    title = f"What each rule by itself would drop of {documents:,} documents ({found.says}; {CUT} is the cut)"
    return f"{title}\n" + table(("rule", "wanted", "would drop", "from", "spread", "to", "measures"), rows)


def _ends(one: Spread) -> tuple[str, str, str]:
    if not len(one.counts):
        return "-", "undefined for every document", "-"
    return f"{one.edges[0]:.4g}", histogram(one), f"{one.edges[-1]:.4g}"


def histogram(one: Spread) -> str:
    """A character a bin, the cut before the first bin that begins at it or above; a bin with one document shows."""
    drawn = bars(one.counts)
    if one.edges[0] <= one.limit <= one.edges[-1]:
        place = int((one.edges[:-1] < one.limit - 1e-9 * abs(one.limit)).sum())
        drawn.insert(place, CUT)
    return "".join(drawn)


def bars(counts: NDArray[np.int64]) -> list[str]:
    """A character a bin, as high as it is full; a bin with one document shows."""
    most = max(1, int(counts.max()))
    return [" " if n == 0 else BARS[min(len(BARS) - 1, int(len(BARS) * n / most))] for n in counts.tolist()]
