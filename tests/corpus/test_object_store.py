"""The readers against fsspec URLs: memory, and a real S3 server on loopback."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.corpus.drive import check_restarts, jsonl, keys, rows, write
from tests.corpus.warcs import SMALL, packed

from vernier.core import files
from vernier.core.errors import DataError, RecipeError, SetupError
from vernier.corpus.read_hf import ReadHf
from vernier.corpus.read_html import ReadHtml
from vernier.corpus.read_jsonl import ReadJsonl
from vernier.corpus.read_parquet import ReadParquet
from vernier.corpus.read_text import ReadText
from vernier.corpus.read_warc import ReadWarc

DOCUMENTS = [{"id": str(i), "text": f"text number {i}", "domain": "d"} for i in range(200)]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    moto = pytest.importorskip("moto.server")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["memory", "s3"])
def remote(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A folder of an object store that holds what `local` holds."""
    if request.param == "s3":
        pytest.importorskip("s3fs")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "test")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("AWS_ENDPOINT_URL", request.getfixturevalue("server"))
        url = "s3://corpora/folder"
        fs = fsspec.filesystem("s3", skip_instance_cache=True)
        fs.mkdir("corpora")
    else:
        url, fs = "memory://corpora/folder", fsspec.filesystem("memory")
    make(tmp_path)
    fs.put(str(tmp_path) + "/", url, recursive=True)
    yield url
    fs.rm("corpora" if request.param == "s3" else "/corpora", recursive=True)
    type(fs).clear_instance_cache()


def make(folder: Path) -> None:
    write(folder / "j" / "a.jsonl", jsonl(DOCUMENTS[:100]))
    write(folder / "j" / "more" / "b.jsonl.gz", gzip.compress(jsonl(DOCUMENTS[100:])))
    write(folder / "t" / "x.txt", b"x")
    write(folder / "w" / "x.warc.gz", packed(SMALL))
    write(folder / "m" / "x.html", b"<p>x")
    write(folder / "t" / "sub" / "y.txt", b"y")
    (folder / "p").mkdir()
    pq.write_table(pa.Table.from_pylist(DOCUMENTS), folder / "p" / "x.parquet", row_group_size=50)
    write(folder / "h" / "state.json", b'{"_data_files": [{"filename": "data.arrow"}], "_split": null}')
    with pa.OSFile(str(folder / "h" / "data.arrow"), "wb") as file:
        table = pa.Table.from_pylist(DOCUMENTS)
        with pa.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=30)


def readers(folder: str) -> list[Any]:
    return [
        ReadJsonl(paths=[f"{folder}/j"], shard=1000),
        ReadJsonl(paths=[f"{folder}/j/**/*.jsonl*"], shard=1000),
        ReadJsonl(paths=[f"{folder}/j/a.jsonl"]),
        ReadText(paths=[f"{folder}/t"]),
        ReadParquet(paths=[f"{folder}/p/*.parquet"], shard=500),
        ReadHf(path=f"{folder}/h"),
        ReadWarc(paths=[f"{folder}/w/*.warc.gz"]),
        ReadHtml(paths=[f"{folder}/m"]),
    ]


def test_the_same_corpus_as_from_local_files(remote: str, tmp_path: Path) -> None:
    for there, here in zip(readers(remote), readers(str(tmp_path)), strict=True):
        assert rows(there).equals(rows(here))
        assert list(keys(there)) == list(keys(here))
        assert keys(there) == keys(there)
        check_restarts(there)


def test_a_changed_object_has_another_key(remote: str) -> None:
    fs, path = fsspec.url_to_fs(remote)
    reader = ReadJsonl(paths=[f"{remote}/j"])
    before = keys(reader)
    fs.pipe(f"{path}/j/a.jsonl", jsonl(DOCUMENTS[1:101]))
    fs.invalidate_cache()
    after = keys(reader)
    assert after["a.jsonl"] != before["a.jsonl"]
    assert after["more/b.jsonl.gz"] == before["more/b.jsonl.gz"]


def test_missing_objects(remote: str) -> None:
    with pytest.raises(RecipeError, match=r"(?s)no file matches.*holds a\.jsonl, more"):
        ReadJsonl(paths=[f"{remote}/j/*.jsnl"]).units()
    reader = ReadJsonl(paths=[f"{remote}/j/a.jsonl"])
    (unit,) = reader.units()
    fs, path = fsspec.url_to_fs(remote)
    fs.rm(f"{path}/j/a.jsonl")
    with pytest.raises(DataError, match=r"(?s)a file has vanished.*j/a\.jsonl"):
        list(reader.read(unit, 0))


def test_a_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("s3fs")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr(files, "PAUSE_S", 0.001)
    fsspec.filesystem("s3").clear_instance_cache()
    with pytest.raises((SetupError, DataError), match=r"(?s)s3://corpora/x\.jsonl"):
        ReadJsonl(paths=["s3://corpora/x.jsonl"]).units()
    fsspec.filesystem("s3").clear_instance_cache()
