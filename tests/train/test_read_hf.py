"""Models from outside: what is taken, what a key depends on, names on the hub without a network, what is refused."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from vernier.core.errors import DataError, RecipeError, SetupError, VernierError
from vernier.core.shard import Inputs
from vernier.models.build import Shape, build, num_parameters
from vernier.models.load import load
from vernier.models.tokenizer import Tokenizer
from vernier.testing.make import build as made
from vernier.testing.toy import VOCABULARY, byte_tokenizer, toy_model
from vernier.train.read_hf import ReadHf

TAKEN = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return toy_model(tmp_path / "model")


def key(plugin: ReadHf) -> list[tuple[str, str]]:
    return [(unit.name, unit.content) for unit in plugin.units()]


def take(plugin: ReadHf, out: Path) -> tuple[set[str], dict[str, Any]]:
    files, facts = made(plugin, Inputs("", {}, 0, tuple(plugin.units())), out)
    return set(files), facts


def sharded(folder: Path) -> Path:
    """A trained-size model in several files, as transformers saves a large one."""
    model = build(Shape(hidden=32, layers=2), vocabulary=VOCABULARY, context=16, separator=256, seed=0)
    model.save_pretrained(folder, max_shard_size="20KB")
    byte_tokenizer(folder)
    assert len(list(folder.glob("*.safetensors"))) > 1
    return folder


def test_only_what_makes_up_the_model_is_taken_and_hashed(folder: Path, tmp_path: Path) -> None:
    before = key(ReadHf(path=str(folder)))
    for name in (
        "pytorch_model.bin",
        "training_args.bin",
        "README.md",
        "evil.py",
        "trainer_state.json",
        "vernier.json",
    ):
        (folder / name).write_bytes(b"x")
    for name in ("checkpoint-5/model.safetensors", "onnx/config.json", ".git/config.json"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes(b"x")
    assert key(ReadHf(path=str(folder))) == before
    names, facts = take(ReadHf(path=str(folder)), tmp_path / "out")
    assert names == {*TAKEN, "vernier.json"}
    for name in TAKEN:
        assert (tmp_path / "out" / name).read_bytes() == (folder / name).read_bytes()
    assert facts == {
        "dtype": "float32",
        "trust_remote_code": False,
        "tokenizer": Tokenizer(folder).digest,
        "parameters": sum(t.numel() for t in load_file(folder / "model.safetensors").values()),
    }
    assert {name for name, _ in key(ReadHf(path=str(folder), trust_remote_code=True))} == {*TAKEN, "evil.py"}


def test_weights_in_several_files(tmp_path: Path) -> None:
    folder = sharded(tmp_path / "model")
    _, facts = take(ReadHf(path=str(folder)), tmp_path / "out")
    want = load(folder)
    assert facts["parameters"] == num_parameters(want)
    got = load(tmp_path / "out")
    assert all(torch.equal(a, b) for a, b in zip(want.parameters(), got.parameters(), strict=True))
    next(folder.glob("*-00002-of-*")).unlink()
    with pytest.raises(DataError, match=r"(?s)part of the model's weights is missing.*1 of \d+ files"):
        ReadHf(path=str(folder)).units()


def test_the_key_is_the_content_not_the_place(folder: Path, tmp_path: Path) -> None:
    other = toy_model(tmp_path / "elsewhere" / "copy")
    assert key(ReadHf(path=str(folder))) == key(ReadHf(path=str(other)))
    weights = load_file(other / "model.safetensors")
    weights["lm_head.weight"][0, 0] += 1
    save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
    changed = [a for a, b in zip(key(ReadHf(path=str(folder))), key(ReadHf(path=str(other))), strict=True) if a != b]
    assert [name for name, _ in changed] == ["model.safetensors"]


def test_a_folder_of_links_and_a_url(folder: Path, tmp_path: Path) -> None:
    links = tmp_path / "links"
    links.mkdir()
    for path in folder.iterdir():
        (links / path.name).symlink_to(path)
    assert key(ReadHf(path=str(links))) == key(ReadHf(path=str(folder)))
    assert take(ReadHf(path=str(links)), tmp_path / "one")[0] == {*TAKEN, "vernier.json"}
    assert not any(path.is_symlink() for path in (tmp_path / "one").iterdir())
    fsspec.filesystem("memory").put(str(folder), "/a-model", recursive=True)
    assert take(ReadHf(path="memory://a-model"), tmp_path / "two")[0] == {*TAKEN, "vernier.json"}
    for name in TAKEN:
        assert (tmp_path / "two" / name).read_bytes() == (folder / name).read_bytes()


def test_a_file_that_changes_between_key_and_copy_is_refused(folder: Path, tmp_path: Path) -> None:
    plugin = ReadHf(path=str(folder))
    units, weights = tuple(plugin.units()), folder / "model.safetensors"
    stat, raw = weights.stat(), weights.read_bytes()
    weights.write_bytes(raw[:-1] + b"\x01")
    with pytest.raises(DataError, match="changed while"):
        made(plugin, Inputs("", {}, 0, units), tmp_path / "one")
    os.utime(weights, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with pytest.raises(DataError, match="changed while"):
        made(plugin, Inputs("", {}, 0, units), tmp_path / "two")
    weights.write_bytes(raw)
    os.utime(weights, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    made(plugin, Inputs("", {}, 0, units), tmp_path / "three")


@pytest.mark.parametrize(
    ("dtype", "want"),
    [("float32", torch.float32), ("bfloat16", torch.bfloat16), ("float16", torch.float16), ("auto", torch.bfloat16)],
)
def test_the_dtype_that_a_model_computes_in(folder: Path, tmp_path: Path, dtype: Any, want: torch.dtype) -> None:
    weights = {name: tensor.bfloat16() for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "dtype": "bfloat16"}))
    take(ReadHf(path=str(folder), dtype=dtype), tmp_path / "out")
    assert {p.dtype for p in load(tmp_path / "out").parameters()} == {want}


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def pickled(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def adapter(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")


def damaged(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def bad_index(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "part.safetensors")
    (folder / "model.safetensors.index.json").write_text('{"weight_map": 3}')


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (without("config.json"), "holds no model"),
        (without("model.safetensors"), r"(?s)has no weights.*no \*.safetensors"),
        (pickled, r"(?s)are pickled.*pytorch_model\.bin.*save_pretrained"),
        (adapter, r"(?s)has no weights.*adapter_model"),
        (damaged, "config is damaged"),
        (bad_index, "list of weights is damaged"),
    ],
)
def test_what_check_finds(folder: Path, spoil: Callable[[Path], None], told: str) -> None:
    spoil(folder)
    with pytest.raises(DataError, match=told):
        ReadHf(path=str(folder)).units()


def more_tokens(folder: Path) -> None:
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["added_tokens"].append({**tokenizer["added_tokens"][0], "id": 257, "content": "<|more|>"})
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))


def broken_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")


def cut_off(folder: Path) -> None:
    raw = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(raw[:-100])


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (more_tokens, r"(?s)tokenizer does not fit.*only 257 embeddings"),
        (broken_tokenizer, "tokenizer can not be read"),
        (cut_off, r"(?s)weights are damaged.*model\.safetensors"),
    ],
)
def test_what_the_stage_finds(folder: Path, tmp_path: Path, spoil: Callable[[Path], None], told: str) -> None:
    spoil(folder)
    with pytest.raises(DataError, match=told):
        take(ReadHf(path=str(folder)), tmp_path / "out")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read(folder: Path) -> None:
    folder.chmod(0)
    try:
        with pytest.raises(SetupError, match="can not be read"):
            ReadHf(path=str(folder)).units()
    finally:
        folder.chmod(0o700)


def test_paths_that_name_no_model(folder: Path) -> None:
    with pytest.raises(RecipeError, match="not a file"):
        ReadHf(path=str(folder / "config.json")).units()
    for path in (str(folder / "nothing"), "./nothing/here", "nothing", "a/b/c"):
        with pytest.raises(RecipeError, match="there is no model at"):
            ReadHf(path=path).units()
    with pytest.raises(RecipeError, match="a folder has no revisions"):
        ReadHf(path=str(folder), revision="main").units()


# ---- names on the hub, out of a cache and without a network ------------------------------------------------------

ASK = """
import json, sys
from pathlib import Path
from vernier.core.errors import VernierError
from vernier.core.shard import Inputs
from vernier.testing.make import build
from vernier.train.read_hf import ReadHf
plugin = ReadHf(**json.loads(sys.argv[1]))
try:
    units = plugin.units()
    files, facts = build(plugin, Inputs("", {}, 0, tuple(units)), Path(sys.argv[2]))
    print(json.dumps({"units": [[u.name, u.content] for u in units], "files": files, "facts": facts}))
except VernierError as error:
    print(json.dumps({"error": type(error).__name__, "told": str(error)}))
"""


@pytest.fixture
def hub(tmp_path: Path) -> Callable[..., Any]:
    """Ask for a model with no network, where the hub's cache holds `user/name`, main and a second branch of it."""
    cache = tmp_path / "cache" / "models--user--name"
    (cache / "refs").mkdir(parents=True)
    (cache / "blobs").mkdir()
    for number, (branch, commit) in enumerate({"main": COMMIT, "other": COMMIT[::-1]}.items()):
        (cache / "refs" / branch).write_text(commit)
        model = toy_model(tmp_path / branch, bit=number)
        (model / "pytorch_model.bin").write_bytes(b"never taken")
        (cache / "snapshots" / commit).mkdir(parents=True)
        for path in model.iterdir():
            blob = cache / "blobs" / f"{number}{path.name}"
            blob.write_bytes(path.read_bytes())
            (cache / "snapshots" / commit / path.name).symlink_to(Path("..", "..", "blobs", blob.name))
    env = {**os.environ, "HF_HUB_CACHE": str(cache.parent), "HF_HUB_OFFLINE": "1"}

    def ask(out: str, **settings: Any) -> Any:
        words = [sys.executable, "-c", ASK, json.dumps(settings), str(tmp_path / out)]
        done = subprocess.run(words, capture_output=True, text=True, env=env, cwd=tmp_path / "cache", check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return ask


def test_a_name_on_the_hub_is_its_commit(hub: Callable[..., Any], tmp_path: Path) -> None:
    found = hub("out", path="user/name")
    assert found["units"] == [["user/name", COMMIT]]
    assert set(found["files"]) == {*TAKEN, "vernier.json"}
    assert (found["facts"]["name"], found["facts"]["revision"]) == ("user/name", COMMIT)
    for name in TAKEN:
        copy = tmp_path / "out" / name
        assert not copy.is_symlink()
        assert copy.read_bytes() == (tmp_path / "main" / name).read_bytes()
    for revision in ("other", COMMIT[::-1]):
        other = hub(f"out-{revision}", path="user/name", revision=revision)
        assert other["units"] == [["user/name", COMMIT[::-1]]]
        assert other["files"]["model.safetensors"] != found["files"]["model.safetensors"]


def test_a_name_that_the_cache_does_not_have(hub: Callable[..., Any]) -> None:
    for settings in ({"path": "user/nothing"}, {"path": "user/name", "revision": "v2"}):
        told = hub("out", **settings)
        assert told["error"] == "SetupError"
        assert "hub can not be reached" in told["told"]
        assert "no folder of this name here" in told["told"]
        assert "check the network" in told["told"]
    assert hub("out", path="user/na me")["error"] == "RecipeError"


def test_a_snapshot_without_its_weights(hub: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "cache" / "models--user--name" / "snapshots" / COMMIT / "model.safetensors").unlink()
    told = hub("out", path="user/name")
    assert told["error"] == "DataError"
    assert "pickled" in told["told"]


class Hub(BaseHTTPRequestHandler):
    """As much of the hub's protocol as it takes to fetch files: one repository, `user/name`, one commit of it."""

    root: ClassVar[Path]
    fetched: ClassVar[list[str]]

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path in ("/api/models/user/name", "/api/models/user/name/revision/main"):
            self.answer(json.dumps({"id": "user/name", "sha": COMMIT, "siblings": []}).encode())
        elif path == f"/api/models/user/name/tree/{COMMIT}":
            files = {p.relative_to(self.root).as_posix(): p.read_bytes() for p in self.root.rglob("*") if p.is_file()}
            tree = [{"type": "file", "path": n, "size": len(r), "oid": git_id(r)} for n, r in files.items()]
            self.answer(json.dumps(tree).encode())
        elif path.startswith(f"/user/name/resolve/{COMMIT}/"):
            name = path.split("/", 5)[5]
            if self.command == "GET":
                self.fetched.append(name)
            self.answer((self.root / name).read_bytes())
        else:
            self.answer(b"", 404, {"X-Error-Code": "RepoNotFound"})

    def answer(self, raw: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"X-Repo-Commit": COMMIT, "ETag": f'"{git_id(raw)}"', **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(raw)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def git_id(raw: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(raw) + raw).hexdigest()


@pytest.fixture
def server(tmp_path: Path) -> Generator[Callable[..., Any]]:
    """Ask for a model where a server of our own stands for the hub; it has what is in `served`."""
    Hub.root, Hub.fetched = tmp_path / "served", []
    http = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    env = {**os.environ, "HF_HUB_CACHE": str(tmp_path / "cache"), "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}
    env["HF_ENDPOINT"] = f"http://127.0.0.1:{http.server_port}"

    def ask(out: str, **settings: Any) -> Any:
        words = [sys.executable, "-c", ASK, json.dumps(settings), str(tmp_path / out)]
        done = subprocess.run(words, capture_output=True, text=True, env=env, cwd=tmp_path, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    yield ask
    http.shutdown()


def test_of_a_repository_only_the_model_is_fetched(server: Callable[..., Any], tmp_path: Path) -> None:
    served = sharded(tmp_path / "served")
    for name in ("pytorch_model.bin", "consolidated.safetensors", "2_Dense/pytorch_model.bin", "onnx/model.onnx"):
        (served / name).parent.mkdir(exist_ok=True)
        (served / name).write_bytes(b"not wanted")
    (served / "2_Dense" / "config.json").write_text("{}")
    save_file({"linear.weight": torch.ones(2, 2)}, served / "2_Dense" / "model.safetensors")
    modules = [{"idx": i, "name": str(i), "path": path, "type": "t"} for i, path in enumerate(("", "2_Dense"))]
    (served / "modules.json").write_text(json.dumps(modules))
    found = server("out", path="user/name")
    assert found["units"] == [["user/name", COMMIT]]
    want = {"2_Dense/config.json", "2_Dense/model.safetensors", "modules.json", "model.safetensors.index.json"}
    want |= {*TAKEN, "generation_config.json"} - {"model.safetensors"} | {p.name for p in served.glob("model-*")}
    assert set(found["files"]) == {*want, "vernier.json"}
    assert set(Hub.fetched) == want
    for name in want:
        assert (tmp_path / "out" / name).read_bytes() == (served / name).read_bytes()


def test_names_that_the_hub_does_not_have(server: Callable[..., Any], tmp_path: Path) -> None:
    told = server("out", path="user/nothing")
    assert told["error"] == "RecipeError"
    assert "there is no model 'user/nothing'" in told["told"]


def test_errors_of_the_hub_say_who_must_act() -> None:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, Response, RevisionNotFoundError

    from vernier.models.hub import _reaching

    http = sys.modules[Response.__module__.partition(".")[0]]  # one version of the library takes httpx, another httpx2
    response = Response(404, request=http.Request("GET", "https://huggingface.co/api/models/user/name"))
    for error, want, told in (
        (GatedRepoError("gated", response=response), SetupError, "ask for access"),
        (RepositoryNotFoundError("404", response=response), RecipeError, "there is no model 'user/name'"),
        (RevisionNotFoundError("404", response=response), RecipeError, "no revision 'v2'"),
    ):
        with pytest.raises(VernierError, match=told) as caught, _reaching("user/name", "v2"):
            raise error
        assert type(caught.value) is want


def test_the_toy_model_counts_right(folder: Path, tmp_path: Path) -> None:
    """What was taken in measures as what it was taken from."""
    from vernier.models.load import load_pair
    from vernier.models.nll import measure
    from vernier.testing.toy import toy_bits

    take(ReadHf(path=str(folder)), tmp_path / "out")
    model, tokenizer = load_pair(tmp_path / "out")
    texts = ["", "abc", "é" * 50]
    found = measure(model, tokenizer, texts).nll / np.log(2)
    np.testing.assert_allclose(found, [toy_bits(text) for text in texts], rtol=1e-6)
