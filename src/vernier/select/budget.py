"""Budgets: how much to keep, and how it is shared out over domains. Exact arithmetic, no floating point.

    keep: {share: 0.5}                 half of the pool's documents
    keep: {share: 0.5, of: tokens}     as many documents as hold half of its tokens (`lengths` counts them)
    keep: {tokens: 50M}                or {documents: 10k}, {bytes: 2GB}

    quotas: {prose: 0.5, code: 0.25}   shares of the budget; the other domains together share what is left
    quotas: equal | proportional       every domain of the pool the same, or as much as it has of the pool

    quota_by: [domain, a.application]  nested: the part of each domain is shared out over what its documents are for,
                                       as column `application` of table `a` says. Equal: each domain the same, and in it
                                       each application that it has; proportional: each as much as it has of the pool

Each budget is rounded down to a whole unit: so a larger one never takes from any domain, and all together come to less
than a unit a group below the whole.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from vernier.core.config import Bytes, Count
from vernier.core.errors import RecipeError, nearest

SIMPLE = 1000  # largest denominator of a share that is taken for a fraction
TABLE = "a."  # before the name of a column of table `a`
UNITS = ("documents", "bytes", "tokens")
Quotas = dict[str, float] | Literal["proportional", "equal"] | None
QuotaBy = str | tuple[str, ...]  # a column of the corpus or, as a.COLUMN, of table `a`; several are nested
Group = str | None | tuple[str | None, ...]  # values of these columns; None: no value, or (shares by name) all others


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How much to keep: a share of the pool, or a number of documents, bytes of text or tokens.

    share      of what the pool holds, in (0, 1]
    of         the unit that a share is counted in: documents, bytes or tokens
    documents  a number of documents
    bytes      of text in UTF-8
    tokens     as the table `lengths` counts them
    """

    share: float | None = None
    of: Literal["documents", "bytes", "tokens"] = "documents"
    documents: Count | None = None
    bytes: Bytes | None = None
    tokens: Count | None = None

    def __post_init__(self) -> None:
        given = {name: value for name, value in self._amounts().items() if value is not None}
        if len(given) != 1:
            raise RecipeError(
                "a budget names one amount",
                found=", ".join(given) or "none",
                expected="one of share, documents, bytes, tokens",
            )
        if self.share is not None and not 0 < self.share <= 1:
            raise RecipeError("a share is above 0 and at most 1", found=str(self.share))
        if self.share is None and self.of != "documents":
            raise RecipeError("`of` goes with `share`", found=f"of: {self.of} beside {next(iter(given))}")
        if self.of not in UNITS:
            raise RecipeError(f"a budget can not be counted in {self.of!r}", do=nearest(self.of, UNITS))
        if self.share is None and next(iter(given.values())) < 1:
            raise RecipeError("a budget is at least 1", found=str(given))

    def _amounts(self) -> dict[str, float | None]:
        return {"share": self.share, "documents": self.documents, "bytes": self.bytes, "tokens": self.tokens}

    @property
    def unit(self) -> str:
        """The unit in which the budget is counted."""
        return self.of if self.share is not None else next(u for u in UNITS if self._amounts()[u] is not None)

    def amount(self, pool: int) -> int:
        """The budget in its unit, for a pool that holds `pool`. Raises RecipeError if that is too little."""
        if self.share is not None:
            return int(_meant(self.share) * pool)
        wanted = int(self._amounts()[self.unit] or 0)
        if wanted > pool:
            raise RecipeError(
                "the budget is larger than the pool",
                found=f"{wanted} {self.unit} wanted, {pool} {self.unit} in the pool",
                expected="a pool at least as large as the budget",
                do="lower `keep`, or widen what `within` lets in",
            )
        return wanted


def check_quotas(quotas: Quotas, quota_by: QuotaBy) -> None:
    """Raises RecipeError for quotas that are not shares of a whole, or that their columns can not have."""
    if not isinstance(quota_by, str) and (isinstance(quotas, Mapping) or not quota_by):
        raise RecipeError("nested quotas are proportional or equal", found=f"quota_by: {[*quota_by]}, quotas: {quotas}")
    if isinstance(quotas, str) and quotas not in ("proportional", "equal"):
        raise RecipeError(f"quotas can not be {quotas!r}", expected="proportional, equal, or a share by domain")
    if isinstance(quotas, Mapping):
        if any(share < 0 for share in quotas.values()) or not quotas:
            raise RecipeError("quotas are shares from 0 to 1", found=str(dict(quotas)))
        if sum(_exact(quotas).values()) > 1:
            raise RecipeError("quotas sum to more than 1", found=str(dict(quotas)), expected="shares of the budget")


def told(quotas: Quotas, quota_by: QuotaBy) -> tuple[str, ...]:
    """What of a document besides its text a selection with these quotas was told: for the report. A column of a score
    table was made from the text, or by what was told something itself."""
    columns = (quota_by,) if isinstance(quota_by, str) else quota_by
    return () if quotas is None else tuple(name for name in columns if not name.startswith(TABLE))


def check_lengths(budget: Budget, given: Container[str]) -> None:
    """Raises RecipeError for a token budget without a table that counts tokens."""
    if budget.unit == "tokens" and "lengths" not in given:
        raise RecipeError(
            "a budget in tokens needs their number",
            found="no input `lengths`",
            expected="a scores table with the column num_tokens, made with the target's tokenizer",
            do="give `lengths`, or count the budget in documents or bytes",
        )


def share_out(total: int, pool: Mapping[Group, int], quotas: Quotas, unit: str) -> dict[Group, int]:
    """The budget of each group. pool: what each group holds, in the unit of the budget.

    Proportional shares of proportional shares are proportional to the whole, so both need one division.

    Raises RecipeError if a domain does not hold what its quota asks for.
    """
    if quotas is None:
        return dict.fromkeys(pool, total)
    if quotas == "proportional":
        whole = sum(pool.values())
        return {name: total * size // whole if whole else 0 for name, size in pool.items()}
    if isinstance(quotas, str):
        out: dict[Group, int] = {name: int(total * share) for name, share in _equal(pool).items()}
    else:
        shares = _exact(quotas)
        out = {name: int(total * share) for name, share in shares.items()}
        out[None] = int(total * (1 - sum(shares.values())))
    for name, wanted in out.items():
        held = pool.get(name, 0)
        if wanted > held or (name is not None and name not in pool and quotas != "equal"):
            _too_little(name, wanted, held, unit, [label(n, quotas) for n in pool if n is not None])
    return out


def _equal(groups: Iterable[Group]) -> dict[Group, Fraction]:
    """The same share for each value of the first column, of that the same for each of the second that it has, ..."""
    paths = {group: group if isinstance(group, tuple) else (group,) for group in groups}
    children: dict[tuple[str | None, ...], set[str | None]] = {}
    for path in paths.values():
        for depth, value in enumerate(path):
            children.setdefault(path[:depth], set()).add(value)
    return {
        group: Fraction(1, math.prod(len(children[path[:depth]]) for depth in range(len(path))))
        for group, path in paths.items()
    }


def label(group: Group, quotas: Quotas) -> str:
    """A group's name in the account, each another one."""
    if isinstance(group, tuple):
        return " / ".join("none" if value is None else value.replace("/", "//") for value in group)
    if group is not None:
        return group
    return "all" if quotas is None else "no domain" if isinstance(quotas, str) else "other domains"


def _too_little(name: Group, wanted: int, held: int, unit: str, there: Sequence[str]) -> None:
    who = "the domains without a quota" if name is None else f"the domain {label(name, None)!r}"
    raise RecipeError(
        f"{who} can not fill the quota",
        found=f"{wanted} {unit} wanted, {held} {unit} in the pool",
        do="change `quotas` or lower `keep`" if held else f"change `quotas`: the pool holds {', '.join(there)}",
    )


def _meant(share: float) -> Fraction:
    """A share as its author meant it: 1 / 7 where the float is the one nearest to that, else its decimals.

    CoLoR-Filter keeps one sequence in tau, of 700 with tau = 7 a hundred; the decimals of 1 / 7 give 99.
    """
    simple = Fraction(share).limit_denominator(SIMPLE)
    return simple if float(simple) == share else Fraction(str(share))


def _exact(quotas: Mapping[str, float]) -> dict[str, Fraction]:
    """Quotas as fractions; thirds written out to ten digits are a whole when they nearly sum to 1."""
    shares = {name: Fraction(str(share)) for name, share in quotas.items()}
    whole = sum(shares.values())
    if abs(whole - 1) < Fraction(1, 10**9):
        return {name: share / whole for name, share in shares.items()}
    return shares
