"""Signals against plain Python, word by word and line by line."""

from __future__ import annotations

import ast
import itertools
import json
from collections import Counter
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.select.world import World

from vernier.core.errors import RecipeError
from vernier.core.rules import COLUMNS, DUPLICATE, FAMILIES, SIGNALS, STOP_WORDS, TOP
from vernier.core.shard import Inputs
from vernier.score.scan import kernel
from vernier.score.scan.kernel import ALNUM, ALPHA, SPACE
from vernier.score.scan.kinds import CLOSERS, POLICY, kinds, terminators
from vernier.score.signals import Signals

TERMINATORS = "".join(map(chr, terminators()))


def sentences(line: str) -> list[str]:
    """Cut before each character that stands behind an end: white space, or anything behind a wide terminator."""
    out, piece = [], ""
    for character in line:
        ends = piece[len(piece.rstrip(TERMINATORS + CLOSERS)) :].lstrip(CLOSERS)
        wide = any(c in TERMINATORS and c > "\x7f" for c in ends)
        if ends and (character.isspace() or (wide and character not in TERMINATORS + CLOSERS)):
            out.append(piece)
            piece = ""
        piece += character
    return [one.strip() for one in [*out, piece] if one.strip()]


def came_before(things: Sequence[Hashable], sizes: Sequence[int]) -> tuple[int, int]:
    again = [thing in things[:place] for place, thing in enumerate(things)]
    return sum(again), sum(itertools.compress(sizes, again))


def commonest(words: list[str], n: int) -> int:
    runs = [" ".join(words[i : i + n]) for i in range(len(words) - n + 1)]
    if not runs:
        return 0
    most = max(Counter(runs).values())
    first = next(run for run in runs if runs.count(run) == most)
    return len(first) * most


def covered(words: list[str], n: int) -> int:
    seen, size, at = set(), 0, 0
    while at + n <= len(words):
        run = tuple(words[at : at + n])
        if run in seen:
            size += sum(map(len, run))
            at += n
        else:
            seen.add(run)
            at += 1
    return size


def has(line: str, *phrases: str) -> bool:
    return any(phrase.encode() in line.encode().lower() for phrase in phrases)


def kept_by_c4(line: str) -> bool:
    words, end = line.split(), line.rstrip()
    marked = end.endswith((".", "?", "!", '"')) and not end.endswith("...")
    return marked and len(words) >= 5 and max(map(len, words)) <= 1000 and not has(line, "javascript", *POLICY)


def reference(text: str) -> dict[str, int]:
    words = text.split()
    alnum = [word for word in words if any(c.isalnum() for c in word)]
    lines = text.split("\n")
    lines = lines[:-1] if lines[-1] == "" else lines
    full = [line for line in lines if line.strip()]
    blocks = [list(block) for is_full, block in itertools.groupby(lines, lambda line: bool(line.strip())) if is_full]
    paragraphs = ["\n".join(block) for block in blocks]
    every = [sentence for line in full for sentence in sentences(line)]
    dup_lines, dup_paragraphs, dup_sentences = (came_before(x, [*map(len, x)]) for x in (full, paragraphs, every))
    return {
        "num_chars": len(text),
        "num_words": len(words),
        "num_alnum_words": len(alnum),
        "num_alnum_word_chars": sum(map(len, alnum)),
        "num_alpha_words": sum(any(c.isalpha() for c in word) for word in words),
        "num_stop_word_kinds": len({*STOP_WORDS} & {*words}),
        "num_hashes": text.count("#"),
        "num_ellipses": text.count("...") + text.count("…"),
        "num_newlines": text.count("\n"),
        "num_line_chars": len(text.replace("\n", "")),
        "num_lines": len(lines),
        "num_bullet_lines": sum(line.lstrip().startswith(("•", "-")) for line in lines),
        "num_ellipsis_lines": sum(line.rstrip().endswith(("...", "…")) for line in lines),
        "num_full_lines": len(full),
        "num_punctuated_lines": sum(line.rstrip()[-1] in TERMINATORS for line in full),
        "num_short_lines": sum(len(line) <= 30 for line in full),
        "num_dup_lines": dup_lines[0],
        "num_dup_line_chars": dup_lines[1],
        "num_paragraphs": len(paragraphs),
        "num_dup_paragraphs": dup_paragraphs[0],
        "num_dup_paragraph_chars": dup_paragraphs[1],
        "num_sentences": len(every),
        "num_dup_sentences": dup_sentences[0],
        "num_dup_sentence_chars": dup_sentences[1],
        **{f"top_{n}gram_chars": commonest(words, n) for n in TOP},
        **{f"dup_{n}gram_chars": covered(words, n) for n in DUPLICATE},
        "num_curly_brackets": text.count("{"),
        "num_lorem_ipsum": text.encode().lower().count(b"lorem ipsum"),
        "num_javascript_lines": sum(has(line, "javascript") for line in full),
        "num_policy_lines": sum(has(line, *POLICY) for line in full),
        "num_c4_sentences": sum(len(sentences(line)) for line in full if kept_by_c4(line)),
    }


def check(texts: list[str], array: Any = None) -> None:
    found = Signals().count(pa.array(texts, pa.large_string()) if array is None else array)
    assert list(found) == [name for name in SIGNALS if name != "num_bad_words"]
    wanted = [reference(text) for text in texts]
    for name, column in found.items():
        assert column.dtype == np.int64
        assert column.tolist() == [one[name] for one in wanted], name


PIECES = st.one_of(
    st.sampled_from(
        [*STOP_WORDS, "The", "the cat sat on the mat.", "a b c d e f.", "• item", "- item", "#", "..", "…"]
    ),
    st.sampled_from(
        ["JavaScript", "Lorem ipsum", "lorem Ipsum", "uses cookies", "Terms of Use", "{", "}", "javascrip"]
    ),
    st.sampled_from(
        ["中文。", "好的！", "مرحبا؟", "שלום עולם.", "🙂", "👨‍👩‍👧", "Ⅻ", "٣", "e\u0301", "ǅ", "\u0000", "x" * 1001]
    ),
    st.sampled_from(["\n", "\n\n", "\n \n", " ", "\t", "\r\n", "\u2028", "\u3000", "\x1c", "\x85", "\u00a0"]),
    st.text(max_size=5),
    st.text(alphabet='ab .!?"…。)\n', max_size=12),
)
TEXTS = st.lists(st.lists(PIECES, max_size=24).map("".join) | st.lists(PIECES, max_size=24).map(" ".join), max_size=3)


@given(texts=TEXTS, skip=st.integers(0, 2))
@settings(max_examples=100, deadline=None)
def test_signals_are_those_of_plain_python(texts: list[str], skip: int) -> None:
    check(texts)
    check(texts[skip:], pa.array(texts, pa.large_string())[skip:])


@given(words=st.lists(st.sampled_from("a b cc ddd e".split()), max_size=120), end=st.sampled_from(["", " ", "\n"]))  # noqa: SIM905
@settings(max_examples=100, deadline=None)
def test_words_in_a_row_that_come_again(words: list[str], end: str) -> None:
    check([" ".join(words) + end])


@pytest.mark.parametrize(
    "text", ["", "\n", "\n\n\n", " ", "word", "\nword\n", "word\n", "。", "...", "a\n \nb", "\u2028", "x" * 5000]
)
def test_texts_with_next_to_nothing(text: str) -> None:
    check([text, "between", text])


def test_known_counts() -> None:
    text = "The cat sat. The cat sat.\n\n- one...\n- two…\nThe cat sat.\nWe use cookies on this page here.\n"
    found = {name: int(column[0]) for name, column in Signals().count(pa.array([text], pa.large_string())).items()}
    assert found["num_lines"] == 6 and found["num_full_lines"] == 5 and found["num_paragraphs"] == 2
    assert (found["num_words"], found["num_alnum_words"], found["num_stop_word_kinds"]) == (20, 18, 0)
    assert (found["num_bullet_lines"], found["num_ellipsis_lines"], found["num_ellipses"]) == (2, 2, 2)
    assert (found["num_sentences"], found["num_dup_sentences"], found["num_dup_sentence_chars"]) == (6, 2, 24)
    assert (found["num_dup_lines"], found["num_policy_lines"], found["num_c4_sentences"]) == (0, 1, 2)
    assert found["top_3gram_chars"] == 3 * len("The cat sat.") and found["top_2gram_chars"] == 3 * len("The cat")


def test_a_terminator_inside_a_number_or_a_name_ends_no_sentence() -> None:
    text = 'Pi is 3.14. He said "Go!" and left (at 5 p.m.) for www.a.org.'
    assert sentences(text) == ["Pi is 3.14.", 'He said "Go!"', "and left (at 5 p.m.)", "for www.a.org."]
    check([text])


def test_characters_are_those_of_this_python() -> None:
    table = kinds()
    for bit, of in ((SPACE, str.isspace), (ALPHA, str.isalpha), (ALNUM, str.isalnum)):
        wrong = [p for p in range(0x110000) if not 0xD800 <= p < 0xE000 and bool(table[p] & bit) != of(chr(p))]
        assert wrong == []


@pytest.mark.parametrize(
    "families", [[one] for one in FAMILIES] + [list(pair) for pair in itertools.combinations(FAMILIES, 2)]
)
def test_a_family_alone_has_its_columns_with_the_same_counts(families: list[Any]) -> None:
    texts = ["The cat {sat}. The cat sat.\nThe cat sat.\n\nThe cat sat.", "- a\n- a\n- lorem ipsum javascript of use"]
    array = pa.array(texts, pa.large_string())
    every, some = Signals().count(array), Signals(families=families).count(array)
    assert set(some) == {column for family in families for column in COLUMNS[family]}
    for name, column in some.items():
        assert column.tolist() == every[name].tolist(), name


def test_a_list_of_bad_words() -> None:
    texts = ["Badly bad, BAD_ bad-tempered: very  bad", "very bad", "", "мат mate"]
    plugin = Signals(families=["c4"], bad_words=["bad", "very bad", "мат", "a.b"])
    assert plugin.count(pa.array(texts, pa.large_string()))["num_bad_words"].tolist() == [3, 1, 0, 1]
    assert "num_bad_words" not in Signals(families=["c4"]).columns


def test_settings_that_mean_nothing() -> None:
    with pytest.raises(RecipeError, match="different families"):
        Signals(families=["c4", "c4"])
    with pytest.raises(RecipeError, match="different families"):
        Signals(families=[])
    with pytest.raises(RecipeError, match="are words"):
        Signals(bad_words=["x", " "])


def test_the_plugin_gives_one_row_a_document(world: World) -> None:
    texts = ["", "the cat\n" * 9, "漢字。" * 9, "x"]
    inputs = Inputs(world.store.url, {"corpus": world.corpus(4, [2, 0], text=texts)})
    made = [list(Signals().map(inputs.only(i).shard(0))) for i in range(3)]
    table = pa.concat_tables([one for some in made for one in some])
    assert table.to_pylist() == [reference(text) for text in texts]
    assert made[1][0].schema == table.schema


def test_real_text(data: Path) -> None:
    texts = []
    for name in ("multilingual_tldr", "web_boilerplate", "math_hott", "logs_apache", "techspec_peps"):
        with zstandard.open(data / "corpus" / f"{name}.jsonl.zst", "rt", encoding="utf-8", newline="\n") as file:
            texts += [json.loads(line)["text"] for line in itertools.islice(file, 12)]
    check([text[:6000] for text in texts])


def test_all_that_is_compiled_is_in_one_file_that_needs_no_other_of_ours() -> None:
    """numba makes compiled code anew when its own file changes, not when another does that it took from."""
    folder = Path(kernel.__file__).parent
    imported = [
        name
        for node in ast.walk(ast.parse((folder / "kernel.py").read_text(encoding="utf-8")))
        for name in ([node.module or "."] if isinstance(node, ast.ImportFrom) else [])
        + ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [])
    ]
    assert "numba" in imported and not [name for name in imported if name.startswith(("vernier", "."))]
    others = [path for path in folder.glob("*.py") if path.name != "kernel.py"]
    assert others and not [path for path in others if "njit" in path.read_text(encoding="utf-8")]
