"""Passages against sets of tuples of words, and by hand."""

from __future__ import annotations

import ast
import math
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vernier.core import passages, word_kernel
from vernier.core.errors import DataError
from vernier.core.passages import COMMON_ITEMS, COMMON_SHARE, TEMPLATE_ITEMS, WINDOW, Passages, Text
from vernier.core.words import SKIPPED, letters

Find = tuple[int, int, int, int, int, int]


def words(text: str) -> list[tuple[str, int, int]]:
    """The words of a text, with their first byte and the one behind their last, a character at a time."""
    found: list[tuple[str, int, int]] = []
    word, start, end, at = "", 0, 0, 0
    for character in f"{text} ":
        size, letter = len(character.encode()), int(letters()[ord(character)])
        if letter > 0:
            word, start, end = word + chr(letter), start if word else at, at + size
        elif letter != SKIPPED and word:
            found.append((word, start, end))
            word = ""
        if letter < SKIPPED:
            found.append((chr(-letter), at, at + size))
        at += size
    return found


def plain(text: str) -> tuple[str, ...]:
    return tuple(word for word, _, _ in words(text))


def grams(some: Sequence[str], n: int) -> list[tuple[str, ...]]:
    n = min(n, len(some))
    return [tuple(some[i : i + n]) for i in range(len(some) - n + 1)]


def template(questions: list[tuple[str, ...]]) -> tuple[int, int]:
    least = min(map(len, questions))
    if len(questions) < TEMPLATE_ITEMS:
        return 0, 0
    before = next((i for i in range(least) if len({q[i] for q in questions}) > 1), least)
    after = next((i for i in range(least - before) if len({q[-1 - i] for q in questions}) > 1), least - before)
    return before, after


def reference(texts: Sequence[Text], n: int, shortest: int, documents: Sequence[str]) -> list[Find]:
    """Row, item, n-grams found, n-grams, first byte, byte behind the last of every find."""
    made: list[tuple[int, tuple[str, ...]]] = []
    for item, text in enumerate(texts):
        before, after = template([plain(one.question) for one in texts if one.task == text.task])
        whole, answer = plain(text.question), plain(text.answer)
        question, between = whole[before : len(whole) - after], whole[len(whole) - after :]
        ways = [(question, len(question))]
        if answer:
            ways.append((question + answer, len(question) + len(answer)))
        if answer and len(question) < n:
            ways.append((question + between + answer, len(question) + len(answer)))
        for way in dict.fromkeys(way for way, size in ways if size >= shortest and way):
            made.append((item, way))
    holders: dict[tuple[str, ...], dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for item, way in made:
        for gram in grams(way, n):
            holders[gram][texts[item].task].add(item)
    sizes = {task: sum(one.task == task for one in texts) for task in {one.task for one in texts}}
    limit = {task: max(COMMON_ITEMS, COMMON_SHARE * size) for task, size in sizes.items()}
    common = {gram for gram, by in holders.items() if any(len(items) > limit[task] for task, items in by.items())}
    out: list[Find] = []
    for row, document in enumerate(documents):
        read, best = words(document), dict[int, tuple[float, int, int, Find]]()
        for number, (item, way) in enumerate(made):
            wanted, window = set(grams(way, n)) - common, math.ceil(WINDOW * len(way))
            length, most, span = min(n, len(way)), 0, (0, 0)
            hits = [(i, g) for i, g in enumerate(grams(plain(document), length)) if len(g) == length and g in wanted]
            for i, _ in hits:
                latest = {g: j for j, g in hits if i - window < j <= i}
                if len(latest) > most:
                    most, span = len(latest), (read[min(latest.values())][1], read[i + length - 1][2])
            if most:
                key = (most / len(wanted), most, -number, (row, item, most, len(wanted), *span))
                best[item] = max(best.get(item, key), key, key=lambda one: one[:3])
        out += [key[3] for key in sorted(best.values(), key=lambda one: (-one[0], one[3][1]))]
    return out


def found(known: Passages, documents: Sequence[str]) -> list[Find]:
    return list(zip(*(column.tolist() for column in known.find(column_of(documents))), strict=True))


def column_of(documents: Sequence[str]) -> pa.LargeStringArray:
    return pa.array(documents, pa.large_string())


WORD = st.sampled_from(["a", "B", "c", "d", "ü", "中", "can't", "x-y"])
SENTENCE = st.lists(WORD, max_size=9).map(" ".join)
ITEM = st.builds(Text, st.sampled_from(["one", "two"]), st.uuids().map(str), SENTENCE, SENTENCE)


@given(
    texts=st.lists(ITEM, max_size=14),
    documents=st.lists(st.lists(WORD, max_size=40).map(", ".join), max_size=5),
    n=st.integers(2, 5),
    shortest=st.integers(1, 5),
)
@settings(max_examples=300)
def test_against_tuples_of_words(texts: list[Text], documents: list[str], n: int, shortest: int) -> None:
    known = Passages.of(texts, n, shortest)
    assert found(known, documents) == reference(texts, n, shortest, documents)
    assert found(known, documents) == reference(texts, n, shortest, documents), "the kernel left something behind"


@given(text=st.text(max_size=60), more=st.text(alphabet="aA ’'-é\u0301中文あไทยﬁ\u00ad\u200d½Ⅷ\n", max_size=60))
@settings(max_examples=300)
def test_any_text_holds_itself_and_nothing_else(text: str, more: str) -> None:
    both = text + more
    known = Passages.of([Text("t", "0", both, "")], 3, 1)
    size = len(set(grams(plain(both), 3))) if plain(both) else 0
    read = words(both)
    assert [one[:4] for one in found(known, [both])] == ([(0, 0, size, size)] if size else [])
    if len(read) == size + 2 and size:  # no n-gram comes twice
        assert found(known, [f"?{both}!"])[0][4:] == (read[0][1] + 1, read[-1][2] + 1)
    assert not found(known, ["", "qqq " * 50])


def test_what_a_letter_is() -> None:
    assert plain("Don't stop—now: the re-entry, N.A.S.A. and 3.5 km²") == (
        *("don", "t", "stop", "now", "the", "re", "entry", "n", "a", "s", "a", "and", "3", "5", "km2"),
    )
    assert plain("CAFÉ cafe\u0301 ＣＡＦＥ") == ("cafe",) * 3  # composed, decomposed, of full width
    assert plain("Straße ÅNGSTRÖM İstanbul") == ("straße", "angstrom", "istanbul")
    assert plain("co\u00adoperate zero\u200bwidth \ufeffmark") == ("cooperate", "zerowidth", "mark")
    assert plain("中文字，ひら 한국어 ไทย") == (*"中文字ひら", "한국어", *"ไทย")
    assert plain("_a_b_ 🙂🙂 © \u2028") == ("a", "b")
    table = letters()
    assert not table[0xD800:0xE000].any()
    marks = [c for c in map(chr, (*range(0xD800), *range(0xE000, 0x20000))) if unicodedata.category(c) == "Mn"]
    assert all(table[ord(c)] == SKIPPED for c in marks)


def test_by_hand() -> None:
    """Seven words have five runs of three; the text has four of them, an edited word and other text."""
    known = Passages.of([Text("t", "0", "one two three four five six seven", "")], 3, 2)
    text = "Well: One, two three\nfour FIVE six! eleven. one two"
    assert found(known, [text, "two three one", "nothing"]) == [(0, 0, 4, 5, 6, 34)]
    assert text.encode()[6:34].decode() == "One, two three\nfour FIVE six"


def test_the_window() -> None:
    """Of twelve words the window has 15: both ends of an item count together if they start so near to each other."""
    item = [f"w{i}" for i in range(12)]
    known = Passages.of([Text("t", "0", " ".join(item), "")], 3, 2)
    for gap in (0, 5, 9, 10, 50):
        text = " ".join([*item[:3], *["x"] * gap, *item[9:]])
        assert found(known, [text])[0][2] == (2 if 3 + gap < 15 else 1), gap
    scattered = " ".join(f"{' '.join(item[i : i + 3])} {'x ' * 20}" for i in range(10))
    assert found(known, [scattered])[0][2] == 1


def test_the_words_of_a_harness_are_no_evidence() -> None:
    asked = [
        Text("t", str(i), f"Question: {w} is thing {i} of {them}\nAnswer:", f" it is {i} or so")
        for i, (w, them) in enumerate([("what", "them"), ("who", "these")] * 6)
    ]
    known = Passages.of(asked, 7, 4)
    assert not found(known, ["Question: what is thing", "who is thing", "of them\nAnswer: it is"])
    assert found(known, ["Question: what is thing 4 of them?"])[0][:4] == (0, 4, 1, 1)
    assert found(known, ["What is thing 4 of them? It is 4, or so."])[0][:4] == (0, 4, 5, 5)
    assert found(known, ["question what is thing 4 of them answer it is 4 or so"])[0][:4] == (0, 4, 6, 6)
    few = Passages.of(asked[: TEMPLATE_ITEMS - 1], 7, 4)
    assert not found(few, ["what is thing 4 of them"])
    assert found(few, ["question what is thing 4 of them answer"])[0][:4] == (0, 4, 2, 2)


def test_phrases_are_no_evidence() -> None:
    phrase = "which of the following is the best"
    asked = [Text("t", str(i), f"{phrase} way to a{i} b{i} c{i} d{i}?", "") for i in range(COMMON_ITEMS + 1)]
    asked += [Text("t", "last", "quite another one for once", "")]
    assert not found(Passages.of(asked, 4, 4), [f"{phrase} way to go"])
    assert found(Passages.of(asked, 4, 4), ["to a3 b3 c3 and"])[0][:4] == (0, 3, 1, 4)
    assert len(found(Passages.of(asked[1:], 4, 4), [phrase])) == COMMON_ITEMS
    # an item of two tasks is two items, each found
    twice = [Text(task, "0", "the same words in both tasks", "") for task in ("one", "two")]
    assert [one[1] for one in found(Passages.of(twice, 13, 4), ["The same words in both tasks."])] == [0, 1]


def test_short_and_empty_items() -> None:
    texts = [
        Text("t", "empty", "", ""),
        Text("t", "signs", "?!", " - "),
        Text("t", "short", "the capital of France", " Paris"),
        Text("t", "long enough", "the capital and largest city of France is", " Paris"),
        Text("t", "answer only", "", "a short sentence of just eight words here"),
    ]
    known = Passages.of(texts, 13, 8)
    assert known.known.tolist() == [False, False, False, True, True]
    text = "The capital of France: Paris. The capital and largest city of France is. A short sentence of just eight"
    assert found(known, [text]) == [(0, 3, 1, 1, 30, 71)]
    assert found(known, [f"{text} words here"])[1][:4] == (0, 4, 1, 1)
    nothing = Passages.of([], 13, 8)
    assert found(nothing, [text, ""]) == [] and not nothing.known.any()
    assert found(known, []) == []


def test_n_grams_that_others_have_are_left_out() -> None:
    known = Passages.of([Text("t", "0", "a b c d e f", "")], 3, 3)
    documents = known.spread(iter([column_of(["a b c a b c", "b c d"]), column_of([]), column_of(["A-B-C", "x"])]))
    by_text = dict(zip(known.grams.tolist(), documents.tolist(), strict=True))
    assert sorted(by_text.values()) == [0, 0, 1, 2]
    fewer = known.without(documents > 1)
    assert found(fewer, ["a b c d e f"]) == [(0, 0, 3, 3, 2, 11)]
    assert not found(known.without(documents >= 0), ["a b c d e f"])


@pytest.mark.parametrize("cut", [1, 2, 7])
def test_the_same_in_any_batches(cut: int) -> None:
    texts = [Text("t", str(i), " ".join(f"w{(i * 7 + k) % 23}" for k in range(12)), "") for i in range(9)]
    documents = [" ".join(f"w{(i * 5 + k * (1 + i % 2)) % 23}" for k in range(40)) for i in range(20)]
    known = Passages.of(texts, 3, 3)
    whole = found(known, documents)
    column, pieces = column_of(documents), list[Find]()
    for start in range(0, 20, cut):
        part = zip(*(c.tolist() for c in known.find(column.slice(start, cut))), strict=True)
        pieces += [(row + start, *rest) for row, *rest in part]
    assert pieces == whole and len(whole) > 20


def test_a_document_of_five_megabytes() -> None:
    item = " ".join(f"word{i}" for i in range(40))
    known = Passages.of([Text("t", "0", item, "")], 13, 8)
    start = "the cat sat on the mat with word1 word2 word3 " * 60_000
    text = f"{start}{item} {start}"
    assert len(text) > 5_000_000
    assert found(known, [text]) == [(0, 0, 28, 28, len(start), len(start) + len(item))]
    repeated = f"{item} " * 20_000
    assert found(known, [repeated])[0][2:] == (28, 28, 0, len(item))


def test_saved_and_loaded(tmp_path: Path) -> None:
    texts = [Text("t", "0", "a b c d e f", " g h"), Text("ü", "中", "h g f e d c b", "")]
    known = Passages.of(texts, 3, 3)
    known.save(tmp_path)
    again = passages.load(tmp_path)
    assert found(again, ["a b c d", "g f e d c"]) == found(known, ["a b c d", "g f e d c"])
    assert passages.names(tmp_path) == [("t", "0"), ("ü", "中")]
    assert np.array_equal(again.grams, known.grams) and again.lengths == known.lengths
    (tmp_path / "none").mkdir()
    for read in (passages.load, passages.names):
        with pytest.raises(DataError, match="no passages"):
            read(tmp_path / "none")


def test_all_that_is_compiled_is_in_one_file_that_needs_no_other_of_ours() -> None:
    """numba makes compiled code anew when its own file changes, not when another does that it took from."""
    path = Path(word_kernel.__file__)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = [node.module or "." for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not [name for name in imported if name.startswith(("vernier", "."))]
    assert "njit" not in (path.parent / "passages.py").read_text(encoding="utf-8")
    assert word_kernel.SKIPPED == SKIPPED
