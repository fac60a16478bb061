"""Rate documents with a sequence classifier: as QuRating (arXiv 2402.09739) and Meta-rater (2504.14194) do.

A document is cut into segments of so many tokens, the last one shorter; the head gives a segment one number for each
criterion, or the probabilities P(k) of classes whose expected value sum_k v_k P(k) is the rating. What is kept of a
document is the sum over its segments of rating x tokens, and its number of tokens.

Segments are read one at a time, and nothing is padded. A Llama-style classifier takes the last token that is not
padding, and where the padding token is also one that texts may end with (often it is that of their end), it would take
an earlier one: here no token counts as padding.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vernier.core.errors import DataError, RecipeError
from vernier.models.flops import POSITIONS
from vernier.models.load import check_fit, config_of, load_sequence_classifier, misfit
from vernier.models.tokenizer import Tokenizer

if TYPE_CHECKING:
    import torch

FILE = "rater.json"
SEGMENT = 512  # tokens in a segment: QuRating's code
TOGETHER = 16  # texts of one length in a pass of a training: a change moves the last bits
NOT_PADDING = -1  # no token has this id


@dataclass(frozen=True)
class Notes:
    """What `train.rater` writes beside the weights; a rater from elsewhere has none of it.

    criteria    names, one for each output, or one for all classes
    values      of the classes; none where each output is a criterion
    segment     tokens of a text that it was trained on at most
    documents   ids of the documents whose labels it was told, hex
    texts       hashes of these texts, hex
    """

    criteria: tuple[str, ...] = ()
    values: tuple[float, ...] = ()
    segment: int | None = None
    documents: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()

    def save(self, folder: Path) -> None:
        told = {"documents": sorted(self.documents), "texts": sorted(self.texts)}
        said = {"criteria": self.criteria, "values": self.values, "segment": self.segment, **told}
        (folder / FILE).write_text(json.dumps(said, indent=0, sort_keys=True) + "\n", encoding="utf-8")

    @staticmethod
    def of(folder: Path) -> Notes:
        """The notes in a folder, or empty ones. Raises DataError if they can not be read."""
        path = folder / FILE
        if not path.exists():
            return Notes()
        try:
            said: Any = json.loads(path.read_text("utf-8"))
            documents, texts = frozenset(said["documents"]), frozenset(said["texts"])
            return Notes(tuple(said["criteria"]), tuple(said["values"]), said["segment"], documents, texts)
        except (ValueError, KeyError, TypeError) as error:
            raise DataError("a rater's notes are damaged", where=str(path), found=repr(error)) from error


@dataclass(frozen=True)
class Form:
    """How a rater is read: known from its folder and the settings, before a weight is loaded.

    criteria   names of the columns
    values     of the classes; none where each output is a criterion
    segment    most tokens at once, those of the frame among them
    before     tokens in front of each segment, uint32
    behind     tokens after it
    """

    criteria: tuple[str, ...]
    values: tuple[float, ...]
    segment: int
    before: NDArray[np.uint32]
    behind: NDArray[np.uint32]

    @property
    def body(self) -> int:
        """Tokens of the text in a full segment."""
        return self.segment - len(self.before) - len(self.behind)

    def cut(self, ids: NDArray[np.uint32]) -> list[NDArray[np.uint32]]:
        """The segments of a document without their frames: all full but the last."""
        return [ids[at : at + self.body] for at in range(0, len(ids), self.body)]

    def framed(self, ids: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """What the model reads of a segment."""
        return np.concatenate([self.before, ids, self.behind])

    def lengths(self, num_tokens: NDArray[np.int64]) -> NDArray[np.float64]:
        """What the model reads, float64 [segments]: of documents of so many tokens."""
        full, rest = np.divmod(num_tokens, self.body)
        lengths = np.concatenate([np.full(int(full.sum()), self.body), rest[rest > 0]])
        return (lengths + len(self.before) + len(self.behind)).astype(np.float64)


def form_of(
    folder: Path, *, segment: int | None = None, criteria: Sequence[str] = (), values: Sequence[float] = ()
) -> Form:
    """How to read the rater in a folder. Settings come first, then its notes, then its config.

    Raises RecipeError if they do not fit its head.
    """
    notes, config, tokenizer = Notes.of(folder), config_of(folder), Tokenizer(folder)
    outputs = _outputs(config)
    values, criteria = tuple(values or notes.values), tuple(criteria or notes.criteria)
    if values:
        if len(values) != len(outputs):
            raise RecipeError(
                "the head does not have a class for each value",
                found=f"{len(values)} values, {len(outputs)} outputs: {', '.join(outputs)}",
            )
        criteria = criteria or ("rating",)
    elif config.get("problem_type") == "single_label_classification":
        raise RecipeError(
            "this classifier tells classes apart, and what they are worth is not said",
            where=str(folder),
            found=f"classes {', '.join(outputs)}",
            do="write `values`, one for each class in this order",
        )
    else:
        criteria = criteria or (("rating",) if outputs == ("LABEL_0",) else outputs)
    wanted = 1 if values else len(outputs)
    if len(criteria) != wanted or len(set(criteria)) != wanted or {"num_tokens", "num_bytes"} & set(criteria):
        raise RecipeError(
            "the criteria do not fit the head",
            found=f"criteria {', '.join(criteria)}; outputs {', '.join(outputs)}",
            expected=f"{wanted} name{'s' if wanted > 1 else ''}, each once, other than num_tokens and num_bytes",
        )
    positions = next((config[name] for name in POSITIONS if config.get(name) is not None), SEGMENT)
    most = segment or min(notes.segment or SEGMENT, positions)
    before, behind = tokenizer.frame
    form = Form(criteria, values, most, before, behind)
    if most > positions or form.body < 1:
        raise RecipeError(
            "a segment does not fit the model",
            found=f"segment: {most}",
            expected=f"from {most - form.body + 1} to {positions} tokens",
        )
    return form


@dataclass(frozen=True)
class Rater:
    """A loaded rater."""

    form: Form
    model: Any
    tokenizer: Tokenizer

    def rate(self, texts: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Of each text the sum over its segments of rating x tokens, float64 [N, criteria], and its tokens, int64 [N].

        An empty text has 0 of both. Raises DataError for a rating that is not finite.
        """
        import torch

        sums = np.zeros((len(texts), len(self.form.criteria)))
        counts = np.zeros(len(texts), dtype=np.int64)
        for row, one in enumerate(self.tokenizer.encode(texts)):
            counts[row] = len(one.ids)
            for piece in self.form.cut(one.ids):
                with torch.inference_mode():
                    outputs = head_outputs(self.model, [self.form.framed(piece)])[0].double().cpu().numpy()
                sums[row] += len(piece) * (expected(outputs, self.form.values) if self.form.values else outputs)
        bad = np.flatnonzero(~np.isfinite(sums).all(axis=1))
        if len(bad):
            raise DataError(
                "the rater gives a rating that is not a number",
                where=f"{self.tokenizer.folder}, on a text that begins {texts[bad[0]][:40]!r}",
                found=f"{len(bad)} of {len(texts)} documents",
                expected="finite ratings",
                do="look at the model: its weights may hold NaN",
            )
        return sums, counts


def expected(logits: NDArray[np.float64], values: Iterable[float]) -> float:
    """sum_k v_k P(k), P the softmax of the logits [k]."""
    weights = np.exp(logits - logits.max())
    return float(weights @ np.array(list(values)) / weights.sum())


@lru_cache(maxsize=1)
def load_rater(folder: Path, segment: int | None, criteria: tuple[str, ...], values: tuple[float, ...]) -> Rater:
    """The rater in a folder (`form_of`), kept for the next shard that this process scores."""
    form, tokenizer = form_of(folder, segment=segment, criteria=criteria, values=values), Tokenizer(folder)
    check_fit(folder, tokenizer)
    model = load_sequence_classifier(folder)
    without_padding(model)
    return Rater(form, model, tokenizer)


def without_padding(model: Any) -> int | None:
    """From now on no token counts as padding. Returns the id that did, or None."""
    config = model.config.get_text_config()
    before, config.pad_token_id = config.pad_token_id, NOT_PADDING
    return before


def head_outputs(model: Any, texts: Sequence[NDArray[np.uint32]]) -> torch.Tensor:
    """What the head says of each text, float32 [N, outputs], with gradients where they are on.

    texts   N arrays of token ids, uint32 [T_i], frames with them: those of one length are read together, at most
            TOGETHER, so nothing is padded
    Raises DataError for a token id that the model has no embedding for.
    """
    import torch

    rows = model.get_input_embeddings().weight.shape[0]
    largest = max(int(ids.max()) for ids in texts)
    if largest >= rows:
        raise misfit(getattr(model.config, "name_or_path", "") or "the model", largest + 1, rows)
    by_length: dict[int, list[int]] = {}
    for place, ids in enumerate(texts):
        by_length.setdefault(len(ids), []).append(place)
    groups = [some[at : at + TOGETHER] for some in by_length.values() for at in range(0, len(some), TOGETHER)]
    found = [
        model(input_ids=torch.from_numpy(np.stack([texts[i] for i in some]).astype(np.int64)).to(model.device)).logits
        for some in groups
    ]
    order = np.argsort([place for some in groups for place in some], kind="stable")
    return torch.cat(found).float()[torch.from_numpy(order).to(model.device)]


def _outputs(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of a head's outputs; transformers gives a head that says nothing two."""
    named = config.get("id2label")
    if named:
        return tuple(str(named[key]) for key in sorted(named, key=int))
    return tuple(f"LABEL_{i}" for i in range(config.get("num_labels") or 2))
