"""Measures: what a score table says of a document, as one number. Larger = more wanted, always.

Score tables hold sums and counts; a measure is arithmetic over them, so pairs of models cost nothing. `by:`
in a recipe names one of `MEASURES`, or `a.COLUMN` for a column of table `a`: as it is, or with `per: token` (or
`byte`) over the number of tokens that the same table holds, which is the mean rating of a document that was rated
segment by segment. What can not be computed (nothing was predicted, no words) is NaN: undefined, never selected,
counted. Sources: ScalingFilter (arXiv 2408.08310, the quality factor), MiniPLM (2410.17215) and CoLoR-Filter
(2406.10670): the difference of two mean losses; PreSelect (2503.00808): the predictive strength.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vernier.core.errors import RecipeError, nearest
from vernier.core.shard import Inputs, Shard

Array = NDArray[np.float64]
Per = Literal["token", "byte"] | None  # without it: token for a loss, a column of table `a` as it is
PER = {"token": "num_tokens", "byte": "num_bytes"}  # what a sum is divided by, and the column that counts it
LARGEST = float(np.finfo(np.float64).max)


@dataclass(frozen=True)
class Measure:
    """A function over columns.

    a, b      the columns needed from tables `a` and `b`; `per` stands for the one that `per:` names
    function  float64 [rows] for each column, those of `a` first -> float64 [rows]; NaN where undefined
    unit      of the result
    doc       one line
    """

    a: tuple[str, ...]
    b: tuple[str, ...]
    function: Callable[..., Array]
    unit: str
    doc: str

    @property
    def has_per(self) -> bool:
        return "per" in self.a


def ratio(sum_: Array, count: Array) -> Array:
    """sum / count, NaN where the count is 0."""
    out = np.full(np.broadcast(sum_, count).shape, math.nan)
    return np.divide(sum_, count, out=out, where=count > 0)


def excess_loss(nll_a: Array, count_a: Array, nll_b: Array, count_b: Array) -> Array:
    """Mean loss under model a minus mean loss under model b."""
    return ratio(nll_a, count_a) - ratio(nll_b, count_b)


def quality_factor(nll_a: Array, count_a: Array, nll_b: Array, count_b: Array) -> Array:
    """Perplexity under a (the smaller model) over perplexity under b: exp of the excess loss, same order.

    Undefined where the excess loss is. One that float64 can not hold (709 nat per token) is its largest number.
    """
    excess = excess_loss(nll_a, count_a, nll_b, count_b)
    defined = np.isfinite(excess)
    with np.errstate(over="ignore", under="ignore"):
        return np.minimum(np.exp(excess, where=defined, out=np.full(excess.shape, math.nan)), LARGEST)


def _low_loss(nll: Array, count: Array) -> Array:
    return -ratio(nll, count)


def _low_bits_per_byte(nll: Array, num_bytes: Array) -> Array:
    return -ratio(nll, num_bytes) / math.log(2)


def _low_share(part: Array, whole: Array) -> Array:
    return -ratio(part, whole)


def _itself(column: Array) -> Array:
    return column


_PAIR = ("nll", "per")
MEASURES: dict[str, Measure] = {
    "excess_loss": Measure(_PAIR, _PAIR, excess_loss, "nat", "mean loss under a minus mean loss under b"),
    "quality_factor": Measure(_PAIR, _PAIR, quality_factor, "1", "exp(excess_loss): perplexity a / perplexity b"),
    "low_loss": Measure(("nll", "num_tokens"), (), _low_loss, "nat", "minus the mean loss by token"),
    "low_bits_per_byte": Measure(("nll", "num_bytes"), (), _low_bits_per_byte, "bit", "minus the bits per byte"),
    "length": Measure(("num_bytes",), (), _itself, "byte", "length of the text in UTF-8"),
    "zlib_ratio": Measure(("zlib_bytes", "num_bytes"), (), ratio, "1", "compressed / plain size: low repeats itself"),
    "stop_word_share": Measure(("num_stop_words", "num_words"), (), ratio, "1", "share of words that are stop words"),
    "low_symbol_share": Measure(("num_symbols", "num_chars"), (), _low_share, "1", "minus the share of symbols"),
    "kept_word_share": Measure(("num_kept_words", "num_words"), (), ratio, "1", "share of words in lines that stay"),
    "predictive_strength": Measure(
        ("num_agreeing", "num_pairs"),
        (),
        ratio,
        "1",
        "share of pairs of models of which the abler has the lower loss",
    ),
}


def find(by: str, per: str | None = None) -> Measure:
    """The measure of that name; `per` makes a column of table `a` a mean. Raises RecipeError with the nearest name."""
    if by.startswith("a.") and len(by) > 2:
        if per is not None:
            return Measure((by[2:], "per"), (), ratio, "as in the table", f"the column {by[2:]!r} of table a, its mean")
        return Measure((by[2:],), (), _itself, "as in the table", f"the column {by[2:]!r} of table a")
    if by not in MEASURES:
        raise RecipeError(
            f"there is no measure {by!r}",
            expected="a measure, or a.COLUMN for a column of table a",
            do=nearest(by, MEASURES),
        )
    return MEASURES[by]


def check_settings(by: str, per: str | None) -> None:
    """Raises RecipeError for a measure that does not exist or a `per` that it does not have."""
    if per is not None and not find(by, per).has_per:
        raise RecipeError(f"the measure {by!r} has no `per`", found=f"per: {per}", do="leave it out")
    if per is not None and per not in PER:
        raise RecipeError(f"a sum can not be counted per {per!r}", expected="token or byte", do=nearest(per, PER))
    find(by)


def check_given(by: str, given: Container[str]) -> None:
    """Raises RecipeError if the inputs that are given (their names) are not the tables that the measure reads."""
    measure = find(by)
    if measure.b and "b" not in given:
        raise RecipeError(f"the measure {by!r} compares two score tables", found="only `a`", do="give input `b`")
    if not measure.b and "b" in given:
        raise RecipeError(f"the measure {by!r} reads one score table", found="`a` and `b`", do="leave `b` out")


def check_inputs(by: str, per: str | None, inputs: Inputs) -> None:
    """Raises RecipeError if tables `a` and `b` can not give this measure.

    A loss per token of two models means something only if both cut the text into the same tokens.
    """
    measure = find(by)
    check_given(by, inputs)
    if measure.b and (per or "token") == "token":
        a, b = (inputs.facts(name).get("tokenizer") for name in ("a", "b"))
        if a is None or a != b:
            raise RecipeError(
                f"the measure {by!r} per token needs one tokenizer in both tables",
                found=f"a: {_named(a)}, b: {_named(b)}",
                expected="the same tokenizer",
                do="write `per: byte`",
            )


def evaluate(by: str, per: str | None, shard: Shard) -> tuple[Array, NDArray[np.bool_]]:
    """The measure of every row of a shard, and which rows were scored (in every table that it needs).

    Returns float64 [rows] (NaN or infinite = undefined; of no meaning where not scored) and bool [rows].
    """
    check_inputs(by, per, shard.inputs)
    measure = find(by, per)
    scored = np.ones(shard.rows, dtype=bool)
    columns: list[Array] = []
    for table, names in (("a", measure.a), ("b", measure.b)):
        names = [PER[per or "token"] if name == "per" else name for name in names]
        for values, valid in read_numbers(shard, table, names):
            columns.append(values.astype(np.float64, copy=False))
            scored &= valid
    return measure.function(*columns), scored


def value_of(by: str, per: str | None, rows: Mapping[str, Mapping[str, float | None]]) -> float | None:
    """The measure of one document, from its rows of tables `a` and `b`; None if it was not scored."""
    measure = find(by, per)
    columns: list[Array] = []
    for table, names in (("a", measure.a), ("b", measure.b)):
        for name in names:
            value = rows[table][PER[per or "token"] if name == "per" else name]
            if value is None:
                return None
            columns.append(np.array([value], dtype=np.float64))
    return float(measure.function(*columns)[0])


def read_numbers(shard: Shard, table: str, names: list[str]) -> list[tuple[NDArray[np.generic], NDArray[np.bool_]]]:
    """Numeric columns of a table: values [rows] (0 where null) and which are not null, bool [rows]."""
    if not names:
        return []
    here = shard.columns(table)
    for name in names:
        if name not in here:
            raise RecipeError(f"the table {table!r} has no column {name!r}", do=nearest(name, here))
    read = shard.read(table, names)
    out: list[tuple[NDArray[np.generic], NDArray[np.bool_]]] = []
    for name in names:
        column = read.column(name)
        if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
            raise RecipeError(f"the column {name!r} of {table!r} is {column.type}", expected="numbers")
        valid = np.ones(shard.rows, dtype=bool)
        if column.null_count:
            valid = column.is_valid().to_numpy()
            column = pc.fill_null(column, 0)
        out.append((column.to_numpy(), valid))
    return out


def _named(tokenizer: str | None) -> str:
    return "unknown" if tokenizer is None else tokenizer[:12]
