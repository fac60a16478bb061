"""Judges: what is read of their answers, and whole runs against a server that misbehaves."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models.test_endpoint import SECRET, Bad, Server

from vernier.core import tables
from vernier.core.errors import RecipeError
from vernier.core.preference import preference
from vernier.core.run import Run
from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.score.answers import label, ratings
from vernier.score.judge import CUT, Judge, _filled
from vernier.testing.endpoint import answer
from vernier.testing.make import corpus_table, make_artifact, run

SCALES = {"clarity": (1, 5), "depth": (0, 5)}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"clarity": 4, "depth": 0}', (4, 0)),
        ('```json\n{"clarity": 4, "depth": 0}\n```', (4, 0)),
        ("Well written, thin.\nClarity: 4\n**Depth:** 0\n", (4, 0)),
        ("clarity: 4", None),  # one is missing
        ("clarity: 4\ndepth: 6", None),  # off the scale: not clipped
        ("clarity: 0\ndepth: 0", None),
        ('{"clarity": "4", "depth": 0}', None),
        ('{"clarity": 4.0, "depth": 0}', None),
        ('{"clarity": true, "depth": 0}', None),
        ('{"clarity": 4, "clarity": 5, "depth": 0}', None),
        ('{"clarity": 4, "depth": 0, "mood": 1}', None),
        ("clarity: 4\ndepth: 0\nI hope this helps!", None),  # the ratings come last
        ("clarity: 4\ndepth: 3 or 4", None),
        ("[4, 0]", None),
        ("", None),
    ],
)
def test_ratings_are_read_strictly(text: str, found: tuple[int, int] | None) -> None:
    """Trap of DataMan's parsers: what can not be read is rejected, never defaulted."""
    assert ratings(text, SCALES) == (None if found is None else dict(zip(SCALES, found, strict=True)))


def test_labels_are_one_letter() -> None:
    assert [label(t) for t in ("A", " B.\n", "**B**", "[A]")] == ["A", "B", "B", "A"]
    assert [label(t) for t in ("a", "A or B", "AB", "Answer: B", "", "C")] == [None] * 6


@given(text=st.text(max_size=40), most=st.integers(1, 20))
def test_a_long_text_is_shown_without_its_middle(text: str, most: int) -> None:
    """Trap: a head alone stands for the whole. As many characters as are asked for, half of them the last ones."""
    judge = Judge(url="http://localhost/v1", model="judge", rubric="prrc", max_chars=most)
    shown = judge._cut(text)
    if len(text) <= most:
        assert shown == text
    else:
        head, tail = text[: most - most // 2], text[len(text) - most // 2 :]
        assert shown == head + CUT + tail


def test_a_text_that_looks_like_a_place_stays_as_it_is() -> None:
    assert _filled("{first}|{second}|{x}", {"first": "{second}", "second": "b"}) == "{second}|b|{x}"


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"rubric": "prrc", "prompt": "{text}"},
        {"prompt": "no place", "scales": {"a": (0, 5)}},
        {"prompt": "{text}"},
        {"prompt": "{text}", "scales": {"a": (5, 5)}},
        {"rubric": "prrc", "answers": 20},  # all the same at temperature 0
        {"rubric": "prrc", "price_in": 1.0},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(RecipeError):
        Judge(url="http://localhost/v1", model="judge", **wrong)


TEXTS = ["good", "refuse", "schema", "high", "429", "500", "half", "slow", "closed"]
SAID = {"refuse": "", "schema": '{"clarity": "four"}', "high": '{"clarity": 9}'}


def recipe(folder: Path, url: str, **more: Any) -> Path:
    lines = [json.dumps({"id": str(i), "text": text}) + "\n" for i, text in enumerate(more.pop("texts", TEXTS))]
    (folder / "docs.jsonl").write_text("".join(lines))
    settings = {
        "url": url,
        "model": "toy",
        "key_variable": "JUDGE_KEY",
        "prompt": "{text}",
        "scales": {"clarity": [1, 5]},
    }
    settings |= {"pause_s": 0.01, "timeout_s": 0.4, **more}
    path = folder / "recipe.yaml"
    path.write_text(
        "vernier: 1\nname: judge\nstages:\n"
        "  docs: {do: corpus.read_jsonl, with: {paths: [docs.jsonl]}}\n"
        f"  judged: {{do: score.judge, in: {{corpus: docs}}, with: {json.dumps(settings)}, on: {{workers: 1}}}}\n"
    )
    return path


def start(path: Path) -> subprocess.Popen[bytes]:
    code = "from vernier.cli import main; main()"
    words = [sys.executable, "-c", code, "run", path.name, "-q"]
    return subprocess.Popen(words, cwd=path.parent, env=os.environ | {"JUDGE_KEY": SECRET}, stderr=subprocess.PIPE)


def rows(folder: Path) -> list[dict[str, Any]]:
    (shard,) = Run(str(folder / "runs" / "judge")).artifact("judged").shards
    return pq.read_table(folder / ".vernier" / shard.data).to_pylist()


def test_pairs_are_asked_in_both_orders(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ab` counts votes for the second document, `ba` for the first: each for the one that is shown last."""
    schema = pa.schema([*tables.corpus_schema(("second",))])
    table = corpus_table(["one", "long text", "one"])
    table = table.append_column("second", pa.array(["long text", "one", "refuse"])).cast(schema)

    def do(self: Bad, what: str, prompt: str) -> None:
        first, second = prompt.split("|")[1:]
        said = "neither" if "refuse" in prompt else "B" if len(second) > len(first) else "A"
        self.reply(200, answer(said))

    monkeypatch.setattr(Bad, "_do", do)
    store = Store(str(tmp_path / "store"))
    inputs = Inputs(store.url, {"corpus": make_artifact(store, "corpus", [table])})
    settings = {"prompt": "{question}|{first}|{second}", "questions": {"long": "is longer"}}
    judge = Judge(url=server.url, model="toy", answers=3, temperature=1.0, **settings)
    (made,) = run(judge, inputs)
    columns = [made.column(f"long_{n}").to_numpy() for n in ("ab_votes", "ab_answers", "ba_votes", "ba_answers")]
    assert [c.tolist() for c in columns] == [[3, 0, 0], [3, 3, 0], [0, 3, 0], [3, 3, 0]]
    assert made.column("num_unreadable").to_pylist() == [0, 0, 6]
    assert preference(*columns, 3)[:2].tolist() == [1.0, 0.0] and math.isnan(preference(*columns, 3)[2])
    assert server.asked.total() == 12, (
        "the first two pairs are the same in the other order: 2 + 2 prompts, 3 times each"
    )


@pytest.fixture
def server() -> Any:
    server = Server()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_every_row_has_its_fate_and_a_killed_run_asks_only_what_is_missing(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.plan = {text: [text] for text in ("429", "500", "half", "slow", "closed")}
    gate = threading.Event()
    usual = Bad._do

    def do(self: Bad, what: str, prompt: str) -> None:
        if what != "good":
            return usual(self, what, prompt)
        if prompt == "closed":  # the last one is held back until the run has been killed
            gate.wait(20)
        self.reply(200, answer(SAID.get(prompt, '{"clarity": 4}'), tokens_in=3, tokens_out=1))

    monkeypatch.setattr(Bad, "_do", do)
    path = recipe(tmp_path, server.url, concurrency=9)
    killed = start(path)
    kept = tmp_path / ".vernier" / "answers"
    deadline = time.monotonic() + 60
    while len(list(kept.glob("*/*.json"))) < 8 and time.monotonic() < deadline:
        time.sleep(0.02)
    killed.kill()
    killed.communicate()
    before = server.asked.copy()
    gate.set()
    again = start(path)
    assert (again.wait(60), again.stderr.read() if again.stderr else b"") == (0, b"")
    assert {text: n - before[text] for text, n in server.asked.items() if n != before[text]} == {"closed": 1}
    assert before.pop("closed") >= 2, "it was waiting when the run was killed, and may have been asked once more"
    assert before == dict.fromkeys(("good", "refuse", "schema", "high"), 1) | dict.fromkeys(TEXTS[4:8], 2)

    got = rows(tmp_path)
    fates = [(row["num_answers"], row["num_refused"], row["num_unreadable"]) for row in got]
    assert fates == [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 1)] + [(1, 0, 0)] * 5
    for row, (readable, _, _) in zip(got, fates, strict=True):
        assert row["clarity"] == 4.0 if readable else math.isnan(row["clarity"])
    assert [row["num_tokens_in"] for row in got] == [3] * 9
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert not any(SECRET.encode() in file.read_bytes() for file in files)
