"""The learning rate of each step, as a share of the highest.

    cosine     linear warm-up, half a cosine down to a tenth (Brown et al. 2020, arXiv 2005.14165, appendix B)
    constant   linear warm-up, the highest rate, and at the end a decay to zero as 1 - sqrt(share of the decay done)
               (Hägele et al. 2024, arXiv 2405.18392)

Until its decay begins, a constant schedule does not depend on where it will end: trainings of several lengths share
that part, and each adds a decay of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from vernier.core.errors import RecipeError

FLOOR = 0.1  # the cosine's last value


@dataclass(frozen=True)
class Schedule:
    """A learning rate for the steps 0 .. steps - 1.

    kind     cosine or constant
    steps    in all
    warmup   of them, in which the rate rises
    decay    of them, the last ones, in which a constant rate falls
    Raises RecipeError if the rate would not reach its highest.
    """

    kind: Literal["cosine", "constant"]
    steps: int
    warmup: int
    decay: int

    def __post_init__(self) -> None:
        if self.warmup > self.steps - self.decay:
            raise RecipeError(
                "the warm-up is longer than the training leaves room for",
                found=f"{self.warmup} of {self.steps} steps" + (f", {self.decay} to decay" if self.decay else ""),
                do="lower `warmup`, or train on more tokens",
            )

    def rate(self, step: int) -> float:
        """The rate of a step, in (0, 1]."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        if self.kind == "constant":
            done = step - self.open_until
            return 1.0 if done < 0 else 1 - math.sqrt((done + 1) / (self.decay + 1))
        done = (step - self.warmup) / max(1, self.steps - 1 - self.warmup)
        return FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    @property
    def open_until(self) -> int:
        """The first step that depends on where the training ends."""
        return self.steps - self.decay if self.kind == "constant" else 0
