"""A plugin outside of a run: the same code over documents that another tool hands over, a batch at a time.

This is for plugins that make a row for each document from that document alone (`map`, without the shape of a fold):
whatever the batches, the values are those of the same stage of a recipe, bit for bit. The batch is the shard, its
tables are columns in memory. Nothing is written (but for a judge's answers, which are kept so that nothing is asked
twice): a model is read where it lies.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vernier.core import files, tables
from vernier.core.artifact import Artifact
from vernier.core.config import decode, plain
from vernier.core.contents import contents
from vernier.core.errors import DataError, RecipeError, StageError, nearest
from vernier.core.fingerprint import key_of
from vernier.core.plugin import find
from vernier.core.run import Run
from vernier.core.shard import Inputs, Shard
from vernier.core.yaml import Marks
from vernier.corpus.records import to_json

OURS = ("doc_id", "num_bytes", "text_hash", "offset")  # corpus columns that no column of a user stands for
OUR_ID = re.compile(r"[0-9a-f]{32}")  # as an export writes it
STORE = ".vernier"  # where a judge's answers are kept: as of a recipe that names no store


@dataclass(frozen=True)
class Table:
    """A score table that lies beside the documents, as columns `NAME.COLUMN`.

    facts   what the plugin that made it says of it, such as whose tokens were counted
    """

    name: str
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Documents:
    """Documents of another tool.

    number   how many there are
    names    of their columns
    column   the values of one of them, in order
    text     the column that holds the texts
    """

    number: int
    names: Collection[str]
    column: Callable[[str], Sequence[Any]]
    text: str = "text"


class Outside:
    """A plugin with its settings and inputs.

    do      the plugin, as a recipe names it
    makes   what it must make: scores or selection
    given   settings and inputs by name, or a list where an input is one. A model is a folder: a Hugging Face model, or
            RUN/STAGE of a run. A score table is the name that its columns have, a `Table`, or what has one as its
            `table`
    Raises RecipeError for a plugin that needs a run, and for settings or inputs that do not fit.

    It is pickled as what was given, in JSON: equal ones give equal bytes.
    """

    def __init__(self, do: str, makes: str, given: Mapping[str, Any]) -> None:
        cls = find(do)
        _check(do, cls, makes)
        settings = {name: plain(given[name]) for name in sorted(given) if name not in cls.takes}
        folders, beside = dict[str, str](), dict[str, Table]()
        for name, kind in cls.takes.items():
            if name not in given:
                _check_missing(do, cls, name, kind)
            elif kind.startswith(("corpus", "selection")):
                raise RecipeError(
                    f"the input {name!r} of {do} can not be given outside of a run",
                    do="leave it out: every document that comes is meant",
                )
            elif kind.startswith("scores"):
                beside |= {label: _table(value) for label, value in _labelled(name, given[name])}
            else:
                folders |= {
                    label: str(Path(path).expanduser().absolute()) for label, path in _labelled(name, given[name])
                }
        self._declared: dict[str, Any] = {
            "do": do,
            "version": cls.version,
            "settings": settings,
            "folders": folders,
            "tables": {label: [table.name, dict(table.facts)] for label, table in beside.items()},
        }
        self._begin()

    def _begin(self) -> None:
        declared = self._declared
        self.plugin: Any = decode(
            find(declared["do"]), declared["settings"], Marks("the arguments"), label=declared["do"]
        )
        self.tables = {label: Table(*said) for label, said in declared["tables"].items()}
        self.folders = {name: Path(path) for name, path in declared["folders"].items()}
        names = {label.partition("[")[0] for label in (*self.tables, *self.folders)}
        if hasattr(self.plugin, "check"):
            self.plugin.check({"corpus", *names})

    def __getstate__(self) -> str:
        return json.dumps(self._declared)

    def __setstate__(self, state: str) -> None:
        self._declared = json.loads(state)
        self._begin()

    @property
    def name(self) -> str:
        """The plugin's file: `nll` of `score.nll`."""
        return type(self.plugin).__module__.rpartition(".")[2]

    def facts(self) -> dict[str, Any]:
        """What the plugin says of a table that it makes here."""
        return self.plugin.facts(self._inputs) if hasattr(self.plugin, "facts") else {}

    def contents(self) -> dict[str, str]:
        """A hash of the bytes of each folder."""
        found: dict[str, str] = {}
        for name, folder in self._inputs.folders.items():
            listed = files.find([str(folder)], str(folder), ("",))
            hashes = contents([(file, 0, file.size) for file in listed])
            found[name] = key_of({file.name: one for file, one in zip(listed, hashes, strict=True)})
        return found

    def local_folders(self) -> list[Path]:
        """Where the models are that it reads."""
        return list(self._inputs.folders.values())

    def over(self, documents: Documents) -> pa.Table:
        """The plugin's table, a row for each document. Raises DataError for a document whose text is none."""
        batch = _Batch(self._inputs, documents, self.tables)
        made = pa.concat_tables(self.plugin.map(batch))
        if made.num_rows != documents.number:
            raise StageError(
                f"the plugin {self._declared['do']} broke its contract",
                found=f"{made.num_rows} rows",
                expected=f"{documents.number} rows: one for each document",
            )
        return made

    @cached_property
    def _inputs(self) -> _Given:
        found = {name: _folder(path) for name, path in self.folders.items()}
        given = {"corpus": _artifact("corpus"), **{name: artifact for name, (_, artifact) in found.items()}}
        given |= {label: _artifact("scores", table.facts) for label, table in self.tables.items()}
        return _Given(STORE, given, folders={name: folder for name, (folder, _) in found.items()})


@dataclass(frozen=True)
class _Given(Inputs):
    """Inputs whose folders are not in a store."""

    folders: Mapping[str, Path] = field(default_factory=dict[str, Path])

    def folder(self, name: str) -> Path:
        return self.folders[name]


class _Batch(Shard):
    """A shard whose tables are columns in memory."""

    def __init__(self, inputs: Inputs, documents: Documents, beside: Mapping[str, Table]) -> None:
        self.inputs, self.index, self.seed, self.rows = inputs, 0, inputs.seed, documents.number
        self.skip, self.left_out = None, Counter[str]()
        self._documents, self._beside = documents, beside
        for label, table in beside.items():
            if not self.columns(label):
                raise RecipeError(
                    f"the documents have no columns {table.name}.*, which {label!r} stands for",
                    found=", ".join(documents.names),
                    do=f"score them first, under the name {table.name!r}",
                )

    def columns(self, name: str) -> list[str]:
        if name in self._beside:
            prefix = f"{self._beside[name].name}."
            return [n.removeprefix(prefix) for n in self._documents.names if n.startswith(prefix)]
        nullable = [f.name for f in tables.CORPUS if f.name not in (*OURS, "text")]
        users = [n for n in self._documents.names if n not in (*OURS, self._documents.text)]
        return list(dict.fromkeys(["doc_id", "text", "num_bytes", "text_hash", *nullable, *users]))

    def read(self, name: str, columns: Sequence[str]) -> pa.Table:
        known = self.columns(name)
        for column in columns:
            if column not in known:
                whose = f"columns {self._beside[name].name}.*" if name in self._beside else "columns"
                raise RecipeError(
                    f"the documents have no column {column!r}",
                    found=f"{whose}: {', '.join(known)}",
                    do=nearest(column, known),
                )
        make = self._corpus if name == "corpus" else lambda column: self._score(self._beside[name].name, column)
        return pa.table({column: make(column) for column in columns})

    def batches(self, name: str, columns: Sequence[str]) -> Iterator[pa.Table]:
        yield self.read(name, columns)

    def doc_ids(self) -> NDArray[np.uint64]:
        if self._corpus("doc_id").null_count:
            raise RecipeError(
                "the plugin goes by our document ids, and these documents have none",
                expected="a column `doc_id`, as an export writes it",
                do="run it in a recipe, and export what it makes",
            )
        return super().doc_ids()

    @cached_property
    def _texts(self) -> pa.Array:
        texts = list(self._documents.column(self._documents.text))
        for number, text in enumerate(texts):
            if not isinstance(text, str):
                raise _no_text(number, f"{type(text).__name__}")
        try:
            return pa.array(texts, pa.large_string())
        except UnicodeEncodeError as error:
            raise _no_text(texts.index(error.object), "half of a surrogate pair") from error

    def _corpus(self, name: str) -> pa.Array:
        if name == "text":
            return self._texts
        if name == "num_bytes":
            return pc.binary_length(self._texts).cast(pa.int64())
        if name == "text_hash":
            hashes = [blake2b(text.encode(), digest_size=16).digest() for text in self._texts.to_pylist()]
            return pa.array(hashes, pa.binary(tables.ID_BYTES))
        if name == "doc_id":
            given = self._documents.column(name) if name in self._documents.names else [None] * self.rows
            ours = [isinstance(v, str) and OUR_ID.fullmatch(v) is not None for v in given]
            ids = [bytes.fromhex(v) if is_ours else None for v, is_ours in zip(given, ours, strict=True)]
            return pa.array(ids, pa.binary(tables.ID_BYTES))
        kind = tables.CORPUS.field(name).type if name in tables.CORPUS.names else pa.string()
        if name not in self._documents.names:
            return pa.nulls(self.rows, kind)
        values = self._documents.column(name)
        return pa.array([v if v is None or isinstance(v, str) else to_json(v).decode() for v in values], kind)

    def _score(self, table: str, name: str) -> pa.Array:
        values = pa.array(list(self._documents.column(f"{table}.{name}")))
        return values.cast(pa.float64()) if pa.types.is_null(values.type) else values


def _check(do: str, cls: type[Any], makes: str) -> None:
    """Raises RecipeError for a plugin that does not work document by document."""
    what = ""
    if cls.makes != makes:
        what = f"it makes a {cls.makes}, not {makes}"
    elif hasattr(cls, "fold"):
        what = "it looks at the whole corpus before it decides"
    elif not hasattr(cls, "map") or getattr(cls, "rows", "same") != "same":
        what = "it does not make a row for each document"
    elif getattr(cls, "draws", False):
        what = "it draws with the seed of a stage"
    elif hasattr(cls, "units"):
        what = "it reads more than it is given"
    if what:
        raise RecipeError(f"{do} can not work here", found=what, do="run it in a recipe, and export what it makes")


def _check_missing(do: str, cls: type[Any], name: str, kind: str) -> None:
    """Raises RecipeError for an input that is needed: the documents are the corpus, and no mask means all of them."""
    if "?" in kind or kind == "corpus" or name in getattr(cls, "masks", ()):
        return
    raise RecipeError(f"{do} needs the input {name!r}", found="nothing", expected=kind.rstrip("*"))


def _labelled(name: str, value: Any) -> list[tuple[str, Any]]:
    """An input under its name, or the entries of a list as `name[0]`, `name[1]` ..."""
    return (
        [(f"{name}[{i}]", one) for i, one in enumerate(value)] if isinstance(value, (list, tuple)) else [(name, value)]
    )


def _table(value: Any) -> Table:
    return value if isinstance(value, Table) else Table(value) if isinstance(value, str) else value.table


def _folder(path: Path) -> tuple[Path, Artifact]:
    """A model folder and what is known of it. Raises RecipeError if there is none."""
    if (path.parent / "lock.json").is_file():
        run = Run.open(path.parent)
        artifact = run.artifact(path.name)
        return run.store.local_folder(artifact.shards[0]), artifact
    if not path.is_dir():
        raise RecipeError(
            f"there is no model at {str(path)!r}",
            expected="a folder",
            do="take one from the hub into a run with train.read_hf; then RUN/STAGE is its folder",
        )
    return path.resolve(), _artifact("model")


def _artifact(kind: str, facts: Mapping[str, Any] | None = None) -> Artifact:
    return Artifact(kind, "", "", (), {}, facts or {})


def _no_text(number: int, found: str) -> DataError:
    return DataError(
        "a document has no text", where=f"document {number} of its batch", found=found, expected="Unicode text"
    )
