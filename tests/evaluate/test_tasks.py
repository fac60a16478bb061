"""Zero-shot tasks: known answers, ties, what the harness would do otherwise, and a plain loop beside it."""

from __future__ import annotations

import json
import math
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vernier.core.errors import DataError, RecipeError, SetupError
from vernier.core.files import File
from vernier.core.shard import Inputs
from vernier.core.stats import binomial
from vernier.core.store import Store
from vernier.evaluate import harness
from vernier.evaluate.grades import Reply, grade, summary
from vernier.evaluate.items import Item, by_task, read
from vernier.evaluate.tasks import Tasks
from vernier.models.load import load_pair
from vernier.testing.make import build, make_folder
from vernier.testing.toy import SEPARATOR, byte_tokenizer, toy_bits, toy_model


def item(kind: str, **more: Any) -> dict[str, Any]:
    plain = {"id": "0", "task": "t", "context": "", "choices": [], "label": None, "target": None}
    return {**plain, "kind": kind, **more}


def choose(id: str, choices: list[str], label: int, context: str = "Q:") -> dict[str, Any]:
    return item("multiple_choice", id=id, context=context, choices=choices, label=label)


def write(path: Path, items: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(one) + "\n" for one in items), encoding="utf-8")
    return str(path)


def evaluated(folder: Path, model: Path, path: str, **settings: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The facts, and the rows of items.parquet."""
    plugin, store = Tasks(tasks=[path], **settings), Store(str(folder / "store"))
    inputs = Inputs(store.url, {"model": make_folder(store, "model", model)}, units=tuple(plugin.units()))
    out = folder / f"out{len(list(folder.glob('out*')))}"
    _, facts = build(plugin, inputs, out)
    return facts, pq.read_table(out / "items.parquet").to_pylist()


def bits(context: str, continuation: str) -> int:
    return toy_bits(context + continuation) - toy_bits(context)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_model(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small transformer with random weights: every loss differs, and every position has a likeliest byte."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("random")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=SEPARATOR + 1,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=1024,
        initializer_range=0.3,
        bos_token_id=SEPARATOR,
        eos_token_id=SEPARATOR,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    byte_tokenizer(folder)
    return folder


# ---- known answers ---------------------------------------------------------------------------------------------------


def test_known_losses_of_every_kind(toy: Path, tmp_path: Path) -> None:
    items = [
        choose("right", [" bbb", " b1b1b1"], 0),
        item("minimal_pair", id="pair", task="p", choices=["ab", "aa"], label=1),
        item("partial_context", id="part", task="w", choices=["xa", "xb"], target="cc", label=0),
        item("cloze", id="word", task="z", context="the cat", target=" sat"),
    ]
    facts, rows = evaluated(tmp_path, toy, write(tmp_path / "t.jsonl", items))
    asked = {
        "right": [("Q:", " bbb"), ("Q:", " b1b1b1")],
        "pair": [("", "ab"), ("", "aa")],
        "part": [("xa", "cc"), ("xb", "cc")],
        "word": [("the cat", " sat")],
    }
    assert {row["id"] for row in rows} == set(asked)
    for row in rows:
        wanted = [bits(*pair) * math.log(2) for pair in asked[row["id"]]]
        assert row["nll"] == pytest.approx(wanted, rel=1e-6)
        assert row["num_bytes"] == row["num_tokens"] == [len(continuation) for _, continuation in asked[row["id"]]]
        if len(wanted) > 1:
            by_byte = [nll / size for nll, size in zip(wanted, row["num_bytes"], strict=True)]
            right, wrong = by_byte.pop(row["label"]), min(by_byte)
            assert row["margin"] == pytest.approx(wrong - right, abs=1e-6)
            assert row["right_by_byte"] == (right < wrong)
            others = [nll for i, nll in enumerate(wanted) if i != row["label"]]
            assert row["right"] == (wanted[row["label"]] < min(others))
    right = {row["id"]: row["right"] for row in rows}
    # After `a` (odd) an `a` is 8 bits and a `b` 9; the context that ends in an odd byte has the odd `c` 1 bit cheaper;
    # the toy's likeliest token is always the separator, so greedy decoding never writes the word.
    assert right == {"right": True, "pair": True, "part": True, "word": False}
    words = facts["tasks"]["z"]
    assert (words["accuracy"], words["chance"], words["margin"]) == (0, 0, None)
    assert words["bits_per_byte"] == pytest.approx(bits("the cat", " sat") / 4)
    pair = facts["tasks"]["p"]
    assert (pair["accuracy"], pair["chance"], pair["label_share"]) == (1, 0.5, 1)
    assert pair["margin"] == pytest.approx(math.log(2) / 2, abs=1e-6)


def test_the_table_says_what_the_facts_say(toy: Path, tmp_path: Path) -> None:
    items = [choose(str(i), [" a", " bb", " c"], i % 3) for i in range(6)]
    items.append(item("cloze", task="z", context="on the", target=" mat"))
    facts, _ = evaluated(tmp_path, toy, write(tmp_path / "t.jsonl", items))
    rows = pq.read_table(tmp_path / "out0" / "results.parquet").to_pylist()
    table = {(row["metric"], row["domain"]): row for row in rows}
    for task, found in facts["tasks"].items():
        for metric in ("accuracy", "accuracy_by_byte", "bits_per_byte", "margin", "chance"):
            assert table[metric, task]["value"] == found[metric]
            assert table[metric, task]["num_documents"] == found["items"]
    ends = table["accuracy", "t"]
    assert (ends["low"], ends["high"]) == (facts["tasks"]["t"]["low"], facts["tasks"]["t"]["high"])
    assert table["chance", "t"]["value"] == pytest.approx(1 / 3)
    of = {task: found["bits_per_byte"] for task, found in facts["tasks"].items()}
    assert facts["bits_per_byte"]["macro"] == pytest.approx(sum(of.values()) / 2)
    sizes = {task: found["bytes"] for task, found in facts["tasks"].items()}
    assert facts["bits_per_byte"]["all"] == pytest.approx(
        sum(of[task] * sizes[task] for task in of) / sum(sizes.values())
    )


def test_a_model_to_which_all_is_alike_gets_nothing(toy: Path, tmp_path: Path) -> None:
    """The trap: argmax takes the first of equal likelihoods, and gets the share of the label 0 right: here all."""
    items = [choose(str(i), [" aca", " cac", " aaa"], 0) for i in range(20)]
    facts, rows = evaluated(tmp_path, toy, write(tmp_path / "t.jsonl", items))
    assert all(len({round(nll, 3) for nll in row["nll"]}) == 1 for row in rows)
    found = facts["tasks"]["t"]
    assert (found["accuracy"], found["accuracy_by_byte"], found["ties"]) == (0, 0, 20)
    assert (found["label_share"], found["chance"]) == (1, pytest.approx(1 / 3))


def test_equal_sums_in_another_order_are_a_tie() -> None:
    """8 + 9 bits and 9 + 8 bits differ in float32 by the last digit, which says nothing of the model."""
    bits_of = [np.float32(8 * math.log(2)), np.float32(9 * math.log(2)), np.float32(0.1)]
    one, other = float((bits_of[0] + bits_of[1]) + bits_of[2]), float((bits_of[2] + bits_of[0]) + bits_of[1])
    graded = grade(two(1), [reply(one), reply(np.nextafter(np.float32(other), np.float32(0)).item())])
    assert graded.tie
    assert not graded.right


def two(label: int) -> Item:
    return Item("t", "0", (("Q:", " a"), ("Q:", " b")), label)


def reply(nll: float, num_bytes: int = 4, *, greedy: bool = False) -> Reply:
    return Reply(nll, 2, num_bytes, greedy, False, False)


losses = st.floats(0.1, 1e4)


@given(st.lists(st.tuples(losses, st.integers(1, 300)), min_size=2, max_size=5), st.data())
def test_at_most_one_label_is_right(choices: list[tuple[float, int]], data: st.DataObject) -> None:
    replies = [reply(nll, size) for nll, size in choices]
    asked = tuple(("Q:", str(i)) for i in range(len(choices)))
    every = [grade(Item("t", "0", asked, label), replies) for label in range(len(choices))]
    assert sum(one.right for one in every) <= 1
    assert sum(one.right_by_byte for one in every) <= 1
    assert not any(one.right and one.tie for one in every)
    order = data.draw(st.permutations(range(len(choices))))
    label = data.draw(st.integers(0, len(choices) - 1))
    moved = grade(Item("t", "0", asked, order.index(label)), [replies[i] for i in order])
    same = every[label]
    assert (moved.right, moved.right_by_byte, moved.tie, moved.margin) == (
        same.right,
        same.right_by_byte,
        same.tie,
        same.margin,
    )


def test_the_interval_of_a_share() -> None:
    """Wilson's for 15 of 20: worked out by hand. z^2 = 3.8415; the usual one would be 0.560 to 0.940."""
    ends = binomial(15, 20)
    assert (ends.low, ends.high) == (pytest.approx(0.5313, abs=1e-4), pytest.approx(0.8881, abs=1e-4))
    assert (binomial(0, 100).low, binomial(0, 100).high) == (0, pytest.approx(0.0370, abs=1e-4))
    mirrored = binomial(5, 20)
    assert (1 - mirrored.high, 1 - mirrored.low) == (pytest.approx(ends.low), pytest.approx(ends.high))


def test_bytes_and_not_characters_or_tokens() -> None:
    """The trap: `acc_norm` of the harness divides by characters, so that other scripts look unlikely."""
    right, wrong = reply(12.0, len(" 中文".encode())), reply(8.0, len(" ab"))  # 3 characters each
    graded = grade(two(0), [right, wrong])
    assert (graded.right, graded.right_by_byte) == (False, True)
    assert graded.margin == pytest.approx(8 / 3 - 12 / 7)


def test_bits_per_byte_are_of_sums() -> None:
    some = [grade(two(0), [reply(6.0, 2), reply(9.0)]), grade(two(1), [reply(9.0), reply(4.0, 8)])]
    found = summary(some)
    assert found["bits_per_byte"] == pytest.approx(10 / 10 / math.log(2))
    assert found["margin"] == pytest.approx(((9 / 4 - 3) + (9 / 4 - 1 / 2)) / 2)
    assert found["label_share"] == 0.5


# ---- what of a text the model sees -----------------------------------------------------------------------------------


def test_a_context_that_does_not_fit_loses_its_beginning(toy: Path, tmp_path: Path) -> None:
    """The toy reads 64 tokens. Only what follows the last byte of the context can change its losses."""
    items = [choose("long", [" a", " b"], 0, context="x" * 90), choose("short", [" a", " b"], 0, context="x")]
    facts, rows = evaluated(tmp_path, toy, write(tmp_path / "t.jsonl", items))
    assert [(row["id"], row["cut"]) for row in rows] == [("long", True), ("short", False)]
    assert rows[0]["nll"] == pytest.approx(rows[1]["nll"], rel=1e-6)
    assert facts["tasks"]["t"]["cut"] == 1
    # The separator, 62 bytes and 2 of the answer: the last is predicted and not read, so 64 are.
    fits = [choose(str(n), [" a", " b"], 0, context="x" * n) for n in (62, 63)]
    _, rows = evaluated(tmp_path, toy, write(tmp_path / "fits.jsonl", fits))
    assert [row["cut"] for row in rows] == [False, True]


def test_an_answer_longer_than_the_window(toy: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="can not be read"):
        evaluated(tmp_path, toy, write(tmp_path / "t.jsonl", [choose("0", [" a" * 40, " b"], 0)]))


def test_a_special_token_in_a_text_is_text(toy: Path, tmp_path: Path) -> None:
    """The trap: a tokenizer reads `<|endoftext|>` out of a page about tokenizers, and the answer is one token."""
    _, rows = evaluated(tmp_path, toy, write(tmp_path / "t.jsonl", [choose("0", ["<|endoftext|>", " b"], 0)]))
    assert rows[0]["num_tokens"] == [len("<|endoftext|>"), 2]
    assert rows[0]["nll"][0] == pytest.approx(bits("Q:", "<|endoftext|>") * math.log(2), rel=1e-6)


def test_the_space_before_a_word_is_scored(toy: Path, tmp_path: Path) -> None:
    """Before the answer or behind the context: the same text, and the same bytes stand for it."""
    items = [choose("before", [" a", " b"], 0), choose("behind", ["a", "b"], 0, context="Q: ")]
    _, rows = evaluated(tmp_path, toy, write(tmp_path / "t.jsonl", items))
    for what in ("nll", "num_bytes", "num_tokens", "margin"):
        assert rows[0][what] == rows[1][what]
    assert rows[0]["num_bytes"] == [2, 2]


def test_a_token_that_spans_the_end_of_the_context(tmp_path: Path) -> None:
    """The trap: the harness cuts the whole's tokens at the number of the context's, and scores other text.

    With a token `:a`, the context `Q:` has two tokens and `Q:ab` three, of which it would keep `b`.
    """
    from tokenizers import Tokenizer as Library

    folder = toy_model(tmp_path / "merged")
    whole = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    whole["model"]["vocab"] |= {"<|endoftext|>": SEPARATOR, ":a": SEPARATOR + 1}
    whole["model"]["merges"] = [[":", "a"]]
    (folder / "tokenizer.json").write_text(json.dumps(whole), encoding="utf-8")
    assert len(Library.from_file(str(folder / "tokenizer.json")).encode("Q:ab").ids) == 3
    weights(folder, 258)
    model, tokenizer = load_pair(folder)
    asker = harness.Asker(model, tokenizer, window=None, batch=2)
    apart, fits = asker.ask([("Q:", "ab"), ("Q:", " ab")])
    assert (apart.apart, apart.num_tokens, apart.num_bytes) == (True, 2, 2)
    assert apart.nll == pytest.approx(bits("Q:", "ab") * math.log(2), rel=1e-4)
    assert not fits.apart


def weights(folder: Path, rows: int) -> None:
    """Give the toy in `folder` embeddings for more tokens, which it never predicts."""
    from safetensors.numpy import load_file, save_file

    stored = load_file(folder / "model.safetensors")
    for name, fill in (("model.embed_tokens.weight", 0.0), ("lm_head.weight", -100.0)):
        old = stored[name]
        stored[name] = np.concatenate([old, np.full((rows - len(old), old.shape[1]), fill, np.float32)])
    save_file(stored, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "vocab_size": rows}))


# ---- the plain loop --------------------------------------------------------------------------------------------------


@lru_cache
def in_float64(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder).double()


def plainly(folder: Path, context: str, continuation: str) -> tuple[float, bool]:
    """nat and whether greedy, one pair at a time, in float64."""
    import torch

    model = in_float64(folder)
    ids = [SEPARATOR, *(context + continuation).encode()]
    with torch.no_grad():
        logits = model(torch.tensor([ids[-1025:-1]])).logits[0].log_softmax(-1)
    told = ids[-len(continuation.encode()) :]
    rows = logits[-len(told) :]
    return -float(rows[range(len(told)), told].sum()), rows.argmax(-1).tolist() == told


def test_real_items_beside_a_plain_loop(data: Path, random_model: Path, tmp_path: Path) -> None:
    names = ("arc_easy", "blimp", "hellaswag", "lambada", "piqa", "winograd_wsc")
    lines = [line for name in names for line in (data / "tasks" / f"{name}.jsonl").read_bytes().split(b"\n")[:5]]
    path = tmp_path / "real.jsonl"
    path.write_bytes(b"\n".join(lines))
    _, rows = evaluated(tmp_path, random_model, str(path))
    items = {(one.task, one.id): one for one in read(File(str(path), path.name, 0), path.read_bytes())}
    assert len(rows) == len(items) == 30
    for row in rows:
        one = items[row["task"], row["id"]]
        plain = [plainly(random_model, *pair) for pair in one.asked]
        assert row["nll"] == pytest.approx([nll for nll, _ in plain], rel=1e-4)
        assert row["label"] == one.label
        if one.is_cloze:
            assert row["right"] == plain[0][1]
        else:
            assert row["right"] == (np.argmin([nll for nll, _ in plain]) == one.label)


def test_a_cloze_is_right_if_greedy_decoding_writes_it(random_model: Path) -> None:
    import torch

    model, tokenizer = load_pair(random_model)

    def decoded(context: str) -> bytes:
        ids = [SEPARATOR, *context.encode()]
        with torch.no_grad():
            for _ in range(3):
                ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
        return bytes(byte for byte in ids[-3:] if byte < 128)

    context, told = next((c, d.decode()) for c in map(str, range(200)) if len(d := decoded(c)) == 3)
    other = told[:-1] + ("x" if told[-1] != "x" else "y")
    asker = harness.Asker(model, tokenizer, window=None, batch=2)
    assert [one.greedy for one in asker.ask([(context, told), (context, other)])] == [True, False]


# ---- files -----------------------------------------------------------------------------------------------------------


def test_every_real_file_is_read_or_refused(data: Path) -> None:
    found = {path.stem: path for path in sorted((data / "tasks").glob("*.jsonl"))}
    with pytest.raises(DataError, match="generated text"):
        Tasks(tasks=[str(found.pop("gsm8k"))]).units()
    assert len(Tasks(tasks=[str(path) for path in found.values()]).units()) == len(found) == 6
    for path in found.values():
        for one in read(File(str(path), path.name, 0), path.read_bytes()):
            assert 0 <= one.label < len(one.asked)
            assert all(continuation.startswith(" ") or not context for context, continuation in one.asked)


def test_a_file_is_known_by_its_content(tmp_path: Path) -> None:
    def units(folder: str, label: int) -> list[tuple[str, str]]:
        (tmp_path / folder).mkdir()
        path = write(tmp_path / folder / "t.jsonl", [choose("0", [" a", " b"], label)])
        return [(unit.name, unit.content) for unit in Tasks(tasks=[path]).units()]

    assert units("here", 0) == units("there", 0)
    assert units("other", 1) != units("again", 0)


def test_a_file_that_changes_while_the_recipe_runs(toy: Path, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    plugin = Tasks(tasks=[write(path, [choose("0", [" a", " b"], 0)])])
    store = Store(str(tmp_path / "store"))
    inputs = Inputs(store.url, {"model": make_folder(store, "model", toy)}, units=tuple(plugin.units()))
    write(path, [choose("0", [" a", " b"], 1)])
    with pytest.raises(DataError, match="changed"):
        build(plugin, inputs, tmp_path / "out")


def test_a_limit_is_drawn_by_ids_and_nests() -> None:
    """The trap: the first items of a file sorted by kind are of one kind."""
    items = [Item("t", f"{kind}-{i}", (("", "a"), ("", "b")), 0) for kind in "xyz" for i in range(40)]
    small, large = by_task(items, 30)["t"], by_task(items, 60)["t"]
    assert {one.id[0] for one in small} == {"x", "y", "z"}
    assert {one.id for one in small} < {one.id for one in large}
    assert {one.id for one in by_task(items[::-1], 30)["t"]} == {one.id for one in small}
    assert by_task(items, 500)["t"] == items


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (b"[1]", "not an object"),
        (b"{", "not JSON"),
        (b'{"kind": "multple_choice"}', "did you mean 'multiple_choice'"),
        (json.dumps(choose("0", [" a"], 0)).encode(), "two choices"),
        (json.dumps(choose("0", [" a", ""], 0)).encode(), "two choices"),
        (json.dumps(choose("0", [" a", " b"], 2)).encode(), "0 to 1"),
        (json.dumps({**choose("0", [" a", " b"], 0), "label": True}).encode(), "label: True"),
        (json.dumps(item("cloze", context="a")).encode(), "needs `target`"),
        (json.dumps(item("minimal_pair", context="a", choices=["a", "b"], label=0)).encode(), "has no context"),
        (json.dumps({**choose("0", [" a", " b"], 0), "id": None}).encode(), "needs `id`"),
    ],
)
def test_a_line_that_is_no_item(bad: bytes, told: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(json.dumps(choose("0", [" a\u2028", " b"], 0), ensure_ascii=False).encode() + b"\n\n" + bad)
    with pytest.raises(DataError, match=r"bad\.jsonl:3") as caught:
        Tasks(tasks=[str(path)]).units()
    assert told in str(caught.value)


def test_names_that_clash(toy: Path, tmp_path: Path) -> None:
    twice = write(tmp_path / "t.jsonl", [choose("0", [" a", " b"], 0), choose("0", [" c", " d"], 0)])
    with pytest.raises(DataError, match="one id"):
        evaluated(tmp_path, toy, twice)
    average = write(tmp_path / "m.jsonl", [{**choose("0", [" a", " b"], 0), "task": "macro"}])
    with pytest.raises(DataError, match="'macro'"):
        evaluated(tmp_path, toy, average)
    with pytest.raises(RecipeError, match="names nothing"):
        Tasks(tasks=[]).units()


# ---- tasks by name ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("hellaswagg", "did you mean 'hellaswag'"),
        ("mmlu", "one by one"),
        ("gsm8k", "generate_until"),
    ],
)
def test_a_name_that_is_no_task_of_answers(name: str, told: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Tasks(tasks=[name]).units()
    assert told in str(caught.value)


def test_a_task_by_name_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(SetupError, match="can not be reached") as caught:
        Tasks(tasks=["arc_easy"]).units()
    assert "check the network, or name a file with the items" in str(caught.value)


def test_the_items_of_a_task_object_of_the_harness(tmp_path: Path) -> None:
    """Its prompts, its delimiter before an answer, and its label; not the aids that some metrics ask for besides."""
    from datasets import Dataset
    from lm_eval.api.task import ConfigurableTask

    items = [choose(str(i), ["a", "bb", "c"][: 2 + i], 1, context=f"Q{i}:") for i in (0, 1)]

    def made(**how: Any) -> Any:
        rows = Dataset.from_list(items)
        return ConfigurableTask(
            config={"task": "t", "custom_dataset": lambda: {"test": rows}, "test_split": "test", **how}
        )

    choices = made(
        output_type="multiple_choice",
        doc_to_text="{{context}}",
        doc_to_choice="{{choices}}",
        doc_to_target="{{label}}",
        metric_list=[{"metric": "acc_mutual_info"}],
    )
    assert harness.items_of(choices, "t") == [
        Item("t", "0", (("Q0:", " a"), ("Q0:", " bb")), 1),
        Item("t", "1", (("Q1:", " a"), ("Q1:", " bb"), ("Q1:", " c")), 1),
    ]
    word = made(output_type="loglikelihood", doc_to_text="{{context}}", doc_to_target=" end")
    assert harness.items_of(word, "w") == [Item("w", str(i), ((f"Q{i}:", " end"),), 0) for i in (0, 1)]
    several = made(
        output_type="multiple_choice",
        doc_to_text="{{context}}",
        doc_to_choice="{{choices}}",
        doc_to_target="{{[0, 1]}}",
    )
    with pytest.raises(DataError, match="no single right answer"):
        harness.items_of(several, "t")
