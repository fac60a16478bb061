"""Bits per byte by domain."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vernier.core.errors import DataError
from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.core.tables import SELECTION
from vernier.evaluate.loss import Loss
from vernier.testing.make import build, corpus_table, make_artifact, make_folder
from vernier.testing.toy import toy_bits, toy_model

TEXTS = ["the cat", "def f(): pass " * 20, "", "un chat", "no domain", ""]
DOMAINS = ["prose", "code", "code", "prose", None, "empty"]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def inputs(store: Store, tmp_path: Path, domains: list[str | None], counts: list[int] | None = None) -> Inputs:
    table = corpus_table(TEXTS, domains=domains)
    made = {
        "corpus": make_artifact(store, "corpus", [table.slice(0, 2), table.slice(2)]),
        "model": make_folder(store, "model", toy_model(tmp_path / "toy")),
    }
    if counts is not None:
        some = pa.table({"count": counts, "reason": [None if c else "x" for c in counts]}, schema=SELECTION)
        made["selection"] = make_artifact(store, "selection", [some.slice(0, 2), some.slice(2)])
    return Inputs(store.url, made)


def rate(*texts: str) -> float:
    return sum(map(toy_bits, texts)) / sum(len(t) for t in texts)


def test_known_bits_per_byte(store: Store, tmp_path: Path) -> None:
    _, facts = build(Loss(), inputs(store, tmp_path, DOMAINS), tmp_path / "out")
    domains = {
        "(none)": rate("no domain"),
        "code": rate(TEXTS[1]),
        "prose": rate("the cat", "un chat"),
    }
    wanted = {"macro": sum(domains.values()) / 3, "all": rate(*TEXTS), **domains}
    assert facts["bits_per_byte"] == pytest.approx(wanted, rel=1e-6)  # a domain without text is left out
    rows = pq.read_table(tmp_path / "out" / "results.parquet").to_pylist()
    assert {row["domain"]: row["value"] for row in rows} == facts["bits_per_byte"]
    code = next(row for row in rows if row["domain"] == "code")
    assert (code["metric"], code["unit"], code["num_documents"]) == ("bits_per_byte", "bit/byte", 2)
    assert code["num_bytes"] == code["num_tokens"] == len(TEXTS[1])


def test_only_the_selected_documents_count(store: Store, tmp_path: Path) -> None:
    _, facts = build(Loss(), inputs(store, tmp_path, DOMAINS, [0, 0, 1, 2, 0, 0]), tmp_path / "out")
    assert facts["bits_per_byte"] == pytest.approx(dict.fromkeys(("macro", "all", "prose"), rate("un chat")))


def test_nothing_to_evaluate_on(store: Store, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing to evaluate"):
        build(Loss(), inputs(store, tmp_path, DOMAINS, [0, 0, 1, 0, 0, 1]), tmp_path / "out")


def test_a_domain_named_like_an_average(store: Store, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'macro'"):
        build(Loss(), inputs(store, tmp_path, ["macro", *DOMAINS[1:]]), tmp_path / "out")
