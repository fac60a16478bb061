"""Rate documents with a model that was made for it: the raters of QuRating (arXiv 2402.09739), of Meta-rater
(2504.14194: PRRC), of FineWeb-Edu, or one of `train.rater`.

Any Hugging Face sequence classifier (`train.read_hf`): a head for regression, one with an output for each criterion, or
one that tells classes apart, whose expected value is the rating. How a document is read is in `vernier.models.rater`.

Or, with a `rubric` or a `prompt`, any causal language model, as DataMan (arXiv 2502.19363): it reads a document once,
its middle cut out if it is long, and answers in digits (`vernier.models.asked`). An answer that can not be read is
counted and gives no rating: its document is undefined, NaN, and never selected.

A rater knows the documents whose labels it was told, so its ratings of these say nothing of how it rates others. It
never rates them: a document with the id or the text of one is null, as one that is not selected, and the facts say how
many there are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vernier.core.artifact import Artifact
from vernier.core.errors import RecipeError
from vernier.core.shard import Inputs, Shard
from vernier.core.tables import ID_BYTES
from vernier.models import flops
from vernier.models.asked import SLOT, Question, check_fits, lengths_of, load_asked
from vernier.models.nll import check_settings
from vernier.models.rater import Form, Notes, form_of, load_rater
from vernier.models.threads import threads
from vernier.models.tokenizer import Tokenizer
from vernier.score import rubrics
from vernier.score.nll import bytes_per_token, counted
from vernier.score.wanted import batches, spread

MOST = 1896  # tokens of a document that a language model is shown: DataMan's code


@dataclass(frozen=True, kw_only=True)
class Rater:
    """For each criterion a column with the sum over segments of rating x tokens, then `num_tokens` and `num_bytes`: the
    mean rating is `by: a.CRITERION` with `per: token`. Null where a row is not selected, or its label was told to the
    rater.

    Of a language model, which rates a document once, there is also `num_unreadable` (0 or 1), and with the rubric
    `dataman` `application`: the place of its field in `vernier.score.rubrics.APPLICATIONS`, null if unreadable.

    criteria   names of the columns; without them what the rater calls its outputs (one without a name: `rating`)
    values     what each class is worth, in their order: for a head that tells classes apart
    rubric     of a language model: the built-in question, `dataman` (14 criteria from 1 to 5, 15 fields)
    prompt     or one of your own, with {text}, which asks for a digit for each of `criteria`
    scale      with a prompt: lowest and highest digit
    segment    most tokens read at once; by default 512, or what the rater was trained with. Of a language model: those
               of a document, of a longer one the first and last halves of so many; 1896 as in DataMan's code
    threads    of PyTorch in each worker: the last bits of a rating can depend on it
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "selection": "selection?", "rater": "model"}
    masks: ClassVar[tuple[str, ...]] = ("selection",)

    criteria: tuple[str, ...] = ()
    values: tuple[float, ...] = ()
    rubric: Literal["dataman"] | None = None
    prompt: str | None = None
    scale: tuple[int, int] | None = None
    segment: int | None = None
    threads: int = 1

    def __post_init__(self) -> None:
        check_settings(segment=self.segment, threads=self.threads)
        if len(self.values) == 1:
            raise RecipeError("a head that tells classes apart has two or more", found=f"values: {[*self.values]}")
        if self.rubric is not None and (self.prompt is not None or self.criteria):
            raise RecipeError("a rubric brings its own prompt and criteria", do="leave yours out")
        if (self.prompt is None) != (self.scale is None):
            raise RecipeError("a prompt asks for digits on a scale", do="give both `prompt` and `scale`, or neither")
        if self.prompt is not None and (self.prompt.count(SLOT) != 1 or not self.criteria):
            raise RecipeError("a prompt has one place for the document, and `criteria` that it asks for", expected=SLOT)
        if self.scale is not None and not 0 <= self.scale[0] < self.scale[1] <= 9:
            raise RecipeError("a scale goes from one digit to a higher one", found=str([*self.scale]))
        if self.values and self._question is not None:
            raise RecipeError("a language model has no classes", found="`values`", do="leave it out")

    @property
    def _question(self) -> Question | None:
        """What a language model is asked; None for a classifier."""
        most = self.segment or MOST
        if self.rubric is not None:
            return Question(rubrics.DATAMAN_PROMPT, len(rubrics.DATAMAN), (1, 5), rubrics.LETTERS, most)
        if self.prompt is not None and self.scale is not None:
            return Question(self.prompt, len(self.criteria), self.scale, "", most)
        return None

    def facts(self, inputs: Inputs) -> dict[str, Any]:
        """Whose tokens were counted, the criteria, and how many selected documents were told to the rater."""
        folder = inputs.folder("rater")
        told = sum(int((shard.kept() & _told(shard)).sum()) for shard in inputs.shards())
        if self._question is None:
            criteria = self._form(folder).criteria
        else:
            criteria = self.criteria or tuple(rubrics.DATAMAN)
            check_fits(folder, self._question)
        return {"tokenizer": Tokenizer(folder).digest, "criteria": list(criteria), "told": told}

    def flops(self, inputs: Inputs, out: Artifact | None) -> float | None:
        """Operations to read the segments of the wanted documents, or the prompts and answers about them, without a
        language model's output layer; None for a model that does not say what it takes. Planned from their bytes. An
        encoder's token sees all others of its segment, a causal model's those before."""
        folder = inputs.folder("rater")
        cost = flops.of_folder(folder, head=False)
        if cost is None:
            return None
        found = self._planned(inputs) if out is None else counted(inputs, out)
        tokens = np.concatenate([np.empty(0, np.int64), *found])
        if self._question is None:
            form = self._form(folder)
            lengths, encoder = form.lengths(tokens), len(form.before) > 0
        else:
            lengths, encoder = lengths_of(folder, self._question, tokens), False
        pairs = lengths**2 if encoder else lengths * (lengths + 1) / 2
        return cost.forward(float(lengths.sum()), float(pairs.sum()))

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        """One row for each document. Raises RecipeError for settings that do not fit the rater's head."""
        rate = self._asking(shard) if self._question is not None else self._reading(shard)
        told, at = _told(shard), 0
        for batch, selected in batches(shard, ["text", "num_bytes"]):
            wanted = selected & ~told[at : at + batch.num_rows]
            at += batch.num_rows
            with threads(self.threads):
                columns = rate(batch.filter(wanted).column("text").to_pylist())
            columns["num_bytes"] = batch.column("num_bytes").to_numpy()[wanted]
            made = {name: spread(values, wanted) for name, values in columns.items()}
            if "application" in made:
                answered = pc.greater_equal(made["application"], 0)
                made["application"] = pc.if_else(answered, made["application"], pa.scalar(None, pa.int64()))
            yield pa.table(made)

    def _reading(self, shard: Shard) -> _Rate:
        """How a classifier rates."""
        rater = load_rater(shard.inputs.folder("rater"), self.segment, self.criteria, self.values)

        def rate(texts: Sequence[str]) -> dict[str, NDArray[Any]]:
            sums, counts = rater.rate(texts)
            return {**dict(zip(rater.form.criteria, sums.T, strict=True)), "num_tokens": counts}

        return rate

    def _asking(self, shard: Shard) -> _Rate:
        """How a language model rates."""
        assert self._question is not None
        asked = load_asked(shard.inputs.folder("rater"), self._question)
        names = self.criteria or tuple(rubrics.DATAMAN)

        def rate(texts: Sequence[str]) -> dict[str, NDArray[Any]]:
            answers, counts = asked.ask(texts)
            unreadable = np.array([answer is None for answer in answers], dtype=np.int64)
            ratings = np.full((len(texts), len(names)), math.nan)
            letters = np.full(len(texts), -1, dtype=np.int64)  # null, once the rows are spread
            for row, answer in enumerate(answers):
                if answer is not None:
                    ratings[row], letters[row] = answer.ratings, answer.letter
            columns = dict(zip(names, (ratings * counts[:, None]).T, strict=True))
            more = {"application": letters} if self.rubric is not None else {}
            return {**columns, **more, "num_unreadable": unreadable, "num_tokens": counts}

        return rate

    def _form(self, folder: Path) -> Form:
        return form_of(folder, segment=self.segment, criteria=self.criteria, values=self.values)

    def _planned(self, inputs: Inputs) -> Iterator[NDArray[np.int64]]:
        as_model = {**inputs.artifacts, "model": inputs.artifacts["rater"]}
        per_token = bytes_per_token(replace(inputs, artifacts=as_model))
        for shard in inputs.shards():
            sizes = shard.read("corpus", ["num_bytes"]).column("num_bytes").to_numpy()[shard.wanted()]
            yield np.ceil(sizes / per_token).astype(np.int64)


_Rate = Callable[[Sequence[str]], dict[str, NDArray[Any]]]


def _told(shard: Shard) -> NDArray[np.bool_]:
    """Which rows hold a document whose label the rater was told, by its id or by its text, bool [rows]."""
    documents, texts = _known(shard.inputs.folder("rater"))
    found = shard.read("corpus", ["doc_id", "text_hash"])
    either = pc.or_(pc.is_in(found["doc_id"], value_set=documents), pc.is_in(found["text_hash"], value_set=texts))
    return either.to_numpy()


@lru_cache(maxsize=1)
def _known(folder: Path) -> tuple[pa.Array, pa.Array]:
    notes = Notes.of(folder)
    documents, texts = ([bytes.fromhex(one) for one in sorted(some)] for some in (notes.documents, notes.texts))
    return pa.array(documents, pa.binary(ID_BYTES)), pa.array(texts, pa.binary(ID_BYTES))
