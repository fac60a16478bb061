from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.corpus.drive import bad, check_restarts, jsonl, keys, rows, texts, write

from vernier.core import tables
from vernier.core.errors import DataError, RecipeError, SetupError
from vernier.corpus.read_hf import ReadHf

datasets = pytest.importorskip("datasets")
ROWS = {"text": [f"text {i}" for i in range(30)], "id": [str(i) for i in range(30)], "n": list(range(30))}


@pytest.fixture(autouse=True)
def hf_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's cache for this test alone, no progress bars, no network."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf-cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A folder by `save_to_disk`, whose rows are not in the order of the table that they came from."""
    whole = datasets.Dataset.from_dict(ROWS)
    both = datasets.DatasetDict({"train": whole.select(range(29, -1, -1)), "test": whole.select([3])})
    both.save_to_disk(str(tmp_path / "saved"), num_shards={"train": 2, "test": 1})
    return tmp_path / "saved"


def test_a_saved_folder(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = ReadHf(path=str(saved))
    table = rows(source)
    assert table.column("text").to_pylist() == ROWS["text"][::-1]
    assert table.column("id").to_pylist() == ROWS["id"][::-1]
    assert json.loads(table.column("extra")[0].as_py()) == {"n": 29}
    assert sorted(set(table.column("source").to_pylist())) == [f"train/data-0000{i}-of-00002.arrow" for i in (0, 1)]
    assert texts(ReadHf(path=str(saved), split="test")) == ["text 3"]
    assert texts(ReadHf(path=str(saved / "test"))) == ["text 3"]
    monkeypatch.setattr(tables, "ROW_GROUP_TEXT", 20)
    assert rows(source).equals(table)
    check_restarts(source)


def test_a_saved_folder_needs_no_library_and_may_be_a_url(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    want = texts(ReadHf(path=str(saved)))
    fsspec.filesystem("memory").put(str(saved), "/hf-saved", recursive=True)
    without_datasets(monkeypatch)
    assert texts(ReadHf(path="memory://hf-saved")) == want
    assert list(keys(ReadHf(path="memory://hf-saved"))) == list(keys(ReadHf(path=str(saved))))


def without_datasets(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def gone(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == "datasets":
            raise ImportError("No module named 'datasets'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", gone)


def test_a_folder_of_parquet_as_on_the_hub(tmp_path: Path) -> None:
    folder = tmp_path / "hub" / "data"
    folder.mkdir(parents=True)
    pq.write_table(pa.table(ROWS), folder / "train-00000-of-00002.parquet")
    pq.write_table(
        pa.table({name: values[:2] for name, values in ROWS.items()}), folder / "train-00001-of-00002.parquet"
    )
    pq.write_table(
        pa.table({name: values[:1] for name, values in ROWS.items()}), folder / "test-00000-of-00001.parquet"
    )
    source = ReadHf(path=str(folder.parent))
    assert texts(source) == ROWS["text"] + ROWS["text"][:2]
    assert list(keys(source)) == [f"data/train-0000{i}-of-00002.parquet" for i in (0, 1)]
    assert texts(ReadHf(path=str(folder.parent), split="test")) == ["text 0"]
    with pytest.raises(RecipeError, match=r"(?s)no split 'tset'.*did you mean 'test'"):
        ReadHf(path=str(folder.parent), split="tset").units()


def test_a_folder_of_json_lines_keeps_what_is_good(tmp_path: Path) -> None:
    write(tmp_path / "hub" / "train.jsonl", jsonl([{"text": "a"}]) + b"{\n" + jsonl([{"text": "b"}]))
    source = ReadHf(path=str(tmp_path / "hub"))
    assert texts(source) == ["a", "b"]
    assert [row["reason"] for row in bad(source)] == ["bad_json"]


def test_another_form_is_prepared_by_the_library(tmp_path: Path) -> None:
    write(tmp_path / "hub" / "train.csv", b"text,id\nhello,1\nyou,2\n")
    table = rows(ReadHf(path=str(tmp_path / "hub")))
    assert table.column("text").to_pylist() == ["hello", "you"]
    assert table.column("id").to_pylist() == ["1", "2"]


def test_a_json_array_is_prepared_by_the_library(tmp_path: Path) -> None:
    write(tmp_path / "hub" / "train.json", json.dumps([{"text": "a"}, {"text": "b"}]).encode())
    assert texts(ReadHf(path=str(tmp_path / "hub"))) == ["a", "b"]


def test_a_hub_name_without_a_network() -> None:
    with pytest.raises(SetupError, match=r"(?s)hub can not be reached.*nobody/nothing.*check the network"):
        ReadHf(path="nobody/nothing").units()


def test_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "hub" / "train.jsonl", jsonl([{"text": "a"}]))
    without_datasets(monkeypatch)
    with pytest.raises(SetupError, match=r"(?s)needs the library `datasets`.*pip install 'vernier\[hf\]'"):
        ReadHf(path=str(tmp_path / "hub")).units()


def test_no_such_folder() -> None:
    with pytest.raises(RecipeError, match=r"(?s)there is no data set at 'memory://nothing/here'.*read_parquet"):
        ReadHf(path="memory://nothing/here").units()


def test_damaged_and_unusable_files(saved: Path) -> None:
    source = ReadHf(path=str(saved), split="test")
    (file,) = (saved / "test").glob("*.arrow")
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"(?s)an Arrow file is damaged.*data-00000-of-00001\.arrow"):
        texts(source)
    file.write_bytes(whole)
    with pytest.raises(DataError, match=r"(?s)no column 'txt'.*did you mean 'text'"):
        texts(ReadHf(path=str(saved), split="test", text="txt"))
