from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.core.recipe_plugins import Budget, Draw, Keep, Mix, Read, Score, Table, Test, Train

from vernier.core.config import Problems
from vernier.core.errors import RecipeError
from vernier.core.recipe import Node, Recipe, load

PAIR = """\
vernier: 1
name: pair
target: {domain: prose}
seeds: {values: [0, 1, 2], from: [keep]}
plugins: [tests]
stages:
  clean: {do: "tests.core.recipe_plugins:Read", with: {paths: [a.jsonl], shard: 4KiB}}
  small: {do: "tests.core.recipe_plugins:Train", in: {corpus: clean}, with: {tokens: 1k}}
  nll_s: {do: "tests.core.recipe_plugins:Score", in: {corpus: clean, model: small}, on: {workers: 2, memory: 2GB}}
  nll_l: {do: "tests.core.recipe_plugins:Score", in: {corpus: clean}}
  keep:  {do: "tests.core.recipe_plugins:Keep", in: {corpus: clean, scores: [nll_s, nll_l]}, with: {keep: {share: 0.5}}}
  train: {do: "tests.core.recipe_plugins:Train", in: {corpus: clean, selection: keep}, with: {tokens: 50M}}
  test:  {do: "tests.core.recipe_plugins:Test", in: {model: train, corpus: clean}}
  table: {do: "tests.core.recipe_plugins:Table", in: {results: test@*}}
arms:
  filter: {}
  random: {keep: {do: "tests.core.recipe_plugins:Draw", in: {corpus: clean}, with: {keep: {share: 0.5}}}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(text: str, *sets: str) -> Recipe:
    Path("r.yaml").write_text(text)
    return load("r.yaml", sets)


def refused(text: str, *sets: str) -> RecipeError:
    with pytest.raises(RecipeError) as caught:
        read(text, *sets)
    return caught.value


def changed(old: str, new: str, text: str = PAIR) -> str:
    assert text.count(old) == 1, old
    return text.replace(old, new)


def place(text: str, marker: str) -> str:
    """file:line:column of the first `marker` in the text."""
    before = text[: text.index(marker)]
    return f"r.yaml:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


def ids(recipe: Recipe, **choice: Any) -> list[str]:
    return [node.id for node in recipe.nodes(**choice)]


def by_id(recipe: Recipe) -> dict[str, Node]:
    return {node.id: node for node in recipe.nodes()}


def pair_in_python() -> Recipe:
    recipe = Recipe("pair", target={"domain": "prose"}, seeds={"values": [0, 1, 2], "from": ["keep"]})
    clean = recipe.add("clean", Read(paths=("a.jsonl",), shard=4096))
    small = recipe.add("small", Train(tokens=1000), corpus=clean)
    scores = [
        recipe.add("nll_s", Score(), corpus=clean, model=small, on={"workers": 2, "memory": "2GB"}),
        recipe.add("nll_l", Score(), corpus=clean),
    ]
    keep = recipe.add("keep", Keep(keep=Budget(share=0.5)), corpus=clean, scores=scores)
    train = recipe.add("train", Train(tokens=50_000_000), corpus=clean, selection=keep)
    recipe.add("test", Test(), model=train, corpus=clean)
    recipe.add("table", Table(), results="test@*")
    recipe.arm("filter")
    recipe.arm("random", keep=recipe.stage(Draw(keep=Budget(share=0.5)), corpus=clean))
    return recipe


# nodes


def test_nodes_are_shared_until_arms_differ(folder: Path) -> None:
    assert ids(read(PAIR)) == [
        *("clean", "small", "nll_s", "nll_l"),
        *("keep@filter@0", "keep@filter@1", "keep@filter@2", "keep@random@0", "keep@random@1", "keep@random@2"),
        *("train@filter@0", "train@filter@1", "train@filter@2"),
        *("train@random@0", "train@random@1", "train@random@2"),
        *("test@filter@0", "test@filter@1", "test@filter@2"),
        *("test@random@0", "test@random@1", "test@random@2"),
        "table",
    ]


def test_what_a_node_says(folder: Path) -> None:
    nodes = by_id(read(PAIR))
    clean, score, test = nodes["clean"], nodes["nll_s"], nodes["test@random@2"]
    assert (clean.plugin, clean.arm, clean.arms) == (
        Read(paths=("a.jsonl",), shard=4096),
        None,
        ("filter", "random"),
    )
    assert (clean.seed, clean.seeded, clean.where) == (0, False, place(PAIR, "clean: {do"))
    assert dict(score.on) == {"workers": 2, "memory": 2_000_000_000}
    assert nodes["keep@filter@1"].inputs == {"corpus": "clean", "scores[0]": "nll_s", "scores[1]": "nll_l"}
    assert test.inputs == {"model": "train@random@2", "corpus": "clean"}
    assert (test.stage, test.arm, test.arms, test.seed, test.seeded) == ("test", "random", ("random",), 2, True)


def test_star_gathers_every_arm_and_seed(folder: Path) -> None:
    table = by_id(read(PAIR))["table"]
    wanted = [f"test@{arm}@{seed}" for arm in ("filter", "random") for seed in range(3)]
    assert list(table.inputs.values()) == wanted
    assert list(table.inputs) == [f"results[{i}]" for i in range(6)]
    assert (table.seeded, table.arms) == (False, ("filter", "random"))


def test_star_names_a_shared_node_once(folder: Path) -> None:
    text = changed("results: test@*", "results: [test@random, check@*]")
    text = changed(
        "  table:", '  check: {do: "tests.core.recipe_plugins:Test", in: {model: small, corpus: clean}}\n  table:', text
    )
    table = by_id(read(text))["table@1"]
    assert table.inputs == {"results[0]": "test@random@1", "results[1]": "check"}


def test_one_arm_by_name(folder: Path) -> None:
    text = changed("{model: train, corpus", "{model: train@random, corpus")
    nodes = by_id(read(text))
    assert nodes["test@1"].inputs["model"] == "train@random@1"
    assert nodes["test@1"].arms == ("filter", "random")


def test_without_arms_and_seeds_ids_are_the_names(folder: Path) -> None:
    text = PAIR[: PAIR.index("arms:")].replace("seeds: {values: [0, 1, 2], from: [keep]}\n", "")
    nodes = read(text).nodes()
    assert [n.id for n in nodes] == ["clean", "small", "nll_s", "nll_l", "keep", "train", "test", "table"]
    assert {(n.arm, n.arms, n.seed, n.seeded) for n in nodes} == {(None, (), 0, False)}


def test_an_arm_without_do_is_merged_one_level_deep(folder: Path) -> None:
    text = PAIR + "  low: {keep: {in: {scores: nll_l}, with: {by: low_loss}, on: {workers: 1}}}\n"
    node = by_id(read(text))["keep@low@0"]
    assert node.plugin == Keep(by="low_loss", keep=Budget(share=0.5))
    assert node.inputs == {"corpus": "clean", "scores": "nll_l"}
    assert node.on == {"workers": 1}


def test_merging_replaces_a_nested_setting_whole(folder: Path) -> None:
    text = PAIR + "  few: {keep: {with: {keep: {documents: 10}}}}\n"
    assert by_id(read(text))["keep@few@0"].plugin == Keep(keep=Budget(documents=10))


def test_an_arm_with_do_is_replaced_whole(folder: Path) -> None:
    text = PAIR + '  again: {keep: {do: "tests.core.recipe_plugins:Keep", in: {corpus: clean}}}\n'
    node = by_id(read(text))["keep@again@0"]
    assert (node.plugin, dict(node.inputs)) == (Keep(), {"corpus": "clean"})


def test_arms_that_come_to_the_same_share_their_nodes(folder: Path) -> None:
    nodes = by_id(read(PAIR + "  same: {keep: {with: {scale: 1}}}\n"))
    assert nodes["keep@filter@0"].arms == ("filter", "same")
    assert nodes["test@filter@0"].arms == ("filter", "same")


def test_stages_may_stand_in_any_order(folder: Path) -> None:
    lines = PAIR.split("\n")
    first = next(i for i, line in enumerate(lines) if line.startswith("  clean"))
    last = next(i for i, line in enumerate(lines) if line.startswith("arms"))
    turned = "\n".join([*lines[:first], *reversed(lines[first:last]), *lines[last:]])
    nodes = read(turned).nodes()
    seen: set[str] = set()
    for node in nodes:
        assert seen.issuperset(node.inputs.values())
        seen.add(node.id)
    assert seen == set(ids(read(PAIR)))


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        ({"to": "nll_s"}, ["clean", "small", "nll_s"]),
        ({"to": "keep", "arm": "random", "seed": 1}, ["clean", "keep@random@1"]),
        (
            {"arm": "random", "seed": 1},
            ["clean", "small", "nll_s", "nll_l", "keep@random@1", "train@random@1", "test@random@1"],
        ),
    ],
)
def test_a_part_of_the_nodes(folder: Path, choice: dict[str, Any], wanted: list[str]) -> None:
    assert ids(read(PAIR), **choice) == wanted


def test_a_part_may_need_a_node_of_another_arm(folder: Path) -> None:
    text = changed("{model: train, corpus", "{model: train@random, corpus")
    assert "train@random@1" in ids(read(text), arm="filter", seed=1)


@pytest.mark.parametrize(
    ("to", "wanted"),
    [
        ("keep@random", ["keep@random@0", "keep@random@1", "keep@random@2"]),
        ("keep@random@1", ["keep@random@1"]),
        ("keep@1@random", ["keep@random@1"]),
        ("keep@2", ["keep@filter@2", "keep@random@2"]),
        ("small@random", ["small"]),
    ],
)
def test_a_stage_is_also_named_with_its_arm_and_seed(folder: Path, to: str, wanted: list[str]) -> None:
    assert [i for i in ids(read(PAIR), to=to) if i.startswith(to.partition("@")[0])] == wanted


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ({"arm": "randm"}, "did you mean 'random'?"),
        ({"to": "trian"}, "did you mean 'train'?"),
        ({"to": "keep@randm@0"}, "did you mean 'keep@random@0'?"),
        ({"to": "small@0"}, "did you mean 'small'?"),
        ({"to": "keep@random", "arm": "filter"}, "keep@random@0, keep@random@1"),
        ({"seed": 7}, "one of: 0, 1, 2"),
        ({"to": "table", "arm": "random"}, "leave out --arm and --seed"),
    ],
)
def test_a_part_that_there_is_not(folder: Path, choice: dict[str, Any], told: str) -> None:
    with pytest.raises(RecipeError, match=None) as caught:
        read(PAIR).nodes(**choice)
    assert told in str(caught.value)


# one path behind YAML and Python


def test_python_and_yaml_give_the_same_nodes(folder: Path) -> None:
    assert pair_in_python().nodes() == read(PAIR).nodes()


def test_plain_form_gives_the_same_nodes(folder: Path) -> None:
    recipe = read(PAIR + "  low: {keep: {with: {by: low_loss}}}\n")
    again = Recipe.from_data(recipe.to_data())
    assert again.nodes() == recipe.nodes()
    assert again.to_data() == recipe.to_data()
    assert recipe.to_data()["stages"]["clean"]["with"] == {"paths": ["a.jsonl"], "shard": 4096}


def test_python_settings_are_checked_like_written_ones() -> None:
    recipe = Recipe("x")
    recipe.add("clean", Read(paths=["a"], shard="1kB"))  # type: ignore[arg-type]
    assert recipe.nodes()[0].plugin == Read(paths=("a",), shard=1000)
    recipe.add("bad", Train(tokens=True), corpus="clean")
    with pytest.raises(RecipeError, match="'tokens'") as caught:
        recipe.check()
    assert str(caught.value.where).startswith(f"{__file__}:")


def test_python_recipe_can_grow_after_a_look() -> None:
    recipe = Recipe("x")
    recipe.add("a", Mix())
    assert ids(recipe) == ["a"]
    recipe.add("b", Mix(), results="a")
    assert ids(recipe) == ["a", "b"]


def test_python_names_a_stage_once() -> None:
    recipe = Recipe("x")
    recipe.add("a", Mix())
    with pytest.raises(RecipeError, match="two stages 'a'"):
        recipe.add("a", Mix(n=1))


# errors


@pytest.mark.parametrize(
    ("old", "new", "marker", "what", "told"),
    [
        ("target: {domain", "targt: {domain", "targt", "no part 'targt'", "did you mean 'target'?"),
        ("vernier: 1", "vernier: 2", "2\n", "`vernier: 1`", "vernier: 2"),
        ("vernier: 1", "vernier: true", "true", "`vernier: 1`", "vernier: True"),
        ("name: pair", "name: a/b", "a/b", "a recipe needs a proper name", "letters"),
        ("{domain: prose}", "{domian: prose}", "domian", "not given by 'domian'", "did you mean 'domain'?"),
        ("{domain: prose}", "{tasks: b, domain: c}", "{tasks", "domains or tasks, not both", "tasks, domain"),
        ("{domain: prose}", "{files: [b]}", "files", "can not be given by 'files' yet", "name a domain"),
        ("{domain: prose}", "{domain: [a, a]}", "[a, a]", "names something twice", "a, a"),
        ("{domain: prose}", "{domain: []}", "[]", "has the wrong form", "text"),
        ("{domain: prose}", "{}", "{}", "names nothing", "target: {domain"),
        ("from: [keep]", "from: [kep]", "kep]", "`seeds` names a stage 'kep'", "did you mean 'keep'?"),
        ("values: [0, 1, 2]", "values: [0, 1, 1]", "{values", "`seeds` needs values", "different whole numbers"),
        ("values: [0, 1, 2]", "values: [a]", "{values", "`seeds` needs values", "different whole numbers"),
        ("[tests]", "[tsts]", "tsts", "can not be imported", "No module named"),
        ("plugins: [tests]", "store: .vernier", '"tests.core.recipe_plugins:Read', "does not list", "plugins: [tests]"),
        ("  table: {do", "  table: {doo: x, do", "doo: x", "no part 'doo'", "did you mean 'do'?"),
        ("  table: {do", "  log: {do", "log: {", "can not be named 'log'", "another name"),
        ("  table: {do", "  a@b: {do", "a@b", "needs a proper name", "a letter"),
        (
            "tests.core.recipe_plugins:Draw",
            "select.randm",
            '"select.randm',
            "no plugin 'select.randm'",
            "select.random",
        ),
        (
            "tests.core.recipe_plugins:Draw",
            "tests.core.recipe_plugins:Drw",
            '"tests.core.recipe_plugins:Drw',
            "can not be imported",
            "Drw",
        ),
        ("tokens: 50M", "tokns: 50M", "tokns", "has no setting 'tokns'", "did you mean 'tokens'?"),
        ("tokens: 50M", "tokens: 50MB", "50MB", "'tokens'", "units k, M, B, T"),
        ("tokens: 50M", "tokens: true", "true}", "'tokens'", "a whole number"),
        ("{paths: [a.jsonl], shard: 4KiB}", "{shard: 4KiB}", "with: {shard", "needs the setting 'paths'", "list of"),
        ("with: {tokens: 50M}", "with: [tokens]", "[tokens]", "`with` of the stage 'train'", "a mapping"),
        ("memory: 2GB", "memory: 2G", "2G}", "'memory'", "units B, kB"),
        ("workers: 2", "workers: 0", "on: {workers", "'workers' is too small", "at least 1"),
        ("workers: 2", "wrkers: 2", "wrkers", "no setting 'wrkers'", "did you mean 'workers'?"),
        ("workers: 2", "ranks: 2", "ranks", "can not be built by several ranks", "leave out `ranks`"),
        ("workers: 2", "workers: 2, ranks: 2", "on: {workers", "`ranks` and `workers` exclude each other", "ranks: 2"),
        ("workers: 2", "ranks: 2, device: cuda:1", "on: {ranks", "do not share one GPU", "device: cuda, and"),
        ("workers: 2", "gpus: 1", "gpus", "no setting 'gpus'", "workers"),
        ("model: small}", "modl: small}", "modl", "is unused", "did you mean 'model'?"),
        ("model: small}", "model: smal}", "smal}", "no stage 'smal'", "did you mean 'small'?"),
        ("model: small}", "model: clean}", "clean}, on", "wrong kind", "small, train"),
        ("model: small}", "model: small@randm}", "small@randm", "no arm 'randm'", "did you mean 'random'?"),
        ("model: small}", "model: small@*}", "small@*", "takes one artifact", "small@*"),
        ("model: small}", "model: [small]}", "[small]", "takes one artifact", "a list of 1"),
        ("[nll_s, nll_l]", "[nll_s, nll]", "nll]", "no stage 'nll'", "did you mean"),
        ("[nll_s, nll_l]", "[nll_s, 3]", "3]", "each item of the input 'scores'", "text"),
        ("{model: train, corpus", "{corpus", "in: {corpus: clean}}\n  table", "needs the input 'model'", "model"),
        ("results: test@*", "results: []", "in: {results", "needs the input 'results'", "results"),
        ("filter: {}", "filter: {kep: {}}", "kep", "'kep' that there is not", "did you mean 'keep'?"),
        ("filter: {}", "filter: {keep: {wth: {}}}", "wth", "no part 'wth'", "did you mean 'with'?"),
        ("filter: {}", "filter: {keep: {with: {bye: a}}}", "bye", "no setting 'bye'", "did you mean 'by'?"),
        ("filter: {}", "filter: {keep: {in: {score: nll_l}}}", "score: nll_l", "is unused", "'scores'"),
        ("filter: {}", "filter:", "filter", "the arm 'filter' has the wrong form", "{} for an empty one"),
    ],
)
def test_mistakes_are_told_with_their_place(
    folder: Path, old: str, new: str, marker: str, what: str, told: str
) -> None:
    text = changed(old, new)
    error = refused(text)
    first = error.problems[0] if isinstance(error, Problems) else error
    assert what in first.what
    assert str(first.where) == place(text, marker)
    assert told in str(first)


def test_settings_of_an_arm_that_were_the_stages_own_point_at_the_stage(folder: Path) -> None:
    text = changed("with: {keep: {share: 0.5}}}\n  train", "with: {keep: {share: x}}}\n  train")
    text += "  low: {keep: {with: {by: low_loss}}}\n"
    assert refused(text).where == place(text, "x}}}\n  train")


def test_what_a_plugin_refuses_points_at_its_settings(folder: Path) -> None:
    text = changed("{keep: {share: 0.5}}}\n  train", "{scale: -1}}\n  train")
    error = refused(text)
    assert (error.what, error.where) == ("the scale is not positive", place(text, "with: {scale"))


def test_a_cycle_is_named(folder: Path) -> None:
    error = refused(changed("in: {corpus: clean}, with: {tokens: 1k}", "in: {corpus: clean, init: train}"))
    assert error.what == "stages wait for each other in a circle"
    circle = str(error.found).split(" -> ")
    assert circle[0] == circle[-1]
    assert set(circle) == {"small", "nll_s", "keep", "train"}


def test_a_stage_that_reads_itself_is_a_cycle(folder: Path) -> None:
    assert refused(changed("results: test@*", "results: table")).found == "table -> table"


def test_a_stage_that_gathers_what_it_feeds_is_a_cycle(folder: Path) -> None:
    text = changed("in: {corpus: clean}, with: {tokens: 1k}", "in: {corpus: clean, init: train@random}")
    assert (
        "circle"
        in refused(changed('Draw", in: {corpus: clean}', 'Keep", in: {corpus: clean, scores: nll_s}', text)).what
    )


def test_every_mistake_is_told_at_once(folder: Path) -> None:
    text = changed("tokens: 50M", "tokns: 50M", changed("model: small}", "modl: small}"))
    error = refused(changed("results: test@*", "results: tst@*", text))
    assert isinstance(error, Problems)
    assert {p.where for p in error.problems} == {
        place(error_text, m)
        for m in ("tokns", "modl", "tst@")
        for error_text in (changed("results: test@*", "results: tst@*", text),)
    }


def test_a_mistake_in_a_shared_stage_is_told_once(folder: Path) -> None:
    assert not isinstance(refused(changed("tokens: 50M", "tokns: 50M")), Problems)


def test_a_boolean_looking_stage_name_is_a_name(folder: Path) -> None:
    text = changed("  table:", "  on:")
    assert "on" in read(text).stages


@pytest.mark.parametrize("text", ["", "- a\n", "vernier: 1\nname: x\n", "vernier: 1\nname: x\nstages: {}\n"])
def test_a_recipe_of_nothing(folder: Path, text: str) -> None:
    assert str(refused(text).where).startswith("r.yaml")


# --set


def test_set_changes_a_setting(folder: Path) -> None:
    recipe = read(PAIR, "train.with.tokens=2k", "keep.with.keep.share=0.25", "nll_s.on.workers=7")
    nodes = by_id(recipe)
    assert nodes["train@random@0"].plugin.tokens == 2000
    assert nodes["keep@filter@0"].plugin.keep == Budget(share=0.25)
    assert nodes["keep@random@0"].plugin.keep == Budget(share=0.5)
    assert nodes["nll_s"].on["workers"] == 7


def test_set_changes_an_arm(folder: Path) -> None:
    nodes = by_id(read(PAIR, "keep@random.with.keep.share=0.25", "keep@filter.with.by=low_loss"))
    assert nodes["keep@random@0"].plugin == Draw(keep=Budget(share=0.25))
    assert nodes["keep@filter@0"].plugin == Keep(by="low_loss", keep=Budget(share=0.5))


def test_set_reads_yaml(folder: Path) -> None:
    assert by_id(read(PAIR, "clean.with.paths=[b, 'c']"))["clean"].plugin.paths == ("b", "c")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("trian.with.tokens=1", "did you mean 'train'?"),
        ("train@randm.with.tokens=1", "did you mean 'random'?"),
        ("train.with.tokns=1", "did you mean 'tokens'?"),
        ("train.with.tokens=x", "units k, M, B, T"),
        ("train.with.tokens.deep=1", "a mapping"),
        ("train.tokens=1", "stage.with.key=value"),
        ("train.with.tokens", "stage.with.key=value"),
        ("train.with.tokens=[1", "not valid YAML"),
    ],
)
def test_set_that_can_not_be(folder: Path, change: str, told: str) -> None:
    assert told in str(refused(PAIR, change))


def test_an_error_in_a_change_names_the_change(folder: Path) -> None:
    assert refused(PAIR, "train.with.tokens=x").where == "--set train.with.tokens=x"


def test_a_change_that_a_plugin_refuses_is_named_alone_or_beside_the_settings(folder: Path) -> None:
    assert refused(PAIR, "small.on.workers=0").where == "--set small.on.workers=0"
    error = refused(PAIR, "nll_l.on.workers=-1", "keep.with.scale=-1")
    assert isinstance(error, Problems)
    assert [p.where for p in error.problems] == [
        "--set nll_l.on.workers=-1",
        f"{place(PAIR, 'with: {keep')}, --set keep.with.scale=-1",
    ]


def test_a_change_beside_what_it_should_replace(folder: Path) -> None:
    text = (
        "vernier: 1\nname: r\nstages:\n  c: {do: corpus.read_jsonl, with: {paths: [x]}}\n"
        "  keep: {do: select.random, in: {corpus: c}, with: {keep: {share: 0.5}}}\n"
    )
    error = refused(text, "keep.with.keep.documents=10")
    assert "--set keep.with.keep.documents=10" in str(error.where)
    assert "--set 'keep.with.keep={documents: 10}'" in str(error.do)
    assert refused(text, "keep.with.keep.share=7").do is None
    error = refused(text, "keep.with.keep={tokens: 5}")
    assert "no input `lengths`" in error.what or "lengths" in str(error)
    assert str(error.where) == f"{place(text, 'in: {corpus: c')}, --set keep.with.keep={{tokens: 5}}"


# rows

OTHER = '  other: {do: "tests.core.recipe_plugins:Read", with: {paths: [b.jsonl]}}\n  small:'


def test_tables_of_different_rows_are_found_before_the_run(folder: Path) -> None:
    text = changed('nll_l: {do: "tests.core.recipe_plugins:Score", in: {corpus: clean}', "nll_l: {SCORE")
    text = changed("SCORE", 'do: "tests.core.recipe_plugins:Score", in: {corpus: other}', text)
    text = changed("  small:", OTHER, text)
    error = refused(text)
    assert not isinstance(error, Problems)
    assert "'corpus' and 'scores[1]' of 'keep' do not describe the same rows" in error.what
    assert error.where == place(text, "nll_l]")
    assert f"'clean' ({place(text, 'clean: {do')})" in str(error.found)
    assert f"'other' ({place(text, 'other: {do')})" in str(error.found)


def test_rows_follow_from_table_to_table(folder: Path) -> None:
    text = changed("  small:", OTHER)
    text = changed("in: {corpus: clean, selection: keep}", "in: {corpus: other, selection: keep}", text)
    error = refused(text)
    assert "'corpus' and 'selection' of 'train'" in error.what
    assert error.where == place(text, "keep}, with: {tokens: 50M")


def test_a_model_has_no_rows(folder: Path) -> None:
    text = changed("{model: train, corpus: clean}", "{model: train, corpus: other}", changed("  small:", OTHER))
    assert "test@random@0" in ids(read(text))


def test_new_rows_are_not_those_they_came_from(folder: Path) -> None:
    text = changed("  small:", "  few: {do: corpus.materialise, in: {corpus: clean, selection: [half]}}\n  small:")
    text = changed("  small:", '  half: {do: "tests.core.recipe_plugins:Draw", in: {corpus: clean}}\n  small:', text)
    assert "few" in ids(read(text))
    text = changed("in: {corpus: clean, selection: keep}", "in: {corpus: few, selection: keep}", text)
    error = refused(text)
    assert f"'few' ({place(text, 'few: {do')})" in str(error.found)


def test_arms_that_read_differently_do_not_share_rows(folder: Path) -> None:
    text = changed("filter: {}", "filter: {clean: {with: {shard: 8KiB}}}")
    assert "clean@filter" in ids(read(text))
    error = refused(changed("{corpus: clean, selection: keep}", "{corpus: clean@random, selection: keep}", text))
    assert "'clean@random'" in str(error.found) and "'clean@filter'" in str(error.found)


def test_the_same_reading_under_two_names_gives_the_same_rows(folder: Path) -> None:
    again = '  other: {do: "tests.core.recipe_plugins:Read", with: {paths: [a.jsonl], shard: 4KiB}}\n  small:'
    text = changed("in: {corpus: clean, selection: keep}", "in: {corpus: other, selection: keep}")
    assert "train@random@0" in ids(read(changed("  small:", again, text)))


@pytest.mark.parametrize(
    ("stage", "word"),
    [
        ("{do: select.top_k, in: {corpus: c, a: s}, with: {by: excess_loss, keep: {share: 0.5}}}", "give input `b`"),
        ("{do: select.top_k, in: {corpus: c, a: s, b: s}, with: {by: length, keep: {share: 0.5}}}", "leave `b` out"),
        ("{do: select.random, in: {corpus: c}, with: {keep: {tokens: 5}}}", "no input `lengths`"),
    ],
)
def test_inputs_that_do_not_fit_the_settings_are_found_before_the_run(tmp_path: Path, stage: str, word: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(
        "vernier: 1\nname: r\nstages:\n  c: {do: corpus.read_jsonl, with: {paths: [x]}}\n"
        f"  s: {{do: score.surface, in: {{corpus: c}}}}\n  keep: {stage}\n"
    )
    with pytest.raises(RecipeError) as caught:
        load(path).nodes()
    assert word in str(caught.value) and f"{path}:6:" in str(caught.value)
