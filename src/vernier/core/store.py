"""The store: where artifacts live, and the only place that commits anything.

    STORE/tmp/<uuid>/                      work in progress; swept when nobody else uses the store
    STORE/units/ab/<key>/<content>/...     the files of one unit of work
    STORE/units/ab/<key>/done.json         its done record: nothing is read without it
    STORE/bases/ab/<base>/<key>.json       units that did the same work for other rows of a shard
    STORE/artifacts/ab/<key>.json          the manifest of a finished stage, written last
    STORE/answers/ab/<key>.json            what a judge answered: no artifact, kept so that nothing is asked twice
    STORE/made/ab/<key>.json               the libraries' versions and the device that made it: never part of a key
    STORE/runs/<hash>.json                 where a run folder is that uses the store: `prune` keeps its work

Commit on a file system: write under a unique temporary name, fsync files and folder, rename, fsync the parent; then
the done record the same way; the manifest last. On an object store: one complete PUT a file, then the done record
with a conditional PUT. A folder is named by its content, so two runs that commit the same unit never mix files.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from vernier.core import fault
from vernier.core.artifact import Artifact, ShardRef
from vernier.core.errors import DataError, ResumeError, SetupError
from vernier.core.fingerprint import file_sha256, key_of

if TYPE_CHECKING:
    import fsspec

DONE = "done.json"


class Store:
    """A store at a local path or any fsspec URL (`s3://bucket/prefix`)."""

    def __init__(self, url: str) -> None:
        self.is_local = "://" not in url or url.startswith("file://")
        if self.is_local:
            self.url = self.root = str(Path(url.removeprefix("file://")).expanduser().resolve())
            return
        from fsspec.core import url_to_fs  # a tenth of a second that a local store does not pay

        try:
            self.fs, self.root = url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise SetupError(f"the store {url!r} can not be opened", found=str(error)) from error
        self.fs: fsspec.AbstractFileSystem
        self.url = url

    # ---- reading -------------------------------------------------------------------------------------------

    def path(self, relative: str) -> str:
        return f"{self.root}/{relative}"

    def open(self, relative: str) -> IO[bytes]:
        """Open a committed file. Raises DataError when it is gone."""
        try:
            return open(self.path(relative), "rb") if self.is_local else self.fs.open(self.path(relative), "rb")
        except FileNotFoundError as error:
            raise DataError(
                "a file of the store is missing",
                where=self.path(relative),
                do="`vernier run` again makes it anew from its inputs",
            ) from error

    def local_folder(self, ref: ShardRef) -> Path:
        """The files of a unit as a local folder; copied to a temporary one from an object store."""
        if self.is_local:
            return Path(self.path(ref.folder))
        here = Path(tempfile.gettempdir()) / f"vernier-{os.getuid()}" / key_of(self.url, ref.folder)
        if not here.exists():
            part = here.with_name(f"{here.name}.{uuid.uuid4().hex}")
            for name in ref.files:
                (part / name).parent.mkdir(parents=True, exist_ok=True)
                self.fs.get_file(self.path(f"{ref.folder}/{name}"), str(part / name))
                if file_sha256(part / name) != ref.files[name]["sha256"]:
                    raise DataError("a file of the store is damaged", where=self.path(f"{ref.folder}/{name}"))
            try:
                os.rename(part, here)
            except OSError:  # another process was first
                shutil.rmtree(part)
        return here

    def unit(self, key: str) -> ShardRef | None:
        """The done record of a unit, if there is one and every file that it names is there in full length."""
        record = self._read_json(f"{_unit_path(key)}/{DONE}")
        if record is None:
            return None
        ref = ShardRef(**record)
        return ref if self.has_files(ref) else None

    def keys_under(self, base: str) -> list[str]:
        """The keys of the units that were committed with this base, sorted; some may be gone since."""
        folder = self.path(f"bases/{base[:2]}/{base}")
        try:
            names = os.listdir(folder) if self.is_local else self.fs.ls(folder, detail=False)
        except FileNotFoundError:
            return []
        return sorted(Path(name).stem for name in names if name.endswith(".json"))

    def siblings(self, base: str) -> list[ShardRef]:
        """The finished units that were committed with this base, in order of their keys."""
        units = (self.unit(key) for key in self.keys_under(base))
        return [unit for unit in units if unit is not None]

    def has_files(self, ref: ShardRef) -> bool:
        """Whether every file of a unit is there in full length (its bytes are `verify`'s business)."""
        for name, file in ref.files.items():
            try:
                path = self.path(f"{ref.folder}/{name}")
                size = os.stat(path).st_size if self.is_local else self.fs.size(path)
            except FileNotFoundError:
                return False
            if size != file["bytes"]:
                return False
        return True

    def manifest(self, key: str) -> Artifact | None:
        """What the manifest of a stage says, whether or not its files are still there."""
        data = self._read_json(_artifact_path(key))
        return None if data is None else Artifact.from_json(data)

    def artifact(self, key: str) -> Artifact | None:
        """The artifact of a finished stage, if its manifest and all files of all shards are there."""
        artifact = self.manifest(key)
        if artifact is None or not all(self.has_files(shard) for shard in artifact.shards):
            return None
        return artifact

    # ---- committing ----------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def workspace(self) -> Generator[Path]:
        """An empty local folder to write a unit's files into; removed if it is not committed."""
        if self.is_local:
            folder = Path(self.root) / "tmp" / uuid.uuid4().hex
            try:
                folder.mkdir(parents=True)
            except OSError as error:
                raise _cannot_write(self.root, error) from error
        else:
            folder = Path(tempfile.mkdtemp(prefix="vernier-"))
        try:
            with room(self.root):
                yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def commit_unit(
        self,
        key: str,
        folder: Path,
        *,
        rows: int = 0,
        counts: Mapping[str, int] | None = None,
        facts: Mapping[str, Any] | None = None,
        base: str = "",
    ) -> ShardRef:
        """Make the files in `folder` (from `workspace`) the unit `key`, for good. Returns its reference.

        Units with the same `base` did the same work for other rows: `siblings` finds them.
        """
        fault.point("commit.written")
        names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
        files = {n: {"bytes": (folder / n).stat().st_size, "sha256": file_sha256(folder / n)} for n in names}
        content = f"{_unit_path(key)}/{key_of(files)[:16]}"
        ref = ShardRef(key, content, files, rows, dict(counts or {}), dict(facts or {}))
        if self.is_local:
            self._rename_into_place(folder, content, files)
        else:
            for name in names:
                self.fs.put_file(str(folder / name), self.path(f"{content}/{name}"))
        fault.point("commit.renamed")
        if base:
            self._write_json(f"bases/{base[:2]}/{base}/{key}.json", {"unit": key})
        self._write_json(f"{_unit_path(key)}/{DONE}", vars(ref))
        fault.point("commit.done")
        return ref

    def commit_artifact(self, artifact: Artifact, environment: Mapping[str, str]) -> None:
        """Write the manifest: from now on the stage is finished. environment: versions and device, for `plan`."""
        self._write_json(_made_path(artifact.key), environment)
        self._write_json(_artifact_path(artifact.key), artifact.to_json())

    def answer(self, key: str) -> dict[str, Any] | None:
        """What was kept of an answer from outside under this key, if it was."""
        return self._read_json(_answer_path(key))

    def keep_answer(self, key: str, data: Mapping[str, Any]) -> None:
        """Keep an answer from outside, whole or not at all."""
        self._write_json(_answer_path(key), data)

    def made_with(self, key: str) -> dict[str, str]:
        """The versions of the libraries that made an artifact."""
        return self._read_json(_made_path(key)) or {}

    def register(self, folder: Path) -> None:
        """Note that a run folder uses the store, by its place relative to a local store: both may move together."""
        place = os.path.relpath(folder.resolve(), self.root) if self.is_local else str(folder.resolve())
        self._write_json(f"runs/{key_of(place)}.json", {"folder": place})

    def run_folders(self) -> list[Path]:
        """Every run folder that ever used a local store, whether or not it is still there."""
        records = (self._read_json(f"runs/{path.name}") for path in sorted(Path(self.root).glob("runs/*.json")))
        return [Path(os.path.normpath(Path(self.root) / record["folder"])) for record in records if record]

    def forget_unit(self, key: str) -> None:
        """Take the done record off a unit: it will be made anew."""
        self._delete(f"{_unit_path(key)}/{DONE}")

    def discard_unit(self, key: str, base: str) -> None:
        """Take a unit away with its files. What leads to it goes last: a kill half-way leaves it to be found again."""
        self.forget_unit(key)
        if self.is_local:
            shutil.rmtree(self.path(_unit_path(key)), ignore_errors=True)
        elif self.fs.exists(self.path(_unit_path(key))):
            self.fs.rm(self.path(_unit_path(key)), recursive=True)
        self._delete(f"bases/{base[:2]}/{base}/{key}.json")

    def forget_artifact(self, key: str) -> None:
        """Take away a manifest: the stage is unfinished again, its units stay."""
        self._delete(_artifact_path(key))

    def _delete(self, relative: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            if self.is_local:
                os.unlink(self.path(relative))
            else:
                self.fs.rm_file(self.path(relative))

    def _rename_into_place(self, folder: Path, content: str, files: Mapping[str, Mapping[str, Any]]) -> None:
        for name in files:
            _fsync(folder / name)
        for sub in sorted({(folder / n).parent for n in files} | {folder}, reverse=True):
            _fsync(sub)
        fault.point("commit.synced")
        target = Path(self.path(content))
        _make_folders(target.parent)
        try:
            os.rename(folder, target)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            # The name is the hash of the content: another run was first, or what is there was damaged since.
            if any(not (target / n).exists() or file_sha256(target / n) != files[n]["sha256"] for n in files):
                shutil.rmtree(target)
                os.rename(folder, target)
        _fsync(target.parent)

    # ---- JSON records --------------------------------------------------------------------------------------

    def _read_json(self, relative: str) -> dict[str, Any] | None:
        try:
            path = self.path(relative)
            raw = Path(path).read_bytes() if self.is_local else self.fs.cat_file(path)
        except FileNotFoundError:
            return None
        try:
            return json.loads(raw)
        except ValueError:
            return None  # damaged: it marks nothing, and what it marked is made anew; `verify` tells of it

    def _write_json(self, relative: str, data: Mapping[str, Any]) -> None:
        raw = json.dumps(data, sort_keys=True, indent=1, ensure_ascii=False, default=dict).encode() + b"\n"
        if self.is_local:
            # A record that a kill left half-way is swept with the rest of `tmp`.
            write_atomically(Path(self.path(relative)), raw, by_way_of=Path(self.path("tmp")))
        else:
            self._put_if_absent(self.path(relative), raw)

    def _put_if_absent(self, path: str, raw: bytes) -> None:
        """One conditional PUT; a record that is there already (another run's) is replaced only if it differs."""
        try:
            self.fs.pipe_file(path, raw, mode="create")
        except FileExistsError:
            if self.fs.cat_file(path) != raw:
                self.fs.pipe_file(path, raw)
        self.fs.invalidate_cache()

    # ---- who uses the store --------------------------------------------------------------------------------

    @contextlib.contextmanager
    def in_use(self) -> Generator[None]:
        """Hold the store for a run. The first user sweeps what killed runs left under `tmp`.

        Raises SetupError if the store can not be reached or written.
        """
        if not self.is_local:
            try:
                self.fs.exists(self.root)
            except Exception as error:  # each object store brings its own exceptions
                found = f"{type(error).__name__}: {error}"
                raise SetupError("the store can not be reached", where=self.url, found=found) from error
            yield
            return
        try:
            Path(self.root).mkdir(parents=True, exist_ok=True)
            file = open(f"{self.root}/lock", "a")  # noqa: SIM115 (held for the length of the run)
        except OSError as error:
            raise _cannot_write(self.root, error) from error
        with file:
            with contextlib.suppress(BlockingIOError):  # another run is at work: its files are not ours to sweep
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(f"{self.root}/tmp", ignore_errors=True)
            fcntl.flock(file, fcntl.LOCK_SH)
            yield

    @contextlib.contextmanager
    def alone(self) -> Generator[None]:
        """Hold the store for deletion. Raises ResumeError while a run uses it."""
        if not self.is_local:
            yield
            return
        if not Path(self.root).is_dir():
            raise ResumeError("there is no store", where=self.root, do="name one with --store")
        with open(f"{self.root}/lock", "a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ResumeError(
                    "the store is in use", where=self.root, do="wait for the other run to end, or stop it"
                ) from error
            yield


def write_atomically(path: Path, raw: bytes, *, by_way_of: Path | None = None) -> None:
    """Replace a local file so that at any instant it is the old one or the new one, whole.

    by_way_of: where the temporary file goes, on the same file system; by default beside `path`.
    """
    with room(str(path.parent)):
        _make_folders(path.parent)
        if by_way_of is not None:
            by_way_of.mkdir(parents=True, exist_ok=True)
        part = (by_way_of or path.parent) / f".{path.name}.{uuid.uuid4().hex}"
        try:
            with open(part, "wb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            fault.point("record.written")
            os.rename(part, path)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        _fsync(path.parent)


@contextlib.contextmanager
def room(place: str) -> Generator[None]:
    """Say SetupError when what is written at `place` finds no room there, or may not be written at all."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
            raise _cannot_write(place, error) from error
        raise
    except Exception as error:  # libraries in Rust wrap the system's words in an exception of their own
        if os.strerror(errno.ENOSPC) in str(error) and not isinstance(error, SetupError):
            raise _cannot_write(place, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))) from error
        raise


def _unit_path(key: str) -> str:
    return f"units/{key[:2]}/{key}"


def _artifact_path(key: str) -> str:
    return f"artifacts/{key[:2]}/{key}.json"


def _answer_path(key: str) -> str:
    return f"answers/{key[:2]}/{key}.json"


def _made_path(key: str) -> str:
    return f"made/{key[:2]}/{key}.json"


def _make_folders(folder: Path) -> None:
    """mkdir -p that also syncs each folder that gained an entry."""
    missing = [folder]
    while not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    for path in reversed(missing):
        if not path.exists():
            path.mkdir(exist_ok=True)
            _fsync(path.parent)


def _fsync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _cannot_write(root: str, error: OSError) -> SetupError:
    return SetupError(
        "a folder can not be written",
        where=root,
        found=error.strerror or str(error),
        expected="a writable folder with room for the run",
        do="free some room or set `store:` to another place, then run again: finished shards are kept",
    )
