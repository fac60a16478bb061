"""RedStone's steps through the pipeline: English, line rules, the limit of lost words; mathematics by two ways in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from vernier.core.recipe import Recipe
from vernier.core.run import Run
from vernier.pipeline.run import run

ENGLISH = (
    "The cat sat on the mat, and all of us saw that it was quite fine there with its warm milk and its old friend."
)
FRENCH = "Le chat est assis sur le tapis, et nous avons tous vu qu'il y était bien, avec du lait et son vieil ami."


def made(folder: Path, stages: dict[str, Any], **files: Sequence[dict[str, str]]) -> Run:
    for name, records in files.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records), encoding="utf-8")
    read = {name: {"do": "corpus.read_jsonl", "with": {"paths": [str(folder / f"{name}.jsonl")]}} for name in files}
    data = {"vernier": 1, "name": "redstone", "store": str(folder / "store"), "stages": {**read, **stages}}
    return run(Recipe.from_data(data), out=folder / "run", quiet=True)


def column(done: Run, node: str, name: str) -> list[Any]:
    shards = [done.store.open(shard.data) for shard in done.artifact(node).shards]
    return [value for file in shards for value in pq.read_table(file).column(name).to_pylist()]


def test_english_without_its_menus(tmp_path: Path) -> None:
    texts = [
        f"{ENGLISH}\nSign in",  # 2 of 26 words go: more than 5 %
        f"{ENGLISH}\n{ENGLISH}\nRead more...\nsign up",  # 4 of 52, more
        f"{ENGLISH}\n{ENGLISH}\nsign up",  # 2 of 50
        FRENCH,
        ENGLISH,
    ]
    stages = {
        "language": {"do": "score.language", "in": {"corpus": "docs"}},
        "english": {
            "do": "select.threshold",
            "in": {"corpus": "docs", "a": "language"},
            "with": {"by": "a.p_en", "at_least": 0.65},
        },
        "counts": {"do": "score.lines", "in": {"corpus": "docs"}, "with": {"rules": ["redstone"]}},
        "keep": {
            "do": "select.threshold",
            "in": {"corpus": "docs", "within": "english", "a": "counts"},
            "with": {"by": "kept_word_share", "at_least": 0.95},
        },
        "lines": {"do": "corpus.lines", "in": {"corpus": "docs"}, "with": {"rules": ["redstone"]}},
        "clean": {"do": "corpus.materialise", "in": {"corpus": "lines", "selection": "keep"}},
    }
    done = made(tmp_path, stages, docs=[{"text": text} for text in texts])
    assert column(done, "keep", "reason") == ["below_cut", "below_cut", None, "outside", None]
    # The released filter's patterns are used up by the first line of the first document: here they are not.
    assert column(done, "lines", "text") == [ENGLISH, f"{ENGLISH}\n{ENGLISH}", f"{ENGLISH}\n{ENGLISH}", FRENCH, ENGLISH]
    counts = done.artifact("lines").counts
    assert (counts["left_out.lines.pattern"], counts["left_out.words.pattern"]) == (4, 8)
    assert column(done, "clean", "text") == [f"{ENGLISH}\n{ENGLISH}", ENGLISH]


@pytest.mark.parametrize("cheap", ["numbers", "cooking"])
def test_mathematics_by_many_commands_or_by_the_classifier(tmp_path: Path, cheap: str) -> None:
    """Level 2 goes in whatever the classifier says, level 1 if its log odds are at least 0, level 0 never."""
    numbers = [f"We prove the theorem of a prime number {i} by a lemma and an equation." for i in range(20)]
    cooking = [f"We cook the soup of a ripe tomato {i} with an onion and a carrot." for i in range(20)]
    labelled = [{"text": text, "domain": "math"} for text in numbers]
    labelled += [{"text": text, "domain": "other"} for text in cooking]
    pages = [
        r"The soup of a ripe tomato: \alpha \beta \gamma \delta \sum, an onion and a carrot.",
        r"The theorem of a prime number, a lemma: \alpha = \beta.",
        r"The soup of a ripe tomato, an onion and a carrot: \alpha = \beta.",
        "The theorem of a prime number, a lemma and an equation.",
    ]
    wanted = ["math"] if cheap == "numbers" else ["other"]
    others = ["other"] if cheap == "numbers" else ["math"]
    stages = {
        "good": {"do": "select.where", "in": {"corpus": "labelled"}, "with": {"among": wanted}},
        "bad": {"do": "select.where", "in": {"corpus": "labelled"}, "with": {"among": others}},
        "fitted": {"do": "train.classifier", "in": {"corpus": "labelled", "positive": "good", "negative": "bad"}},
        "latex": {"do": "score.latex", "in": {"corpus": "docs"}},
        "odds": {"do": "score.classifier", "in": {"corpus": "docs", "classifier": "fitted"}},
        "both": {
            "do": "score.combine",
            "in": {"corpus": "docs", "scores": ["latex", "odds"]},
            "with": {
                "terms": [{"column": "level", "weight": 1000.0}, {"column": "log_odds"}],
                "standardise": "none",
            },
        },
        "keep": {
            "do": "select.threshold",
            "in": {"corpus": "docs", "a": "both"},
            "with": {"by": "a.value", "at_least": 1000.0},
        },
    }
    done = made(tmp_path, stages, docs=[{"text": text} for text in pages], labelled=labelled)
    assert column(done, "latex", "level") == [2, 1, 1, 0]
    want = [1, 1, 0, 0] if cheap == "numbers" else [1, 0, 1, 0]
    assert column(done, "keep", "count") == want
    assert max(map(abs, column(done, "odds", "log_odds"))) < 100
