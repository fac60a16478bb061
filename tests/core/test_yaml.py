from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vernier.core.errors import RecipeError
from vernier.core.yaml import read_file, read_text


def refused(text: str) -> RecipeError:
    with pytest.raises(RecipeError) as caught:
        read_text(text, "r.yaml")
    return caught.value


def test_scalars_are_those_of_yaml_1_2() -> None:
    text = """
    no: no
    on: off
    date: 2024-01-01
    octal_looking: 012
    octal: 0o17
    hex: 0xff
    base60: 1:30
    grouped: 1_000
    small: 1e-4
    half: .5
    nothing:
    tilde: ~
    quoted: "3"
    yes: true
    """
    assert read_text(text, "r.yaml")[0] == {
        "no": "no",
        "on": "off",
        "date": "2024-01-01",
        "octal_looking": 12,
        "octal": 15,
        "hex": 255,
        "base60": "1:30",
        "grouped": "1_000",
        "small": 1e-4,
        "half": 0.5,
        "nothing": None,
        "tilde": None,
        "quoted": "3",
        "yes": True,
    }


PRINTABLE = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"]))
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False, allow_infinity=False)
    | PRINTABLE,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(PRINTABLE, inner, max_size=4),
    max_leaves=12,
)


@given(PLAIN)
def test_json_reads_as_itself(value: object) -> None:
    """JSON is a part of YAML 1.2: what the one reader says, the other must say."""
    assert read_text(json.dumps(value, ensure_ascii=False), "r.yaml")[0] == value


@given(PLAIN)
def test_every_value_has_a_place(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=1)
    read, marks = read_text(text, "r.yaml")
    lines = text.split("\n")

    def walk(part: object, path: tuple[str | int, ...]) -> None:
        file, line, column = marks.values[path].split(":")
        here = lines[int(line) - 1][int(column) - 1 :]
        assert file == "r.yaml"
        assert here.startswith(json.dumps(part, ensure_ascii=False)[0])
        if isinstance(part, dict):
            for key, inner in part.items():
                walk(inner, (*path, key))
        elif isinstance(part, list):
            for index, inner in enumerate(part):
                walk(inner, (*path, index))

    walk(read, ())


@pytest.mark.parametrize(
    ("text", "what", "where", "found"),
    [
        ("a: 1\nb: 2\na: 3", "the key 'a' is written twice", "3:1", "r.yaml:1:1"),
        ("a: {b: 1, c: 2, b: 3}", "the key 'b' is written twice", "1:17", "r.yaml:1:5"),
        ("on: 1\ntrue: 2", "a key must be text", "2:1", "true"),
        ("a: {12: 2}", "a key must be text", "1:5", "12"),
        ("? [a]\n: 1", "a key must be text", "1:3", "a list"),
        ("~: 1", "a key must be text", "1:1", "~"),
        ("a: &x [1]\nb: *x", "anchors and aliases", "1:4", "&x"),
        ("a: *x", "anchors and aliases", "1:4", "*x"),
        ("a:\n  <<: {b: 1}", "merge keys", "2:3", "<<"),
        ("a: !!python/name:os.system x", "tags are not", "1:4", "python/name"),
        ("a: 1\n---\nb: 2", "a file holds one recipe", "2:1", "second document"),
        ("a:\n\t- b", "not valid YAML", "2:1", "a tab"),
        ("a: [1,\nb: ", "not valid YAML", "2:4", "expected"),
        ("a: b: c", "not valid YAML", "1:5", "mapping values"),
        ("ok: 1\na: \x07", "not valid YAML", "2:4", "U+0007"),
        ("a: .inf", "a number must be finite", "1:4", ".inf"),
        ("a: 1e999", "a number must be finite", "1:4", "1e999"),
        ("a: " + "9" * 5000, "a number must be finite", "1:4", "999"),
    ],
)
def test_refused_with_its_place(text: str, what: str, where: str, found: str) -> None:
    error = refused(text)
    assert what in error.what
    assert error.where == f"r.yaml:{where}"
    assert found in str(error.found)


def test_a_tab_is_told_what_to_do() -> None:
    assert refused("a:\n\tb: 1").do == "replace the tab by spaces"


def test_empty_text_is_nothing() -> None:
    assert read_text("# only a comment\n", "r.yaml")[0] is None


def test_bad_utf8_names_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes(b"name: a\nk: caf\xe9\n")
    with pytest.raises(RecipeError) as caught:
        read_file(path)
    assert caught.value.where == f"{path}:2:7"
    assert caught.value.found == "the byte 0xe9"


def test_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: a\n")
    assert read_file(path)[0] == {"name": "a"}


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        read_file(tmp_path / "none.yaml")
    assert caught.value.where == str(tmp_path / "none.yaml")
