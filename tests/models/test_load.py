"""Model folders as they come: what is wrong with one is said, and nothing is guessed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from vernier.core.errors import DataError, SetupError
from vernier.models.load import load, load_pair
from vernier.models.needs import needs
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


def test_a_missing_package_names_the_extra() -> None:
    with pytest.raises(SetupError, match="no_such_package") as told:
        needs("json", "no_such_package")
    assert "vernier[train]" in str(told.value)
