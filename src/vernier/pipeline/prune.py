"""Delete from a store what no run refers to."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from vernier.core.errors import SetupError
from vernier.core.run import Run
from vernier.core.store import Store


@dataclass(frozen=True)
class Unused:
    """What a store could do without.

    kept     run folders whose work stays
    gone     run folders that used the store and are no longer there
    paths    units, bases and manifests that none of `kept` refers to, relative to the store
    num_bytes  that they take
    """

    kept: list[Path]
    gone: list[Path]
    paths: list[str]
    num_bytes: int


def prune(store: Store, *, delete: bool) -> Unused:
    """Find what no run folder refers to, and delete it if told to.

    Every run notes its folder in the store; a run is let go of by deleting its folder. Raises ResumeError while a run
    uses the store, SetupError for an object store.
    """
    if not store.is_local:
        raise SetupError(
            "prune works on local stores", found=store.url, do="use the object store's own life-cycle rules"
        )
    with store.alone():
        folders = store.run_folders()
        kept = [folder for folder in folders if (folder / "lock.json").exists()]
        runs = [run for run in map(Run, kept) if run.data.get("store") and run.store.url == store.url]
        paths = _unreferenced(store, {record["key"] for run in runs for record in run.nodes.values()})
        num_bytes = sum(_size(Path(store.path(path))) for path in paths)
        for path in map(Path, map(store.path, paths if delete else ())):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
    return Unused(kept, [folder for folder in folders if folder not in kept], paths, num_bytes)


def _unreferenced(store: Store, keys: set[str]) -> list[str]:
    manifests = [manifest for key in keys if (manifest := store.manifest(key)) is not None]
    units = {ref.key for manifest in manifests for ref in manifest.shards}
    root = Path(store.root)
    # Manifests first: what is killed half-way must not leave one that names units which are gone.
    gone = [p for kind in ("artifacts", "made") for p in sorted(root.glob(f"{kind}/??/*.json")) if p.stem not in keys]
    gone += [p for p in sorted(root.glob("bases/??/*/*.json")) if p.stem not in units]
    gone += [p for p in sorted(root.glob("units/??/*")) if p.name not in units]
    return [p.relative_to(root).as_posix() for p in gone]


def _size(path: Path) -> int:
    return sum(f.stat().st_size for f in ([path] if path.is_file() else path.rglob("*")) if f.is_file())
