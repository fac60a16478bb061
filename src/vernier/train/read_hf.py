"""Takes a Hugging Face model into the run: a folder, at a local path or any fsspec URL, or a name on the hub.

It may be a causal language model to score with or to train further, or an embedder of sentence-transformers. Its files
are copied as they are, weights in safetensors only. Of a folder the key holds the hash of each file, of a name on the
hub the commit.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from vernier.core import files
from vernier.core.contents import contents
from vernier.core.errors import DataError, RecipeError
from vernier.core.plugin import Unit
from vernier.core.shard import Inputs
from vernier.models import hub
from vernier.models.folder import files_of
from vernier.models.load import check_fit
from vernier.models.needs import needs
from vernier.models.terms import Terms
from vernier.models.tokenizer import Tokenizer

CHUNK = 1 << 22  # bytes copied at once


@dataclass(frozen=True, kw_only=True)
class ReadHf:
    """A model that was made elsewhere.

    path                a folder, or a name on the hub (`user/name`)
    revision            of a name on the hub: a branch, a tag or a commit; default: its main branch
    trust_remote_code   take the Python files that came with the model, and run them where it is loaded
    dtype               what the model computes in where it is loaded; `auto`: what its weights are stored in
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "model"
    takes: ClassVar[Mapping[str, str]] = {}

    path: str = field(metadata={"key": False})
    revision: str | None = field(default=None, metadata={"key": False})
    trust_remote_code: bool = False
    dtype: Literal["float32", "bfloat16", "float16", "auto"] = "float32"

    def units(self) -> Sequence[Unit]:
        """The model's files and their hashes, or the name on the hub and its commit.

        Raises DataError for a folder that holds no model, or none whose weights may be read; RecipeError if there is
        no such folder or name; SetupError if it can not be reached.
        """
        folder = files.file_system(self.path)[1]
        if "://" in self.path or os.path.isdir(folder):
            if self.revision is not None:
                raise RecipeError(
                    "a folder has no revisions",
                    found=f"revision: {self.revision}, path: {self.path}",
                    do="leave it out",
                )
            found = self._found(self.path)
            known = contents([(file, 0, file.size) for file in found])
            return [Unit(file.name, content, file.spec()) for file, content in zip(found, known, strict=True)]
        if os.path.exists(folder):
            raise RecipeError("a model is a folder, not a file", found=self.path, do="name the folder that it lies in")
        if self.path.count("/") != 1 or self.path.startswith((".", "~", "/")):
            raise RecipeError(
                f"there is no model at {self.path!r}",
                expected="a folder (relative paths start at the current one), or a name on the hub: user/name",
            )
        commit = hub.commit_of(self.path, self.revision)
        return [Unit(self.path, commit, {"commit": commit})]

    def build(self, inputs: Inputs, out: Path) -> dict[str, Any]:
        """Copies the files that were hashed, and writes beside them on which terms they are loaded.

        Raises DataError if they changed since, if weights are damaged, or if the tokenizer does not fit the model.
        """
        facts: dict[str, Any] = {}
        units = inputs.units
        if "commit" in units[0].spec:
            facts = {"name": units[0].name, "revision": units[0].content}
            folder = hub.download(units[0].name, units[0].content, code=self.trust_remote_code)
            for file in self._found(str(folder)):
                _copy(file, out)
        else:
            for unit in units:
                _copy(files.File.of(unit.spec), out, unit.content)
        Terms(self.dtype, self.trust_remote_code).save(out)
        facts |= {"dtype": self.dtype, "trust_remote_code": self.trust_remote_code}
        facts["parameters"] = _num_parameters(out.rglob("*.safetensors"))
        if (out / "tokenizer.json").exists():
            tokenizer = Tokenizer(out)
            check_fit(out, tokenizer)
            facts["tokenizer"] = tokenizer.digest
        return facts

    def _found(self, folder: str) -> list[files.File]:
        """The model's files in a folder, sorted by name."""
        if "://" not in folder:
            with files.reaching(folder):
                os.scandir(folder).close()  # a listing leaves out what it may not read, and says nothing
        listed = {file.name: file for file in files.find([folder], folder, ("",))}

        def read(name: str) -> bytes:
            with files.opened(listed[name]) as source:
                return source.read()

        return [listed[name] for name in files_of(listed, read, self.path, code=self.trust_remote_code)]


def _copy(file: files.File, out: Path, content: str | None = None) -> None:
    """Copy a file below `out`. Raises DataError if it is not the one with this content."""
    target, digest = out / file.name, hashlib.sha256()
    target.parent.mkdir(parents=True, exist_ok=True)
    with files.opened(file) as source, open(target, "wb") as copy:
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            copy.write(chunk)
    if content is not None:
        found = digest.hexdigest() if file.is_local else contents([(file, 0, file.size)])[0]
        if found != content:
            raise DataError(
                "a file of the model changed while the recipe ran", where=file.url, do="run again when it is complete"
            )


def _num_parameters(weights: Iterable[Path]) -> int:
    """Numbers in safetensors files, by their headers. Raises DataError if one is damaged."""
    needs("safetensors")
    from safetensors import SafetensorError, safe_open

    total = 0
    for path in weights:
        try:
            with safe_open(path, framework="np") as file:
                total += sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
        except SafetensorError as error:
            raise DataError("a model's weights are damaged", where=path.name, found=str(error)) from error
    return total
