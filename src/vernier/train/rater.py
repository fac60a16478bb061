"""Train a rater on labels: on judgments of pairs (QuRating, arXiv 2402.09739), or on a column of the corpus, such as
the grades of a language model (PRRC of Meta-rater, 2504.14194).

    pairs:  {do: corpus.pairs, in: {corpus: docs, selection: sample, tokenizer: base}}
    judged: {do: score.judge, in: {corpus: pairs}, with: {url: ..., model: ..., rubric: qurating, answers: 20, ...}}
    rater:  {do: train.rater, in: {corpus: pairs, judgments: judged, init: base}}
    rated:  {do: score.rater, in: {corpus: docs, selection: pool, rater: rater}}

The model is any causal language model or encoder, with a new linear head. What it is trained on is in
`vernier.train.labelled`, how in `vernier.train.ratings`. A tenth of the examples is held out; the weights of the epoch
that is right about most of it are kept, so this accuracy is a little too good. The same inputs, seed and number of
threads give the same weights. A training that is killed begins anew.

The folder is a Hugging Face sequence classifier; `rater.json` beside it names all that was told, held out or not, and
`score.rater` never rates these.
"""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from vernier.core import rng
from vernier.core.artifact import Artifact
from vernier.core.errors import DataError, RecipeError
from vernier.core.shard import Inputs
from vernier.models import flops
from vernier.models.build import num_parameters
from vernier.models.device import device
from vernier.models.load import check_fit, load_sequence_classifier
from vernier.models.needs import needs
from vernier.models.rater import SEGMENT, Form, Notes, without_padding
from vernier.models.terms import Terms
from vernier.models.threads import deterministic, threads
from vernier.models.tokenizer import Tokenizer
from vernier.train.labelled import Labelled, read_labels, read_pairs
from vernier.train.ratings import Epoch, Examples, Plan, fit

HELD = 0.1  # of the examples; QuRating


@dataclass(frozen=True, kw_only=True)
class Rater:
    """A sequence classifier that learnt from labels.

    label        the corpus column with the label of each document; without it the input `judgments` is needed
    labels       what each label is worth, {low: 0, medium: 1, high: 2}; without it labels are numbers
    confidence   of pairs: only those with |p - 1/2| of at least half of it are learnt
    temperature  of pairs: the label is sigmoid(logit(p) / temperature)
    segment      tokens of a text that are read: its first ones
    epochs       at most; the best of them is kept
    batch        pairs or documents in a step
    lr           highest learning rate, after a warm-up of a tenth of the steps; then half a cosine down to a tenth
    threads      of PyTorch: the last bits of a weight can depend on it
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "model"
    takes: ClassVar[Mapping[str, str]] = {
        "corpus": "corpus",
        "selection": "selection?",
        "judgments": "scores?",
        "init": "model",
    }
    draws: ClassVar[bool] = True

    label: str | None = None
    labels: dict[str, float] = field(default_factory=dict[str, float])
    confidence: float = 0.5
    temperature: float = 1.0
    segment: int = SEGMENT
    epochs: int = 2
    batch: int = 512
    lr: float = 5e-5
    threads: int = 1

    def __post_init__(self) -> None:
        for name in ("segment", "epochs", "batch", "lr", "threads", "temperature"):
            if not getattr(self, name) > 0:
                raise RecipeError(f"`{name}` must be positive", found=f"{name}: {getattr(self, name)}")
        if not 0 <= self.confidence <= 1:
            raise RecipeError("`confidence` is from 0 to 1", found=f"confidence: {self.confidence}")
        if self.label is None and self.labels:
            raise RecipeError("`labels` say what the labels of a column are worth", do="name it: `label`")

    def check(self, given: Container[str]) -> None:
        """Raises RecipeError unless labels come either from judgments or from a column."""
        if ("judgments" in given) == (self.label is not None):
            raise RecipeError(
                "a rater learns from judged pairs or from a column of labels",
                found="both" if self.label is not None else "neither",
                expected="the input `judgments`, or the setting `label`",
            )

    def told(self) -> tuple[str, ...]:
        """What of a document besides its text the rater was told: for the report."""
        return (f"labels: {self.label or 'judged pairs'}",)

    def flops(self, inputs: Inputs, out: Artifact | None) -> float | None:
        """Of all epochs; not planned, since which pairs are learnt is known only when they are read."""
        return None if out is None else out.facts["flops"]

    def build(self, inputs: Inputs, out: Path) -> dict[str, Any]:
        """Facts: examples learnt and held out, what was left out and why, and the held-out accuracy of each epoch.

        Raises DataError if there is nothing to learn or to hold out, RecipeError if the tables hold no labels,
        StageError if a loss is not finite.
        """
        needs("torch", "transformers", "safetensors")
        import torch
        from transformers.utils import logging

        self.check(inputs.artifacts)
        folder, values = inputs.folder("init"), tuple[float, ...]()
        if self.label is None:
            labelled = read_pairs(inputs, confidence=self.confidence, temperature=self.temperature)
        else:
            labelled, values = read_labels(inputs, column=self.label, values=self.labels)
        tokenizer = Tokenizer(folder)
        check_fit(folder, tokenizer)
        form = Form(labelled.criteria, values, self.segment, *tokenizer.frame)
        examples = _tokens(labelled, tokenizer, form)
        held = _held(labelled, inputs.seed)
        learn, rest = (examples.take(np.flatnonzero(side)) for side in (~held, held))
        plan = Plan(self.epochs, self.batch, self.lr, inputs.seed, pairs=self.label is None)
        with threads(self.threads), deterministic():
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(int.from_bytes(rng.id_of(f"train.rater head {inputs.seed}")[:7], "little"))
                model = load_sequence_classifier(folder, outputs=len(values) or len(labelled.criteria))
            _check_positions(model, form)
            model = model.float().to(device())  # whatever its terms say: AdamW needs float32
            padding = without_padding(model)
            epochs, best = fit(model, learn, rest, plan)
        model.config.get_text_config().pad_token_id = padding
        _name(model.config, labelled.criteria, values)
        logging.disable_progress_bar()
        model.save_pretrained(out)
        if Terms.of(folder).trust_remote_code:
            Terms(trust_remote_code=True).save(out)
        tokenizer.copy_to(out)
        Notes(labelled.criteria, values, self.segment, labelled.documents, labelled.hashes).save(out)
        return {
            "parameters": num_parameters(model),
            "criteria": list(labelled.criteria),
            "examples": {"learnt": len(learn.tokens), "held_out": len(rest.tokens)},
            "left_out": {name: n for name, n in sorted(labelled.left_out.items()) if n},
            "was_told": f"labels of {len(labelled.documents)} documents",
            "accuracy": _accuracy(labelled.criteria, epochs[best]),
            "best_epoch": best + 1,
            "epochs": [{"accuracy": _accuracy(labelled.criteria, e), "loss": round(e.loss, 6)} for e in epochs],
            "flops": _operations(flops.of_folder(out, head=False), form, learn, rest, self.epochs),
            "tokenizer": tokenizer.digest,
        }


def _tokens(labelled: Labelled, tokenizer: Tokenizer, form: Form) -> Examples:
    """The first segment of each text. Raises DataError for a text without tokens."""
    if form.body < 1:
        raise RecipeError("a segment has no room for text", found=f"segment: {form.segment}")
    flat = [text for texts in labelled.texts for text in texts]
    ids = [form.framed(one.ids) for one in tokenizer.encode(flat, max_tokens=form.body)]
    if not all(map(len, ids)):
        raise DataError("a labelled text has no tokens", found=repr(flat[[len(one) for one in ids].index(0)][:40]))
    each = len(labelled.texts[0])
    return Examples(labelled.ids, list(zip(*[iter(ids)] * each, strict=True)), labelled.wanted)


def _held(labelled: Labelled, seed: int) -> NDArray[np.bool_]:
    """Which examples are held out, bool [N]. Raises DataError if none are, or all."""
    held = rng.uniform(labelled.kin, seed, "train.rater held") < HELD
    if held.all() or not held.any():
        raise DataError(
            "there are too few examples to hold some out",
            found=f"{len(held)} examples, of which the lot fell on {int(held.sum())}",
            expected="some dozens",
        )
    return held


def _check_positions(model: Any, form: Form) -> None:
    positions = getattr(model.config, "max_position_embeddings", None)
    if positions is not None and positions < form.segment:
        raise RecipeError(
            "a segment is longer than the model can read",
            found=f"segment: {form.segment}",
            expected=f"at most {positions}",
        )


def _name(config: Any, criteria: Sequence[str], values: Sequence[float]) -> None:
    """Say in the config what the outputs are, as other tools read it."""
    names = [f"{criteria[0]} {value:g}" for value in values] if values else list(criteria)
    config.id2label = dict(enumerate(names))
    config.label2id = {name: i for i, name in enumerate(names)}
    config.problem_type = "single_label_classification" if values else "regression"


def _accuracy(criteria: Sequence[str], epoch: Epoch) -> dict[str, float | None]:
    """Of the held-out entries of each criterion; None where there are none."""
    shares = zip(criteria, epoch.right.tolist(), strict=True)
    return {name: None if math.isnan(share) else round(share, 6) for name, share in shares}


def _operations(cost: flops.Cost | None, form: Form, learn: Examples, held: Examples, epochs: int) -> float | None:
    """Of learning the ones and reading the others, in each epoch."""
    if cost is None:
        return None
    read = [np.array([len(ids) for one in some.tokens for ids in one], dtype=np.float64) for some in (learn, held)]
    pairs = [n**2 if len(form.before) else n * (n + 1) / 2 for n in read]
    (a, b), (c, d) = ((float(n.sum()), float(p.sum())) for n, p in zip(read, pairs, strict=True))
    return epochs * (cost.training(a, b) + cost.forward(c, d))
