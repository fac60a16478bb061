"""Languages: the test data's labels, what fastText would trip over, and RedStone's limit as a selection."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from vernier.core.errors import RecipeError, SetupError
from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.score import language
from vernier.score.language import Detector, Language
from vernier.select.threshold import Threshold
from vernier.testing.make import corpus_table, make_artifact, run

FRENCH = "Le chat est assis sur le tapis, et nous avons tous vu qu'il y était bien."
ENGLISH = "The cat sat on the mat, and all of us saw that it was fine there."


def inputs(folder: Path, texts: Sequence[str]) -> Inputs:
    store = Store(str(folder))
    return Inputs(store.url, {"corpus": make_artifact(store, "corpus", [corpus_table(texts)], rows_of="t")})


def test_english_with_a_probability_of_065(tmp_path: Path) -> None:
    given = inputs(tmp_path, [ENGLISH, FRENCH, "", f"{ENGLISH} {FRENCH}"])
    (scores,) = run(Language(languages=["en", "fr"]), given)
    rows = scores.to_pylist()
    assert rows[0]["p_en"] > 0.9 and rows[0]["p_en"] == rows[0]["p_best"]
    assert rows[1]["p_fr"] > 0.9 and rows[1]["p_fr"] == rows[1]["p_best"]
    assert rows[2] == {"p_en": 0, "p_fr": 0, "p_best": 0}
    made = make_artifact(Store(given.store), "scores", [scores], rows_of="t")
    keep = Threshold(by="a.p_en", at_least=0.65)
    (kept,) = run(keep, Inputs(given.store, {**given.artifacts, "a": made}))
    assert kept.column("count").to_pylist()[:3] == [1, 0, 0]


@given(
    text=st.lists(
        st.sampled_from([ENGLISH, FRENCH, "</s>", "\0", "\n", "\r\n", "\u2028", "x = 1", "中文"]), max_size=8
    ).map(" ".join)
)
def test_where_a_line_ends_does_not_matter(text: str) -> None:
    """fastText reads one line, and no further than a word `</s>`."""
    found = Detector().probabilities(text)
    assert found == Detector().probabilities(
        " ".join(word for word in text.replace("\0", " ").split() if word != "</s>")
    )
    if found:
        assert len(found) == language.ALL
        assert all(0 <= p <= 1 for p in found.values()) and abs(sum(found.values()) - 1) < 0.01
    else:
        assert not text.replace("</s>", "").replace("\0", "").strip()


def test_an_end_of_line_word_hides_nothing() -> None:
    found = Detector().probabilities(f"{ENGLISH} </s> " + FRENCH * 20)
    assert max(found, key=lambda code: found[code]) == "fr"


def test_a_language_that_the_model_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="knows no language 'english'"):
        run(Language(languages=["english"]), inputs(tmp_path, ["a"]))
    for wrong in ([], ["en", "en"]):
        with pytest.raises(RecipeError, match="different languages"):
            Language(languages=wrong)


def test_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    language._model.cache_clear()
    monkeypatch.setitem(sys.modules, "fasttext", None)
    with pytest.raises(SetupError, match=r"vernier\[web\]"):
        run(Language(), inputs(tmp_path, ["a"]))


def test_real_documents_of_thirteen_languages(tmp_path: Path, data: Path) -> None:
    with zstandard.open(data / "corpus" / "multilingual_tldr.jsonl.zst", "rt", encoding="utf-8", newline="\n") as file:
        rows = [json.loads(line) for line in file]
    codes = [row["lang"].partition("_")[0] for row in rows]
    every = sorted(set(codes))
    assert len(every) == 13
    (scores,) = run(Language(languages=[*every, "en"]), inputs(tmp_path, [row["text"] for row in rows]))
    found = scores.to_pydict()
    right = [found[f"p_{code}"][i] == found["p_best"][i] for i, code in enumerate(codes)]
    assert sum(right) >= 0.99 * len(rows)
    assert not any(p >= 0.65 for p in found["p_en"])
    assert isinstance(scores, pa.Table) and scores.schema.field("p_en").type == pa.float64()
