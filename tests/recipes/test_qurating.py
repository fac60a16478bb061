"""recipes/qurating.yaml as it stands, made small: a judge with a rule, a rater that learns it, a pool that it rates."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vernier.core.recipe import load
from vernier.core.run import Run
from vernier.models.build import Shape
from vernier.models.build import build as random_model
from vernier.pipeline.run import run
from vernier.score.rubrics import PAIRS
from vernier.testing.endpoint import Handler, answer
from vernier.testing.toy import byte_tokenizer

RECIPE = Path(__file__).parents[2] / "recipes" / "qurating.yaml"
LENGTH = 32  # tokens of every document, a byte each
SMALL = (
    "asked.with.range=[0, 0.5]",
    "pool.with.range=[0.5, 1]",
    "pairs.with.pairs=80",
    "pairs.with.shortest=16",
    "pairs.with.longest=32",
    "judged.with.answers=1",
    "judged.with.temperature=0.0",
    "rater.with.batch=8",
    "rater.with.epochs=4",
    "rater.with.lr=0.01",
    "rater.with.segment=40",
    "keep.with.keep.share=0.3",
)
KEY = "a key of nobody"


class Judge(Handler):
    """What has more x is better by every criterion but expertise, which few x ask for."""

    def do_POST(self) -> None:
        prompt = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["messages"][0]["content"]
        if self.headers["Authorization"] != f"Bearer {KEY}":
            self.reply(401, b"{}")
            return
        a, b = (prompt.split(f"[{side}]\n")[1].split(f"\n[/{side}]")[0] for side in "AB")
        more = a.count("x") > b.count("x")
        self.reply(200, answer("AB"[more == (PAIRS["required_expertise"] in prompt)]))


def text(random: Random) -> str:
    """Some letters, of which more or less are x."""
    share = random.random()
    return "".join("x" if random.random() < share else random.choice("abcdefgh ") for _ in range(LENGTH))


@pytest.fixture(scope="module")
def judge() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Judge)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, judge: str) -> Run:
    """The recipe's run over 360 documents, three quarters of them prose."""
    here, random = tmp_path_factory.mktemp("qurating"), Random(0)
    rows = [{"id": str(n), "text": text(random), "domain": "code" if n % 4 == 3 else "prose"} for n in range(360)]
    (here / "data").mkdir()
    (here / "data" / "docs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    model = random_model(Shape(hidden=32, layers=1), vocabulary=257, context=64, separator=256, seed=0)
    model.save_pretrained(here / "models" / "base")
    byte_tokenizer(here / "models" / "base")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        patch.setenv("JUDGE_KEY", KEY)
        recipe = load(RECIPE, [*SMALL, f"judged.with.url={judge}"])
        return run(recipe, out=here / "run", quiet=True)


def column(done: Run, node: str, name: str) -> list[Any]:
    return [value for table in tables(done, node) for value in table.column(name).to_pylist()]


def tables(done: Run, node: str) -> list[pa.Table]:
    return [pq.read_table(done.store.open(shard.data)) for shard in done.artifact(node).shards]


def kept(done: Run, node: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return np.array(column(done, node, "count")) > 0


def share_of_x(done: Run) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([one.count("x") / LENGTH for one in column(done, "docs", "text")])


@pytest.mark.slow
def test_the_rater_learns_what_the_judge_says(done: Run) -> None:
    facts = done.artifact("rater").facts
    texts = zip(column(done, "pairs", "text"), column(done, "pairs", "second"), strict=True)
    differ = sum(first.count("x") != second.count("x") for first, second in texts)
    assert facts["examples"]["learnt"] + facts["examples"]["held_out"] == differ > 60
    assert facts["was_told"] == "labels of 160 documents"
    assert facts["criteria"] == list(PAIRS)
    assert min(facts["accuracy"].values()) > 0.7
    pool = kept(done, "pool")
    told = np.corrcoef(np.array(column(done, "wanted", "value"), np.float64)[pool], share_of_x(done)[pool])[0, 1]
    assert told > 0.6


@pytest.mark.slow
def test_what_was_asked_about_is_not_rated(done: Run) -> None:
    """Nor is anything else outside the pool; of the pool all is, and no document of it was told."""
    pool, asked = kept(done, "pool"), kept(done, "asked")
    assert not (pool & asked).any() and (pool | asked).all() and 120 < pool.sum() < 240
    ids = np.array([one.hex() for one in column(done, "docs", "doc_id")])
    told = {*column(done, "pairs", "first_id"), *column(done, "pairs", "second_id")}
    assert len(told) == 160 and told < {*ids[asked]}
    rated = np.array([value is not None for value in column(done, "rated", "educational_value")])
    np.testing.assert_array_equal(rated, pool)
    assert done.artifact("rated").facts["told"] == 0
    reasons = np.array(column(done, "keep", "reason"))
    assert {*reasons[asked]} == {"outside"} and "not_scored" not in reasons


@pytest.mark.slow
def test_each_domain_is_as_large_as_it_is(done: Run) -> None:
    domains, tokens = np.array(column(done, "docs", "domain")), np.array(column(done, "lengths", "num_tokens"))
    pool, keep = kept(done, "pool"), kept(done, "keep")
    for domain in ("prose", "code"):
        here, wanted = int(tokens[keep & (domains == domain)].sum()), tokens[pool & (domains == domain)].sum() * 0.3
        assert wanted - 2 * LENGTH < here <= wanted  # whole documents, of budgets that are rounded down
    assert not (keep & ~pool).any()


@pytest.mark.slow
def test_the_curriculum_is_the_kept_documents_by_expertise(done: Run) -> None:
    keep = kept(done, "keep")
    ranks = np.array(column(done, "order", "rank"), dtype=object)
    assert sorted(ranks[keep]) == list(range(keep.sum())) and {*ranks[~keep]} == {None}
    expertise = np.array(column(done, "rated", "required_expertise"), dtype=object)[keep].astype(float)
    hardest_first = np.argsort(ranks[keep].astype(int))
    assert (np.diff(expertise[hardest_first]) <= 0).all()
    few_x = share_of_x(done)[keep][hardest_first]
    half = len(few_x) // 2
    assert few_x[:half].mean() < few_x[half:].mean()
