"""Models and data sets on the Hugging Face hub: which commit a name means, and a local folder with a model's files."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Generator
from pathlib import Path

from vernier.core.errors import RecipeError, SetupError
from vernier.models.folder import CODE, CONFIG, INDEX, MODULES, SMALL, WEIGHTS, module_folders, weight_files
from vernier.models.needs import needs

SMALLEST = ".gitattributes"  # a file that every repository on the hub has


def commit_of(name: str, revision: str | None) -> str:
    """The commit (40 hex digits) that a branch or tag of `user/name` is now: what the hub says, or, where it can not
    be reached, what the local cache of `huggingface_hub` last heard from it.

    Raises RecipeError if there is no such model or revision, SetupError if that can not be found out.
    """
    return _snapshot(name, revision, [CONFIG, MODULES]).name


def dataset_commit(name: str) -> str:
    """The commit that the main branch of a data set is now; errors and what happens without a network as above."""
    return _snapshot(name, None, [SMALLEST], kind="dataset").name


def download(name: str, commit: str, *, code: bool) -> Path:
    """A folder (of the cache) with the model's files at a commit; pickled weights stay where they are."""
    small = [f"*{ending}" for ending in (*SMALL, *([CODE] if code else []))]
    folder = _snapshot(name, commit, [*small, WEIGHTS])
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    parts = ["", *module_folders(names, lambda n: (folder / n).read_bytes(), name)]
    more = {file for part in parts for file in _weights(folder, names, name, part)} - names
    return _snapshot(name, commit, sorted(more)) if more else folder


def _weights(folder: Path, names: Collection[str], name: str, part: str) -> list[str]:
    """What to ask for in a part: the files that its index names, else the one usual file."""
    if part and f"{part}/{INDEX}" not in names:
        return [f"{part}/{WEIGHTS}"]
    return weight_files(names, lambda n: (folder / n).read_bytes(), name, part)


def _snapshot(name: str, revision: str | None, patterns: list[str], *, kind: str = "model") -> Path:
    needs("huggingface_hub")
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    shown = not are_progress_bars_disabled()
    disable_progress_bars()
    try:
        with _reaching(name, revision, kind):
            return Path(snapshot_download(name, revision=revision, allow_patterns=patterns, repo_type=kind))
    finally:
        if shown:
            enable_progress_bars()


@contextlib.contextmanager
def _reaching(name: str, revision: str | None, kind: str = "model") -> Generator[None]:
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        yield
    except GatedRepoError as error:
        raise SetupError(
            f"the {kind} may only be read by those whom its owner lets in",
            where=name,
            found=_first_line(error),
            do=f"ask for access at https://huggingface.co/{'datasets/' * (kind == 'dataset')}{name}, "
            "then `hf auth login`",
        ) from error
    except RevisionNotFoundError as error:
        raise RecipeError(
            f"the {kind} {name!r} has no revision {revision!r}",
            found=_first_line(error),
            expected="a branch, a tag or a commit",
        ) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise RecipeError(
            f"there is no {kind} {name!r}",
            found=f"no folder of this name here; of the hub: {_first_line(error)}",
            expected="a local folder, or a name on the hub that you may read",
        ) from error
    except OSError as error:
        raise SetupError(
            f"the Hugging Face hub can not be reached, and its local cache does not have the {kind}",
            where=name,
            found=f"no folder of this name here; of the hub: {_first_line(error)}",
            do="check the network, or name "
            + ("a file with the items" if kind == "dataset" else "a folder with the model"),
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0] or type(error).__name__
