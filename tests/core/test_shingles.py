"""Shingles, lines and what sets share, against plain Python: strings, lists and sets."""

from __future__ import annotations

import ast
import itertools
import json
import random
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vernier.core.errors import RecipeError
from vernier.core.shingles import kernel
from vernier.core.shingles.form import Form, growth, normalised
from vernier.core.shingles.sets import (
    Lines,
    Shingles,
    containment,
    jaccard,
    lines,
    lines_of,
    shingles,
    shingles_of,
)

WORD = 2**64 - 1


# ---- the slow reference ----------------------------------------------------------------------------------------------


def plain(text: str, form: Form) -> str:
    """Each character as the form says; white space as it is, which is what splits words and lines later."""
    if form.unicode != "none":
        text = unicodedata.normalize(form.unicode.upper(), text)
    out = []
    for c in text:
        category = unicodedata.category(c)
        if c.isspace():
            out.append(c)
        elif form.punctuation != "keep" and category in ("Cc", "Cf"):
            continue
        elif form.punctuation != "keep" and category[0] in ("P", "S"):
            out.append(" " if form.punctuation == "space" else "")
        elif form.digits == "zero" and category == "Nd":
            out.append("0")
        else:
            c = c.lower() if form.lower else c
            if form.accents == "drop":
                bare = "".join(p for p in unicodedata.normalize("NFD", c) if unicodedata.category(p) != "Mn")
                bare = unicodedata.normalize("NFC", bare)
                c = bare if len(bare.encode()) < 8 else c
            out.append(c)
    return "".join(out)


def slow_form(text: str, form: Form, unit: str) -> str:
    text = plain(text, form)
    if unit == "text":
        return " ".join(text.split())
    rows = [" ".join(row.split()) for row in text.split("\n")]
    if unit == "paragraph":
        rows = [" ".join(block) for full, block in itertools.groupby(rows, bool) if full]
    return "\n".join(row for row in rows if row)


def mixed(state: int, value: int) -> int:
    state = (state ^ value) * 0x9E3779B97F4A7C15 & WORD
    return state ^ state >> 32


def spread(value: int) -> int:
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        value = (value ^ value >> 33) * factor & WORD
    return value ^ value >> 33 or 1


def piece(data: bytes) -> int:
    chunks = [data[i : i + 8] for i in range(0, len(data), 8)]
    state = 0x243F6A8885A308D3
    for chunk in chunks[:-1]:
        state = mixed(state, int.from_bytes(chunk, "little"))
    return mixed(state ^ 8 * len(chunks[-1]), int.from_bytes(chunks[-1], "little"))


def row(hashes: tuple[int, ...]) -> int:
    value = 0
    for one in hashes:
        value = (value * 0xD1342543DE82EF95 + one) & WORD
    return spread(value)


def grams(text: str, how: Shingles) -> set[tuple[str, ...]]:
    whole = slow_form(text, how.form, "text")
    units = list(whole) if how.by == "character" else whole.split(" ") if whole else []
    if not units:
        return set()
    n = min(how.ngram, len(units))
    return {tuple(units[i : i + n]) for i in range(len(units) - n + 1)}


def slow_shingles(text: str, how: Shingles) -> list[int]:
    return sorted({row(tuple(piece(unit.encode()) for unit in gram)) for gram in grams(text, how)})


def slow_lines(text: str, how: Lines) -> list[tuple[int, int]]:
    whole = slow_form(text, how.form, how.unit)
    return sorted((spread(piece(one.encode())), len(one)) for one in set(whole.split("\n")) if one)


# ---- what is tried ---------------------------------------------------------------------------------------------------

FORMS = st.builds(
    Form,
    unicode=st.sampled_from(["none", "nfc", "nfkc"]),
    lower=st.booleans(),
    accents=st.sampled_from(["drop", "keep"]),
    punctuation=st.sampled_from(["space", "drop", "keep"]),
    digits=st.sampled_from(["keep", "zero"]),
)
FEW_FORMS = st.sampled_from(
    [
        Form(),
        Form(punctuation="drop", digits="zero"),
        Form(unicode="nfc", accents="keep", punctuation="keep"),
        Form(unicode="nfkc", lower=False, accents="drop", punctuation="keep", digits="zero"),
    ]
)
PIECES = st.one_of(
    st.sampled_from(
        ["the", "The", "cat", "cat.", "don't", "x", "12", "3.5", "---", "…", "“", "a" * 8, "b" * 9, "c" * 40]
    ),
    st.sampled_from(
        ["É", "e\u0301", "ǅ", "İ", "ß", "Σς", "한글", "한글", "中文。好", "ไทย", "حَ", "٣", "🙂", "👨‍👩‍👧", "Ⅻ", "ﬁ"]
    ),
    st.sampled_from(["\u0ccb", "\U0001d160", "\u0958", "\u0344", "Å", "\u212b", "\x00", "\u00ad", "\u200b", "\ufeff"]),
    st.sampled_from(
        [" ", "  ", "\n", "\n\n", " \n \n", "\n---\n", "\t", "\r\n", "\u2028", "\u3000", "\x1c", "\x85", "\u00a0"]
    ),
    st.text(max_size=4),
)
TEXT = st.lists(PIECES, max_size=24).map("".join) | st.lists(PIECES, max_size=24).map(" ".join)


def column(texts: list[str]) -> Any:
    return pa.array(texts, pa.large_string())


# ---- one form --------------------------------------------------------------------------------------------------------


@given(text=TEXT, form=FEW_FORMS, unit=st.sampled_from(["text", "line", "paragraph"]))
@example(text="\n a \n\n\n b\nc \n", form=Form(), unit="paragraph")
@example(text="a\n-\nb", form=Form(), unit="paragraph")
@example(text=" \n\n", form=Form(), unit="line")
@settings(max_examples=150)
def test_a_form_is_that_of_plain_python(text: str, form: Form, unit: Any) -> None:
    assert form.apply(text, unit) == slow_form(text, form, unit)


@given(text=TEXT, form=FORMS)
@settings(max_examples=8)
def test_every_form(text: str, form: Form) -> None:
    assert form.apply(text) == slow_form(text, form, "text")


@pytest.mark.parametrize("form", [Form(), Form(accents="keep", punctuation="keep"), Form(lower=False, digits="zero")])
def test_every_character(form: Form) -> None:
    step = 1 if form == Form() else 7
    points = [*range(0, 0xD800, step), *range(0xE000, 0x20000, step), *range(0x20000, 0x110000, 101)]
    text = "\u2028".join(map(chr, points))
    assert form.apply(text) == slow_form(text, form, "text")


def test_known_forms() -> None:
    text = "  Él niño—DON'T\tstop:\n12.5\u00a0%  "
    assert Form().apply(text) == "el nino don t stop 12 5"
    assert Form(punctuation="drop", digits="zero").apply(text) == "el ninodont stop 000"
    assert Form(accents="keep", punctuation="keep").apply(text) == "él niño—don't stop: 12.5 %"
    assert Form(lower=False, punctuation="keep").apply(text, "line") == "El nino—DON'T stop:\n12.5 %"
    assert Form().apply("a b\n\n\n c\nd\n \n--\n", "paragraph") == "a b\nc d"
    assert Form(unicode="nfkc").apply("ﬁｘ") == "fix"


def test_composed_and_decomposed_accents_are_the_same_without_a_normal_form() -> None:
    text = "Ångström naïveté Ελληνικά ćwiczenie Việt Nam й"
    forms = {Form().apply(unicodedata.normalize(form, text)) for form in ("NFC", "NFD")}
    assert forms == {"angstrom naivete ελληνικα cwiczenie viet nam и"}


def test_the_room_for_the_result_is_enough() -> None:
    for form in (Form(), Form(accents="keep", punctuation="keep"), Form(lower=False, accents="keep")):
        points = [*range(0x3400), *range(0xA000, 0xAC00), *range(0xF900, 0x12000)]
        worst = max(points, key=lambda p: len(plain(chr(p), form).encode()) / len(chr(p).encode()))
        data, bounds = normalised(column([chr(worst) * 1000, chr(worst)]), form)
        assert bounds[-1] == len(data) <= growth(form) * 1001 * len(chr(worst).encode())
    assert growth(Form(accents="keep")) == 1.5  # a dotted capital I


def test_wrong_types_and_numbers() -> None:
    with pytest.raises(RecipeError, match="wrong type"):
        shingles_of(pa.array(["a"]), Shingles())
    with pytest.raises(RecipeError, match="too small"):
        Shingles(ngram=0)


# ---- shingles --------------------------------------------------------------------------------------------------------


@given(
    texts=st.lists(TEXT, max_size=4),
    ngram=st.integers(1, 6),
    by=st.sampled_from(["word", "character"]),
    form=FEW_FORMS,
    cut=st.integers(0, 4),
)
@settings(max_examples=120)
def test_shingles_are_those_of_plain_python(texts: list[str], ngram: int, by: Any, form: Form, cut: int) -> None:
    how = Shingles(ngram=ngram, by=by, form=form)
    values, offsets = shingles_of(column(texts), how)
    found = [values[a:b].tolist() for a, b in itertools.pairwise(offsets.tolist())]
    assert found == [slow_shingles(text, how) for text in texts]
    assert [len(one) for one in found] == [len(grams(text, how)) for text in texts]
    chunks = pa.chunked_array([column(texts)[:cut], column(texts)[cut:]], pa.large_string())
    again = shingles_of(chunks, how)
    assert again[0].tolist() == values.tolist() and again[1].tolist() == offsets.tolist()
    rest = shingles_of(column(texts)[cut:], how)
    assert rest[0].tolist() == [value for one in found[cut:] for value in one]


def test_known_shingles() -> None:
    how = Shingles(ngram=2)
    assert len(shingles("", how)) == len(shingles(" -- ", how)) == 0
    assert shingles("One", how).tolist() == shingles("one!", how).tolist() == [row((piece(b"one"),))]
    assert shingles("a b", how).tolist() == [row((piece(b"a"), piece(b"b")))]
    assert len(shingles("a b a b a b", how)) == 2
    assert jaccard(shingles("a b c d", how), shingles("b c d e", how)) == 2 / 4
    assert jaccard(shingles("", how), shingles("", how)) == 0
    assert len(shingles("中文没有空格", how)) == 1
    assert len(shingles("中文没有空格", Shingles(ngram=2, by="character"))) == 5
    assert len(shingles("a  b\na  b", Shingles(ngram=3, by="character"))) == len({"a b", " b ", "b a", " a "})


@pytest.mark.parametrize("by", ["word", "character"])
def test_large_and_dull_texts(by: Any) -> None:
    how = Shingles(by=by)
    rng = random.Random(0)
    vocabulary = [f"{rng.getrandbits(30):x}" for _ in range(3000)]
    long = " ".join(rng.choices(vocabulary, k=650_000))
    texts = [
        "word " * 1_000_000,
        long,
        "x" * 3_000_000,
        "\0" * 100_000,
        "a b " * 500_000,
        "",
        "\n" * 1_000_000,
        "last one",
    ]
    assert len(long) > 5_000_000
    if by == "character":
        texts[1] = long = long[:300_000]
    values, offsets = shingles_of(column(texts), how)
    found = [values[a:b] for a, b in itertools.pairwise(offsets.tolist())]
    assert all((one[1:] > one[:-1]).all() for one in found)
    units = list(long) if by == "character" else long.split(" ")
    assert len(found[1]) == len({hash(tuple(units[i : i + 5])) for i in range(len(units) - 4)})
    few = [5, 1, 0, 4, 0, 0, 4] if by == "character" else [1, 1, 0, 2, 0, 0, 1]
    assert [len(one) for place, one in enumerate(found) if place != 1] == few


def test_a_nul_and_what_pads_a_word_are_not_the_same() -> None:
    how = Shingles(form=Form(punctuation="keep"))
    texts = ["a", "a\0", "a\0\0", "a" * 8, "a" * 8 + "\0", "\0" * 8, "\0" * 9, "\0"]
    assert len({tuple(shingles(text, how).tolist()) for text in texts}) == len(texts)


def test_hashes_are_spread_evenly() -> None:
    """Of 200,000 shingles each of the 64 bits is set in half of them, and none comes twice."""
    values = shingles(" ".join(map(str, range(200_000))), Shingles(ngram=3))
    assert len(values) == 199_998
    ones = [int((values >> np.uint64(bit) & np.uint64(1)).sum()) for bit in range(64)]
    assert all(abs(one - 100_000) < 5 * 224 for one in ones)
    slots = np.bincount((values >> np.uint64(52)).astype(np.int64), minlength=4096)
    assert abs(((slots - 48.8) ** 2 / 48.8).sum() - 4095) < 6 * 90.5


def test_real_versions_of_texts(data: Path) -> None:
    """The data's own Jaccard index of words in a row, which takes words a little differently."""
    with zstandard.open(data / "dedup" / "near_duplicates.jsonl.zst", "rb") as file:
        records = [json.loads(line) for line in file.read().split(b"\n") if line]
    newest = {one["dup_group"]: shingles(one["text"], Shingles()) for one in records if "jaccard_w5" not in one}
    pairs = [one for one in records if "jaccard_w5" in one and one["dup_group"] in newest]
    off = [
        abs(jaccard(shingles(one["text"], Shingles()), newest[one["dup_group"]]) - one["jaccard_w5"]) for one in pairs
    ]
    assert len(off) > 300 and np.mean(off) < 0.005


# ---- what two sets share ---------------------------------------------------------------------------------------------

SETS = st.lists(st.integers(1, 40) | st.integers(1, WORD), max_size=30, unique=True).map(
    lambda values: np.array(sorted(values), np.uint64)
)


@given(one=SETS, other=SETS)
@settings(max_examples=120)
def test_the_jaccard_index_is_that_of_sets(one: Any, other: Any) -> None:
    a, b = set(one.tolist()), set(other.tolist())
    assert jaccard(one, other) == (len(a & b) / len(a | b) if a | b else 0.0) == jaccard(other, one)


# ---- lines -----------------------------------------------------------------------------------------------------------


@given(texts=st.lists(TEXT, max_size=4), unit=st.sampled_from(["line", "paragraph"]), form=FEW_FORMS)
@settings(max_examples=50)
def test_lines_are_those_of_plain_python(texts: list[str], unit: Any, form: Form) -> None:
    how = Lines(unit=unit, form=form)
    values, weights, offsets = lines_of(column(texts), how)
    found = list(zip(values.tolist(), weights.tolist(), strict=True))
    assert [found[a:b] for a, b in itertools.pairwise(offsets.tolist())] == [slow_lines(text, how) for text in texts]


@given(one=TEXT, other=TEXT)
@settings(max_examples=100)
def test_containment_is_that_of_plain_python(one: str, other: str) -> None:
    how = Lines()
    a, b = ({*slow_form(text, how.form, "line").split("\n")} - {""} for text in (one, other))
    wanted = sum(map(len, a & b)) / sum(map(len, a)) if a else 0.0
    assert containment(lines(one, how), lines(other, how)[0]) == wanted


def test_known_containments() -> None:
    how = Lines()
    assert containment(lines("Éa 12!\nxyz\nxyz", how), lines("EA 34", how)[0]) == 5 / 8  # "ea 00" of that and "xyz"
    assert containment(lines("", how), lines("a", how)[0]) == containment(lines("a", how), lines("", how)[0]) == 0
    assert containment(lines("a\nb", how), lines("b\nc\na", how)[0]) == 1
    pages = Lines(unit="paragraph")
    assert containment(lines("a\nb\n\nc", pages), lines("a b\n\n\nd", pages)[0]) == 3 / 4


def test_all_that_is_compiled_is_in_one_file_that_needs_no_other_of_ours() -> None:
    """numba makes compiled code anew when its own file changes, not when another does that it took from."""
    folder = Path(kernel.__file__).parent
    tree = ast.parse((folder / "kernel.py").read_text(encoding="utf-8"))
    imported = [n.module or "." for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    imported += [alias.name for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names]
    assert "numba" in imported and not [name for name in imported if name.startswith(("vernier", "."))]
    assert not [path for path in folder.glob("*.py") if path.name != "kernel.py" and "njit" in path.read_text("utf-8")]
