"""Let a language model behind an endpoint judge documents, or pairs of excerpts (`corpus.pairs`).

Ratings and votes are kept as sums beside the number of readable answers they are sums over. A refusal, an answer of
another form or off the scale is counted and gives no rating. What an endpoint does not answer at all stops the stage;
the answers so far are kept (`vernier.models.endpoint`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import pyarrow as pa

from vernier.core.artifact import Artifact
from vernier.core.errors import RecipeError
from vernier.core.shard import Inputs, Shard
from vernier.core.store import Store
from vernier.models.endpoint import Answer, Endpoint, Question
from vernier.score import answers as read
from vernier.score import rubrics

WHERE: Mapping[str, bool] = {"key": False}  # where and how fast an answer comes is no part of what it says
BATCH = 256  # rows whose questions are in memory together
CUT = "\n...\n"


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Of documents: for each criterion the sum of its ratings (NaN: none readable), `num_answers` readable ones. Of
    pairs: for each criterion `C_ab_votes`, `C_ab_answers`, `C_ba_votes`, `C_ba_answers` (see
    `vernier.core.preference`). Both: `num_refused`, `num_unreadable`, `num_tokens_in`, `num_tokens_out` as the endpoint
    counted them, with prices `cost`, and `num_bytes` of the text.

    url                  of an OpenAI-compatible API, to which /chat/completions is added
    model                the judge's name there
    key_variable         environment variable that holds the key; none is sent without it
    rubric               built-in questions: `prrc` rates documents, `qurating` compares pairs
    prompt               or one of your own, with {text}; for pairs with {first}, {second} and {question}
    scales               with a prompt on documents: criterion -> [lowest, highest] rating
    questions            with a prompt on pairs: criterion -> what stands for {question}
    answers              generations for each prompt (of a pair: in each order)
    temperature          of the judge; more than one answer needs one above 0
    max_output           most tokens of an answer
    max_chars            of a longer text the first and last halves of so many characters are shown
    price_in             per million tokens of prompts, in your currency
    price_out            per million tokens of answers
    concurrency          most requests on the way at once, in each worker
    requests_per_minute  most in a minute, in each worker
    tokens_per_minute    most in a minute, in each worker; estimated before they are sent
    timeout_s            a silence of so many seconds is a failed try
    retries              of a question whose trouble may pass
    pause_s              before the first retry; doubles with each
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "scores"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus", "selection": "selection?"}
    masks: ClassVar[tuple[str, ...]] = ("selection",)

    url: str = field(metadata=WHERE)
    model: str
    key_variable: str | None = field(default=None, metadata=WHERE)
    rubric: Literal["prrc", "qurating"] | None = None
    prompt: str | None = None
    scales: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    questions: dict[str, str] = field(default_factory=dict[str, str])
    answers: int = 1
    temperature: float = 0.0
    max_output: int = 512
    max_chars: int = 20_000
    price_in: float | None = None
    price_out: float | None = None
    concurrency: int = field(default=8, metadata=WHERE)
    requests_per_minute: int | None = field(default=None, metadata=WHERE)
    tokens_per_minute: int | None = field(default=None, metadata=WHERE)
    timeout_s: float = field(default=120.0, metadata=WHERE)
    retries: int = field(default=6, metadata=WHERE)
    pause_s: float = field(default=1.0, metadata=WHERE)

    def __post_init__(self) -> None:
        _ = self._endpoint
        if (self.rubric is None) == (self.prompt is None):
            raise RecipeError("a judge needs a `rubric` or a `prompt`, one of the two")
        if self.rubric is not None and (self.scales or self.questions):
            raise RecipeError("a rubric brings its own criteria", do="leave `scales` and `questions` out")
        if self.prompt is not None:
            slots = set(re.findall(r"\{(text|first|second|question)\}", self.prompt))
            if slots != ({"first", "second", "question"} if self.questions else {"text"}):
                raise RecipeError(
                    "the prompt does not have the places for what is judged",
                    found=", ".join(sorted(slots)) or "none",
                    expected="{text} with `scales`; or {first}, {second} and {question} with `questions`",
                )
            if bool(self.scales) == bool(self.questions):
                raise RecipeError("a prompt needs `scales` (documents) or `questions` (pairs), one of the two")
        for name, (low, high) in self.scales.items():
            if not low < high:
                raise RecipeError(f"the scale of {name!r} is empty", found=f"[{low}, {high}]")
        for name in (*self.scales, *self.questions):
            if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
                raise RecipeError("a criterion is named in small letters, digits and _", found=name)
        for name in ("answers", "max_output", "max_chars"):
            if getattr(self, name) < 1:
                raise RecipeError(f"`{name}` must be positive", found=f"{name}: {getattr(self, name)}")
        if self.temperature < 0 or (self.answers > 1 and self.temperature == 0):
            raise RecipeError(
                "several answers differ only at a temperature above 0",
                found=f"answers: {self.answers}, temperature: {self.temperature}",
            )
        if (self.price_in is None) != (self.price_out is None):
            raise RecipeError("a cost needs both prices: `price_in` and `price_out`")

    @property
    def _endpoint(self) -> Endpoint:
        return Endpoint(
            url=self.url,
            key_variable=self.key_variable,
            concurrency=self.concurrency,
            requests_per_minute=self.requests_per_minute,
            tokens_per_minute=self.tokens_per_minute,
            timeout_s=self.timeout_s,
            retries=self.retries,
            pause_s=self.pause_s,
        )

    @property
    def _scales(self) -> Mapping[str, tuple[int, int]]:
        return rubrics.SCALES.get(self.rubric or "", self.scales)

    @property
    def _pairs(self) -> Mapping[str, str]:
        return rubrics.PAIRS if self.rubric == "qurating" else self.questions

    def facts(self, inputs: Inputs) -> dict[str, Any]:
        """Who judged, what, and how many answers it was asked for (which `core.preference` needs)."""
        criteria = list(self._pairs or self._scales)
        return {"judge": self.model, "criteria": criteria, "answers": self.answers, "pairs": bool(self._pairs)}

    def flops(self, inputs: Inputs, out: Artifact | None) -> float | None:
        """Not known: the judge computes elsewhere, and does not say how large it is."""
        return None

    def map(self, shard: Shard) -> Iterator[pa.Table]:
        """Raises SetupError or StageError as the endpoint does, RecipeError for pair questions about no pairs."""
        if self._pairs and "second" not in shard.columns("corpus"):
            raise RecipeError(
                "these questions compare two texts, and the corpus holds no pairs", do="give a corpus of `corpus.pairs`"
            )
        columns = ["text", "num_bytes", *(["second"] if self._pairs else [])]
        todo, at = shard.wanted(), 0
        for group in shard.batches("corpus", columns):
            for start in range(0, group.num_rows, BATCH) or (0,):
                batch = group.slice(start, BATCH)
                wanted = todo[at : at + batch.num_rows]
                at += batch.num_rows
                yield self._judged(batch.to_pylist(), wanted.tolist(), Store(shard.inputs.store))

    def _judged(self, rows: Sequence[Mapping[str, Any]], wanted: Sequence[bool], store: Store) -> pa.Table:
        asked = [self._asked(row) if want else [] for row, want in zip(rows, wanted, strict=True)]
        came = iter(self._endpoint.ask([question for some in asked for question in some], store))
        of_row = [[next(came) for _ in some] for some in asked]
        made = [
            {**self._counted(some), **self._paid(some), "num_bytes": row["num_bytes"]} if want else {}
            for row, want, some in zip(rows, wanted, of_row, strict=True)
        ]
        return pa.Table.from_pylist(made, schema=self._schema)

    def _asked(self, row: Mapping[str, Any]) -> list[Question]:
        """A row's questions: all generations of a prompt side by side; of a pair criterion by criterion, ab then ba."""
        if not self._pairs:
            template = rubrics.PRRC if self.prompt is None else self.prompt
            prompts = [_filled(template, {"text": self._cut(row["text"])})]
        else:
            template = rubrics.PAIR if self.prompt is None else self.prompt
            one, other = self._cut(row["text"]), self._cut(row["second"])
            prompts = [
                _filled(template, {"question": question, "first": first, "second": second})
                for question in self._pairs.values()
                for first, second in ((one, other), (other, one))
            ]
        parameters = {"temperature": self.temperature, "max_tokens": self.max_output}
        return [
            Question(self.model, prompt, parameters, number) for prompt in prompts for number in range(self.answers)
        ]

    def _cut(self, text: str) -> str:
        """A long text without its middle: its head alone would be judged for the whole."""
        if len(text) <= self.max_chars:
            return text
        head = (self.max_chars + 1) // 2
        return text[:head] + CUT + text[len(text) - (self.max_chars - head) :]

    def _counted(self, came: Sequence[Answer]) -> dict[str, float | int]:
        if not self._pairs:
            found = [read.ratings(a.text, self._scales) for a in came if not a.refused]
            good = [ratings for ratings in found if ratings is not None]
            sums = {n: float(sum(r[n] for r in good)) if good else math.nan for n in self._scales}
            return {**sums, "num_answers": len(good), "num_unreadable": len(found) - len(good)}
        out: dict[str, float | int] = {}
        unreadable = 0
        orders = [f"{name}_{order}" for name in self._pairs for order in ("ab", "ba")]
        for i, order in enumerate(orders):
            some = came[i * self.answers : (i + 1) * self.answers]
            labels = [read.label(answer.text) for answer in some if not answer.refused]
            out[f"{order}_votes"] = labels.count("B")
            out[f"{order}_answers"] = len(labels) - labels.count(None)
            unreadable += labels.count(None)
        return {**out, "num_unreadable": unreadable}

    def _paid(self, came: Sequence[Answer]) -> dict[str, float | int]:
        ins, outs = sum(a.tokens_in for a in came), sum(a.tokens_out for a in came)
        out: dict[str, float | int] = {
            "num_refused": sum(a.refused for a in came),
            "num_tokens_in": ins,
            "num_tokens_out": outs,
        }
        if self.price_in is None or self.price_out is None:
            return out
        return {**out, "cost": (ins * self.price_in + outs * self.price_out) / 1e6}

    @property
    def _schema(self) -> pa.Schema:
        if self._pairs:
            kinds = ("ab_votes", "ab_answers", "ba_votes", "ba_answers")
            fields = [(f"{name}_{kind}", pa.int64()) for name in self._pairs for kind in kinds]
        else:
            fields = [*((name, pa.float64()) for name in self._scales), ("num_answers", pa.int64())]
        counts = ("num_refused", "num_unreadable", "num_tokens_in", "num_tokens_out", "num_bytes")
        fields += [(name, pa.int64()) for name in counts]
        if self.price_in is not None:
            fields.append(("cost", pa.float64()))
        return pa.schema(fields)


def _filled(template: str, values: Mapping[str, str]) -> str:
    """A prompt with its places filled in one pass: a text that holds {second} stays as it is."""
    return re.sub(r"\{(\w+)\}", lambda m: values.get(m.group(1), m.group(0)), template)
