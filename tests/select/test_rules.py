"""Rules: each at its limit, one unit below and one above; what the account and the reasons say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.select.world import COLUMNS, World

from vernier.core import tables
from vernier.core.errors import RecipeError
from vernier.core.rules import FAMILIES, PRESETS, RULES, SIGNALS, cuts, needed
from vernier.core.shard import Inputs
from vernier.score.signals import Signals
from vernier.select.rules import Rules

EVERY = [(preset, name) for preset in PRESETS for name in cuts([preset])]


def filler(size: int, sign: str = "f") -> str:
    """Words that come once, `size` characters with the spaces between them."""
    words, number = [], 0
    while sum(map(len, words)) + len(words) < size:
        words.append(f"{sign}{number}")
        number += 1
    return " ".join(words)[: size - 1] + "z"


def padded(start: str, size: int) -> str:
    return start + filler(size - len(start))


def twice(words: str, size: int) -> str:
    """Some words twice, and others, `size` characters."""
    return padded(f"{words} 0 {words} ", size)


def lines(*numbers: tuple[int, str]) -> str:
    """So many lines of each form, each different."""
    return "\n".join(form.replace("*", f"{i}.{j}") for i, (n, form) in enumerate(numbers) for j in range(n))


def apart(letters: str, size: int) -> str:
    """Different words of together `size` characters."""
    words = [*letters]
    words[0] += letters[0] * (size - len(letters))
    return " ".join(words)


# rule -> a document just on the kept side of its limit, and one a unit beyond
TEXTS: Mapping[str, tuple[str, str]] = {
    "few_words": ("w " * 50 + "- -- ***", "w " * 49 + "- -- ***"),
    "many_words": ("w " * 100_000 + "-", "w " * 100_001),
    "short_words": ("abc " * 9 + "abc", "abc " * 9 + "ab"),
    "long_words": ("abcdefghij " * 10 + "-", "abcdefghij " * 9 + "abcdefghijk -"),
    "hashes": ("# a b c d e f g h i", "# # b c d e f g h i"),
    "ellipses": ("a... b c d e f g h i j", "a... b… c d e f g h i j"),
    "bullet_lines": (lines((9, "- *"), (1, "*")), lines((10, " • *"))),
    "ellipsis_lines": (lines((3, "*... "), (7, "*")), lines((3, "*..."), (1, "*…"), (6, "*"))),
    "alpha_words": ("a b c d e f g h 1 2", "a b c d e f g 1 2 3"),
    "stop_words": ("the cat of", "the cat The"),
    "dup_paragraphs": ("\n\n".join("abcdefgabc"), "\n\n".join("abcdefabcd")),
    "dup_paragraph_chars": (
        "a" * 20 + "\n\n" + "a" * 20 + "\n\n" + "b" * 56,
        "a" * 21 + "\n\n" + "a" * 21 + "\n\n" + "b" * 54,
    ),
    "dup_lines": ("\n".join("abcdefgabc"), "\n".join("abcdefabcd")),
    "dup_line_chars": ("a" * 20 + "\n" + "a" * 20 + "\n" + "b" * 58, "a" * 21 + "\n" + "a" * 21 + "\n" + "b" * 56),
    "dup_sentences": (" ".join(f"{c}." for c in "abcdefgabc"), " ".join(f"{c}." for c in "abcdefabcd")),
    "dup_sentence_chars": ("a" * 19 + ". " + "a" * 19 + ". " + "b" * 58, "a" * 20 + ". " + "a" * 20 + ". " + "b" * 56),
    "top_2gram": (twice("aaaa bbbbb", 100), twice("aaaa bbbbb", 99)),
    "top_3gram": (twice("aa bb ccc", 100), twice("aa bb ccc", 99)),
    "top_4gram": (twice("a b c dd", 100), twice("a b c dd", 99)),
    **{
        f"dup_{n}gram": tuple(twice(apart("abcdeghijk"[:n], 20 - n), size) for size in (100, 99))  # type: ignore[dict-item]
        for n in range(5, 11)
    },
    "curly_brackets": ("a }", "a {"),
    "lorem_ipsum": ("lorem  ipsum", "Lorem Ipsum"),
    "c4_sentences": ("A b c. D e f.\nOne two three four five!", "A b c. D e f.\nOne two three four!"),
    "javascript_lines": (lines((1, "JavaScript *"), (1, "*")), lines((2, "JavaScript *"), (1, "*"))),
    "policy_lines": (lines((1, "Cookie Policy *"), (1, "*")), lines((2, "We use cookies *"), (1, "*"))),
    "bad_words": ("badly", "Bad!"),
    "punctuated_lines": (lines((12, "*."), (88, "*")), lines((11, "*."), (89, "*"))),
    "short_lines": (lines((67, "*"), (33, "*" + "x" * 40)), lines((68, "*"), (32, "*" + "x" * 40))),
    "repeated_line_chars": ("a" * 10 + "\n" + "a" * 10 + "\n" + "b" * 80, "a" * 11 + "\n" + "a" * 11 + "\n" + "b" * 78),
    "newlines": ("a b c d e f g\nh\ni\nj", "a b c d e f\ng\nh\ni\nj"),
}
OWN = {"javascript_lines": 0.5, "policy_lines": 0.5, "bad_words": 0.0}  # rules that no preset has a limit for


def judge(world: World, columns: Mapping[str, Any], plugin: Rules, **inputs: Any) -> Any:
    size = len(next(iter(columns.values())))
    corpus = inputs.pop("corpus", None) or world.corpus(size)
    return world.run(plugin, corpus=corpus, signals=world.table("scores", columns, []), **inputs)


def measured(world: World, plugin: Rules, columns: Mapping[str, Any]) -> list[float | None]:
    size = len(next(iter(columns.values())))
    inputs = Inputs(world.store.url, {"corpus": world.corpus(size), "signals": world.table("scores", columns, [])})
    table = next(iter(plugin.map(inputs.shard(0), None)))  # type: ignore[arg-type]
    assert table.schema.field("measured") == tables.MEASURED
    return table.column("measured").to_pylist()


@pytest.mark.parametrize("name", RULES)
def test_a_document_at_the_limit_is_kept_and_one_a_unit_beyond_is_not(world: World, name: str) -> None:
    limit = OWN.get(name, next(iter(RULES[name].limits.values()), None))
    found = Signals(bad_words=["bad"]).count(pa.array(TEXTS[name], pa.large_string()))
    plugin = Rules(rules=[], limits={name: limit})
    out = judge(world, {one: column.tolist() for one, column in found.items()}, plugin)
    assert (out.count, out.reason) == ([1, 0], [None, name])
    here = RULES[name].values(found)[0]
    if name != "stop_words" and name != "lorem_ipsum":
        assert here == limit, "the first document is not at the limit"


@pytest.mark.parametrize(("preset", "name"), EVERY)
def test_counts_at_the_limit_one_below_and_one_above(world: World, preset: str, name: str) -> None:
    rule = RULES[name]
    limit = Fraction(str(cuts([preset])[name]))
    whole = 1 if rule.whole is None else 1000 * limit.denominator
    part = int(limit * whole)
    columns = {column: [0.0] * 3 for column in needed([name])}
    columns[rule.part] = [part - 1, part, part + 1]
    if rule.whole is not None:
        columns[rule.whole] = [whole] * 3
    out = judge(world, columns, Rules(rules=[], limits={name: float(limit)}))
    assert out.kept == ([1, 2] if rule.wanted == "at least" else [0, 1])


def test_the_thresholds_of_the_papers() -> None:
    """Gopher, A.1 and table A1; C4, 2.2; FineWeb, 3.6; RedStone: written out again."""
    quality = {
        "few_words": 50,
        "many_words": 100_000,
        "short_words": 3,
        "long_words": 10,
        "hashes": 0.1,
        "ellipses": 0.1,
        "bullet_lines": 0.9,
        "ellipsis_lines": 0.3,
        "alpha_words": 0.8,
        "stop_words": 2,
    }
    grams = {"top_2gram": 0.20, "top_3gram": 0.18, "top_4gram": 0.16}
    grams |= {
        f"dup_{n}gram": limit for n, limit in zip(range(5, 11), (0.15, 0.14, 0.13, 0.12, 0.11, 0.10), strict=True)
    }
    paragraphs = {"dup_paragraphs": 0.3, "dup_paragraph_chars": 0.2}
    assert cuts(["gopher"]) == quality
    assert cuts(["gopher_repetition"]) == {**paragraphs, "dup_lines": 0.3, "dup_line_chars": 0.2, **grams}
    assert cuts(["redstone_general"]) == {
        **quality,
        **paragraphs,
        "dup_sentences": 0.3,
        "dup_sentence_chars": 0.2,
        **grams,
    }
    assert cuts(["c4"]) == {"curly_brackets": 0, "lorem_ipsum": 0, "c4_sentences": 3}
    assert cuts(["fineweb"]) == {
        "punctuated_lines": 0.12,
        "short_lines": 0.67,
        "repeated_line_chars": 0.1,
        "newlines": 0.3,
    }


def test_every_rule_reads_columns_of_its_family_and_has_one_limit() -> None:
    for name, rule in RULES.items():
        assert set(needed([name])) <= {*SIGNALS} and rule.family in FAMILIES and rule.source
        assert len({*rule.limits.values()}) <= 1, "a list of presets would not say which limit holds"
        assert tables.REASONS[name]
    assert len(tables.REASONS) < 128  # codes are int8
    assert set(TEXTS) == set(RULES)


def test_the_first_rule_in_the_order_of_the_table_is_the_reason(world: World) -> None:
    found = Signals().count(pa.array(["x {", "1 2 3 4 5", "", "{"], pa.large_string()))
    columns = {one: column.tolist() for one, column in found.items()}
    for presets in (["c4", "gopher"], ["gopher", "c4"]):
        assert judge(world, columns, Rules(rules=presets)).reason == ["few_words"] * 4
    plugin = Rules(rules=["gopher", "c4"], limits={"few_words": None, "alpha_words": 0.5, "short_words": 1})
    assert judge(world, columns, plugin).reason == ["stop_words", "alpha_words", "undefined", "undefined"]
    assert measured(world, plugin, columns) == [0, 0, None, None]
    assert measured(world, Rules(rules="gopher", limits={"few_words": 6}), columns) == [1, 5, 0, 0]


def test_the_account_by_rule_and_domain(world: World) -> None:
    corpus = world.corpus(6, [2, 0, 3], domain=["a", "b", None, "a", "a", "b"])
    within = world.table(
        "selection", {"count": [1, 2, 1, 0, 1, 1], "reason": [None] * 3 + ["outside"] + [None] * 2}, [2, 0, 3]
    )
    columns = {"num_alnum_words": [9.0, 5.0, 5.0, 9.0, None, 4.0]}
    signals = world.table("scores", columns, [2, 0, 3])
    out = world.run(Rules(rules=[], limits={"few_words": 5}), corpus=corpus, within=within, signals=signals)
    assert out.count == [1, 2, 1, 0, 0, 0]
    assert out.reason == [None, None, None, "outside", "not_scored", "few_words"]
    assert json.loads(json.dumps(out.account)) == {
        "limits": {"few_words": 5.0},
        "dropped": {"not_scored": 1, "few_words": 1},
        "documents": {"(no domain)": 1, "a": 2, "b": 2},
        "kept": {"(no domain)": 1, "a": 1, "b": 1},
    }


@given(
    rows=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=30),
    sizes=st.lists(st.integers(0, 9), max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_rows_are_judged_one_by_one(world: World, rows: list[tuple[int, int, int]], sizes: list[int]) -> None:
    names = ("num_alnum_words", "num_hashes", "num_words")
    columns = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    corpus, signals = world.corpus(len(rows), sizes), world.table("scores", columns, sizes)
    out = world.run(Rules(rules=[], limits={"few_words": 4, "hashes": 0.5}), corpus=corpus, signals=signals)
    for (alnum, hashes, words), reason in zip(rows, out.reason, strict=True):
        broken = "few_words" if alnum < 4 else "undefined" if words == 0 else "hashes" if hashes / words > 0.5 else None
        assert reason == broken


def test_what_can_not_be_asked_for(world: World) -> None:
    with pytest.raises(RecipeError, match="no preset 'gophers'") as told:
        Rules(rules="gophers")
    assert told.value.do == "did you mean 'gopher'?"
    with pytest.raises(RecipeError, match="no rule 'few_word'") as told:
        Rules(rules="gopher", limits={"few_word": 3})
    assert told.value.do == "did you mean 'few_words'?"
    with pytest.raises(RecipeError, match="no rule has a limit"):
        Rules(rules=["fineweb"], limits=dict.fromkeys(cuts(["fineweb"]), None))
    with pytest.raises(RecipeError, match="no column 'num_alnum_words'") as told:
        judge(world, {"num_words": [1.0]}, Rules(rules="gopher"))
    assert "families: [gopher]" in (told.value.expected or "")
    with pytest.raises(RecipeError, match="no column 'num_bad_words'") as told:
        judge(world, {"num_words": [1.0]}, Rules(rules=[], limits={"bad_words": 0}))
    assert "bad_words" in (told.value.expected or "")


def test_what_a_rule_says() -> None:
    assert RULES["short_words"].told(2.1, 3.0) == "gopher: mean word length 2.1, at least 3 is wanted"
    assert COLUMNS["count"] == tables.SELECTION.field("count").type
