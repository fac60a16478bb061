"""The one client for judges: any endpoint that speaks OpenAI's chat completions (`POST URL/chat/completions`).

An answer is kept in the store as soon as it is there, under the hash of what was asked, whole or not at all: a killed
run asks nothing twice, and the same question in another recipe costs nothing. What can pass (429, 5xx, a timeout, a
closed connection, half a body) is tried again with growing, jittered pauses; what can not is a SetupError at once. The
key comes from the environment, goes into one header, and is struck out of everything that the endpoint says.
"""

from __future__ import annotations

import functools
import json
import os
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from vernier.core.errors import RecipeError, SetupError, StageError
from vernier.core.fingerprint import key_of
from vernier.core.store import Store
from vernier.models.needs import needs

MOST_PAUSE_S = 300.0  # longer than the minute in which limits are counted; an endpoint that asks for more gets this
CHARS_PER_TOKEN = 4  # to plan tokens per minute before the endpoint has counted them: about right for English

DO = {
    400: "the endpoint does not accept the request: look at `model` and the settings",
    401: "the endpoint does not accept the key: look at the variable that `key_variable` names",
    403: "the key may not use this model",
    404: "no such model or address: `url` ends before /chat/completions (https://host/v1)",
}


@dataclass(frozen=True)
class Question:
    """What is asked, and all that an answer may depend on.

    parameters  of the request: temperature, max_tokens ...
    number      tells generations of one prompt apart; it is not sent
    """

    model: str
    prompt: str
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    number: int = 0

    @property
    def body(self) -> dict[str, Any]:
        messages = [{"role": "user", "content": self.prompt}]
        return {"model": self.model, "messages": messages, **self.parameters}

    @functools.cached_property
    def key(self) -> str:
        return key_of("answer", self.body, self.number)


@dataclass(frozen=True)
class Answer:
    """What came back: the text ("" if there is none), whether the judge refused, tokens that the endpoint counted."""

    text: str
    refused: bool
    tokens_in: int
    tokens_out: int


class Pace:
    """Spreads requests so that no minute has more than so many requests or tokens (None: no limit). Thread-safe."""

    def __init__(
        self,
        requests: int | None,
        tokens: int | None,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._requests, self._tokens, self._now, self._sleep = requests, tokens, now, sleep
        self._lock, self._free = threading.Lock(), now()

    def wait(self, tokens: int) -> None:
        """Return when a request of about so many tokens may go out."""
        took = max(60 / self._requests if self._requests else 0.0, 60 * tokens / self._tokens if self._tokens else 0.0)
        with self._lock:
            now = self._now()
            start = max(now, self._free)
            self._free = start + took
        if start > now:
            self._sleep(start - now)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where judges answer.

    url                  of the API, to which /chat/completions is added
    key_variable         environment variable with the key; None: no key is sent
    concurrency          most requests on the way at once
    requests_per_minute  None: no limit of ours
    tokens_per_minute    of prompts and answers, estimated before they are counted
    timeout_s            without a byte from the endpoint
    retries              of one question, after its first try
    pause_s              before the first retry; doubles with each
    """

    url: str
    key_variable: str | None = None
    concurrency: int = 8
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    timeout_s: float = 120.0
    retries: int = 6
    pause_s: float = 1.0

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.username or parts.password or parts.query:
            raise RecipeError(
                "`url` may not hold a key: it would stand in the lock file", do="name a variable: `key_variable`"
            )
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise RecipeError("`url` is not the address of an endpoint", found=self.url, expected="https://host/v1")
        for name in ("concurrency", "requests_per_minute", "tokens_per_minute", "timeout_s"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise RecipeError(f"`{name}` must be positive", found=f"{name}: {value}")

    def ask(self, questions: Sequence[Question], store: Store) -> list[Answer]:
        """The answer to each question, in order; only what the store does not know is asked, and equal ones once.

        Raises SetupError for what trying again can not mend, StageError if the endpoint does not answer in `retries`
        tries. Answers that came until then are kept.
        """
        known: dict[str, Answer] = {}
        open_: dict[str, Question] = {}
        for question in questions:
            kept = None if question.key in known or question.key in open_ else store.answer(question.key)
            if kept is not None:
                known[question.key] = Answer(**kept)
            elif question.key not in known:
                open_[question.key] = question
        if open_:
            known |= self._ask(open_, store)
        return [known[question.key] for question in questions]

    def _ask(self, open_: Mapping[str, Question], store: Store) -> dict[str, Answer]:
        needs("urllib3", extra="judge")
        import urllib3

        key = self._key()
        pace = _pace(self.url, self.requests_per_minute, self.tokens_per_minute)
        stop = threading.Event()
        timeout = urllib3.Timeout(total=self.timeout_s)
        with urllib3.PoolManager(maxsize=self.concurrency, block=True, timeout=timeout, retries=False) as pool:

            def one(question: Question) -> Answer | None:
                if stop.is_set():
                    return None
                answer = self._one(question, pool, key, pace, stop)
                store.keep_answer(question.key, vars(answer))
                return answer

            with ThreadPoolExecutor(self.concurrency) as threads:
                asked: dict[str, Future[Answer | None]] = {k: threads.submit(one, q) for k, q in open_.items()}
                try:
                    wait(asked.values(), return_when=FIRST_EXCEPTION)
                finally:
                    stop.set()
                    for future in asked.values():
                        future.cancel()
        failed = [f for f in asked.values() if not f.cancelled() and f.exception() is not None]
        if failed:
            failed[0].result()
        return {k: answer for k, future in asked.items() if (answer := future.result()) is not None}

    def _one(self, question: Question, pool: Any, key: str | None, pace: Pace, stop: threading.Event) -> Answer:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        body = json.dumps(question.body).encode()
        tokens = len(question.prompt) // CHARS_PER_TOKEN + int(question.parameters.get("max_tokens", 0))
        trouble = ""
        for number in range(self.retries + 1):
            pace.wait(tokens)
            found, asked_pause = self._try(pool, body, headers, key)
            if isinstance(found, Answer):
                return found
            trouble = found
            if number < self.retries:
                grown = self.pause_s * 2**number
                pause = grown * (0.5 + random.random()) if asked_pause is None else asked_pause
                if stop.wait(min(pause, MOST_PAUSE_S)):
                    break
        raise StageError(
            "the endpoint does not answer",
            where=self.url,
            found=f"{trouble}, after {self.retries} retries",
            do="run again when it does: every answer so far is kept, only the missing ones are asked",
        )

    def _try(
        self, pool: Any, body: bytes, headers: Mapping[str, str], key: str | None
    ) -> tuple[Answer | str, float | None]:
        """One request: the answer, or what went wrong and how long the endpoint asks to wait. Raises SetupError."""
        import urllib3

        try:
            response = pool.request(
                "POST", f"{self.url.rstrip('/')}/chat/completions", body=body, headers=headers, redirect=False
            )
        except urllib3.exceptions.HTTPError as error:
            return type(error).__name__, None
        said = response.data.decode("utf-8", "replace")
        if key:
            said = said.replace(key, "***")
        if response.status in (408, 409, 429) or response.status >= 500:
            return f"status {response.status}", _seconds(response.headers.get("Retry-After"))
        if response.status != 200:
            raise SetupError(
                f"the endpoint refuses requests with status {response.status}",
                where=self.url,
                found=said[:300],
                do=DO.get(response.status, "look at `url`, `model` and the settings"),
            )
        answer = _answer(said)
        return ("a body that is not whole" if answer is None else answer), None

    def _key(self) -> str | None:
        if self.key_variable is None:
            return None
        key = os.environ.get(self.key_variable, "").strip()
        if not key:
            raise SetupError(
                f"the environment variable {self.key_variable!r} holds no key",
                do=f"export {self.key_variable}=... before `vernier run`",
            )
        return key


@functools.lru_cache
def _pace(url: str, requests: int | None, tokens: int | None) -> Pace:
    """The one pace of this process for an endpoint: a limit goes on from one row group to the next."""
    return Pace(requests, tokens)


def _answer(said: str) -> Answer | None:
    """The answer in a body; None for a body that is none (cut off, or of another form)."""
    try:
        data = json.loads(said)
        choice, usage = data["choices"][0], data.get("usage") or {}
        message = choice["message"]
        text = str(message.get("content") or "").encode("utf-8", "replace").decode()  # half a surrogate has no bytes
        refused = bool(message.get("refusal")) or choice.get("finish_reason") == "content_filter" or not text.strip()
        return Answer(text, refused, int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return None


def _seconds(after: str | None) -> float | None:
    """Retry-After in seconds; None where it is absent or a date, which few endpoints send."""
    try:
        return max(0.0, float(after)) if after is not None else None
    except ValueError:
        return None
