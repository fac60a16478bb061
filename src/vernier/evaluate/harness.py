"""The bridge to lm-evaluation-harness (Gao et al., EleutherAI; `lm_eval`): its model wrapper, and its tasks by name.

Likelihoods come from its `HFLM` around a model of ours, with these departures:

* The model is loaded as everywhere here (safetensors only), and its tokenizer never reads a special token out of text.
* A context begins with the separator (bos, else eos), as a document does in training. The harness leaves that to the
  tokenizer, and most add none.
* The harness encodes context and continuation together and cuts at the length of the context alone. Where a token
  spans that place, what is cut off is other text: such a pair is encoded apart, and counted.
* A context too long for the window loses its beginning, as there; here that is counted, and not only logged.
* Softmax in float32 whatever the model computes in.

What the harness makes of the likelihoods is not used: its accuracy takes the first of equal choices for the answer, its
`acc_norm` divides by characters.
"""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib import metadata
from typing import Any

from vernier.core.errors import DataError, RecipeError, nearest
from vernier.evaluate.grades import Reply
from vernier.evaluate.items import Item
from vernier.models import hub
from vernier.models.needs import needs
from vernier.models.nll import window_of
from vernier.models.tokenizer import Tokenizer

OUTPUTS = ("multiple_choice", "loglikelihood")  # what of the harness' tasks is measured by likelihoods of answers
GENERATED = "generate_until"  # what a model writes by itself


class Asker:
    """A model that replies to (context, continuation) pairs.

    window   most tokens that the model sees at once; by default all its positions, at most 2048
    batch    pairs read together: the last bits of a likelihood depend on it
    Raises SetupError if the harness is not installed.
    """

    def __init__(self, model: Any, tokenizer: Tokenizer, *, window: int | None, batch: int) -> None:
        with _quiet():
            self._model: Any = _wrapped(model, tokenizer, window_of(model, window), batch)

    def ask(self, pairs: Sequence[tuple[str, str]]) -> list[Reply]:
        """The reply to each pair. Raises DataError for a continuation without tokens, one longer than the window, and
        a likelihood that is not a number."""
        from lm_eval.api.instance import Instance

        requests = [Instance("loglikelihood", {}, pair, 0) for pair in pairs]
        with _quiet():
            answers = self._model.loglikelihood(requests, disable_tqdm=True)
        replies: list[Reply] = []
        for pair, (context, continuation), (likelihood, greedy) in zip(pairs, self._model.read, answers, strict=True):
            if not math.isfinite(likelihood):
                raise DataError(
                    "the model gives a likelihood that is not a number",
                    where=f"a context that ends {pair[0][-40:]!r}",
                    found=str(likelihood),
                    do="look at the model: its weights may hold NaN",
                )
            moved = pair[0][len(pair[0].rstrip()) :] if pair[0] else ""
            replies.append(
                Reply(
                    nll=-likelihood,
                    num_tokens=continuation,
                    num_bytes=len((moved + pair[1]).encode()),
                    greedy=greedy,
                    cut=context + continuation > self._model.max_length + 1,
                    apart=pair in self._model.apart,
                )
            )
        return replies


def _wrapped(model: Any, tokenizer: Tokenizer, window: int, batch: int) -> Any:
    """The harness' wrapper around a model, with the tokens of a pair made as this module says."""
    needs("lm_eval", "accelerate", extra="tasks")
    from lm_eval.models.huggingface import HFLM
    from transformers import PreTrainedTokenizerFast

    class Wrapped(HFLM):
        """`read`: tokens of context and continuation, pair by pair; `apart`: pairs that were encoded apart."""

        read: list[tuple[int, int]]
        apart: set[tuple[str, str]]

        def tok_encode(self, string: str, *_: Any, **__: Any) -> list[int]:
            return next(iter(tokenizer.encode([string]))).ids.tolist()

        def _encode_pair(self, context: str, continuation: str) -> tuple[list[int], list[int]]:
            before, after = super()._encode_pair(context, continuation)
            if before + after != self.tok_encode(context + continuation):
                bare = context.rstrip()
                self.apart.add((context, continuation))
                after = self.tok_encode(context[len(bare) :] + continuation)
            return [tokenizer.separator, *before], after

        def _loglikelihood_tokens(self, requests: Any, *how: Any, **more: Any) -> Any:
            for (_, continuation), _, tokens in requests:
                if not 0 < len(tokens) <= self.max_length:
                    raise DataError(
                        "an answer of a task can not be read",
                        where=repr(continuation[:60]),
                        found=f"{len(tokens)} tokens",
                        expected=f"1 to {self.max_length}, the model's window",
                    )
            self.read = [(len(context), len(tokens)) for _, context, tokens in requests]
            return super()._loglikelihood_tokens(requests, *how, **more)

    wrapped = Wrapped(
        pretrained=model,
        backend="causal",
        tokenizer=PreTrainedTokenizerFast(tokenizer_file=str(tokenizer.folder / "tokenizer.json")),
        prefix_token_id=tokenizer.separator,
        max_length=window,
        batch_size=batch,
        softmax_dtype="float32",
        logits_cache=False,
    )
    wrapped.read, wrapped.apart = [], set()
    return wrapped


def version() -> str:
    """The version of the harness, which says how a task by name is worded."""
    return metadata.version("lm_eval")


def dataset_of(name: str, *, generated: bool = False) -> tuple[str, str]:
    """The data set of a task that the harness knows by name, and its commit on the hub now.

    generated   take a task too that asks for generated text
    Raises RecipeError for a name that is none, or not one of a single task with likelihoods; SetupError if the harness
    is not installed or the hub can not be reached.
    """
    entry = _index(name).task_index[name]
    config = entry.cfg or {}
    outputs = (*OUTPUTS, GENERATED) if generated else OUTPUTS
    if config.get("output_type") not in outputs or not config.get("dataset_path"):
        raise RecipeError(
            f"the task {name!r} is not measured by likelihoods of answers",
            found=f"output_type: {config.get('output_type')}",
            expected=" or ".join(outputs),
        )
    return config["dataset_path"], hub.dataset_commit(config["dataset_path"])


def named_items(name: str, commit: str) -> list[Item]:
    """The items of a task that the harness knows by name, in its own words and order, from its data set at a commit."""
    with _quiet():
        loaded = _index(name).load([{"task": name, "dataset_kwargs": {"revision": commit}}])
        return items_of(loaded["tasks"][name], name)


def items_of(task: Any, name: str) -> list[Item]:
    """The items of a task object of the harness, zero-shot; of one that asks for generated text its question and its
    answer. Raises DataError for one with several right answers."""
    task.set_config(key="num_fewshot", value=0)
    task.set_fewshot_seed(seed=0)
    if task.OUTPUT_TYPE == GENERATED:
        return [_generated(task, name, number, document) for number, document in task.doc_iterator()]
    task.build_all_requests()
    items: list[Item] = []
    requests: dict[int, list[tuple[str, str]]] = {}
    for one in sorted(task.instances, key=lambda one: (one.doc_id, one.idx)):
        requests.setdefault(one.doc_id, []).append(one.args[:2])
    for number, document in task.doc_iterator():
        asked, label = requests[number], 0
        if task.OUTPUT_TYPE == "multiple_choice":
            choices, right = task.doc_to_choice(document), task.doc_to_target(document)
            # Some tasks ask for each choice without its context too, behind those with it.
            asked = asked[: len(choices)]
            if task.multiple_input:
                right = task.doc_to_text(document)
            label = choices.index(right) if isinstance(right, str) and right in choices else right
            if type(label) is not int or not 0 <= label < len(asked):
                raise DataError(
                    f"an item of the task {name!r} has no single right answer",
                    where=f"item {number}",
                    found=repr(right),
                )
        items.append(Item(name, str(number), tuple(asked), label))
    return items


def _generated(task: Any, name: str, number: int, document: Any) -> Item:
    """The question and what is taken for the answer: the first of several."""
    answer = task.doc_to_target(document)
    if isinstance(answer, list):
        answer = answer[0] if answer else ""
    return Item(name, str(number), ((str(task.doc_to_text(document)), str(answer)),), 0)


def _index(name: str) -> Any:
    """The harness' tasks. Raises RecipeError if `name` is none of them."""
    manager = _manager()
    if name not in manager.all_subtasks:
        known = name in manager.task_index
        raise RecipeError(
            f"{name!r} is a group of tasks" if known else f"there is no task {name!r}",
            found=None if known else "no file of this name, and no task that lm-evaluation-harness knows",
            do="name its tasks one by one" if known else nearest(name, manager.all_subtasks),
        )
    return manager


@lru_cache(maxsize=1)
def _manager() -> Any:
    """All tasks of the harness: some thousand files, which take seconds to read."""
    needs("lm_eval", extra="tasks")
    from lm_eval.tasks import TaskManager

    with _quiet():
        return TaskManager()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The harness warns of what is meant here, and logs one line for each context that it cuts."""
    log = logging.getLogger("lm_eval")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)
