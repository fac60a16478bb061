"""Count LaTeX: RedStone's test for mathematics on web pages (arXiv 2412.03398).

    num_commands   what looks like a command: a backslash and letters
    num_kinds      different commands among KNOWN
    num_operators  signs and commands among OPERATORS
    level          0 no mathematics; 1 for a classifier to decide; 2 mathematics

A page is at level 1 if it has a command, one of KNOWN, and, if only one kind of these, an operator; at level 2 if it
has at least `sure` kinds. RedStone puts level 1 before a fastText model that is not released:
`recipes/redstone_math.yaml` puts a `train.classifier` there. Which commands and operators its white list has is
unconfirmed: these are ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from vernier.core.errors import RecipeError
from vernier.core.shard import Shard

COMMAND = re.compile(r"\\[A-Z]{0,9}[a-z]{2,9}")  # RedStone's: the beginning of a longer one too
NAME = re.compile(r"\\([A-Za-z]+)")
# Commands that stand in formulas alone: not those of text and layout, which Windows paths and code have as well.
_KNOWN = """
frac dfrac tfrac sqrt sum prod int iint oint lim limits infty partial nabla cdot cdots ldots times div pm mp le ge ne
leq geq neq to in approx equiv sim simeq cong propto subset subseteq supset supseteq cup cap emptyset forall exists
neg land lor wedge vee rightarrow leftarrow Rightarrow Leftarrow Leftrightarrow leftrightarrow mapsto implies iff
alpha beta gamma delta epsilon varepsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi
varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega sin cos tan cot sec csc arcsin arccos
arctan sinh cosh tanh log ln exp min max sup inf det dim ker gcd binom mathbb mathcal mathrm mathbf mathfrak
operatorname overline underline widehat widetilde hat bar vec dot ddot prime circ otimes oplus langle rangle lfloor
rfloor lceil rceil mid parallel perp angle triangle setminus notin ni therefore because quad qquad displaystyle
"""
KNOWN = frozenset(_KNOWN.split())
OPERATORS = re.compile(
    r"[=<>+^_*]|(?<=\s)[-/](?=\s)|\\(?:times|div|cdot|pm|mp|leq?|geq?|neq?|approx|equiv|sim|in|subset|cup|cap|to)(?![A-Za-z])"
)
SURE = 5  # RedStone: at least five different commands need no classifier


@dataclass(frozen=True, kw_only=True)
class Latex:
    r"""Columns `num_commands`, `num_kinds`, `num_operators`, `level`.

    sure  kinds of commands from which on a page is mathematics
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus"}

    sure: int = SURE

    def __post_init__(self) -> None:
        if self.sure < 2:
            raise RecipeError("`sure` is too small", found=str(self.sure), expected="2 or more")

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        for batch in shard.batches("corpus", ["text"]):
            rows = [self.count(text) for text in batch.column("text").to_pylist()]
            names = ("num_commands", "num_kinds", "num_operators", "level")
            columns = zip(*rows, strict=True) if rows else [()] * len(names)
            yield pa.table({n: pa.array(v, pa.int64()) for n, v in zip(names, columns, strict=True)})

    def count(self, text: str) -> tuple[int, int, int, int]:
        """The four columns of one text."""
        commands = sum(1 for _ in COMMAND.finditer(text)) if "\\" in text else 0
        kinds = len(KNOWN.intersection(NAME.findall(text))) if commands else 0
        operators = sum(1 for _ in OPERATORS.finditer(text)) if kinds else 0
        level = 2 if kinds >= self.sure else int(kinds > 1 or (kinds == 1 and operators > 0))
        return commands, kinds, operators, level
