from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vernier.core.config import BYTES, COUNT, Bytes, Count, Gather, Problems, decode, plain, words
from vernier.core.errors import RecipeError
from vernier.core.yaml import read_text


@dataclass(frozen=True)
class Share:
    share: float
    of: Literal["documents", "bytes"] = "documents"


@dataclass(frozen=True)
class Number:
    documents: Count


@dataclass(frozen=True, kw_only=True)
class Everything:
    version: ClassVar[int] = 1
    paths: tuple[str, ...]
    whole: int = 0
    number: float = 0.0
    flag: bool = False
    mode: Literal["alpha", "beta"] = "alpha"
    pair: tuple[float, float] = (0.0, 1.0)
    keep: Share | Number | None = None
    quotas: dict[str, float] = field(default_factory=dict)
    many: tuple[Share, ...] = ()
    tokens: Count = 0
    room: Bytes | None = None

    def __post_init__(self) -> None:
        if self.whole == 13:
            raise RecipeError("thirteen", found="whole: 13")


def of(text: str) -> Everything:
    return decode(Everything, *read_text(text, "r.yaml"), label="x.y")


def refused(text: str) -> RecipeError:
    with pytest.raises(RecipeError) as caught:
        of(text)
    return caught.value


def test_builds_nested_values_of_the_declared_types() -> None:
    made = of(
        "{paths: [a, b], number: 1, pair: [0, 0.5], keep: {share: 0.5, of: bytes}, quotas: {code: 1},"
        " many: [{share: 1}], tokens: 1.5k, room: 4KiB}"
    )
    assert made == Everything(
        paths=("a", "b"),
        number=1.0,
        pair=(0.0, 0.5),
        keep=Share(0.5, "bytes"),
        quotas={"code": 1.0},
        many=(Share(1.0),),
        tokens=1500,
        room=4096,
    )
    assert type(made.number) is float


def test_the_branch_of_a_union_that_fits() -> None:
    assert of("{paths: [], keep: {documents: 2k}}").keep == Number(2000)


@pytest.mark.parametrize(
    ("text", "where", "what", "expected"),
    [
        ("{paths: [], whole: '3'}", "1:20", "'whole'", "a whole number"),
        ("{paths: [], whole: true}", "1:20", "'whole'", "a whole number"),
        ("{paths: [], whole: 2.0}", "1:20", "'whole'", "a whole number"),
        ("{paths: [], number: '0.5'}", "1:21", "'number'", "a number"),
        ("{paths: [], number: false}", "1:21", "'number'", "a number"),
        ("{paths: [], flag: yes}", "1:19", "'flag'", "true or false"),
        ("{paths: [], flag: 1}", "1:19", "'flag'", "true or false"),
        ("{paths: a}", "1:9", "'paths'", "a list"),
        ("paths:\n- a\n- 3", "3:3", "'paths.1'", "text"),
        ("{paths: [], mode: gamma}", "1:19", "'mode'", "'alpha' or 'beta'"),
        ("{paths: [], keep: {share: lots}}", "1:27", "'keep.share'", "a number"),
        ("{paths: [], keep: 0.5}", "1:19", "'keep'", "a mapping"),
        ("{paths: [], quotas: {code: x}}", "1:28", "'quotas.code'", "a number"),
        ("{paths: [], many: [{share: 1}, {share: x}]}", "1:40", "'many.1.share'", "a number"),
        ("{paths: [], tokens: 5X}", "1:21", "'tokens'", "a count (like 50M; units k, M, B, T)"),
        ("{paths: [], tokens: 5MB}", "1:21", "'tokens'", "a count (like 50M; units k, M, B, T)"),
        ("{paths: [], tokens: 0.0001k}", "1:21", "'tokens'", "a count (like 50M; units k, M, B, T)"),
        ("{paths: [], tokens: true}", "1:21", "'tokens'", "a whole number"),
        ("{paths: [], room: 3M}", "1:19", "'room'", "units B, kB, MB, GB, TB, KiB, MiB, GiB, TiB"),
    ],
)
def test_wrong_type_or_unit(text: str, where: str, what: str, expected: str) -> None:
    errors = [e for e in (refused(text),) for e in (e.problems if isinstance(e, Problems) else (e,))]
    error = errors[0]
    assert error.where == f"r.yaml:{where}"
    assert what in error.what
    assert expected in str(error.expected)


def test_unknown_setting_names_the_nearest() -> None:
    error = refused("paths: []\nwhle: 1")
    assert (error.where, error.do) == ("r.yaml:2:1", "did you mean 'whole'?")
    assert error.what == "x.y has no setting 'whle'"


def test_unknown_setting_deep_inside() -> None:
    error = refused("paths: []\nmany: [{share: 1, off: bytes}]")
    assert (error.where, error.do) == ("r.yaml:2:19", "did you mean 'of'?")


def test_class_variables_are_no_settings() -> None:
    assert "'version'" in refused("{paths: [], version: 2}").what


def test_missing_setting() -> None:
    error = refused("whole: 1")
    assert error.what == "x.y needs the setting 'paths'"
    assert (error.where, error.expected) == ("r.yaml", "list of text")


def test_a_choice_mistyped_is_told_the_nearest() -> None:
    assert refused("{paths: [], mode: alpa}").do == "did you mean 'alpha'?"


def test_not_a_mapping() -> None:
    assert "not a mapping" in refused("[a]").what


def test_what_the_class_refuses_gains_its_place() -> None:
    value, marks = read_text("with:\n  paths: []\n  whole: 13", "r.yaml")
    with pytest.raises(RecipeError) as caught:
        decode(Everything, value["with"], marks, ("with",))
    assert (caught.value.what, caught.value.where) == ("thirteen", "r.yaml:1:1")


def test_all_problems_at_once() -> None:
    error = refused("whle: 1\nflag: 3\nmode: x")
    assert isinstance(error, Problems)
    assert len(error.problems) == 4
    assert all(p.where is not None and p.where in str(error) for p in error.problems)


def test_problems_cross_processes_whole() -> None:
    error = refused("whle: 1\nflag: 3")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_gather_raises_a_single_error_as_itself_and_tells_each_once() -> None:
    gather = Gather()
    for _ in range(2):
        with gather.each():
            raise RecipeError("one", where="here")
    with pytest.raises(RecipeError) as caught:
        gather.settle()
    assert type(caught.value) is RecipeError


def test_gather_keeps_bugs_out() -> None:
    with pytest.raises(ZeroDivisionError), Gather().each():
        _ = 1 / 0


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("1000", 1000), ("50M", 50_000_000), ("1.5k", 1500), ("0.1B", 10**8), ("2T", 2 * 10**12), ("3 k", 3000)],
)
def test_counts(text: str, value: int) -> None:
    assert COUNT.parse(text) == value


@pytest.mark.parametrize(
    ("text", "value"), [("256MB", 256 * 10**6), ("4KiB", 4096), ("1.5GiB", 3 * 2**29), ("7B", 7), ("12kB", 12_000)]
)
def test_sizes(text: str, value: int) -> None:
    assert BYTES.parse(text) == value


@given(st.sampled_from([COUNT, BYTES]), st.integers(1, 10**16))
def test_a_quantity_reads_what_it_writes(quantity: Any, value: int) -> None:
    assert quantity.parse(quantity.write(value)) == value


@given(
    st.builds(
        Everything,
        paths=st.lists(st.text()).map(tuple),
        whole=st.integers(20, 10**15),
        number=st.floats(allow_nan=False, allow_infinity=False),
        keep=st.none() | st.builds(Share, st.floats(0, 1)) | st.builds(Number, st.integers(0, 10**15)),
        quotas=st.dictionaries(st.text(), st.floats(0, 1)),
        room=st.none() | st.integers(0, 10**15),
    )
)
def test_decoding_the_plain_form_gives_the_same_settings(made: Everything) -> None:
    assert decode(Everything, plain(made), read_text("", "r.yaml")[1]) == made


@pytest.mark.parametrize("value", [object(), b"x", float("inf"), [float("nan")], {"a": print}])
def test_what_has_no_plain_form_is_refused(value: object) -> None:
    with pytest.raises(RecipeError):
        plain(value)


@pytest.mark.parametrize(
    ("hint", "said"),
    [
        (int, "whole number"),
        (tuple[str, ...], "list of text"),
        (tuple[float, float], "[number, number]"),
        (float | None, "number (optional)"),
        (Literal["a", "b"], "a or b"),
        (dict[str, int], "mapping of text to whole number"),
        (Share, "{share: number, of: documents or bytes}"),
        (Count, "a count (like 50M; units k, M, B, T)"),
    ],
)
def test_types_in_words(hint: Any, said: str) -> None:
    assert words(hint) == said
