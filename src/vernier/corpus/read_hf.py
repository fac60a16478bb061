"""Reads a Hugging Face data set into a corpus: a folder that `save_to_disk` wrote, a folder of data files as on
the hub, or a name on the hub.

The library `datasets` says which files make up a split; the files themselves are read here, streaming, by the
readers of Parquet, JSON Lines and Arrow. What is in another form (CSV, a loading step) is prepared by `datasets`
in its own cache first. A folder by `save_to_disk` needs no `datasets` and may be any fsspec URL.
"""

from __future__ import annotations

import json
import os
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import pyarrow as pa

from vernier.core import files, tables
from vernier.core.config import Bytes
from vernier.core.contents import contents
from vernier.core.errors import DataError, RecipeError, SetupError, nearest
from vernier.core.plugin import Piece, Unit
from vernier.corpus import batches, read_jsonl, read_parquet, records


@dataclass(frozen=True, kw_only=True)
class ReadHf:
    """Reads a Hugging Face data set.

    path             a folder, or a name on the hub (`user/name`)
    split            default: the only one, else `train`
    config           the configuration, where a data set has several
    revision         of a data set on the hub: a branch, a tag or a commit
    text             the column that holds the text
    id               the column that holds the user's own identifier; null = none
    domain           the column that holds the domain; null = none
    constant_domain  a domain for all rows, in place of the column's
    license          the column that holds the licence; null = none
    columns          columns to keep as columns of their own (as strings); all others go to `extra`
    shard            bytes of text in a shard, and in a unit of work
    max_bad          quarantined records that are put up with
    on_truncated     what a broken compressed stream does: stop the stage, or keep what could be read
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "corpus"
    takes: ClassVar[Mapping[str, str]] = {}

    path: str = field(metadata={"key": False})
    split: str | None = field(default=None, metadata={"key": False})
    config: str | None = field(default=None, metadata={"key": False})
    revision: str | None = field(default=None, metadata={"key": False})
    text: str = "text"
    id: str | None = "id"
    domain: str | None = "domain"
    constant_domain: str | None = None
    license: str | None = "license"
    columns: list[str] = field(default_factory=list[str])
    shard: Bytes = tables.SHARD_TEXT
    max_bad: records.MaxBad = field(default=records.MaxBad(), metadata={"key": False})
    on_truncated: Literal["stop", "keep"] = field(default="stop", metadata={"key": False})

    def __post_init__(self) -> None:
        records.check(self)

    def units(self) -> Sequence[Unit]:
        form, found = self._saved() or self._resolved()
        fields = records.Fields.of(self)
        if form == "parquet":
            units = read_parquet.units_of(found, fields, self.shard)
        elif form == "json":
            units = read_jsonl.units_of(found, self.shard)
        else:
            known = contents([(file, 0, file.size) for file in found])
            units = [Unit(f.name, content, f.spec()) for f, content in zip(found, known, strict=True)]
        return [replace(unit, spec={**unit.spec, "form": form}) for unit in units]

    def read(self, unit: Unit, start: int) -> Iterator[Piece]:
        fields = records.Fields.of(self)
        if unit.spec["form"] == "parquet":
            yield from read_parquet.read_file(unit, start, fields)
        elif unit.spec["form"] == "json":
            yield from read_jsonl.read_file(unit, start, fields, tables.SHARD_TEXT)
        else:
            yield from _read_arrow(files.File.of(unit.spec), start, fields)

    def _saved(self) -> tuple[str, list[files.File]] | None:
        """The Arrow files of a folder by `save_to_disk`; None if it is none."""
        fs, folder = files.file_system(self.path)
        splits = files.bytes_at(fs.unstrip_protocol(f"{folder}/dataset_dict.json"))
        if splits is not None:
            folder = f"{folder}/{self._pick(json.loads(splits)['splits'])}"
        saved = files.bytes_at(fs.unstrip_protocol(f"{folder}/state.json"))
        if saved is None:
            return None
        state = json.loads(saved)
        if state.get("_indices_data_files"):
            raise DataError(
                "the data set was saved by an old `datasets`, with its rows in another order than in its files",
                where=folder,
                do="load it and `save_to_disk` it again",
            )
        paths = [fs.unstrip_protocol(f"{folder}/{file['filename']}") for file in state["_data_files"]]
        root = files.file_system(self.path)[1]
        return "arrow", files.find(paths, fs.unstrip_protocol(root), ("",)) if paths else []

    def _resolved(self) -> tuple[str, list[files.File]]:
        """The files of a split as `datasets` resolves them."""
        try:
            import datasets
            from datasets.exceptions import DatasetNotFoundError
        except ImportError as error:
            raise SetupError(
                "reading this needs the library `datasets`", found=str(error), do="pip install 'vernier[hf]'"
            ) from error
        folder = files.file_system(self.path)[1]
        here = "://" not in self.path and os.path.isdir(folder)
        if not here and ("://" in self.path or self.path.count("/") > 1 or self.path.startswith((".", "~"))):
            raise RecipeError(
                f"there is no data set at {self.path!r}",
                expected="a folder by `save_to_disk` (also as a URL), a local folder of data files, or a hub name",
                do="read files at a URL with corpus.read_parquet or corpus.read_jsonl",
            )
        try:
            builder = datasets.load_dataset_builder(folder if here else self.path, self.config, revision=self.revision)
            data_files: Mapping[Any, Sequence[str]] = builder.config.data_files or {}
            splits = [str(split) for split in data_files] or list(builder.info.splits or ())
            split = self._pick(splits)
            if builder.name in ("parquet", "json", "arrow"):
                paths = [str(path) for path in data_files[split]]
                root = folder if here else _root_of(paths[0])
                found = files.find(paths, root, ("",))
                if builder.name != "json" or _all_lines(found):
                    return builder.name, found
            builder.download_and_prepare()
            prepared = [str(file["filename"]) for file in _cache_files(builder.as_dataset(split=split))]
        except DatasetNotFoundError as error:
            raise RecipeError(
                f"there is no data set {self.path!r}",
                found=str(error).splitlines()[0],
                expected="a folder, or a name on the hub that you may read",
            ) from error
        except ConnectionError as error:
            raise SetupError(
                "the Hugging Face hub can not be reached",
                where=self.path,
                found=str(error).splitlines()[0],
                do="check the network, or name a folder with the data set",
            ) from error
        except (FileNotFoundError, ValueError) as error:
            raise RecipeError(
                f"the data set {self.path!r} can not be opened", found=str(error).splitlines()[0]
            ) from error
        return "arrow", files.find(prepared, None, ("",))

    def _pick(self, splits: Sequence[str]) -> str:
        wanted = self.split or (splits[0] if len(splits) == 1 else "train")
        if wanted not in splits:
            raise RecipeError(f"the data set has no split {wanted!r}", where=self.path, do=nearest(wanted, splits))
        return wanted


def _cache_files(dataset: Any) -> Sequence[Mapping[str, str]]:
    return dataset.cache_files


def _all_lines(found: Sequence[files.File]) -> bool:
    """Whether no file is one JSON array, which only the library reads."""
    for file in found:
        with files.opened(file) as source:
            if source.read(1024).lstrip().startswith(b"["):
                return False
    return True


def _root_of(url: str) -> str:
    """`hf://datasets/user/name@commit` of a file's URL: the root, so that names do not hold the commit."""
    return "/".join(url.split("/")[:5]) if url.startswith("hf://") else posixpath.dirname(url)


def _read_arrow(file: files.File, start: int, fields: records.Fields) -> Iterator[Piece]:
    """The pieces of an Arrow stream or file from row `start` on."""
    with files.opened(file) as source:
        try:
            head = source.read(6)
            source.seek(0)
            if head == b"ARROW1":
                reader = pa.ipc.open_file(source)
                every = (reader.get_batch(i) for i in range(reader.num_record_batches))
            else:
                reader = pa.ipc.open_stream(source)
                every = iter(reader)
            batches.check_schema(reader.schema, fields, file.url)
            builder = records.Builder(fields, file.name)
            yield from batches.pieces(_behind(every, start), builder, fields, start)
        except (pa.ArrowException, OSError) as error:
            raise DataError(
                "an Arrow file is damaged",
                where=file.url,
                found=str(error).splitlines()[0],
                do="download or save the data set again",
            ) from error


def _behind(every: Iterator[pa.RecordBatch], skip: int) -> Iterator[pa.RecordBatch]:
    for batch in every:
        if skip < batch.num_rows:
            yield batch.slice(skip)
        skip = max(0, skip - batch.num_rows)
