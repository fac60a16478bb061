"""Meta-rater from a recipe: proxies are unrolled into stages, really trained, and their weights select."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.pipeline.small import ONE, write_jsonl

from vernier.core.errors import RecipeError
from vernier.core.recipe import Recipe
from vernier.core.run import Run
from vernier.core.terms import Fitted, Term
from vernier.corpus.read_jsonl import ReadJsonl
from vernier.evaluate.loss import Loss
from vernier.mix.proxies import Step, add_proxies
from vernier.models.build import Shape
from vernier.models.flops import of_folder
from vernier.pipeline.account import Account
from vernier.pipeline.lineage import finished
from vernier.pipeline.run import run
from vernier.report.choices import choices
from vernier.score.combine import Combine
from vernier.score.surface import Surface
from vernier.select.budget import Budget
from vernier.select.slice import Slice
from vernier.select.top_k import TopK
from vernier.train.pretrain import Pretrain
from vernier.train.tokenizer import Tokenizer

TERMS = (
    Term(column="num_words", per="byte"),
    Term(column="num_symbols", per="byte", wanted="low"),
    Term(column="zlib_bytes", per="byte"),
)
TRAINING = Pretrain(model=Shape(hidden=16, layers=1), tokens=512, context=32, batch=4)
HALF = TopK(by="a.value", keep=Budget(share=0.5))


def small(folder: Path, accept: bool) -> Recipe:
    """Three surface scores and four proxies of 512 tokens; `keep` is what the weights select."""
    recipe = Recipe("mixed", store=str(folder / "store"))
    clean = recipe.add("clean", ReadJsonl(paths=[str(folder / "data" / "*.jsonl")]), on=ONE)
    tune = recipe.add("tune", Slice(range=(0.0, 0.2)), corpus=clean, on=ONE)
    pool = recipe.add("pool", Slice(range=(0.2, 1.0)), corpus=clean, on=ONE)
    bpe = recipe.add("bpe", Tokenizer(vocab=300), corpus=clean, selection=tune, on=ONE)
    surface = recipe.add("surface", Surface(), corpus=clean, on=ONE)
    scored = add_proxies(
        recipe,
        "mixed",
        terms=TERMS,
        scores=[surface],
        corpus=clean,
        within=pool,
        number=4,
        select=Step(HALF, on=ONE),
        train=Step(TRAINING, {"tokenizer": bpe}, ONE),
        evaluate=Step(Loss(), {"corpus": clean, "selection": tune}, ONE),
        accept=accept,
        on=ONE,
        domains=("odd",),
    )
    recipe.add("keep", HALF, corpus=clean, within=pool, a=scored, on=ONE)
    alone = Combine(terms=TERMS[:1], clip=3.0)
    one = recipe.add("alone", alone, corpus=clean, within=pool, scores=[surface], on=ONE)
    first = Combine(terms=(TERMS[0], *(Term(column=t.column, per="byte", weight=0.0) for t in TERMS[1:])), clip=3.0)
    hot = recipe.add("one_hot", first, corpus=clean, within=pool, scores=[surface], on=ONE)
    recipe.add("keep_alone", HALF, corpus=clean, within=pool, a=one, on=ONE)
    recipe.add("keep_one_hot", HALF, corpus=clean, within=pool, a=hot, on=ONE)
    return recipe


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mixed")
    write_jsonl(folder / "data" / "docs.jsonl", range(120))
    return folder


@pytest.fixture(scope="module")
def done(folder: Path) -> Run:
    """Four proxies can not show that their weights mean anything: the weights are refused, then accepted on request."""
    with pytest.raises(RecipeError, match="do not say that they mean anything"):
        run(small(folder, accept=False), out=folder / "run", quiet=True)
    return run(small(folder, accept=True), out=folder / "run", quiet=True)


def count(done: Run, node: str) -> np.ndarray:
    return np.concatenate(
        [pq.read_table(path).column("count") for path in sorted((done.folder / node).glob("*.parquet"))]
    )


@pytest.mark.slow
def test_proxies_are_trained_on_their_own_selections_and_their_losses_weigh_the_scores(done: Run) -> None:
    fitted = Fitted.load(done.folder / "mixed_fit")
    assert not fitted.accepted and "4 proxies" in fitted.because
    weights = [term.weight for term in fitted.terms]
    assert abs(sum(weights) - 1) < 1e-12 and min(weights) >= 0
    assert [term.name for term in fitted.terms] == [term.name for term in TERMS]
    losses = [done.artifact(f"mixed_test_{i}").facts["bits_per_byte"]["odd"] for i in range(4)]
    table = pq.read_table(done.folder / "mixed_fit" / "proxies.parquet")
    assert table.column("measured").to_pylist() == losses and len(set(losses)) == 4
    pool = count(done, "pool").astype(bool)
    for index in range(4):
        told = done.artifact(f"mixed_score_{index}").facts["terms"]
        assert [term["weight"] for term in told] == [table.column(n)[index].as_py() for n in table.column_names[:3]]
        assert not count(done, f"mixed_keep_{index}")[~pool].any()
    kept = count(done, "keep")
    assert kept.sum() == pool.sum() // 2 and not kept[~pool].any()
    value = np.concatenate(
        [pq.read_table(p).column("value").to_numpy() for p in (done.folder / "mixed").glob("*.parquet")]
    )
    assert value[kept > 0].min() >= value[pool & (kept == 0)].max()


@pytest.mark.slow
def test_what_the_proxies_cost_is_known(done: Run, folder: Path) -> None:
    """Training, and reading what they are judged by: an arm that uses the weights pays for all of it."""
    lineage = finished(small(folder, accept=True).nodes(), {}, [done], done.store)
    account = Account(lineage)
    spent = {name: account.of(name) for name in lineage.behind(["keep"])}
    assert not [name for name, cost in spent.items() if cost.actual is None]
    assert sorted(name for name, cost in spent.items() if cost.actual) == sorted(
        f"mixed_{what}_{index}" for what in ("train", "test") for index in range(4)
    )
    cost = of_folder(done.folder / "mixed_train_0")
    counted = pq.read_table(done.folder / "mixed_test_0" / "results.parquet").to_pylist()
    tokens = next(row["num_tokens"] for row in counted if row["domain"] == "all")
    read = spent["mixed_test_0"]
    assert cost is not None and read.actual is not None and read.planned is not None
    assert cost.forward(tokens, 0) < read.actual < 2 * cost.forward(tokens, 32 * tokens)
    assert 0.8 < read.planned / read.actual < 1.25


@pytest.mark.slow
def test_the_report_tells_what_was_chosen_and_not_what_each_proxy_read(done: Run) -> None:
    assert [choice.stage for choice in choices(done)] == ["keep", "keep_alone", "keep_one_hot"]
    assert sum(node.startswith("mixed_keep") for node in done.nodes) == 4


@pytest.mark.slow
def test_all_weight_on_one_score_selects_as_that_score_alone(done: Run) -> None:
    assert (count(done, "keep_one_hot") == count(done, "keep_alone")).all()
    assert (count(done, "keep_one_hot") != count(done, "keep")).any()


def test_the_recipe_can_be_written_down(folder: Path) -> None:
    recipe = small(folder, accept=False)
    assert [node.id for node in Recipe.from_data(recipe.to_data()).nodes()] == [node.id for node in recipe.nodes()]
    with pytest.raises(RecipeError, match="what is looked for"):
        step = Step(HALF)
        add_proxies(
            recipe, "x", terms=[Term(column="a", weight=2)], scores=[], corpus="clean", number=2,
            select=step, train=step, evaluate=step,
        )  # fmt: skip
