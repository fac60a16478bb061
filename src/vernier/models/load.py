"""Load any Hugging Face folder of a causal language model or a sequence classifier: safetensors only, nothing guessed,
and none of its code unless the folder's terms (`vernier.models.terms`) say that it is trusted."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from vernier.core.errors import DataError, SetupError
from vernier.models.device import device
from vernier.models.folder import CONFIG, files_of, parsed
from vernier.models.needs import needs
from vernier.models.terms import Terms
from vernier.models.tokenizer import Tokenizer


def load(folder: Path) -> Any:
    """The model in `folder`, in evaluation mode, on this process's device, in the dtype that its terms say.

    Raises DataError for a folder without a config or weights, with pickled weights only, with damaged or
    missing parameters, and for an architecture that only code from the folder could run if it is not trusted;
    SetupError if the device, or a package that trusted code imports, is not there.
    """
    needs("torch", "transformers", "safetensors")
    from transformers import AutoModelForCausalLM

    return _load(folder, AutoModelForCausalLM)


def load_sequence_classifier(folder: Path, *, outputs: int | None = None) -> Any:
    """As `load`, with a head on the whole sequence instead of one on each token.

    outputs   of a new head, drawn from PyTorch's random state, where the folder has none of that size; without it the
              folder must have one. Raises DataError if it has none, or if more than the head is missing.
    """
    needs("torch", "transformers", "safetensors")
    from transformers import AutoModelForSequenceClassification

    if outputs is None:
        return _load(folder, AutoModelForSequenceClassification)
    return _load(folder, AutoModelForSequenceClassification, num_labels=outputs, ignore_mismatched_sizes=True)


def _load(folder: Path, auto: Any, **head: Any) -> Any:
    """The model in `folder` as `auto` makes it. head: settings of a head that may be new."""
    from safetensors import SafetensorError
    from transformers.utils import logging

    place, terms = device(), Terms.of(folder)
    files_of(*listing(folder), str(folder))
    logging.disable_progress_bar()
    said = logging.get_verbosity()
    if head:
        logging.set_verbosity_error()  # that the head is new is no news; what else is missing is an error below
    try:
        loaded: Any = auto.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=terms.trust_remote_code,
            dtype=terms.torch_dtype(),
            output_loading_info=True,
            **head,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise DataError(
            "a model can not be loaded",
            where=str(folder),
            found=str(error),
            do="if you trust the code that came with it: `trust_remote_code: true` in train.read_hf"
            if "trust_remote_code" in str(error)
            else None,
        ) from error
    except ImportError as error:
        if not terms.trust_remote_code:
            raise
        raise SetupError(
            "the code of a model needs a package that is not installed", where=str(folder), found=str(error)
        ) from error
    finally:
        logging.set_verbosity(said)
    model, info = loaded
    # transformers fills what is missing with random numbers and only warns
    missing = sorted(info["missing_keys"]) + sorted(str(k[0]) for k in info.get("mismatched_keys", ()))
    if head:
        missing = [name for name in missing if not _in_head(model, name)]
    if missing:
        raise DataError(
            "the weights do not fit the model's config",
            where=str(folder),
            found=f"{len(missing)} parameters without weights, first: {missing[0]}",
            expected="a weight for every parameter",
        )
    return model.eval().to(place)


def _in_head(model: Any, name: str) -> bool:
    """Whether a parameter lies on top of the model: outside of its body, or in the pooling layer of a BERT."""
    return not name.startswith(f"{model.base_model_prefix}.") or ".pooler." in name


def load_pair(folder: Path) -> tuple[Any, Tokenizer]:
    """The model and the tokenizer in `folder`. Raises DataError if they do not fit each other."""
    tokenizer = Tokenizer(folder)
    check_fit(folder, tokenizer)
    return load(folder), tokenizer


_loaded: dict[Path, tuple[Any, Tokenizer]] = {}
_held = Counter[Path]()


def load_once(folder: Path) -> tuple[Any, Tokenizer]:
    """`load_pair`, kept for the next shard that this process scores (folders of the store never change).

    The last model is kept, and those that somebody is `keeping`.
    """
    if folder not in _loaded:
        _let_go()
        _loaded[folder] = load_pair(folder)
    return _loaded[folder]


@contextlib.contextmanager
def keeping(folder: Path) -> Iterator[None]:
    """While it lasts, `load_once` loads the model in `folder` once, however many others are used between."""
    _held[folder] += 1
    try:
        yield
    finally:
        _held[folder] -= 1


def _let_go() -> None:
    for folder in [folder for folder in _loaded if _held[folder] == 0]:
        del _loaded[folder]


def check_fit(folder: Path, tokenizer: Tokenizer) -> None:
    """Raises DataError if the tokenizer has more tokens than the model's config has embeddings."""
    rows = config_of(folder).get("vocab_size")
    if rows is not None and tokenizer.vocabulary > rows:
        raise misfit(folder, tokenizer.vocabulary, rows)


def misfit(folder: Path | str, tokens: int, rows: int) -> DataError:
    return DataError(
        "the tokenizer does not fit the model",
        where=str(folder),
        found=f"token ids up to {tokens - 1}, but only {rows} embeddings",
        expected="the tokenizer that the model was trained with",
    )


def config_of(folder: Path) -> dict[str, Any]:
    """The model's config.json. Raises DataError if there is none."""
    return parsed(*listing(folder), CONFIG, str(folder))


def listing(folder: Path) -> tuple[set[str], Callable[[str], bytes]]:
    """The names of the files in a folder of the store, and how one is read."""
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return names, lambda name: (folder / name).read_bytes()
