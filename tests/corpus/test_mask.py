"""Masking: placeholders where something was, counted; twice is once; FineWeb's placeholders too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.test_personal import KEYS

from vernier.core import tables
from vernier.core.errors import RecipeError
from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.corpus.mask import Mask, mask
from vernier.score.personal import Personal
from vernier.testing.make import corpus_table, make_artifact, run

FINEWEB = Mask(email="email@example.com", ip="22.214.171.124", phone=None, key=None)


def inputs(folder: Path, texts: Sequence[str]) -> Inputs:
    store = Store(str(folder))
    return Inputs(store.url, {"corpus": make_artifact(store, "corpus", [corpus_table(texts)])})


TEXTS = [f"Write to a@corp.de or b@corp.de, 415-217-8895.\nFrom 83.149.9.216, {KEYS['github']}.", "Nothing.", ""]


def test_placeholders_and_counts(tmp_path: Path) -> None:
    given = inputs(tmp_path, TEXTS)
    shard = given.shard(0)
    made = pa.concat_tables(Mask().map(shard))
    masked = "Write to |||EMAIL_ADDRESS||| or |||EMAIL_ADDRESS|||, |||PHONE_NUMBER|||.\nFrom |||IP_ADDRESS|||, <KEY>."
    want, before = corpus_table([masked, "Nothing.", ""]), corpus_table(TEXTS)
    assert made.schema == tables.CORPUS
    for name in made.column_names:
        source = want if name in ("text", "num_bytes", "text_hash") else before
        assert made.column(name).to_pylist() == source.column(name).to_pylist()
    assert shard.left_out == {"masked.email": 2, "masked.phone": 1, "masked.ip": 1, "masked.key": 1}
    (scores,) = run(Personal(), given)
    assert scores.to_pylist()[0] == {"num_emails": 2, "num_phones": 1, "num_ips": 1, "num_keys": 1, "few_places": -5}
    assert scores.column("few_places").to_pylist() == [-5, 0, 0]


def test_fineweb_leaves_phones_and_keys(tmp_path: Path) -> None:
    (made,) = run(FINEWEB, inputs(tmp_path, TEXTS))
    assert made.column("text")[0].as_py() == (
        f"Write to email@example.com or email@example.com, 415-217-8895.\nFrom 22.214.171.124, {KEYS['github']}."
    )


PIECES = st.sampled_from(
    [
        "a@b.de",
        "c@d.org",
        "415-217-8895",
        "+49 30 901820",
        "83.149.9.216",
        "8.8.4.44",
        *KEYS.values(),
        "@",
        ".",
        "-",
        " ",
        "|||EMAIL_ADDRESS|||",
        "email@example.com",
        "22.214.171.124",
        "<KEY>",
        "https://u:S3cr3t@",
        "1",
        "(",
        "\n",
        "x",
    ]
)


@pytest.mark.parametrize("plugin", [Mask(), FINEWEB])
@given(text=st.lists(PIECES | st.text(max_size=3), max_size=10).map("".join))
def test_twice_is_once(plugin: Mask, text: str) -> None:
    once, _ = mask(text, plugin.placeholders, plugin.region)
    assert mask(once, plugin.placeholders, plugin.region) == (once, Counter())


def test_what_can_not_be() -> None:
    with pytest.raises(RecipeError, match="nothing is masked"):
        Mask(email=None, phone=None, ip=None, key=None)
    with pytest.raises(RecipeError, match="one line"):
        Mask(email="a\nb")


@pytest.mark.parametrize("plugin", [Mask(key="write to a@corp.de"), Mask(region="XX")])
def test_what_the_stage_refuses(tmp_path: Path, plugin: Mask) -> None:
    with pytest.raises(RecipeError):
        run(plugin, inputs(tmp_path, ["a"]))
