"""Embed documents with a folder of sentence-transformers (Reimers and Gurevych 2019, arXiv 1908.10084).

Documents are embedded one at a time: whatever shares a batch pads a document and moves the last bits of its embedding,
so one that depends on the document and the model alone has no company. A document longer than the model reads is cut
where the model's own settings cut it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vernier.core.errors import DataError
from vernier.models.device import device
from vernier.models.folder import MODULES, files_of, parsed
from vernier.models.load import listing
from vernier.models.needs import needs
from vernier.models.terms import Terms
from vernier.models.threads import threads


@dataclass(frozen=True)
class Sentences:
    """A loaded `SentenceTransformer`."""

    folder: Path
    model: Any

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """float32 [N, d] for one text or more, as the model gives them. Raises DataError for one that is not finite."""
        with threads(1):
            rows = [self.model.encode(text, show_progress_bar=False, convert_to_numpy=True) for text in texts]
        embeddings = np.stack(rows).astype(np.float32)
        bad = np.flatnonzero(~np.isfinite(embeddings).all(axis=1))
        if len(bad):
            raise DataError(
                "the embedder gives an embedding that is not a number",
                where=f"{self.folder}, on a text that begins {texts[bad[0]][:40]!r}",
                found=f"{len(bad)} of {len(texts)} documents",
                expected="finite embeddings",
                do="look at the model: its weights may hold NaN",
            )
        return embeddings


def load_sentences(folder: Path) -> Sentences:
    """The embedder in a folder with a `modules.json`, on this process's device; nothing is looked up elsewhere.

    Raises DataError if it can not be loaded, or needs code that its terms do not trust; SetupError without the
    library.
    """
    needs("torch", "transformers", "sentence_transformers")
    from safetensors import SafetensorError
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    names, read = listing(folder)
    files_of(names, read, str(folder))
    terms = Terms.of(folder)
    if not terms.trust_remote_code:
        # the library runs a module's own code from a local folder without asking
        _check_modules(parsed(names, read, MODULES, str(folder)), folder)
    logging.disable_progress_bar()
    try:
        model: Any = SentenceTransformer(
            str(folder),
            device=str(device()),
            local_files_only=True,
            trust_remote_code=terms.trust_remote_code,
            model_kwargs={"dtype": terms.torch_dtype(), "use_safetensors": True},
        )
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
        raise DataError("an embedder can not be loaded", where=str(folder), found=str(error)) from error
    return Sentences(folder, model.eval())


def _check_modules(modules: Sequence[Mapping[str, Any]], folder: Path) -> None:
    for module in modules:
        if not str(module["type"]).startswith("sentence_transformers."):
            raise DataError(
                "an embedder needs code that came with it",
                where=f"{folder}/{MODULES}",
                found=f"type: {module['type']}",
                expected="modules of the library sentence_transformers",
                do="if you trust that code: `trust_remote_code: true` in train.read_hf",
            )
