"""Model folders as they come: what is wrong with one is said, and nothing is guessed."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import dynamic_module_utils

from vernier.core.errors import DataError, SetupError
from vernier.models import load as loading
from vernier.models.device import VARIABLE
from vernier.models.load import load, load_pair
from vernier.models.needs import needs
from vernier.models.nll import measure
from vernier.models.terms import Terms
from vernier.testing.toy import toy_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return toy_model(tmp_path / "model")


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_folder_without_config(folder: Path) -> None:
    (folder / "config.json").unlink()
    with pytest.raises(DataError, match="holds no model"):
        load(folder)


def test_a_damaged_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")
    with pytest.raises(DataError, match="config is damaged"):
        load(folder)


def test_a_folder_without_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(DataError, match="has no weights"):
        load(folder)


def test_pickled_weights_are_refused(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(DataError, match="pickled"):
        load(folder)


def test_a_cut_off_weights_file(folder: Path) -> None:
    raw = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(raw[:-100])
    with pytest.raises(DataError, match="can not be loaded"):
        load(folder)


def test_a_missing_parameter_is_not_filled_with_noise(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.0.self_attn.q_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(DataError, match="do not fit") as told:
        load(folder)
    assert "q_proj" in str(told.value)


def test_code_in_the_folder_is_not_run(folder: Path) -> None:
    (folder / "strange.py").write_text("raise SystemExit('ran')\n")
    edit(
        folder / "config.json",
        model_type="strange",
        auto_map={"AutoConfig": "strange.Config", "AutoModelForCausalLM": "strange.Model"},
    )
    with pytest.raises(DataError, match="can not be loaded"):
        load(folder)


def test_a_tokenizer_with_more_tokens_than_embeddings(folder: Path) -> None:
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["added_tokens"].append({**tokenizer["added_tokens"][0], "id": 257, "content": "<|more|>"})
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(DataError, match="does not fit") as told:
        load_pair(folder)
    assert "257 embeddings" in str(told.value)


STRANGE = """
import torch
from transformers import LlamaConfig, LlamaForCausalLM

class Config(LlamaConfig):
    model_type = "strange"

class Model(LlamaForCausalLM):
    config_class = Config

    def forward(self, *args, **more):
        out = super().forward(*args, **more)
        out.logits = out.logits * 0  # every token is equally likely
        return out
"""


@pytest.fixture
def strange(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose architecture is in its own Python file; the copies of such code go to a folder of the test."""
    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    (folder / "strange.py").write_text(STRANGE)
    edit(
        folder / "config.json",
        model_type="strange",
        architectures=["Model"],
        auto_map={"AutoConfig": "strange.Config", "AutoModelForCausalLM": "strange.Model"},
    )
    return folder


def test_code_is_run_if_the_folder_says_so(strange: Path) -> None:
    with pytest.raises(DataError, match=r"(?s)can not be loaded.*trust_remote_code: true` in train\.read_hf"):
        load(strange)
    Terms(trust_remote_code=True).save(strange)
    model, tokenizer = load_pair(strange)
    nll = measure(model, tokenizer, ["abc", ""]).nll
    assert nll.tolist() == pytest.approx([3 * math.log(257), 0])


def test_trusted_code_that_needs_a_package(strange: Path) -> None:
    (strange / "strange.py").write_text("import no_such_package\n" + STRANGE)
    Terms(trust_remote_code=True).save(strange)
    with pytest.raises(SetupError, match=r"(?s)code of a model needs a package.*no_such_package"):
        load(strange)


def test_terms_that_can_not_be_read(folder: Path) -> None:
    for raw in (
        "{",
        "{}",
        "[]",
        '{"dtype": "int4", "trust_remote_code": false}',
        '{"dtype": "auto", "trust_remote_code": 1}',
    ):
        (folder / "vernier.json").write_text(raw)
        with pytest.raises(DataError, match=r"vernier\.json is damaged"):
            load(folder)


def test_the_device_of_the_process(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(folder).device == torch.device("cpu")
    monkeypatch.setenv(VARIABLE, "cuda:7")
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(SetupError, match="'cuda:7' is not there"):
        load(folder)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_losses_are_those_of_the_cpu(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["abc", "", "é" * 100]
    want = measure(*load_pair(folder), texts).nll
    monkeypatch.setenv(VARIABLE, "cuda")
    model, tokenizer = load_pair(folder)
    assert model.device.type == "cuda"
    assert measure(model, tokenizer, texts).nll.tolist() == pytest.approx(want.tolist(), rel=1e-5)


def test_a_missing_package_names_the_extra() -> None:
    with pytest.raises(SetupError, match="no_such_package") as told:
        needs("json", "no_such_package")
    assert "vernier[train]" in str(told.value)


def test_models_that_take_turns_are_loaded_once_while_they_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[str] = []

    def load_pair(folder: Path) -> tuple[str, str]:
        loads.append(folder.name)
        return folder.name, "tokenizer"

    monkeypatch.setattr(loading, "load_pair", load_pair)
    a, b, c = (tmp_path / name for name in "abc")
    with loading.keeping(a), loading.keeping(b):
        assert [loading.load_once(folder)[0] for folder in (a, b, a, c, b, a)] == ["a", "b", "a", "c", "b", "a"]
    assert loads == ["a", "b", "c"]
    loading.load_once(tmp_path / "d")  # all others are let go
    assert [loading.load_once(folder)[0] for folder in (a, a, b, a)] == ["a", "a", "b", "a"]
    assert loads == ["a", "b", "c", "d", "a", "b", "a"], "without it the last one alone is kept"
